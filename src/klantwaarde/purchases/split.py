"""Parts of the orders: a sample of customers, and what came before and after a date."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from klantwaarde.engine.relation import query
from klantwaarde.errors import BadOrders, named
from klantwaarde.purchases.customers import Customers, customers
from klantwaarde.purchases.orders import Orders, with_lines
from klantwaarde.purchases.returns import stood_at

if TYPE_CHECKING:
    import pyarrow as pa


def sample(base: Customers, most: int) -> Orders:
    """The orders of at most so many customers with a purchase: the same ones every time and in every engine."""
    orders = base.orders
    if base.totals["with_purchase"] <= most:
        return orders
    picked = query("sample", customers=base.table, most=most).kept("sample")
    return with_lines(orders, query("lines_of", lines=orders.lines, customers=picked).kept("lines"))


def holdout(orders: Orders, split: dt.date, end: dt.date, unit: str = "week") -> tuple[Customers, pa.Table]:
    """The base at the split, and per customer then known: history in days, and orders and money in (split, end].

    The history is as known at the split; of what was bought after it counts what stood at the end.
    """
    first: dt.date = orders.profile["first_day"]
    if not first < split < end:
        told = named("split", str(split))
        raise BadOrders(f"{told} must lie between the first order ({first}) and the end of observation ({end}).")
    before = customers(orders, split, unit)
    found = query("holdout", customers=before.table, stood=stood_at(orders, end), as_of=split, end=end)
    return before, found.arrow()


def observed(base: Customers) -> tuple[dt.date, dt.date]:
    """The first and the last day of the observation period, without lines that stand apart from the others."""
    first: dt.date = base.orders.profile["first_day"]
    found = base.window
    if found is None:
        return first, base.as_of
    return max(first, found.first), min(found.last, base.as_of) if found.late else base.as_of


def three_quarters(first: dt.date, last: dt.date) -> dt.date:
    """The day that ends the first three quarters of a period."""
    return first + dt.timedelta(days=(last - first).days * 3 // 4)
