"""The days that the orders are observed on: from the first to the last that the pace of orders supports."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from klantwaarde.engine.relation import Relation, query
from klantwaarde.purchases.apart import LEVEL, chance, is_suspect, last_supported

if TYPE_CHECKING:
    from klantwaarde.typing import Array

DAY_ZERO = dt.date(1970, 1, 1).toordinal()


class Apart(NamedTuple):
    """Lines that stand apart from the others, before or after them."""

    first: dt.date
    last: dt.date
    beside: dt.date
    """The day of the others that is nearest."""
    lines: int
    customers: int
    amount: Any
    is_sure: bool
    """Whether so few customers would come by chance less often than once in a million; in a small base they may."""


class Window(NamedTuple):
    """The first and the last day that the pace of orders supports, and what stands apart from them."""

    first: dt.date
    last: dt.date
    early: Apart | None = None
    late: Apart | None = None


def window(lines: Relation, until: dt.date, profiled: Relation | None = None) -> Window | None:
    """The window of lines up to a day; None where nothing was bought up to it.

    Days are counted in customers who bought, not in lines, where it may matter. Rules: `apart.last_supported`.
    profiled: these lines per day, where they are kept: it saves reading all lines again.
    """
    counted = query("ordering_days", lines=lines, today=until)
    if profiled is not None:
        counted = query("profiled_days", profiled=profiled, today=until)
    days, counts = _days(counted)
    if not len(days):
        return None
    if is_suspect(days, counts) or is_suspect(*_turned(days, counts)):
        days, counts = _days(query("customer_days", lines=lines, today=until))
    begin = len(days) - 1 - last_supported(*_turned(days, counts))
    end = begin + last_supported(days[begin:], counts[begin:])
    early = _apart(lines, days, slice(0, begin), begin, end) if begin else None
    late = _apart(lines, days, slice(end + 1, len(days)), end, begin) if end < len(days) - 1 else None
    first, last = _day(days[begin]), _day(days[end if late is None or late.is_sure else -1])
    return Window(_day(days[0]) if early is not None and not early.is_sure else first, last, early, late)


def _days(counted: Relation) -> tuple[Array, Array]:
    table = counted.arrow()
    days = table.column("day").cast("date32").cast("int32")
    return np.asarray(days, dtype=float), np.asarray(table.column("n").cast("float64"), dtype=float)


def _turned(days: Array, counts: Array) -> tuple[Array, Array]:
    """The series with time running backwards."""
    return -days[::-1], counts[::-1]


def _apart(lines: Relation, days: Array, strays: slice, near: int, far: int) -> Apart:
    """What stands apart, beside as many days as it takes in, next to the gap."""
    first, last = days[strays][0], days[strays][-1]
    width = max(last, days[near]) - min(first, days[near])
    reach = days[near] + np.sign(days[far] - days[near]) * min(width, abs(days[far] - days[near]))
    since, until = sorted((days[near], reach))
    found = query("apart", lines=lines, first=_day(first), last=_day(last), since=_day(since), until=_day(until)).one()
    is_sure = bool(chance(found["customers"], found["beside"]) < LEVEL)
    return Apart(
        _day(first), _day(last), _day(days[near]), found["lines"], found["customers"], found["amount"], is_sure
    )


def _day(day: float) -> dt.date:
    return dt.date.fromordinal(DAY_ZERO + int(day))
