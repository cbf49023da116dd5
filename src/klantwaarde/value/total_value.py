"""The statement that gives every customer potential and total value, from whatever was given beside the orders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from klantwaarde.engine.relation import Relation, query, registered
from klantwaarde.value.indirect import Indirect, indirect
from klantwaarde.value.peers_and_categories import Breadth, PeerCells, breadth, peer_cells

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klantwaarde.estimate.result import Fit
    from klantwaarde.purchases.customers import Customers
    from klantwaarde.value.terms import Basis, Beside

COMPUTED = (
    "potential",
    "cross_sell",
    "crv",
    "referral_value",
    "influence_value",
    "attributed_away",
    "future_referrals",
    "total_accountable",
    "total_attributed",
    "profile",
)
"""The columns that the statement adds."""

EMPTY = {
    "linked": ("customer_id", "crv", "referral_value", "influence_value", "attributed_away", "total_accountable",
               "future_referrals"),
    "futures": ("x", "t_x_days", "t_days", "future_referrals"),
    "cross_sells": ("customer_id", "cross_sell"),
    "levels": ("customer_id", "level"),
    "peer_scores": ("level", "x", "t_x_days", "t_days", "headroom_orders"),
}  # fmt: skip
"""The tables that the statement joins, and their columns: empty where nothing was given."""


@dataclass(frozen=True)
class Totals:
    """The customers with it, and what it rests on; None for what was not given.

    cuts: what parts the profiles.
    """

    rows: Relation
    cuts: Mapping[str, Any]
    beside: Beside
    tau: float
    indirect: Indirect | None = None
    peers: PeerCells | None = None
    breadth: Breadth | None = None
    empty: bool = False
    """Whether nothing was given: the columns are then still to be added."""


def totals(
    customers: Customers,
    valued: Relation,
    basis: Basis,
    timing: Fit[Any],
    beside: Beside,
    pareto: Fit[Any] | None,
    tau: float,
) -> Totals:
    """The valued customers with potential and what they are worth through others.

    pareto: the fit that potential rests on; None where it is not told. Raises BadParameters where what was asked needs
    money that is not there.
    """
    beside.check(customers)
    links = beside.links  # no link left is no file
    if not (any(links) or beside.peers or beside.category):
        # Columns that are empty are added after the sort, which would carry them.
        return Totals(valued, {}, beside, tau, empty=True)
    through, lines = None, None
    if any(links):
        through, lines = indirect(customers, timing, valued, basis.delta, *links, beside.share)
    peers = None
    if beside.peers is not None and beside.attributes is not None and pareto is not None:
        peers = peer_cells(customers, beside.attributes, beside.peers, pareto, basis.delta, tau)
    wide = None
    if beside.category is not None:
        wide = breadth(customers, valued, beside.category, basis.margin_rate, basis.horizon_days)
    tables = _tables(customers, through, lines, peers, wide)
    cuts = {
        "has_referrals": links[0] is not None,
        "rlv_cut": _median_value(valued),
        "crv_cut": through.crv_cut if through is not None else np.inf,
    }
    asked = {"has_links": through is not None, "has_peers": peers is not None}
    rows = query("totalled", valued=valued, **tables, **asked, **cuts, expected_margin_rate=basis.margin_rate)
    return Totals(rows, cuts, beside, tau, through, peers, wide)


def _tables(
    customers: Customers,
    through: Indirect | None,
    lines: pa.Table | None,
    peers: PeerCells | None,
    wide: Breadth | None,
) -> dict[str, Relation]:
    future = None
    if lines is not None and len(lines):
        future = registered(customers.engine, "futures", lines)
    made = {
        "linked": through and through.table,
        "futures": future,
        "cross_sells": wide and wide.table,
        "levels": peers and peers.levels,
        "peer_scores": peers and peers.scores,
    }
    return {name: found or _empty(customers, name) for name, found in made.items()}


def _empty(customers: Customers, name: str) -> Relation:
    """No rows, with the types that are joined."""
    kinds = {"level": "varchar"} | dict.fromkeys(("x", "t_x_days", "t_days"), "bigint")
    same = [column for column in EMPTY[name] if column == "customer_id"]
    others = {column: kinds.get(column, "double") for column in EMPTY[name] if column not in same}
    return customers.table.none(*same, **others).view(name)


def _median_value(valued: Relation) -> float:
    """The median residual value of those who have any: the cut between large and small customers."""
    n = int(query("above_zero", valued=valued).one()["n"])
    if not n:
        return np.inf
    limit, offset = (2, n // 2 - 1) if n % 2 == 0 else (1, n // 2)
    rows = query("value_at", valued=valued, limit=limit, offset=offset).rows()
    return float(np.mean([row["rlv"] for row in rows]))
