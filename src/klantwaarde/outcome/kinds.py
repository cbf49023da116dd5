"""What the facts of a run are made of: numbers, ids, sentences."""

from __future__ import annotations

from typing import NotRequired, TypeAlias, TypedDict

Plain: TypeAlias = dict[str, object]
"""A part of the facts while it is made, with days and amounts that are not plain yet."""
Number: TypeAlias = float | None
"""Money, a share, a chance or a mean; None where it cannot be told."""
Id: TypeAlias = int | float | str | None
"""A customer, as the orders name them."""


class Words(TypedDict):
    """A sentence as data: a code with the fields that its words need, and the English words."""

    code: str
    fields: dict[str, object]
    text: NotRequired[str]


Sentence: TypeAlias = Words | str
"""A sentence: as data, or as words where it has been worded, or comes from an older file."""
