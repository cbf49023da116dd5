"""Orders and links as users have them, checked and laid on a grid of days."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from klantwaarde.errors import BadOrders, BadParameters
from klantwaarde.network.excitation import Arrows, Histories

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klantwaarde.typing import Array

ALWAYS = -1  # a link without a date counts from the beginning


class Observed(NamedTuple):
    """Orders and links on the grid, and what was left out on the way."""

    histories: Histories
    arrows: Arrows
    future: int  # orders after as_of
    merged: int  # links named again
    of_themselves: int  # links from a customer to himself


def observed(
    orders: Mapping[str, Any],
    links: Mapping[str, Any],
    *,
    as_of: Any,
    start: Any,
    directed: bool,
    step: float,
    customers: int | None,
) -> Observed:
    """Orders up to as_of and links, on a grid of steps that begins with the first order."""
    customer, time = _customers(orders, "customer", "orders"), _times(orders["time"], "time", "orders")
    _same_length("orders", customer=customer, time=time)
    if not len(customer):
        raise BadOrders("there are no orders; influence is measured on orders.")
    end = float(time.max()) if as_of is None else float(_times([as_of], "as_of", "the call")[0])
    known = time <= end
    if not known.any():
        raise BadOrders(f"all {len(time)} orders are after as_of; give a later as_of.")
    arrows, dates, merged, own = _arrows(links, directed=directed)
    named = [int(column.max(initial=-1)) + 1 for column in (customer, arrows.source, arrows.target)]
    n = max(named) if customers is None else customers
    if max(named) > n:
        raise BadOrders(f"customer {max(named) - 1} is named, but there are {n} customers: indices are 0 to {n - 1}.")
    begin = float(np.floor(time[known].min() / step)) * step  # days begin at midnight
    histories = _histories(
        customer[known], (time[known] - begin) / step, n, _starts(start, n, begin, step), (end - begin) / step
    )
    since = np.where(np.isfinite(dates), np.floor((np.where(np.isfinite(dates), dates, begin) - begin) / step), ALWAYS)
    return Observed(histories, arrows._replace(since=since), int(np.sum(~known)), merged, own)


def _histories(customer: Array, at: Array, n: int, start: Array | None, end: float) -> Histories:
    """Sorted by customer and time; without given starts, the first order opens the window and is no evidence."""
    order = np.lexsort((at, customer))
    customer, day = customer[order], np.floor(at[order]).astype(np.int32)
    offset = np.searchsorted(customer, np.arange(n + 1))
    bought = np.diff(offset) > 0
    days = int(np.floor(end)) + 1
    first = np.full(n, days - 1, dtype=np.int32)
    counted = np.ones(len(day), dtype=bool)
    if start is None:
        first[bought] = day[offset[:-1][bought]]
        counted[offset[:-1][bought]] = False
    else:
        # The window opens before the given day begins, so that this day is evidence, too.
        first = np.clip(start, -1, days - 1).astype(np.int32)
        counted = day > first[customer]
    return Histories(offset, day, counted, np.maximum(first, 0), np.full(n, days - 1, dtype=np.int32), days)


def _starts(start: Any, n: int, begin: float, step: float) -> Array | None:
    if start is None:
        return None
    given = _times(np.atleast_1d(start), "start", "the call")
    if len(given) not in {1, n}:
        raise BadParameters(f"start has {len(given)} values for {n} customers; give one, or one per customer.")
    return np.broadcast_to(np.ceil((given - begin) / step) - 1, (n,))


def _arrows(links: Mapping[str, Any], *, directed: bool) -> tuple[Arrows, Array, int, int]:
    """Each link once, the other way too if undirected, sorted by target: at its greatest weight and earliest date."""
    source, target = (_customers(links, name, "links") for name in ("source", "target"))
    weight = np.asarray(links["weight"], dtype=float) if "weight" in links else np.ones(len(source))
    date = _times(links["date"], "date", "links", missing=True) if "date" in links else np.full(len(source), -np.inf)
    _same_length("links", source=source, target=target, weight=weight, date=date)
    _refuse("links", "weight", ~(np.isfinite(weight) & (weight >= 0)), weight, "must be finite and not negative")
    other = (source != target) & (weight > 0)
    own = int(np.sum(source == target))
    source, target, weight, date = (column[other] for column in (source, target, weight, date))
    if not len(source):
        raise BadOrders("there are no links of positive weight between two customers; influence needs links.")
    if not directed:
        source, target = np.minimum(source, target), np.maximum(source, target)
    order = np.lexsort((source, target))
    source, target, weight, date = (column[order] for column in (source, target, weight, date))
    begin = np.flatnonzero(np.append(True, (np.diff(source) != 0) | (np.diff(target) != 0)))
    merged = len(source) - len(begin)
    weight, date = np.maximum.reduceat(weight, begin), np.minimum.reduceat(date, begin)
    source, target = source[begin], target[begin]
    if not directed:
        source, target = np.concatenate([source, target]), np.concatenate([target, source])
        order = np.lexsort((source, target))
        source, target, weight, date = source[order], target[order], np.tile(weight, 2)[order], np.tile(date, 2)[order]
    return Arrows(source, target, weight, date), date, merged, own


def _customers(table: Mapping[str, Any], name: str, of: str) -> Array:
    """A column of indices."""
    if name not in table:
        raise BadOrders(f"{of} have no column {name!r}.")
    values = np.asarray(table[name])
    if values.size == 0:
        return np.zeros(0, dtype=np.int64)
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise BadOrders(
            f"{of}' {name} must be one row of whole numbers, indices of customers from 0; number them first."
        )
    _refuse(of, name, values < 0, values, "must not be negative")
    return values.astype(np.int64)


def _times(values: Any, name: str, of: str, *, missing: bool = False) -> Array:
    """Days as floats; dates count from 1970. A missing date may mean always: -inf."""
    given = np.asarray(values)
    if given.dtype.kind in "OU":
        given = given.astype("datetime64[us]")
    dated = given.dtype.kind == "M"
    days = np.atleast_1d((given - np.datetime64(0, "D")) / np.timedelta64(1, "D") if dated else given.astype(float))
    if missing:
        return np.where(np.isnan(days), -np.inf, days)
    _refuse(of, name, ~np.isfinite(days), days, "must be a finite number of days or a date")
    return np.asarray(days)


def _same_length(of: str, **columns: Array) -> None:
    if len({len(column) for column in columns.values()}) > 1:
        told = ", ".join(f"{name} {len(column)}" for name, column in columns.items())
        raise BadOrders(f"the columns of {of} differ in length: {told}; give one value per row.")


def _refuse(of: str, name: str, bad: Array, values: Array, rule: str) -> None:
    if np.any(bad):
        row = int(np.argmax(bad))
        raise BadOrders(
            f"{of}' {name} {rule}, but {int(np.sum(bad))} of {len(bad)} are not, the first in row {row}: {values[row]}."
        )
