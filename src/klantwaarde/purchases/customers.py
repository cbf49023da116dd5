"""Customers: one row each, at the end of observation."""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from klantwaarde.calendar import check_unit, read_day, read_unit, year_before
from klantwaarde.engine.protocol import Engine
from klantwaarde.engine.relation import Relation, query
from klantwaarde.errors import BadOrders, expect, named
from klantwaarde.purchases.cells import Cells, SpendCells
from klantwaarde.purchases.orders import Orders
from klantwaarde.purchases.returns import netted_at, stood_of
from klantwaarde.purchases.window import Window, window
from klantwaarde.wording.message import Message, message

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    import pyarrow as pa


NO_PURCHASE = "No customer has a purchase up to the end of observation: nothing is left after returns."


@dataclass(frozen=True, repr=False)
class Customers:
    """A table of one row per customer in the engine, as the base stood at `as_of`. Made by `customers`."""

    orders: Orders
    table: Relation
    as_of: dt.date
    unit: str
    totals: Mapping[str, Any]
    after: Mapping[str, Any]
    """Lines, money and customers after `as_of`, which are left out."""
    notes: tuple[Message, ...]
    stood: Relation
    """The occasions with what stands of each, as known at `as_of`."""
    netted: Relation | None
    """The days that returns on other days changed; None where nothing is given back."""

    def __repr__(self) -> str:
        """Short: how many, and when."""
        return f"<Customers as of {self.as_of}: {self.totals['customers']:,}, times in {self.unit}s>"

    @property
    def engine(self) -> Engine:
        """Where the table lives."""
        return self.orders.engine

    @property
    def days_per_unit(self) -> float:
        """Days in one unit of time."""
        return check_unit(self.unit)

    @property
    def year_ago(self) -> dt.date:
        """Twelve months before the end of observation."""
        return year_before(self.as_of)

    def in_unit(self, unit: str) -> Customers:
        """The same customers with times in another unit; nothing is read again, the table being in days."""
        check_unit(unit)
        return self if unit == self.unit else replace(self, unit=unit)

    @functools.cached_property
    def window(self) -> Window | None:
        """The days up to the end of observation that the pace of orders supports, and what stands apart from them."""
        found, today = self.orders.window, self.orders.profile["today"]
        if found is not None and self.as_of in {found.last, found.late.last if found.late else found.last}:
            return found
        return window(self.orders.lines, min(self.as_of, today))

    def cells(self) -> Cells:
        """The distinct histories (x, t_x, T) with counts, in the unit; customers without a purchase are not in it."""
        table = self.day_cells
        if not len(table):
            raise BadOrders(NO_PURCHASE)
        x, t_x, T, n = (_floats(table, name) for name in ("x", "t_x_days", "t_days", "n"))
        return Cells(x, t_x / self.days_per_unit, T / self.days_per_unit, n, unit=self.unit, as_of=self.as_of)

    @functools.cached_property
    def day_cells(self) -> pa.Table:
        """The distinct histories as the engine counts them, once: x, t_x_days, t_days, n; sorted."""
        return query("cells", customers=self.table, as_of=self.as_of).arrow()

    def spend(self) -> SpendCells:
        """The distinct (x, zbar) with counts, of customers with repeat purchases. Raises BadOrders without amounts."""
        if not self.orders.has_money:
            raise BadOrders(
                f"The orders carry no amounts, so spend cannot be modelled. Name them with {named('amount')}."
            )
        table = query("spend_cells", customers=self.table).arrow()
        if not len(table):
            raise BadOrders("No customer bought on two days, so repeat spend cannot be modelled.")
        x = _floats(table, "x")
        return SpendCells(x, _floats(table, "repeat_amount") / x, _floats(table, "n"), as_of=self.as_of)

    def to_arrow(self) -> pa.Table:
        """The table, sorted by customer."""
        return self.table.sorted("customer_id").arrow()

    def to_pandas(self) -> pd.DataFrame:
        """The table as a data frame, sorted by customer; money as floats."""
        return self.table.sorted("customer_id").pandas()


def customers(
    orders: Orders, as_of: str | dt.date | None = None, unit: str = "week", known: dt.date | None = None
) -> Customers:
    """The customer base at the end of observation.

    as_of: the last day that is observed (default: the last one, not in the future, that the pace of orders supports:
    a few lines that stand apart after it are no end, and nor are returns); orders after it are left out and counted.
    unit: day, week, month or year, the unit of t_x and T. known: a later day; what came back up to it counts as not
    bought (default: as_of).
    """
    expect(orders, Orders, "orders", "kw.orders(source) reads files, frames and databases")
    unit = read_unit(unit)
    end, said = _end(orders, as_of)
    netted = netted_at(orders, known or end)
    stood = stood_of(orders.occasions, netted)
    days = {"as_of": end, "year_ago": year_before(end)}
    table = query("customers", absent=orders.columns.absent, stood=stood, **days).compact("customers")
    totals = query("customer_totals", customers=table, year_ago=days["year_ago"]).one()
    if not totals["customers"]:
        raise BadOrders(f"No usable order is dated on or before {end}; all are later. Check the dates.")
    after = _after(orders, end)
    return Customers(orders, table, end, unit, totals, after, said, stood, netted)


def _after(orders: Orders, end: dt.date) -> Mapping[str, Any]:
    """Lines, money and customers after a day; nothing is read where the last line lies before it."""
    if orders.profile["last_day"] <= end:
        return {"lines": 0, "amount": None, "customers": 0}
    return query("after", lines=orders.lines, as_of=end).one()


def _end(orders: Orders, as_of: str | dt.date | None) -> tuple[dt.date, tuple[Message, ...]]:
    if as_of is None:
        last = orders.default_as_of()
        strays = orders.window is not None and orders.window.late is not None and orders.window.late.last > last
        return last, (message("observation_end_apart" if strays else "observation_end", day=last),)
    end = read_day(as_of, "as_of")
    first: dt.date = orders.profile["first_day"]
    if end < first:
        last = orders.profile["last_past_day"]
        raise BadOrders(f"{named('as_of', str(end))} lies before the first order. Orders run from {first} to {last}.")
    return end, ()


def _floats(table: pa.Table, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.asarray(table.column(name).cast("float64", safe=False).to_numpy(), dtype=float)
