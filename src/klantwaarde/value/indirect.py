"""What customers are worth through others: links in, the books and what stands beside them out.

Only linked customers pass through arrays; the others owe nobody and nobody owes them, so that the engine fills in
their rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa

from klantwaarde.beside.links import Links, together
from klantwaarde.calendar import check_unit
from klantwaarde.engine.relation import Relation, query, registered
from klantwaarde.errors import BadOrders, BadParameters
from klantwaarde.models import quantities
from klantwaarde.network.attribution import Attribution, attribution_matrix
from klantwaarde.network.books import Books, books, conservation, received_parts
from klantwaarde.network.future_referrals import (
    ForwardFit,
    alive_with_referrals,
    departure,
    forward_fit,
    forward_rate,
    forward_value,
    newcomer_credit,
)
from klantwaarde.network.influence import Influence, estimate_influence, influence_matrix
from klantwaarde.network.referral import BAND, Referrals, crv
from klantwaarde.value.terms import ESTIMATE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klantwaarde.estimate.result import Fit
    from klantwaarde.purchases.customers import Customers
    from klantwaarde.typing import Array, Values

SHARES = (0.05, 0.10, 0.20)
"""Socially induced shares that a result is shown for, whatever the estimate."""

MISSED = 1e-9  # of the sum of |accountable|: books that miss it do not close


@dataclass(frozen=True)
class Indirect:
    """What the links say, with the assumptions it rests on; money in the currency of the orders.

    books and `received` (by way of referrals and of influence): one row per node, customers first, then outsiders.
    closes: the gap of the books relative to the sum of what customers are accountable for. outside: credited to
    outsiders. forward and newcomer (what one more referral is worth): None where nobody referred anyone.
    shares: how much would be passed on by way of influence under other socially induced shares; band: the sum of crv
    under other chances of having come anyway. incentives, saved: cash of referrals made, history.
    """

    referrals: Links | None
    influence: Links | None
    table: Relation
    books: Books
    received: Mapping[str, Array]
    crv: Array
    capped: int
    closes: float
    outside: float
    estimate: Influence | None
    share: float
    """Socially induced share of value that was used, on average over those who are influenced."""
    forward: ForwardFit | None
    newcomer: float | None
    shares: Mapping[float, float]
    band: Mapping[float, float]
    incentives: float
    saved: float
    crv_cut: float

    @property
    def nodes(self) -> Relation:
        """The nodes, in the engine."""
        return next(links.nodes for links in (self.referrals, self.influence) if links is not None)


def indirect(
    customers: Customers,
    fit: Fit[Any],
    valued: Relation,
    delta: float,
    referrals: Links | None,
    influence: Links | None,
    share: float | Literal["estimate"] = ESTIMATE,
) -> tuple[Indirect, pa.Table | None]:
    """The books of all who are linked, and the referrals to come per history of who made none, for the engine to join.

    valued: the valued customers. share: the socially induced share of value of who is influenced, or "estimate":
    from the orders, 0 where it cannot be told from similarity.
    """
    both = together(*[links for links in (referrals, influence) if links is not None])
    referrals, influence = (next((links for links in both if links.kind == kind), None) for kind in KINDS)
    seen = both[0]
    rows = _columns(query("linked_values", nodes=seen.nodes, valued=valued).arrow())
    value, made = rows["rlv"], referrals_told(referrals, delta, customers.unit)
    estimate = _estimated(customers, influence) if influence is not None and share == ESTIMATE else None
    shares = _shares(estimate, share, seen.size)
    phi = attribution_matrix(seen.size, made, _matrix(influence, shares, seen.size))
    kept = books(value, phi.phi)
    received = received_parts(kept, phi.parts)
    brought = np.zeros(seen.size) if made is None else crv(made, value)
    forward, newcomer, future, histories = _forward(customers, fit, delta, rows, made, value)
    table = _registered(seen, kept, received, brought, future)
    known = rows["known"] > 0
    found = Indirect(
        referrals=referrals,
        influence=influence,
        table=table,
        books=kept,
        received=received,
        crv=brought,
        capped=phi.capped,
        closes=_closed(kept),
        outside=float(kept.attributed[~known].sum()),
        estimate=estimate,
        share=_mean_share(phi, influence),
        forward=forward,
        newcomer=newcomer,
        shares={other: _passed_on(value, made, influence, other) for other in SHARES} if influence is not None else {},
        band={} if made is None else _band(made, value),
        incentives=0.0 if made is None else float(np.sum(made.incentive)),
        saved=0.0 if made is None else float(np.sum(made.anyway * made.acquisition_saved)),
        crv_cut=_median(brought[known & (brought > 0)]),
    )
    return found, histories


KINDS = ("referrals", "influence")


def _columns(table: pa.Table) -> dict[str, Array]:
    return {name: np.asarray(table.column(name).cast("float64"), dtype=float) for name in table.column_names}


def referrals_told(links: Links | None, delta: float, unit: str) -> Referrals | None:
    """The referrals for the kernels, times in the unit and delta per unit; None without links of that kind."""
    if links is None:
        return None
    sooner = links.acceleration / check_unit(unit)
    return Referrals(links.source, links.target, links.anyway, sooner, links.incentive, links.acquisition, delta)


def links_told(links: Links) -> dict[str, Array]:
    """The links for the kernels; a link without a date was always there."""
    told: dict[str, Array] = {"source": links.source, "target": links.target, "weight": links.weight}
    if not np.isnat(links.day).all():
        day = links.day.astype("datetime64[D]").astype(float)
        told["date"] = np.where(np.isnat(links.day), -np.inf, day)
    return told


def _estimated(customers: Customers, links: Links) -> Influence | None:
    """The estimate from the orders of those linked; None where they are too few to follow."""
    table = query("linked_orders", stood=customers.stood, nodes=links.nodes, as_of=customers.as_of).arrow()
    days = np.asarray(table.column("day").cast(pa.int32()), dtype=float)
    orders = {"customer": np.asarray(table.column("node"), dtype=np.int64), "time": days}
    end = float(np.datetime64(customers.as_of, "D").astype(int))
    positive = {name: values[links.weight > 0] for name, values in links_told(links).items()}
    try:
        return estimate_influence(orders, positive, directed=_directed(links), as_of=end, customers=links.size)
    except BadOrders:
        return None


def _directed(links: Links) -> bool:
    """Whether most links go one way only."""
    there, back = (
        one.astype(np.int64) * links.size + other
        for one, other in ((links.source, links.target), (links.target, links.source))
    )
    return bool(np.isin(there, back).mean() < 0.5) if len(there) else True


def _shares(estimate: Influence | None, share: float | Literal["estimate"], size: int) -> Array:
    if share != ESTIMATE:
        return np.full(size, float(share))
    return np.zeros(size) if estimate is None else np.minimum(estimate.used_target_share, HIGHEST)


HIGHEST = 0.95  # a share of a customer's value that is others' doing: less than all


def _matrix(links: Links | None, shares: Array, size: int) -> Any:
    return None if links is None else influence_matrix(links_told(links), size, shares)


def _mean_share(phi: Attribution, links: Links | None) -> float:
    if links is None or not len(links):
        return 0.0
    per_target = np.asarray(abs(phi.parts["influence"]).sum(axis=0)).ravel()
    return float(per_target[np.unique(links.target)].mean())


def _passed_on(value: Array, made: Referrals | None, links: Links, share: float) -> float:
    """What is passed on by way of influence if the socially induced share were this."""
    phi = attribution_matrix(len(value), made, _matrix(links, np.full(len(value), share), len(value)))
    return float(received_parts(books(value, phi.phi), phi.parts)["influence"].sum())


def _band(made: Referrals, value: Array) -> dict[float, float]:
    same = (made.acceleration, made.incentive, made.acquisition_saved, made.delta)
    return {chance: float(crv(Referrals(made.referrer, made.referred, chance, *same), value).sum()) for chance in BAND}


def _closed(kept: Books) -> float:
    gap = conservation(kept)
    if gap > MISSED:
        raise BadParameters(f"The books do not close: {gap:.3g} of what customers are accountable for is missing.")
    return gap


class Histories(NamedTuple):
    """Histories with the chance to be there, the time of leaving if not, and the lifetime left while there."""

    T: Array
    p_alive: Array
    gone_at: Array
    left: Array


def _histories(fit: Fit[Any], delta: float, rows: Mapping[str, Array], per_unit: float) -> Histories:
    """Times in the unit; the first day counts as one, for who refers on it."""
    x, t_x, T = rows["x"], rows["t_x_days"] / per_unit, rows["t_days"] / per_unit
    alive = quantities.p_alive(fit.model, x, t_x, T)
    left = quantities.lifetime(fit.model, delta, x, T)
    ages = np.maximum(T, 1 / per_unit)
    return Histories(ages, alive, np.minimum(departure(fit.model, x, t_x, T), ages), left)


def _forward(
    customers: Customers,
    fit: Fit[Any],
    delta: float,
    rows: Mapping[str, Array],
    made: Referrals | None,
    value: Array,
) -> tuple[ForwardFit | None, float | None, Array, pa.Table | None]:
    """The stream of referrals, of all customers: its fit, what one is worth, and those to come, by node and history.

    Linked customers come with their own number of referrals, all others with none.
    """
    if made is None or not len(made.referrer):
        return None, None, np.full(len(value), np.nan), None
    per_unit = check_unit(customers.unit)
    cells = customers.day_cells
    seen = {name: np.asarray(cells.column(name), dtype=float) for name in ("x", "t_x_days", "t_days", "n")}
    base, linked = (_histories(fit, delta, part, per_unit) for part in (seen, rows))
    k = np.bincount(made.referrer, minlength=len(value)).astype(float)
    own = (rows["bought"] > 0) & (k > 0)
    # Those who referred are few: that they are counted among the others as well does not show.
    some = _thinned(seen["n"])
    count = np.concatenate([k[own], np.zeros(len(some))])
    weight = np.concatenate(
        [np.ones(int(own.sum())), seen["n"][some] * (seen["n"].sum() - own.sum()) / seen["n"][some].sum()]
    )
    columns = [np.concatenate([a[own], b[some]]) for a, b in zip(linked[:3], base[:3], strict=True)]
    found = forward_fit(count, columns[0], weight, p_alive=columns[1], gone_at=columns[2])
    newcomer = newcomer_credit(made, value)
    table = cells.drop_columns(["n"]).append_column("future_referrals", pa.array(_future(found, 0.0, base, newcomer)))
    future = np.where(rows["bought"] > 0, _future(found, k, linked, newcomer), 0.0)
    return found, newcomer, future, table


def _thinned(n: Array) -> Array:
    """Places of histories to fit on: all, or as many as do, drawn evenly over their sorted order."""
    return np.arange(len(n)) if len(n) <= ENOUGH else np.linspace(0, len(n) - 1, ENOUGH).astype(int)


ENOUGH = 50_000  # histories without referrals: more say nothing new about a stream of two or three parameters


def _future(found: ForwardFit, k: Values, told: Histories, newcomer: float) -> Array:
    """Value of referrals to come: chance to be there by orders and referrals, time left, rate, what one brings."""
    alive = alive_with_referrals(found.model, k, told.T, told.p_alive, told.gone_at)
    return forward_value(forward_rate(found.model, k, told.T), alive * told.left, newcomer)


def _registered(links: Links, kept: Books, received: Mapping[str, Array], brought: Array, future: Array) -> Relation:
    """A row per linked customer."""
    columns = {
        "crv": brought,
        "referral_value": received["referral"],
        "influence_value": received["influence"],
        "attributed_away": kept.attributed_away,
        "total_accountable": kept.accountable,
        "future_referrals": future,
    }
    values = registered(links.engine, "node_values", pa.table({"node": np.arange(links.size), **columns}))
    return query("linked", nodes=links.nodes, node_values=values).view("linked")


def _median(values: Array) -> float:
    return float(np.median(values)) if len(values) else np.inf
