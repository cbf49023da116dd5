"""The lines with one more column of the source: a store, a brand, a category."""

from __future__ import annotations

import datetime as dt
import difflib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from klantwaarde.engine.relation import Relation, query
from klantwaarde.engine.statement import identifier
from klantwaarde.errors import BadOrders, BadParameters, named
from klantwaarde.purchases.lines import number_of
from klantwaarde.purchases.returns import ties_of

if TYPE_CHECKING:
    from klantwaarde.purchases.orders import Orders
    from klantwaarde.typing import Array


class Grouped(NamedTuple):
    """One row per customer, day and group, as indices into `customers` and `groups`; shapes (rows,).

    day: days since 1970; amount: money, after what was given back in that group (1 per line where the orders carry
    none); what was given back whole is no row. Rows without a customer, day or group are left out and counted in
    `left_out`. Customers with nothing left are among `customers` still.
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
    view = _view(orders, column)
    lacking = engine.one(f"select count(*) as n from {view} where customer_id is null or day is null or label is null")
    table = query("grouped", lines=view, netted=_netted(orders, view, as_of), as_of=as_of).arrow()
    customers = table.column("customer_id").combine_chunks().dictionary_encode()
    stood = table.column("is_purchase")
    table, who = table.filter(stood), customers.indices.filter(stood.combine_chunks())
    if not len(table):
        raise BadOrders(f"No line up to {as_of} has a customer, a day and something in column {column!r}.")
    groups = table.column("label").combine_chunks().dictionary_encode()
    return Grouped(
        np.asarray(who, dtype=np.int64),
        np.asarray(table.column("day").cast("int32"), dtype=float),
        np.asarray(groups.indices, dtype=np.int64),
        np.asarray(table.column("amount").cast("float64"), dtype=float),
        customers.dictionary,
        tuple(groups.dictionary.to_pylist()),
        int(lacking["n"]),
    )


def _view(orders: Orders, column: str) -> Relation:
    """The lines with what is in the column as label, and the pair of customer and label."""
    customer, day, amount = orders.expressions
    label = f"nullif(trim(cast({identifier(column)} as varchar)), '')"
    columns = {
        "customer_id": customer,
        "day": day,
        "amount": amount if orders.has_money else "cast(1 as decimal(18, 4))",
        "label": label,
        # Lengths stand before ids, because an id may hold any mark.
        "pair": f"length(cast({customer} as varchar)) || ':' || cast({customer} as varchar) || {label}"
        if _gives_back(orders)
        else "cast(null as varchar)",
        "lines": "1",
        "order_id": number_of(orders.columns.order_id),
        "return_of": number_of(orders.columns.return_of),
    }
    told = ", ".join(f"{sql} as {name}" for name, sql in columns.items())
    return Relation(orders.engine, f"select {told} from {orders.source}").view("with_group")


def _gives_back(orders: Orders) -> bool:
    return orders.has_money and bool(orders.profile["negative"])


def _netted(orders: Orders, view: Relation, as_of: dt.date) -> Relation:
    """The days that returns changed, of each pair of customer and label; kept."""
    known = view.where_known("pair", "day", "amount")
    pairs = known.select("day", "amount", "lines", "order_id", "return_of", customer_id="pair").view("pairs")
    return query("netted", tied=ties_of(pairs, numbered=orders.numbered), as_of=as_of).kept("netted_pairs")
