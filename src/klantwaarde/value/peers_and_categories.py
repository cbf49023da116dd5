"""What customers could be worth beside what they are: peers by attribute, and categories not bought yet."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from klantwaarde.calendar import check_unit
from klantwaarde.engine.relation import Relation, query, registered
from klantwaarde.errors import BadParameters, named
from klantwaarde.purchases.cells import Cells
from klantwaarde.purchases.grouped import Grouped, grouped
from klantwaarde.value.cross_sell import CrossSell, Owned, cross_sell
from klantwaarde.value.peers import Peers, fit_peers, peer_headroom

if TYPE_CHECKING:
    from collections.abc import Collection

    from klantwaarde.beside.attributes import Attributes
    from klantwaarde.estimate.result import Fit
    from klantwaarde.models import ParetoNBD
    from klantwaarde.purchases.customers import Customers
    from klantwaarde.typing import Array


class PeerCells(NamedTuple):
    """Peer cells: their fit, the names of the levels, and two tables in the engine to join with."""

    peers: Peers
    names: tuple[str, ...]
    levels: Relation
    scores: Relation


def refuse_missing_attribute(known: Collection[str], column: str, name: str = "peers") -> None:
    """Raise BadParameters unless the attributes have the column that the setting names."""
    others = [name for name in known if name != "customer_id"]
    if column not in others:
        hint = "".join(f" Did you mean {close!r}?" for close in difflib.get_close_matches(column, others, n=1))
        told = f"The attributes have no column {column!r} for {named(name)}."
        raise BadParameters(f"{told}{hint} Their columns are {', '.join(others)}.")


def peer_cells(
    customers: Customers, attributes: Attributes, column: str, whole: Fit[ParetoNBD], delta: float, tau: float
) -> PeerCells:
    """Headroom of every history beside the peers of each level of an attribute.

    Raises BadParameters where the attributes have no such column.
    """
    refuse_missing_attribute(attributes.columns, column)
    levels = query("levels", attributes=attributes.view.select("customer_id", level=column)).view("levels")
    table = query("peer_cells", customers=customers.table, levels=levels, as_of=customers.as_of).arrow()
    labels = table.column("level").combine_chunks().dictionary_encode()
    level, days = np.asarray(labels.indices, dtype=np.int64), check_unit(customers.unit)
    x, t_x, T, n = (np.asarray(table.column(name), dtype=float) for name in ("x", "t_x_days", "t_days", "n"))
    cells = Cells(x, t_x / days, T / days, n, unit=customers.unit)
    peers = fit_peers(cells, level, whole)
    orders = peer_headroom(peers, level, delta, x, t_x / days, T / days, 1.0, tau)
    table = table.drop_columns(["n"]).append_column("headroom_orders", pa.array(orders))
    scores = registered(customers.engine, "peer_scores", table)
    return PeerCells(peers, tuple(labels.dictionary.to_pylist()), levels, scores)


class Breadth(NamedTuple):
    """Cross-sell potential: the kernel's answer, the categories, and the table of (customer_id, cross_sell)."""

    found: CrossSell
    categories: tuple[str, ...]
    table: Relation
    left_out: int


def breadth(
    customers: Customers,
    valued: Relation,
    category: str,
    margin_rate: float,
    horizon_days: float,
) -> Breadth:
    """Cross-sell potential of every customer with a category, from a column of the orders.

    valued: the valued customers. Margins in a category are its money times the expected margin rate.
    """
    seen = grouped(customers.orders, category, customers.as_of)
    alive, left = _standing(valued, seen)
    owned = _owned(seen, float(np.datetime64(customers.as_of, "D").astype(int)), margin_rate)
    found = cross_sell(owned, left, horizon=horizon_days, unit=customers.unit, alive=alive)
    table = pa.table({"customer_id": seen.customers, "cross_sell": found.value})
    return Breadth(found, seen.groups, registered(customers.engine, "cross_sells", table), seen.left_out)


def _standing(valued: Relation, seen: Grouped) -> tuple[Array, Array]:
    """P(alive) and lifetime of the customers seen, in their order; 0 for who has no purchase."""
    names = pa.table({"customer_id": seen.customers, "place": np.arange(len(seen.customers))})
    table = query("lifetimes", seen=registered(valued.engine, "seen", names), valued=valued).arrow()
    alive, left = (np.asarray(table.column(name), dtype=float) for name in ("p_alive", "lifetime"))
    return alive, left


def _owned(seen: Grouped, last: float, margin_rate: float) -> Owned:
    """One row per customer and category: the first day, and the margin there, 0 where it nets below zero."""
    size = len(seen.groups)
    pair, where = np.unique(seen.customer * size + seen.group, return_inverse=True)
    first = np.full(len(pair), np.inf)
    np.minimum.at(first, where, seen.day)
    spend = np.maximum(np.bincount(where, seen.amount), 0.0) * margin_rate
    return Owned(pair // size, pair % size, first, spend, len(seen.customers), size, last)
