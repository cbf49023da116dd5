"""Log-likelihoods with gradients with respect to log(parameter): closed forms, and differences for the rest.

A timing model's likelihood is alive + gone. Everything that depends on x alone is summed once per x
(Rising); per row remain log(alive) and the log-odds of having gone, whose logistic is the weight of gone's
gradient.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from scipy.special import betaln, digamma

from klantwaarde.estimate import lattice
from klantwaarde.estimate.blocks import Rising, block_sums, blocks
from klantwaarde.estimate.lattice import Lattice, lattice_of
from klantwaarde.models import BGNBD, MBGNBD, NBD, GammaGamma, ParetoNBD, quantities
from klantwaarde.numerics import over_nodes, product_nodes
from klantwaarde.purchases.cells import Cells, SpendCells

if TYPE_CHECKING:
    from collections.abc import Callable

    from klantwaarde.typing import Array

    Partials: TypeAlias = "Callable[[Array, Any], tuple[float, Array]]"
    """(parameters, prepared rows) -> (log-likelihood, gradient with respect to the parameters' logs)."""

STEP = 6e-6  # cube root of the machine epsilon: best for central differences
TINY = np.finfo(float).tiny


class Histories(NamedTuple):
    """Cells made ready for many passes. Blocks hold (x, t_x, T, n)."""

    rows: list[tuple[Array, ...]]
    rising: Rising
    customers: float
    purchases: float
    lattice: Lattice | None = None
    """Where all times are whole days; for models in which customers leave at any time."""


class Spends(NamedTuple):
    """Spend cells made ready for many passes. Blocks hold (1 / total spend, n, n x)."""

    rows: list[tuple[Array, ...]]
    x: Array  # distinct
    n: Array  # customers with each x
    log_zbar: float  # sum over customers of log zbar
    log_total: float  # sum over customers of log(x zbar)


def prepared(data: Cells | SpendCells, *, on_lattice: bool = False) -> Histories | Spends:
    """What one pass over the data needs, worked out once. on_lattice: through tables over days, if times allow it."""
    if isinstance(data, Cells):
        rising, purchases = Rising.of(data.x, data.n), float((data.n * data.x).sum())
        found = lattice_of(data) if on_lattice else None
        rows = blocks(data.x, data.t_x, data.T, data.n) if found is None else found.rest
        return Histories(rows, rising, data.customers, purchases, found)
    x, where = np.unique(data.x, return_inverse=True)
    total = data.x * data.zbar
    log_zbar, log_total = float((data.n * np.log(data.zbar)).sum()), float((data.n * np.log(total)).sum())
    return Spends(
        blocks(1 / total, data.n, data.n * data.x), x, np.bincount(where, weights=data.n), log_zbar, log_total
    )


def log_likelihood(Model: type[NamedTuple], data: Cells | SpendCells) -> Callable[[Array], tuple[float, Array]]:
    """The function z -> (log-likelihood, gradient), z the parameters' logs: what every estimator sees."""
    known = PARTIALS.get(Model)
    if known is None:
        return partial(_differenced, partial(_plain, Model, data))
    rows = prepared(data, on_lattice=known in AT_ANY_TIME)
    return lambda z: known(np.exp(z), rows)


def _plain(Model: type[NamedTuple], data: Cells | SpendCells, z: Array) -> float:
    """The log-likelihood of a model without closed-form partials."""
    model: Any = Model._make(np.exp(z).tolist())
    history = (data.x, data.t_x, data.T) if isinstance(data, Cells) else (data.x, data.zbar)
    return _sum(data.n, quantities.log_likelihood(model, *history))


def _differenced(function: Callable[[Array], float], z: Array) -> tuple[float, Array]:
    shifts = STEP * np.eye(len(z))
    return function(z), np.array([function(z + shift) - function(z - shift) for shift in shifts]) / (2 * STEP)


def nbd(theta: Array, data: Histories) -> tuple[float, Array]:
    """NBD (r, alpha)."""
    r, alpha = theta
    value, *gradient = block_sums(partial(_staying, r, alpha), data.rows)
    return _with_rising(r, alpha, data, value, np.array(gradient))


def bg_nbd(theta: Array, data: Histories, coins: int = 0) -> tuple[float, Array]:
    """BG/NBD (r, alpha, a, b); with coins = 1 MBG/NBD, whose coin falls after the first purchase too."""
    r, alpha, a, b = theta
    value, *gradient = block_sums(partial(_coin_rows, theta, coins), data.rows)
    kept, to_a, to_b = data.rising.log_ratio(b + coins, a)  # log B(a, b + x + coins) / B(a, b + coins)
    first = coins * data.customers
    value += kept - first * np.log1p(a / b)
    gradient[2] += a * (to_a - first / (a + b))
    gradient[3] += b * to_b + first * a / (a + b)
    return _with_rising(r, alpha, data, value, np.array(gradient))


def pareto_nbd(theta: Array, data: Histories) -> tuple[float, Array]:
    """Pareto/NBD (r, alpha, s, beta)."""
    r, alpha, _, _ = theta
    value, gradient, rows = 0.0, np.zeros(4), data.rows
    if data.lattice is not None:
        value, gradient, lines = lattice.pareto_nbd(theta, data.lattice)
        rows = rows if lines.all() else [*rows, *data.lattice.rows_of(~lines)]
    if rows:
        others, *slopes = block_sums(partial(_pareto_rows, *theta), rows)
        value, gradient = value + others, gradient + np.array(slopes)
    return _with_rising(r, alpha, data, value, gradient)


def gamma_gamma(theta: Array, data: Spends) -> tuple[float, Array]:
    """Gamma-Gamma (p, q, gamma)."""
    p, q, gamma = theta
    log_sum, weighted_log, share, weighted_share = block_sums(partial(_spend_rows, gamma), data.rows)
    customers, px = data.n.sum(), p * data.x
    psi_all = digamma(px + q)
    value = q * (customers * np.log(gamma) - data.log_total - log_sum) - p * weighted_log - data.log_zbar
    to_p = (data.n * data.x) @ (psi_all - digamma(px)) - weighted_log
    to_q = customers * np.log(gamma) - data.log_total - log_sum + data.n @ (psi_all - digamma(q))
    to_gamma = q * customers - p * weighted_share - q * share
    return float(value - data.n @ betaln(px, q)), np.array([p * to_p, q * to_q, to_gamma])


def _with_rising(r: float, alpha: float, data: Histories, value: float, gradient: Array) -> tuple[float, Array]:
    """The terms in x alone: Gamma(r + x) / Gamma(r) and alpha^-x."""
    rising, to_r = data.rising.log(r)
    gradient[0] += r * to_r
    return float(value + rising - data.purchases * np.log(alpha)), gradient


def _staying(r: float, alpha: float, block: tuple[Array, ...]) -> Array:
    """Sums of -(r + x) log(1 + T / alpha) and its gradient: the rate's part of the branch that is alive."""
    x, _, T, n = block
    log_late = np.log1p(T / alpha)
    to_alpha = (r * T - x * alpha) / (alpha + T)
    return np.array([_sum(n, -(r + x) * log_late), -r * _sum(n, log_late), _sum(n, to_alpha)])


def _coin_rows(theta: Array, coins: int, block: tuple[Array, ...]) -> Array:
    """Sums over a block of log(likelihood) and its gradient, but for the terms in x alone."""
    r, alpha, a, b = theta
    x, t_x, T, n = block
    silence, since = T - t_x, alpha + t_x
    gap = np.log1p(silence / since)
    before = np.maximum(x + (coins - 1), 0.0) + b
    odds = np.log(a / before) + (r + x) * gap
    weight, added = _gone(odds if coins else np.where(x > 0, odds, -np.inf))
    share = n * weight
    alive, to_r, to_alpha = _staying(r, alpha, block)
    to_alpha -= _sum(share, (r + x) * alpha * silence / (since * (alpha + T)))
    return np.array(
        [
            alive + _sum(n, added),
            to_r + r * _sum(share, gap),
            to_alpha,
            share.sum(),
            -b * _sum(share, 1 / before),
        ]
    )


def _pareto_rows(r: float, alpha: float, s: float, beta: float, block: tuple[Array, ...]) -> Array:
    """Sums over a block of log(likelihood) and its gradient, gone's from the same nodes as its value."""
    x, t_x, T, n = block
    p, since_alpha, since_beta = r + x, alpha + t_x, beta + t_x
    total, log_alpha, log_beta, per_alpha, per_beta = _node_means(r, alpha, s, beta, block)
    gap_alpha, gap_beta = np.log1p((T - t_x) / since_alpha), np.log1p((T - t_x) / since_beta)
    with np.errstate(divide="ignore"):  # nobody leaves in no time: log 0 where T = t_x
        odds = np.log(s * total * (min(alpha, beta) + t_x) / since_beta) + p * gap_alpha + s * gap_beta
    weight, added = _gone(odds)
    share, late = n * weight, np.log1p(T / beta)
    value, to_r, to_alpha = _staying(r, alpha, block)
    to_r += r * _sum(share, gap_alpha - log_alpha)
    to_alpha += alpha * _sum(share, p * (1 / (alpha + T) - per_alpha / since_alpha))
    to_s = s * (_sum(share, gap_beta - log_beta) - _sum(n, late)) + share.sum()
    to_beta = s * _sum(n, T / (beta + T)) + beta * _sum(share, s / (beta + T) - (s + 1) * per_beta / since_beta)
    return np.array([value + _sum(n, added - s * late), to_r, to_alpha, to_s, to_beta])


def _node_means(r: float, alpha: float, s: float, beta: float, block: tuple[Array, ...]) -> tuple[Array, ...]:
    """Integral over the time of death, and the means of both logs and both reciprocals under it."""
    x, t_x, T, _ = block
    total, *sums = (np.zeros_like(x) for _ in range(5))
    for share, *places in product_nodes(r + x, s + 1, alpha, beta, t_x, T):
        total += over_nodes(share)
        for mean, place in zip(sums, places, strict=True):
            np.add(mean, over_nodes(share * place), out=mean)
    over = np.maximum(total, TINY)
    return total, *(mean / over for mean in sums)


def _gone(odds: Array) -> tuple[Array, Array]:
    """P(gone) and log(1 + e^odds), from one exponential."""
    small = np.exp(-np.abs(odds))
    return np.where(odds > 0, 1.0, small) / (1 + small), np.maximum(odds, 0.0) + np.log1p(small)


def _spend_rows(gamma: float, block: tuple[Array, ...]) -> Array:
    """Sums of log(1 + gamma / total), weighted by n and by n x, and of their derivatives to log(gamma)."""
    per_total, n, nx = block
    ratio = gamma * per_total
    log_ratio, share = np.log1p(ratio), ratio / (1 + ratio)
    return np.array([_sum(n, log_ratio), _sum(nx, log_ratio), _sum(n, share), _sum(nx, share)])


def _sum(n: Array, values: Array) -> float:
    return float((n * values).sum())  # pairwise, and one thread: BLAS would start its own


PARTIALS: dict[type, Partials] = {
    NBD: nbd,
    BGNBD: bg_nbd,
    MBGNBD: partial(bg_nbd, coins=1),
    ParetoNBD: pareto_nbd,
    GammaGamma: gamma_gamma,
}

AT_ANY_TIME = (pareto_nbd,)
"""Those whose odds of having gone are an integral over the time of leaving."""
