"""The lines with one more column of the source: a store, a brand, a category."""

from __future__ import annotations

import datetime as dt
import difflib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from klantwaarde.data.engine import identifier, statement
from klantwaarde.errors import BadOrders, BadParameters, named

if TYPE_CHECKING:
    from klantwaarde.data.orders import Orders
    from klantwaarde.typing import Array


class Grouped(NamedTuple):
    """One row per customer, day and group, as indices into `customers` and `groups`; shapes (rows,).

    day: days since 1970; amount: money, returns netted (1 per line where the orders carry none). Rows without a
    customer, day or group are left out and counted in `left_out`.
    """

    customer: Array
    day: Array
    group: Array
    amount: Array
    customers: Any
    groups: tuple[str, ...]
    left_out: int


def check_group(orders: Orders, column: str, name: str) -> None:
    """Raise BadParameters unless the source has the column, which the setting `name` named."""
    known = orders.engine.columns(orders.source)
    if column not in known:
        hint = "".join(f" Did you mean {close!r}?" for close in difflib.get_close_matches(column, known, n=1))
        told = f" for {named(name)}" if name != column else ""
        raise BadParameters(f"The orders have no column {column!r}{told}.{hint} Their columns are {', '.join(known)}.")


def grouped(orders: Orders, column: str, as_of: dt.date) -> Grouped:
    """The lines up to a day, by a column of the source. Raises BadParameters where there is no such column."""
    engine = orders.engine
    check_group(orders, column, column)
    if orders.batches is not None:
        raise BadParameters(f"A state keeps no column {column!r}: give all orders at once, without a state.")
    customer, day, amount = orders.expressions
    view = engine.new_name("with_group")
    name = f"nullif(trim(cast({identifier(column)} as varchar)), '')"
    money = amount if orders.has_money else "cast(1 as decimal(18, 4))"
    columns = f"{customer} as customer_id, {day} as day, {money} as amount, {name} as label"
    engine.view(view, f"select {columns} from {orders.source}")
    lacking = engine.one(f"select count(*) as n from {view} where customer_id is null or day is null or label is null")
    table = engine.arrow(statement("grouped", lines=view), {"as_of": as_of})
    if not len(table):
        raise BadOrders(f"No line up to {as_of} has a customer, a day and something in column {column!r}.")
    customers = table.column("customer_id").combine_chunks().dictionary_encode()
    groups = table.column("label").combine_chunks().dictionary_encode()
    return Grouped(
        np.asarray(customers.indices, dtype=np.int64),
        np.asarray(table.column("day").cast("int32"), dtype=float),
        np.asarray(groups.indices, dtype=np.int64),
        np.asarray(table.column("amount").cast("float64"), dtype=float),
        customers.dictionary,
        tuple(groups.dictionary.to_pylist()),
        int(lacking["n"]),
    )
