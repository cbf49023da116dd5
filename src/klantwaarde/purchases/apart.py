"""Where a series of counts per day falls away at its end: the last day that its own pace supports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import gammaincc

if TYPE_CHECKING:
    from klantwaarde.typing import Array

LEVEL = 1e-6
"""Chance that what comes after is so little, were the pace before to hold."""
THIN = 0.1
"""Of the pace before: more than this after it is a fall, and no end of the data."""
FEW = 0.02
"""Of everything: what stands apart is a few strays, and no part of the data."""
SUSPECT = 0.1, 0.3
"""In place of FEW and THIN, for a first look at lines, of which one customer may have many on a day."""
MONTH = 31
"""Days: an end that is off by less moves no score much, and shops close for weeks."""
SPANS = (7, 14, 28, 56, 91, 182, 364)
"""Days before a day over which the pace is taken: whole weeks, up to a year."""


def chance(count: Array | float, expected: Array | float) -> Array:
    """P(Poisson(expected) <= count), also for counts that are no whole numbers."""
    return np.asarray(gammaincc(np.asarray(count, dtype=float) + 1, expected), dtype=float)


def last_supported(days: Array, counts: Array) -> int:
    """The index of the last day that the pace before it supports; that of the last day where nothing stands apart.

    days: rising whole numbers; counts: what happened on them; days that are lacking had nothing. What comes after a
    day stands apart where all of it, up to the last day at least a MONTH on, is at most THIN of the pace, with a chance
    below LEVEL; where no earlier stretch as long, in the data themselves, was nearly as thin (closed seasons); and the
    day is the one after which the fall is the least likely. The pace at a day is the lowest over SPANS: a base that
    dies out is measured by its last weeks, one that orders in batches or seasons by longer spans. Counts that come in
    clumps (lines of one order, batches, weekdays) are divided by how much they vary more than chance.
    """
    end = len(days) - 1
    while True:
        found = _fall(days[: end + 1], counts[: end + 1])
        if found is None:
            return end
        end = found


def is_suspect(days: Array, counts: Array) -> bool:
    """Whether lines per day may hide a day after which little comes: else there is no need to count customers."""
    pace, _ = _pace(days, counts)
    return bool(_few(days, counts, pace, *SUSPECT).any())


def _few(days: Array, counts: Array, pace: Array, few: float, thin: float) -> Array:
    """Per day, whether what comes after it is little, beside everything and beside the pace."""
    width, after = days[-1] - days, counts.sum() - np.cumsum(counts)
    return np.asarray((width >= MONTH) & (after <= few * counts.sum()) & (after <= thin * pace * width))


def _fall(days: Array, counts: Array) -> int | None:
    pace, clump = _pace(days, counts)
    after = counts.sum() - np.cumsum(counts)
    expected = pace * (days[-1] - days)
    thin = _few(days, counts, pace, FEW, THIN) & (chance(after / clump, expected / clump) < LEVEL)
    if not thin.any():
        return None
    at = int(np.argmax(np.where(thin, _surprise(after, expected) / clump, -np.inf)))
    if _seen_before(days, counts, at, pace, clump):
        return None
    # A quiet week lowers the pace of its own days: with one pace for all, the fall is where it is.
    later = (days >= days[at]) & (days[-1] - days >= MONTH)
    return int(np.argmax(np.where(later, _surprise(after, pace[at] * (days[-1] - days)), -np.inf)))


def _surprise(count: Array, expected: Array) -> Array:
    """How much likelier counts are at their own pace than at the one expected, as a difference of logarithms."""
    ratio = np.log(np.maximum(expected, 1e-300) / np.maximum(count, 1e-300))
    return np.asarray(expected - count - count * ratio)


def _pace(days: Array, counts: Array) -> tuple[Array, Array]:
    """Per day of the series, counts per day before and on it, and the size of the clumps that they come in."""
    total, squares = np.cumsum(counts), np.cumsum(counts**2)
    lived = days - days[0] + 1
    span = np.minimum(np.asarray(SPANS)[:, None], np.maximum(lived, SPANS[0]))
    within = total - _up_to(days, total, days - span)
    before = total - within - _up_to(days, total, days - 2 * span)
    decline = np.minimum(within / np.maximum(before, 1), 1)  # goes on
    year = span[-1]
    mean = within[-1] / year
    spread = (squares - _up_to(days, squares, days - year)) / year - mean**2
    return (within / span * decline).min(axis=0), np.maximum(spread / mean, 1)


def _up_to(days: Array, total: Array, day: Array) -> Array:
    """The running total up to and on a day."""
    running: Array = np.concatenate([[0.0], total])
    found: Array = running[np.searchsorted(days, day, side="right")]
    return found


def _seen_before(days: Array, counts: Array, at: int, pace: Array, clump: Array) -> bool:
    """Whether a stretch as long as that after the day was nearly as thin earlier, beside the pace before it."""
    width = days[-1] - days[at]
    total = np.cumsum(counts)
    early = days + width <= days[at]
    during = _up_to(days, total, days + width) - total
    expected = pace * width
    return bool(np.any(early & (during <= 2 * THIN * expected) & (chance(during / clump, expected / clump) < 1e-3)))
