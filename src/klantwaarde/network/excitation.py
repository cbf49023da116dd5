"""How often customers order shortly after those they are linked to: sums over all links, block by block.

Orders excite orders: customer j buys at the rate

    lambda_j(t) = base_j(t) + strength * x_j(t),   x_j(t) = sum of w_ij g(t - s) over earlier orders s of sources i,

g being exponential with mean `decay` (Hawkes 1971, Biometrika 58(1)). The base is nobody's business here: each order s
of a source is followed for a window of lags, and a contrast of lags takes away what a constant, a line or a parabola
could explain. Orders right after s count for, those of the weeks after it against. So

    sum over j's orders of z_j  -  strength * integral of z_j x_j     has mean zero, z_j being the contrast,

whatever rate each customer has and however seasons move it, if slowly against the window: a martingale estimating
equation, as in Aalen's additive regression (Aalen 1980). Feedback, chains and triangles of links are in x_j, hence
exact. Only orders s whose whole window lies in what is known of j take part, so nothing is assumed about i.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from klantwaarde.typing import Array

S = TypeVar("S")

CELLS = 400_000  # days x targets worked on at once: a dozen arrays of that size stay near the caches
SINGLE = np.float32  # of single days, which are small sums of small numbers; whatever is summed up is double
STRETCH = 64  # days found with one product of matrices
FADED = 8  # decays after which e^-8 is left, and let go
WORKERS = 2
BEND = 2  # a parabola follows an annual season over eight weeks to 0.4 % of its height, and errs to the safe side


class Histories(NamedTuple):
    """Orders on a grid of steps (days), sorted by customer."""

    offset: Array  # (customers + 1,): where each customer's orders begin
    day: Array  # (orders,): step of each order
    counted: Array  # (orders,): whether it is evidence; a first purchase is a birth
    first: Array  # (customers,): step in which the customer's window begins
    last: Array  # (customers,): last step of it
    days: int  # steps in all


class Arrows(NamedTuple):
    """Links as directed pairs, sorted by target."""

    source: Array
    target: Array
    weight: Array
    since: Array  # step from which orders of the source count


class Lags(NamedTuple):
    """The lags looked at, in steps."""

    decays: Array  # (K,): exponentials tried
    window: int  # how long each order is followed


class Rates(NamedTuple):
    """What is known of each customer's own buying."""

    calendar: Array  # (segments, days): how much more than usual is bought on a day
    segment: Array  # (customers,)
    leaning: Array  # (customers,): weight of a customer's orders, one over the rate known without the order itself
    weight: Array  # (customers,): the same with all orders, for expectations


class Sums(NamedTuple):
    """Sums over targets; K decays, and U = K + K * K columns: contrasts at orders, then expected ones per strength."""

    total: Array  # (U,)
    square: Array  # (U, U): sums of products
    shifted: Array  # (replicates, K): contrasts at shifted orders
    exposure: Array  # (customers, K): integral of x_j over j's window, per strength
    targets: int


def sums(histories: Histories, arrows: Arrows, lags: Lags, rates: Rates, *, shifts: Array) -> Sums:
    """Sums over all targets of arrows; shifts: (replicates, customers) steps by which orders are moved."""
    exposure = np.zeros((len(histories.first), len(lags.decays)))

    def summed(rows: Array, counts: Array) -> Sums:
        part = _block(histories, rows, counts, lags, rates, shifts)
        exposure[rows] = part.exposure
        return part

    parts = _by_targets(histories, arrows, summed)
    total, square, shifted = (
        np.sum([getattr(part, name) for part in parts], axis=0) for name in ("total", "square", "shifted")
    )
    return Sums(total, square, shifted, exposure, sum(part.targets for part in parts))


def contrast_sums(histories: Histories, arrows: Arrows, lags: Lags, rates: Rates) -> tuple[Array, Array]:
    """The contrasts at orders alone, a third of the work: (K,) their sums over targets, (K, K) sums of products."""

    def summed(rows: Array, counts: Array) -> tuple[Array, Array]:
        found = _at_orders(histories, rows, _contrasted(histories, rows, counts, lags, rates), rates)
        return found.sum(axis=0), found.T @ found

    totals, squares = zip(*_by_targets(histories, arrows, summed), strict=True)
    return np.sum(totals, axis=0), np.sum(squares, axis=0)


def _by_targets(histories: Histories, arrows: Arrows, summed: Callable[[Array, Array], S]) -> list[S]:
    """summed(targets, weighted orders of their sources per day) of each block of targets, in order."""
    target, start = np.unique(arrows.target, return_index=True)
    bounds = np.append(start, len(arrows.target))

    def one(block: tuple[int, int]) -> S:
        rows = target[slice(*block)]
        links = slice(bounds[block[0]], bounds[block[1]])
        local = np.repeat(np.arange(len(rows)), np.diff(bounds[block[0] : block[1] + 1]))
        return summed(rows, _arrivals(histories, Arrows(*(column[links] for column in arrows)), local, len(rows)))

    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(one, _blocks(histories, arrows, bounds)))


def _blocks(histories: Histories, arrows: Arrows, bounds: Array) -> list[tuple[int, int]]:
    """Runs of targets whose grid and whose sources' orders are about CELLS together; a hub is a block by itself."""
    orders = np.diff(histories.offset)[arrows.source]
    cost = np.add.reduceat(orders, bounds[:-1]) + histories.days
    run = np.cumsum(cost) // CELLS
    cuts = np.flatnonzero(np.diff(run)) + 1
    edges = [0, *cuts.tolist(), len(cost)]
    return list(pairwise(edges))


def orders_of(histories: Histories, customers: Array) -> tuple[Array, Array]:
    """(place in `customers`, row of the order) of all their orders."""
    begin, many = histories.offset[customers], np.diff(histories.offset)[customers]
    place = np.repeat(np.arange(len(customers)), many)
    row = np.arange(len(place)) + np.repeat(begin - np.cumsum(many) + many, many)
    return place, row


def _arrivals(histories: Histories, arrows: Arrows, local: Array, rows: int) -> Array:
    """Weighted orders of the sources on each day, (days, rows)."""
    link, row = orders_of(histories, arrows.source)
    day = histories.day[row]
    counts = day >= arrows.since[link]
    key = day[counts].astype(np.int64) * rows + local[link[counts]]
    grid = np.bincount(key, arrows.weight[link[counts]], minlength=histories.days * rows)
    return grid.reshape(histories.days, rows).astype(SINGLE)


def _block(histories: Histories, rows: Array, counts: Array, lags: Lags, rates: Rates, shifts: Array) -> Sums:
    days, K = np.arange(histories.days)[:, None], len(lags.decays)
    first, last = histories.first[rows], histories.last[rows]
    z = _contrasted(histories, rows, counts, lags, rates)
    x = filtered(counts, decaying(lags.decays, int(FADED * lags.decays[-1])))
    x *= (days > first) & (days <= last)
    expected = np.stack([np.einsum("db,db->b", z[k], x[m]) for k in range(K) for m in range(K)], axis=1).astype(float)
    at, day = _evidence(histories, rows)
    leaning = rates.leaning[rows][at]
    columns = np.hstack([_at_orders(histories, rows, z, rates), expected * rates.weight[rows][:, None]])
    shifted = np.empty((len(shifts), K))
    length = (last - first)[at]
    for r, shift in enumerate(shifts):  # a few dozen replicates
        moved = first[at] + 1 + (day - first[at] - 1 + shift[rows][at]) % length
        shifted[r] = z[:, moved, at] @ leaning
    return Sums(columns.sum(axis=0), columns.T @ columns, shifted, x.sum(axis=1, dtype=float).T, len(rows))


def _contrasted(histories: Histories, rows: Array, counts: Array, lags: Lags, rates: Rates) -> Array:
    """(K, days, rows): the contrasts, over how much more than usual is bought on a day."""
    days, first, last = np.arange(histories.days)[:, None], histories.first[rows], histories.last[rows]
    followed = counts * ((days >= first) & (days + lags.window <= last))
    usual = (1 / rates.calendar[rates.segment[rows]].T).astype(SINGLE)
    return np.asarray(filtered(followed, contrasts(lags)) * usual)


def _at_orders(histories: Histories, rows: Array, z: Array, rates: Rates) -> Array:
    """(rows, K): sums of the contrasts at the orders of each target, weighted."""
    at, day = _evidence(histories, rows)
    leaning = rates.leaning[rows][at]
    return np.stack([np.bincount(at, each[day, at] * leaning, minlength=len(rows)) for each in z], axis=1)


def _evidence(histories: Histories, rows: Array) -> tuple[Array, Array]:
    at, row = orders_of(histories, rows)
    day = histories.day[row]
    known = histories.counted[row] & (day > histories.first[rows][at]) & (day <= histories.last[rows][at])
    return at[known], day[known]


def filtered(counts: Array, kernels: Array) -> Array:
    """(K, days, rows): sum over lags 1, 2, ... of kernel times counts of so many days ago, kernels being (K, lags).

    Stretches of days at once, as products of matrices: a kernel is short against a history.
    """
    (days, rows), (K, reach) = counts.shape, kernels.shape
    ago = np.arange(STRETCH)[:, None] + reach - np.arange(reach + STRETCH)[None, :]
    seen = (ago >= 1) & (ago <= reach)
    band = np.where(seen, kernels[:, np.clip(ago - 1, 0, reach - 1)], 0.0).astype(counts.dtype)
    stretches = -(-days // STRETCH)
    padded = np.zeros((reach + stretches * STRETCH, rows), dtype=counts.dtype)
    padded[reach : reach + days] = counts
    out = np.empty((K, stretches * STRETCH, rows), dtype=counts.dtype)
    flat = band.reshape(K * STRETCH, -1)
    for begin in range(0, stretches * STRETCH, STRETCH):
        known = padded[begin : begin + reach + STRETCH]
        out[:, begin : begin + STRETCH] = (flat @ known).reshape(K, STRETCH, rows)
    return out[:, :days]


def decaying(decays: Array, reach: int) -> Array:
    """(K, reach): exp(-lag / decay) at lags 1, 2, ..., summing to 1 without end."""
    keep = np.exp(-1 / decays)[:, None]
    return np.asarray((1 - keep) * keep ** np.arange(reach))


def contrasts(lags: Lags) -> Array:
    """(K, window): each exponential less the parabola nearest to it over the window, by least squares."""
    kernels = decaying(lags.decays, lags.window)
    powers = (np.arange(1, lags.window + 1)[:, None] / lags.window) ** np.arange(BEND + 1)
    nearest = powers @ np.linalg.lstsq(powers, kernels.T, rcond=None)[0]
    return np.asarray(kernels - nearest.T)
