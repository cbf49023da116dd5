"""Whether as many customers buy more than the frontier of their peers as should.

Of those who bought in a holdout, the share who bought more than the tau-quantile of purchases at the rates of their
peers, against what the fit expects of that share; and the pinball loss of the quantile, which is what a quantile is
chosen by (Koenker & Bassett, 1978, "Regression quantiles", Econometrica 46(1)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from klantwaarde.errors import BadOrders
from klantwaarde.estimate.fit import fit
from klantwaarde.models import ParetoNBD, quantities
from klantwaarde.purchases.cells import Cells
from klantwaarde.validate.potential import WEEK, Histories, Lines, cells, checked_lines, histories, last_day
from klantwaarde.value.peers import Peers, fit_peers
from klantwaarde.value.potential import frontier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from klantwaarde.typing import Array, Values


@dataclass(frozen=True)
class FrontierCalibration:
    """Customers who bought in the holdout, and those of them who bought more than the tau-quantile of their peers.

    Per tau: frontier, the rate Lambda per week (of the reference level); most, the tau-quantile of purchases in the
    holdout of someone alive all through, rate unknown (NBD; of the reference level); above, the share of those seen
    alive who bought more; expected, what the model expects of it, by simulation, and z, the difference in standard
    errors of chance. pinball: mean loss of that quantile; pinball_own: of the quantile given the own history;
    pinball_global: of one quantile for all, chosen in hindsight. customers: of whom `alive` bought in the holdout.
    """

    tau: Array
    frontier: Array
    most: Array
    above: Array
    expected: Array
    z: Array
    pinball: Array
    pinball_own: Array
    pinball_global: Array
    customers: int
    alive: int
    peers: Peers | None

    def table(self) -> list[dict[str, Any]]:
        """One row per tau."""
        names = ("tau", "frontier", "most", "above", "expected", "z", "pinball", "pinball_own", "pinball_global")
        return [{name: float(getattr(self, name)[at]) for name in names} for at in range(len(self.tau))]


def frontier_calibration(
    customer: Array,
    day: Array,
    split: float,
    *,
    last: float | None = None,
    taus: Sequence[float] = (0.8, 0.9, 0.95),
    level: Array | None = None,
    rounds: int = 40,
    seed: int = 0,
) -> FrontierCalibration:
    """Purchases after a day against the frontier as fitted up to it.

    day: day numbers; split: the last day that the fit sees; last: the last day of the holdout. level: a whole number
    per row, the customer's peer cell (see fit_peers). Two purchases on a day are one. Raises BadOrders where the
    holdout is empty.
    """
    lines = checked_lines(customer, day, np.zeros(np.shape(customer)) if level is None else level, None)
    until, split = last_day(lines, last), float(np.floor(split))
    seen = histories(lines, lines.day <= split, split)
    bought = _bought(seen.customer, lines, split, until)
    if not (until > split and bought.any()):
        raise BadOrders(f"Nobody bought in the holdout, days {split:g} to {until:g}. Choose an earlier split.")
    model, peers = _fitted(seen, lines, level)
    tau, weeks = np.asarray(taus, dtype=float), (until - split) / WEEK
    limits = [model.count_quantile(weeks, one) for one in tau]
    above, expected, z = _above(model, seen, limits, bought, until - split, rounds, seed)
    alive = bought > 0
    own = [model.given_alive(seen.x, 0.0, seen.T).count_quantile(weeks, one) for one in tau]
    best = [np.quantile(bought[alive], one, method="inverted_cdf") for one in tau]
    loss = [
        np.array([_pinball(bought, limit, one)[alive].mean() for one, limit in zip(tau, some, strict=True)])
        for some in (limits, own, best)
    ]
    reference = model if peers is None else peers.model
    most = np.array([reference.count_quantile(weeks, one) for one in tau])
    return FrontierCalibration(
        tau,
        frontier(reference, tau),
        most,
        above,
        expected,
        z,
        loss[0],
        loss[1],
        loss[2],
        len(bought),
        int(alive.sum()),
        peers,
    )


def _bought(names: Array, lines: Lines, split: float, until: float) -> Array:
    """Days of buying of each of the named customers in (split, until]."""
    rows = (lines.day > split) & np.isin(lines.customer, names)
    at, span = np.searchsorted(names, lines.customer[rows]), int(until - split) + 1
    keys = np.unique(at * span + (lines.day[rows] - split).astype(int))
    return np.bincount(keys // span, minlength=len(names)).astype(float)


def _fitted(seen: Histories, lines: Lines, level: Array | None) -> tuple[ParetoNBD, Peers | None]:
    """The model of each customer: one for all, or with alpha per customer."""
    if level is None:
        return fit(ParetoNBD, cells(seen)).model, None
    names, at = np.unique(lines.customer, return_index=True)
    own = lines.place[at][np.isin(names, seen.customer)]
    peers = fit_peers(Cells(seen.x, seen.t_x, seen.T), own)
    return peers.population(own), peers


def _above(
    model: ParetoNBD, seen: Histories, limits: list[Array], bought: Array, days: float, rounds: int, seed: int
) -> tuple[Array, Array, Array]:
    """Share of those seen alive who bought more than each limit, what the model expects of it, and z."""
    rng = np.random.default_rng(seed)
    history = (seen.x, seen.t_x, seen.T)
    chance = quantities.p_alive(model, *history)
    population = model.given_alive(*history)
    drawn = np.array([_shares(_drawn(population, chance, days, rng), limits) for _ in range(rounds)])
    found, expected = _shares(bought, limits), drawn.mean(axis=0)
    error = drawn.std(axis=0, ddof=1) * np.sqrt(1 + 1 / rounds) if rounds > 1 else np.zeros(len(limits))
    return found, expected, np.divide(found - expected, error, out=np.zeros(len(limits)), where=error > 0)


def _shares(bought: Array, limits: list[Array]) -> Array:
    alive = max(int((bought > 0).sum()), 1)
    return np.array([((bought > limit) & (bought > 0)).sum() / alive for limit in limits])


def _drawn(population: ParetoNBD, chance: Array, days: float, rng: np.random.Generator) -> Array:
    """Days of buying in the holdout, drawn: times rounded up to days, two on one day are one."""
    who, time = population.draw(rng, np.full(len(chance), days / WEEK))
    span = int(np.ceil(days)) + 1
    keys = np.unique(who * span + np.minimum(np.ceil(time * WEEK), days).astype(int))
    return np.bincount(keys // span, minlength=len(chance)) * (rng.random(len(chance)) < chance)


def _pinball(y: Array, quantile: Values, tau: float) -> Array:
    """Loss of a tau-quantile: tau per unit too low, 1 - tau per unit too high (Koenker & Bassett, 1978)."""
    over = y - quantile
    return np.asarray(np.maximum(tau * over, (tau - 1) * over))
