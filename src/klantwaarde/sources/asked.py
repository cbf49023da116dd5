"""Columns that are asked for by name: which of those that are there may be meant. Asked for, never taken."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from klantwaarde.errors import BadOrders, named

if TYPE_CHECKING:
    from collections.abc import Iterable


def folded(name: str) -> str:
    """A name without capitals, blanks and marks: how people confuse names."""
    return re.sub(r"[\W_]+", "", name).lower()


def alike(name: str, columns: Iterable[str]) -> list[str]:
    """Other columns whose names differ in capitals, blanks and marks only."""
    return [column for column in columns if column != name and folded(column) == folded(name)]


def like_amounts(columns: Iterable[str]) -> list[str]:
    """Columns whose names say that they hold an amount: Amount, Total Amount, amountPaid."""
    words = {column: re.findall(r"[A-Z]?[a-z]+|[A-Z]+", column) for column in columns}
    return [name for name, parts in words.items() if "amount" in [folded(name), *map(str.lower, parts)]]


def hint(name: str, columns: Iterable[str]) -> str:
    """The column that was probably meant, as a question; nothing where none is close."""
    there = list(columns)
    by_fold = {folded(column): column for column in there}
    close = difflib.get_close_matches(folded(name), by_fold, n=1, cutoff=0.5)
    meant = next(iter(alike(name, there)), by_fold[close[0]] if close else None)
    return f" Did you mean {meant!r}?" if meant is not None else ""


def refuse_confused(part: str, usual: str, columns: Iterable[str], what: str) -> None:
    """Raise BadOrders where a column that is taken by itself, if it is there, is there under nearly that name."""
    like = alike(usual, columns)
    if like:
        raise BadOrders(
            f"The {what} have no column {usual!r}. Did you mean {like[0]!r}? Name it with {named(part, like[0])}, or "
            "rename it: what it holds is not passed over."
        )
