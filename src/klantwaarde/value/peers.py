"""Peer cells: one population whose purchase rates differ between the levels of something known at the start.

A Pareto/NBD with r, s and beta in common and

    alpha_c = alpha_0 exp(-gamma_c)

for level c: rates are e^gamma_c times those of the reference, and so is the frontier. This is the time-invariant
covariate on the purchase rate (Fader & Hardie 2007, "Incorporating time-invariant covariates into the Pareto/NBD and
BG/NBD models", brucehardie.com note 19), with a dummy per level. The level must be known from the first purchase on
(channel, region, cohort, first basket): one that is made by what customers did later explains itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import chdtrc

from klantwaarde.errors import BadParameters
from klantwaarde.estimate.fit import fit
from klantwaarde.estimate.partials import pareto_nbd, prepared
from klantwaarde.estimate.point import Objective, Optimum, ascent, newton
from klantwaarde.estimate.starts import box, scaled, thinned
from klantwaarde.models import ParetoNBD
from klantwaarde.purchases.cells import Cells
from klantwaarde.value.potential import headroom
from klantwaarde.wording.message import Message, message, several

if TYPE_CHECKING:
    from collections.abc import Callable

    from klantwaarde.estimate.partials import Histories
    from klantwaarde.estimate.result import Fit
    from klantwaarde.typing import Array
    from klantwaarde.value.potential import Mode

OTHER = -1  # the pool of small and unknown levels
LEAST = 200.0  # customers of a level of its own: gamma's standard error is then about 0.15 where half buy again
MOST = 24  # levels: a Hessian takes two passes for each
CHANCE = 0.05  # p-value above which levels have not earned their place
FEW = 65_536  # customers whose optimum is within a few Newton steps of that of all
FAR = 20.0  # of gamma: rates that differ by a factor of e^20 are a level without repeat purchases


@dataclass(frozen=True)
class Peers:
    """Peer cells, one population each. levels are in rising order, OTHER (-1) being the pool.

    customers, gamma and standard_errors have one value per level; gamma is 0 for the reference, the largest level, and
    for all where the cells have not earned their place. ratio: twice the log-likelihood above that of one cell, with
    p_value under chi-squared(levels - 1). pooled: levels in the pool, with pooled_customers in all, unknown ones
    included. When the pool itself is too small for a level it shares the reference's population, and reason says so.
    """

    levels: tuple[int, ...]
    customers: tuple[float, ...]
    reference: int
    model: ParetoNBD
    gamma: Array
    standard_errors: Array
    log_likelihood: float
    one_cell: float
    ratio: float
    p_value: float
    earned: bool
    reason: Message
    pooled: int
    pooled_customers: float

    @property
    def models(self) -> dict[int, ParetoNBD]:
        """The population of each level."""
        paces = np.exp(self.gamma).tolist()
        return {level: self.model.faster(pace) for level, pace in zip(self.levels, paces, strict=True)}

    def place(self, level: Array) -> Array:
        """Index in levels of each row's peer cell. Levels not among them belong to the pool, or the reference."""
        known = np.asarray(self.levels)
        rest = known.tolist().index(OTHER if OTHER in self.levels else self.reference)
        at = np.minimum(np.searchsorted(known, level), len(known) - 1)
        return np.where(known[at] == level, at, rest)

    def population(self, level: Array) -> ParetoNBD:
        """One population with a pace per row."""
        return self.model.faster(np.exp(self.gamma)[self.place(level)])


class _Level(NamedTuple):
    label: int
    cells: Cells


def peer_headroom(
    peers: Peers,
    level: Array,
    delta: float,
    x: Array,
    t_x: Array,
    T: Array,
    margin: Array | float,
    tau: float = 0.9,
    mode: Mode = "ceiling",
) -> Array:
    """Headroom of each customer beside the own peers; all of shape (rows,).

    Level by level, so that equal histories are scored once.
    """
    columns = [np.broadcast_to(np.asarray(values, dtype=float), np.shape(level)) for values in (x, t_x, T, margin)]
    place, result = peers.place(level), np.zeros(np.shape(level))
    for at, model in enumerate(peers.models.values()):
        rows = place == at
        if rows.any():
            bought, last, until, money = (values[rows] for values in columns)
            result[rows] = headroom(model, delta, bought, last, until, money, tau, mode)
    return result


def fit_peers(
    cells: Cells, level: Array, fit0: Fit[ParetoNBD] | None = None, *, least: float = LEAST, most: int = MOST
) -> Peers:
    """Pareto/NBD with a rate per level, by maximum likelihood; one cell where levels do not earn their place.

    level: a whole number per cell, below 0 where it is unknown. Levels of fewer than `least` customers, and all but the
    `most` largest, are pooled. fit0: the fit of one ParetoNBD to the same cells, made here if not given. Raises
    BadParameters for levels that do not go with the cells, BadOrders for cells that hold no information.
    """
    codes = _codes(level, len(cells))
    whole = fit(ParetoNBD, cells) if fit0 is None else _checked(fit0, cells)
    pooling = _pooled(cells, codes, least, most)
    own = np.unique(pooling.codes)
    if len(own) < 2:
        only = int(own[0])
        return _one_cell(whole, pooling, {only: cells.customers}, only, message("levels_not_two", least=float(least)))
    groups = [_Level(int(label), _part(cells, pooling.codes == label)) for label in own]
    found, unit, shift = _searched(cells, groups, whole)
    return _judged(whole, pooling, groups, found, unit, shift)


class _Pooling(NamedTuple):
    codes: Array  # per cell, after pooling
    pooled: int
    customers: float
    reason: Message | None


def _codes(level: Array, rows: int) -> Array:
    codes = np.asarray(level)
    if codes.shape != (rows,) or not np.issubdtype(codes.dtype, np.integer):
        raise BadParameters(
            f"level must be one whole number per cell ({rows}), below 0 where it is unknown; it is of shape "
            f"{codes.shape} and type {codes.dtype}. Number the names first, as numpy.unique does."
        )
    return np.where(codes < 0, OTHER, codes)


def _checked(fit0: Fit[ParetoNBD], cells: Cells) -> Fit[ParetoNBD]:
    if not isinstance(fit0.model, ParetoNBD):
        raise BadParameters(f"fit0 must be a fit of ParetoNBD, on which potential rests, not of {fit0.name}.")
    if fit0.unit != cells.unit or not np.isclose(fit0.customers, cells.customers):
        raise BadParameters(
            f"fit0 is of {fit0.customers:g} customers in {fit0.unit}s, the cells hold {cells.customers:g} in "
            f"{cells.unit}s. Fit ParetoNBD to these cells."
        )
    return fit0


def _pooled(cells: Cells, codes: Array, least: float, most: int) -> _Pooling:
    """Levels with the small ones in the pool; a pool too small for a level joins the largest one."""
    labels, where = np.unique(codes, return_inverse=True)
    sizes = np.bincount(where, weights=cells.n)
    ranked = np.argsort(-np.where(labels == OTHER, -np.inf, sizes), kind="stable")
    kept = np.zeros(len(labels), dtype=bool)
    kept[ranked[:most]] = True
    kept &= (sizes >= least) & (labels != OTHER)
    count, customers = int((~kept & (labels != OTHER)).sum()), float(sizes[~kept].sum())
    rest, reason = OTHER, None
    if 0 < customers < least and kept.any():
        rest = int(labels[ranked[0]])
        reason = message("joined_level", customers=customers, level=rest)
    return _Pooling(np.where(kept, labels, rest)[where], count, customers, reason)


def _part(cells: Cells, rows: Array) -> Cells:
    return Cells(cells.x[rows], cells.t_x[rows], cells.T[rows], cells.n[rows], cells.unit)


def _searched(cells: Cells, groups: list[_Level], whole: Fit[ParetoNBD]) -> tuple[Optimum, float, float]:
    """The optimum in z = log(r, alpha_0, s, beta) and gamma, times scaled; the unit and its log-likelihood.

    From the one cell's optimum with each level's own rate; for many customers on a sample first.
    """
    _, unit, shift = scaled(cells)
    parts = [replace(one.cells, t_x=one.cells.t_x / unit, T=one.cells.T / unit) for one in groups]
    reference = _largest(groups)
    rates = np.array([(part.n * part.x).sum() / (part.n * part.T).sum() for part in parts])
    gamma = np.clip(np.log(np.maximum(rates, 1e-12) / max(rates[reference], 1e-12)), -3.0, 3.0)
    gamma = np.delete(gamma, reference)
    start = np.append(np.log(np.array(whole.model) / [1.0, unit, 1.0, unit]), gamma)
    if cells.customers > 2 * FEW and len(cells) > 2 * FEW:
        share = FEW / cells.customers
        few = [thinned(part, max(int(share * part.customers), 1)) for part in parts]
        near = ascent(_objective(few, reference), start)
        return newton(_objective(parts, reference), near.z, near.hessian / share), unit, shift
    return ascent(_objective(parts, reference), start), unit, shift


def _largest(groups: list[_Level]) -> int:
    """Index of the reference: the largest level, the pool only where there is no other."""
    return int(np.argmax([one.cells.customers if one.label != OTHER else 0.0 for one in groups]))


def _objective(parts: list[Cells], reference: int) -> Objective:
    lower, upper = box(ParetoNBD)
    wide = np.full(len(parts) - 1, FAR)
    large = sum(map(len, parts)) > 2 * FEW
    return Objective(_summed(parts, reference), np.append(lower, -wide), np.append(upper, wide), large)


def _summed(parts: list[Cells], reference: int) -> Callable[[Array], tuple[float, Array]]:
    """(log-likelihood, gradient) in z from the levels' own: d log(alpha_c) = d log(alpha_0) - d gamma_c."""
    rows: list[Histories] = [prepared(part) for part in parts]  # type: ignore[misc] # of Cells: Histories

    def function(z: Array) -> tuple[float, Array]:
        gamma = np.insert(z[4:], reference, 0.0)
        value, gradient, slopes = 0.0, np.zeros(4), np.zeros(len(rows))
        for at, data in enumerate(rows):
            theta = np.exp(z[:4] - [0.0, gamma[at], 0.0, 0.0])
            part, slope = pareto_nbd(theta, data)
            value, gradient, slopes[at] = value + part, gradient + slope, -slope[1]
        return value, np.append(gradient, np.delete(slopes, reference))

    return function


def _judged(
    whole: Fit[ParetoNBD], pooling: _Pooling, groups: list[_Level], found: Optimum, unit: float, shift: float
) -> Peers:
    """The peer cells if they earn their place by the likelihood ratio test, else one cell with the reason."""
    reference, reached = _largest(groups), found.value + shift
    ratio = max(2 * (reached - whole.log_likelihood), 0.0)
    p_value = float(chdtrc(len(groups) - 1, ratio))
    test = message("levels_add", gain=ratio / 2, p=p_value)
    sizes = {one.label: one.cells.customers for one in groups}
    short = message("levels_not_enough", test=test)
    one_cell = _one_cell(whole, pooling, sizes, groups[reference].label, short)
    one_cell = replace(one_cell, ratio=ratio, p_value=p_value)
    if not found.arrived:
        return replace(one_cell, reason=_joined(message("levels_search_open", test=test), pooling))
    if p_value > CHANCE:
        return one_cell
    theta = np.exp(found.z[:4]) * [1.0, unit, 1.0, unit]
    return replace(
        one_cell,
        model=ParetoNBD(*theta.tolist()),
        gamma=np.insert(found.z[4:], reference, 0.0),
        standard_errors=np.insert(_errors(found)[4:], reference, 0.0),
        log_likelihood=reached,
        earned=True,
        reason=_joined(test, pooling),
    )


def _one_cell(
    whole: Fit[ParetoNBD], pooling: _Pooling, sizes: dict[int, float], reference: int, reason: Message
) -> Peers:
    return Peers(
        levels=tuple(sizes),
        customers=tuple(sizes.values()),
        reference=reference,
        model=whole.model,
        gamma=np.zeros(len(sizes)),
        standard_errors=np.zeros(len(sizes)),
        log_likelihood=whole.log_likelihood,
        one_cell=whole.log_likelihood,
        ratio=0.0,
        p_value=1.0,
        earned=False,
        reason=_joined(reason, pooling),
        pooled=pooling.pooled,
        pooled_customers=pooling.customers,
    )


def _errors(found: Optimum) -> Array:
    """Standard errors from the observed information; infinite where the data do not determine a parameter."""
    bend, axes = np.linalg.eigh(-found.hessian)
    errors = np.sqrt(axes**2 @ (1 / np.maximum(bend, 1e-12)))
    return np.where(errors < FAR, errors, np.inf)


def _joined(reason: Message, pooling: _Pooling) -> Message:
    return several("clauses", [reason] if pooling.reason is None else [reason, pooling.reason])
