"""Who brings and moves most customers, each with how far the figure can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from klantwaarde.engine.relation import Relation, query, registered
from klantwaarde.network.attribution import attribution_matrix
from klantwaarde.network.books import books, received_parts
from klantwaarde.network.influence import influence_matrix
from klantwaarde.network.referral import BAND, sensitivity
from klantwaarde.outcome.kinds import Plain
from klantwaarde.value.indirect import HIGHEST, SHARES, Indirect, links_told, referrals_told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klantwaarde.typing import Array
    from klantwaarde.value.terms import Basis

MOST = 10
"""Names in a list."""

BETWEEN = SHARES[1]
"""The share at which sources of influence are put in order while none is used."""


def top_referrers(table: Relation, found: Indirect, terms: Basis) -> list[Plain]:
    """Those with the highest referral value, whether they are customers or not; empty without referrals.

    low and high are the ends of its band, if a quarter to three quarters of those referred would have come anyway.
    table: the scored customers.
    """
    made = referrals_told(found.referrals, terms.delta, terms.unit)
    if made is None:
        return []
    value = found.books.direct
    band = np.stack(list(sensitivity(made, value, BAND).values()))
    links = np.bincount(made.referrer, minlength=len(value))
    return _rows(table, found, found.crv, {"links": links, "low": band.min(axis=0), "high": band.max(axis=0)})


def top_influencers(table: Relation, found: Indirect, terms: Basis) -> list[Plain]:
    """The customers who receive most by way of influence, `low` and `high` from the interval of the estimate.

    Where there is no estimate to use, low and high are under the lowest and the highest of SHARES, and where nothing is
    received at all, so is the order, under BETWEEN. Empty without links of influence.
    """
    if found.influence is None:
        return []
    low, high = (_received(found, terms, shares) for shares in _ends(found))
    used = found.received["influence"]
    order = used if found.share > 0 else _received(found, terms, _even(found, BETWEEN))
    links = np.bincount(found.influence.source, minlength=len(order))
    return _rows(table, found, order, {"links": links, "received": order, "low": low, "high": high})


def interval_used(found: Indirect) -> bool:
    """Whether the figures of influence rest on an estimate, which has an interval."""
    return found.estimate is not None and found.estimate.used_share > 0


def _ends(found: Indirect) -> tuple[Array, Array]:
    """Induced shares per node at both ends: of the interval, net of what the null shows, or of SHARES."""
    estimate = found.estimate
    if estimate is None or estimate.used_share <= 0:
        return _even(found, SHARES[0]), _even(found, SHARES[-1])
    net = (max(end - max(estimate.null.mean, 0.0), 0.0) / estimate.used_share for end in estimate.interval)
    low, high = (np.minimum(estimate.used_target_share * factor, HIGHEST) for factor in net)
    return low, high


def _even(found: Indirect, share: float) -> Array:
    return np.full(len(found.books.direct), share)


def _received(found: Indirect, terms: Basis, shares: Array) -> Array:
    """What every node receives by way of influence under other induced shares."""
    value, links = found.books.direct, found.influence
    if links is None:
        return np.zeros(len(value))
    moved = influence_matrix(links_told(links), len(value), shares)
    phi = attribution_matrix(len(value), referrals_told(found.referrals, terms.delta, terms.unit), moved)
    return received_parts(books(value, phi.phi), phi.parts)["influence"]


def _rows(table: Relation, found: Indirect, order: Array, more: Mapping[str, Array]) -> list[Plain]:
    """Those with most of `order`, above 0, with the columns of the scored table and some more.

    Who is no customer is among them, marked `outside`, by the id of the links: what he brings is value of the company's
    as well.
    """
    best = np.argsort(-order, kind="stable")[:MOST]
    best = best[order[best] > 0]
    if not len(best):
        return []
    picked = registered(table.engine, "picked", pa.table({"node": best, "place": np.arange(len(best))}))
    rows = query("total_people", picked=picked, nodes=found.nodes, scored=table).rows()
    told = {"crv": found.crv, "total_accountable": found.books.accountable, **more}
    return [_person(row) | {name: values[best[row["place"]]] for name, values in told.items()} for row in rows]


def _person(row: Mapping[str, Any]) -> Plain:
    outside = row["customer_id"] is None
    kept = {name: value for name, value in row.items() if name != "id"}
    return kept | {"customer_id": row["id"] if outside else row["customer_id"], "outside": outside}
