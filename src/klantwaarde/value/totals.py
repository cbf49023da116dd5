"""The statement that gives every customer potential and total value, from whatever was given beside the orders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa

from klantwaarde.calendar import read_share
from klantwaarde.engine.relation import Relation, query, registered
from klantwaarde.errors import BadParameters, named
from klantwaarde.value.indirect import Indirect, indirect
from klantwaarde.value.opportunity import Beside, Breadth, beside_peers, breadth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klantwaarde.data.attributes import Attributes
    from klantwaarde.data.customers import Customers
    from klantwaarde.data.links import Links
    from klantwaarde.estimate.result import Fit

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


class Given(NamedTuple):
    """What came beside the orders."""

    referrals: Links | None
    influence: Links | None
    attributes: Attributes | None


class Wishes(NamedTuple):
    """How it is to be used."""

    delta: float
    tau: float
    margin_rate: float
    horizon_days: float
    fit: Fit[Any]
    pareto: Fit[Any] | None
    influence_share: float | Literal["estimate"]
    peers: str | None
    category: str | None


@dataclass(frozen=True)
class Totals:
    """The customers with it, and what it rests on; None for what was not given.

    cuts: what parts the profiles.
    """

    rows: Relation
    cuts: Mapping[str, Any]
    given: Given
    tau: float
    indirect: Indirect | None = None
    beside: Beside | None = None
    breadth: Breadth | None = None
    empty: bool = False
    """Whether nothing was given: the columns are then still to be added."""


def totals(customers: Customers, valued: Relation, wishes: Wishes, given: Given) -> Totals:
    """The valued customers with potential and what they are worth through others.

    Raises BadParameters where what was asked needs money, or attributes, that are not there.
    """
    _check(customers, wishes, given)
    links = (given.referrals or None, given.influence or None)  # no link left is no file
    if not (any(links) or wishes.peers or wishes.category):
        # Columns that are empty are added after the sort, which would carry them.
        return Totals(valued, {}, given, wishes.tau, empty=True)
    through, lines = None, None
    if any(links):
        through, lines = indirect(customers, wishes.fit, valued, wishes.delta, *links, wishes.influence_share)
    beside = None
    if wishes.peers is not None and given.attributes is not None and wishes.pareto is not None:
        beside = beside_peers(customers, given.attributes, wishes.peers, wishes.pareto, wishes.delta, wishes.tau)
    wide = None
    if wishes.category is not None:
        wide = breadth(customers, valued, wishes.category, wishes.margin_rate, wishes.horizon_days)
    tables = _tables(customers, through, lines, beside, wide)
    cuts = {
        "has_referrals": links[0] is not None,
        "rlv_cut": _median_value(valued),
        "crv_cut": through.crv_cut if through is not None else np.inf,
    }
    asked = {"has_links": through is not None, "has_peers": beside is not None}
    rows = query("totalled", valued=valued, **tables, **asked, **cuts, expected_margin_rate=wishes.margin_rate)
    return Totals(rows, cuts, given, wishes.tau, through, beside, wide)


def share_of(given: float | str) -> float | Literal["estimate"]:
    """The socially induced share of value, as it was asked for. Raises BadParameters."""
    return "estimate" if given == "estimate" else read_share(given, "influence_share")


def _check(customers: Customers, wishes: Wishes, given: Given) -> None:
    if wishes.peers is not None and given.attributes is None:
        told = named("peers", wishes.peers)
        raise BadParameters(f"{told} is an attribute of the customers: give {named('attributes')} too.")
    asked = [name for name in ("referrals", "influence") if getattr(given, name) is not None]
    asked += ["category"] if wishes.category else []
    if asked and not customers.orders.has_money:
        raise BadParameters(f"The orders carry no amounts, so that there is no value for {' and '.join(asked)}.")


def _tables(
    customers: Customers,
    through: Indirect | None,
    lines: pa.Table | None,
    beside: Beside | None,
    wide: Breadth | None,
) -> dict[str, Relation]:
    future = None
    if lines is not None and len(lines):
        future = registered(customers.engine, "futures", lines)
    made = {
        "linked": through and through.table,
        "futures": future,
        "cross_sells": wide and wide.table,
        "levels": beside and beside.levels,
        "peer_scores": beside and beside.scores,
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
