"""Days as a lattice: odds of having gone, exactly, through small tables of (purchases) x (days).

Of a model in which customers leave at any time, the log-likelihood of a row is that of the branch alive plus log(1 +
odds), odds = E[x, T] (S[x, t_x] - S[x, T]). S[x, t] is the integral from t on of the density of leaving at u with no
purchase since t_x; where all times are whole multiples of a step (days), it is a table, summed from the right over
panels of one step. Rows then cost one logarithm in place of a quadrature each, and gradients are sums over the tables
of weights scattered by `bincount`. Differences of S lose three or four digits of sixteen where a step changes little.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from klantwaarde.estimate.blocks import blocks, by_threads

if TYPE_CHECKING:
    from klantwaarde.purchases.cells import Cells
    from klantwaarde.typing import Array

    Places = np.ndarray[tuple[int, ...], np.dtype[np.intp]]
    Mask = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]

WHOLE = 1e-9
"""Of a step by which a time may miss a whole multiple."""
LOOKED_AT = 65_536
"""Rows from which the step is read; all are then held against it."""
PER_ROW = 6
"""Nodes in the tables that one row is worth: with more of them than that, a quadrature per row costs less."""
RULES = ((0.03, 3), (0.3, 4), (0.7, 5), (1.0, 6))
"""(how far the integrand's logarithm may fall within a step, Gauss-Legendre nodes that then err by 1e-15 of it)."""
RANGE = 600.0
"""Logarithm of the largest ratio of the tables' entries: e^709 is infinite."""
ROWS = 65_536
"""Rows of a block: each scatters into the few lines of the tables that it meets."""


class Lattice(NamedTuple):
    """Rows prepared once, sorted by x. lines: one per distinct x; tables are of shape (lines, steps)."""

    step: float
    x: Array
    """(lines,) purchases."""
    begins: Places
    """(lines + 1,) where the rows of each line begin."""
    at: Places
    """(rows,) place of (x, t_x) in a raveled table."""
    end: Places
    """(rows,) place of (x, T)."""
    n: Array
    ended: Array
    """(lines, steps) customers by x and T."""
    rest: list[tuple[Array, ...]]
    """Blocks of (x, t_x, T, n) of rows that are not on it."""

    @property
    def times(self) -> Array:
        """(steps,) from 0 on."""
        return np.arange(self.ended.shape[1]) * self.step

    @property
    def first(self) -> Array:
        """(lines, 1) the earliest time of a last purchase: x purchases take x steps. Tables are scaled there."""
        return np.asarray(self.x[:, None] * self.step)

    def rows_of(self, lines: Mask) -> list[tuple[Array, ...]]:
        """Blocks of (x, t_x, T, n) of the rows of some lines."""
        which = self._rows(lines)
        steps = self.ended.shape[1]
        line = self.at[which] // steps
        t_x, T = (self.at[which] - line * steps) * self.step, (self.end[which] - line * steps) * self.step
        return blocks(self.x[line], t_x, T, self.n[which])

    def _rows(self, lines: Mask) -> Places:
        return np.flatnonzero(np.repeat(lines, np.diff(self.begins)))

    def odds(self, E: Array, S: Array, lines: Mask) -> tuple[float, Array, Array]:
        """Sum over the rows of some lines of n log(1 + odds), and its derivatives to the tables E and S."""
        flat_E, flat_S = E.ravel(), S.ravel()
        if lines.all():
            columns = [(self.at[k : k + ROWS], self.end[k : k + ROWS], self.n[k : k + ROWS]) for k in self._starts()]
        else:
            which = self._rows(lines)
            parts = [which[k : k + ROWS] for k in range(0, len(which), ROWS)]
            columns = [(self.at[part], self.end[part], self.n[part]) for part in parts]

        def part(block: tuple[Places, Places, Array]) -> tuple[float, int, Array, Array]:
            at, end, n = block
            gap, e = flat_S[at], flat_E[end]
            gap -= flat_S[end]
            odds = e * gap
            weight = n / (1 + odds)
            value = float((n * np.log1p(odds, out=odds)).sum())
            gap *= weight
            e *= weight
            low = min(int(at[0]), int(at.min()))
            near, far = at - low, end - low
            size = int(far.max()) + 1
            to_E = np.bincount(far, gap, size)
            return value, low, to_E, np.bincount(near, e, size) - np.bincount(far, e, size)

        value, to_E, to_S = 0.0, np.zeros(E.size), np.zeros(E.size)
        for found, low, more_E, more_S in by_threads(part, columns) if columns else ():
            value += found
            to_E[low : low + len(more_E)] += more_E
            to_S[low : low + len(more_S)] += more_S
        return value, to_E.reshape(E.shape), to_S.reshape(E.shape)

    def _starts(self) -> range:
        return range(0, len(self.n), ROWS)


def lattice_of(data: Cells) -> Lattice | None:
    """The lattice that the times of histories lie on; None where there is none, or a quadrature per row costs less."""
    step = _step(data)
    if step is None:
        return None
    i, j = np.rint(data.t_x / step), np.rint(data.T / step)
    off = WHOLE * step
    if (np.abs(i * step - data.t_x) > off).any() or (np.abs(j * step - data.T) > off).any():
        return None
    # Summaries from elsewhere may have more purchases than days: these rows are on no line of the tables.
    usual = i >= data.x
    steps = int(j.max()) + 1
    x, line = np.unique(data.x[usual], return_inverse=True)
    if not len(x) or len(x) * steps * RULES[1][1] > PER_ROW * len(data):
        return None
    order = np.argsort(line, kind="stable") if (np.diff(line) < 0).any() else slice(None)
    line, n = line[order].astype(np.intp), data.n[usual][order]
    at, end = (line * steps + whole[usual][order].astype(np.intp) for whole in (i, j))
    ended = np.bincount(end, weights=n, minlength=len(x) * steps).reshape(len(x), steps)
    rest = [column[~usual] for column in (data.x, data.t_x, data.T, data.n)]
    begins = np.concatenate([[0], np.cumsum(np.bincount(line, minlength=len(x)))])
    return Lattice(step, x, begins, at, end, n, ended, blocks(*rest) if len(rest[0]) else [])


def _step(data: Cells) -> float | None:
    """The smallest difference of two times, from some of the rows."""
    some = slice(None, None, max(len(data) // LOOKED_AT, 1))
    times = np.unique(np.concatenate([[0.0], data.T[some], data.t_x[some]]))
    gaps = np.diff(times)
    gaps = gaps[gaps > WHOLE * times[-1]]
    return float(gaps.min()) if len(gaps) else None


def pareto_nbd(theta: Array, d: Lattice) -> tuple[float, Array, Mask]:
    """(log-likelihood, gradient to the logs of r, alpha, s, beta, which lines are in it), but for terms in x alone.

    As `partials` has it, the slope of alpha^-x is in the gradient.

    Left out are lines on which the integrand falls by more than e^-1 within a step, or that span more than a double.
    """
    r, alpha, s, beta = (float(one) for one in theta)
    times, first, p = d.times, d.first, r + d.x[:, None]
    fall = ((p + s + 1) * d.step / (min(alpha, beta) + first)).ravel()
    span = p * np.log((alpha + times[-1]) / (alpha + first)) + s * np.log((beta + times[-1]) / (beta + first))
    lines = (fall <= RULES[-1][0]) & (span.ravel() < RANGE)
    if not lines.any():
        return 0.0, np.zeros(4), lines
    nodes = next(count for most, count in RULES if fall[lines].max() <= most)
    first, p = first[lines], p[lines]
    place, share = np.polynomial.legendre.leggauss(nodes)
    u = (times[:-1, None] + d.step * (place + 1) / 2).ravel()
    log_a, log_b, base_a, base_b = np.log(alpha + u), np.log(beta + u), np.log(alpha + first), np.log(beta + first)
    density = np.exp(-p * (log_a - base_a) - (s + 1) * (log_b - base_b))
    density *= np.tile(share * (d.step / 2), len(times) - 1)
    tails = np.zeros((len(p), len(times)))
    panels = density.reshape(len(p), len(times) - 1, nodes).sum(axis=2)
    tails[:, :-1] = panels[:, ::-1].cumsum(axis=1)[:, ::-1]
    late_a, late_b = np.log(alpha + times) - base_a, np.log(beta + times) - base_b
    grown = np.exp(np.log(s) - base_b + p * late_a + s * late_b)
    value, to_grown, to_tails = _odds(d, grown, tails, lines)
    to_grown *= grown
    # A panel counts in the tail of every time before it.
    density *= np.repeat(to_tails.cumsum(axis=1)[:, :-1], nodes, axis=1)
    ended = d.ended[lines]
    since_a, since_b = np.log1p(times / alpha), np.log1p(times / beta)
    value -= float((ended * (p * since_a + s * since_b)).sum())
    near_a, near_b = 1 / (alpha + first), 1 / (beta + first)
    gradient = [
        (to_grown * late_a).sum() - (density * (log_a - base_a)).sum() - (ended * since_a).sum(),
        (to_grown * p * (1 / (alpha + times) - near_a)).sum()
        - (density * p * (1 / (alpha + u) - near_a)).sum()
        + (ended * p * times / (alpha * (alpha + times))).sum()
        - (ended.sum(axis=1) @ d.x[lines]) / alpha,
        (to_grown * (1 / s + late_b)).sum() - (density * (log_b - base_b)).sum() - (ended * since_b).sum(),
        (to_grown * (s / (beta + times) - (s + 1) * near_b)).sum()
        - ((s + 1) * density * (1 / (beta + u) - near_b)).sum()
        + (ended * s * times / (beta * (beta + times))).sum(),
    ]
    return value, np.asarray(gradient) * np.array([r, alpha, s, beta]), lines


def _odds(d: Lattice, grown: Array, tails: Array, lines: Mask) -> tuple[float, Array, Array]:
    """As `Lattice.odds`, of tables that hold some lines only."""
    if lines.all():
        return d.odds(grown, tails, lines)
    all_grown, all_tails = np.zeros(d.ended.shape), np.zeros(d.ended.shape)
    all_grown[lines], all_tails[lines] = grown, tails
    value, to_grown, to_tails = d.odds(all_grown, all_tails, lines)
    return value, to_grown[lines], to_tails[lines]
