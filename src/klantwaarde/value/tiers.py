"""Sizes of the tiers of the value pyramid.

Curry & Curry (2000), "The Customer Marketing Method": of the active customers the first 1 % by rank are top, the next
4 % large, the next 15 % medium, the others small; who brought no revenue in the last year is inactive.
"""

from __future__ import annotations

from typing import NamedTuple

PERCENT = {"top": 1, "large": 4, "medium": 15}


class TierSizes(NamedTuple):
    """Active customers per tier."""

    top: int
    large: int
    medium: int
    small: int


def tier_sizes(active: int) -> TierSizes:
    """Sizes by ceiling, from the top down, so that a small base still has a top."""
    sizes, left = [], active
    for percent in PERCENT.values():
        sizes.append(min(-(-percent * active // 100), left))
        left -= sizes[-1]
    top, large, medium = sizes
    return TierSizes(top, large, medium, left)
