"""Forward and backward passes of a hidden Markov chain over one block of customers, and the sums that EM needs.

Baum, Petrie, Soules & Weiss (1970), Annals of Mathematical Statistics 41(1), scaled as in Rabiner (1989),
Proceedings of the IEEE 77(2), section V.A. Arrays are (periods, states, customers): customers last, because NumPy's
inner loop should be the long one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import gammaln, xlogy

from klantwaarde.lifecycle import logs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from klantwaarde.lifecycle.counts import Block
    from klantwaarde.lifecycle.hmm import PoissonHMM
    from klantwaarde.typing import Array

TABLE = 4096  # counts below are looked up by themselves, larger ones among the distinct ones
TINY = 1e-300
# A path that underflows weighs less than 1e-308 of its period's total. If the found paths weigh more than e^-600 =
# 1e-260 of what is possible, what was lost is no more than 1e-48 of them; else the row is done in logarithms.
UNSURE = -600.0
SURE = 1e-30  # no state is ever lost if every entry of start and transition is larger


class Emissions(NamedTuple):
    """Log probabilities of the counts, as a table over distinct counts."""

    codes: Array  # (periods, customers) column of the table
    relative: Array  # (states, values) log probability less that of the likeliest state; 0 where nothing is known
    common: Array  # (values,) what was taken off


class Passed(NamedTuple):
    """What the forward pass leaves."""

    alpha: Array  # (periods, states, customers) state given the counts so far; 0 before birth
    seen: Array  # (periods, states, customers) probability of the count over that of the count given those before
    log_likelihood: Array  # (customers,)
    in_logs: tuple[Array, logs.Smoothed] | None  # columns whose alpha underflows (0 above), and their answer


class Sums(NamedTuple):
    """Expected sufficient statistics over customers, and their log-likelihood."""

    log_likelihood: float
    begun: Array  # (states,) customers who begin in a state
    moved: Array  # (states, states) moves
    held: Array  # (states,) periods that tell something
    bought: Array  # (states,) purchases


def emissions(rates: Array, y: Array) -> Emissions:
    """Poisson log probabilities of the counts y, whatever their size."""
    top = int(np.max(y, initial=-1))
    if top < TABLE:
        values, codes = np.arange(-1, top + 1), np.add(y, 1, dtype=np.intp)
    else:
        values, codes = np.unique(y, return_inverse=True)
    unknown, k = values < 0, np.maximum(values, 0).astype(float)
    log_b = xlogy(k, rates[:, None]) - rates[:, None]
    best = log_b.max(axis=0)
    best[np.isneginf(best)] = 0  # purchases where no state buys
    relative = np.where(unknown, 0.0, log_b - best)
    return Emissions(codes.reshape(y.shape), relative, np.where(unknown, 0.0, best - gammaln(k + 1)))


def forward(model: PoissonHMM, block: Block) -> Passed:
    """The forward pass."""
    told = emissions(model.rates, block.y)
    table, (periods, customers) = np.exp(told.relative), block.y.shape
    alpha, seen = np.empty((2, periods, len(model.rates), customers))
    scale, onward = np.empty((periods, customers)), np.ascontiguousarray(model.transition.T)
    for t, (before, born) in enumerate(zip(block.before, block.born, strict=True)):
        np.take(table, told.codes[t], axis=1, out=seen[t], mode="clip")
        if t and before:
            np.matmul(onward, alpha[t - 1], out=alpha[t])
        else:
            alpha[t] = 0
        alpha[t][:, before:born] = model.start[:, None]
        alpha[t] *= seen[t]
        np.add.reduce(alpha[t], axis=0, out=scale[t])
        np.maximum(scale[t], TINY, out=scale[t])
        scale[t, born:] = 1
        alpha[t] /= scale[t]
        seen[t] /= scale[t]
    return _finished(model, block, told, alpha, seen, np.log(scale).sum(axis=0))


def _finished(model: PoissonHMM, block: Block, told: Emissions, alpha: Array, seen: Array, scale: Array) -> Passed:
    log_likelihood = scale + told.common[told.codes].sum(axis=0)
    sure = min(model.start.min(), model.transition.min()) > SURE and model.rates.max() > 0
    weak = np.flatnonzero(scale < UNSURE)
    if sure or len(weak) == 0:
        return Passed(alpha, seen, log_likelihood, None)
    log_b = told.relative[:, told.codes[:, weak]].transpose(1, 2, 0)
    smoothed = logs.smoothed(model, log_b, (block.born[:, None] > weak), (block.before[:, None] <= weak))
    log_likelihood[weak] = smoothed.log_likelihood + told.common[told.codes[:, weak]].sum(axis=0)
    alpha[:, :, weak] = seen[:, :, weak] = 0
    return Passed(alpha, seen, log_likelihood, (weak, smoothed))


def backward(model: PoissonHMM, block: Block, passed: Passed) -> Iterator[tuple[int, Array, Array]]:
    """(t, beta_t, beta_(t-1) before its move) from the last period to the first, both (states, customers).

    Everything is linear in beta, so weights come in here. Columns not yet born have numbers without meaning; there
    alpha is 0. The arrays are used again in the next step.
    """
    beta, arriving = np.empty((2, *passed.alpha.shape[1:]))
    beta[:] = 1 if block.weight is None else block.weight
    for t in range(len(passed.alpha) - 1, -1, -1):
        np.multiply(passed.seen[t], beta, out=arriving)
        yield t, beta, arriving
        np.matmul(model.transition, arriving, out=beta)


def posterior(model: PoissonHMM, block: Block) -> tuple[Array, Array]:
    """(log-likelihood (customers,), probability of each state given all counts (periods, states, customers))."""
    passed = forward(model, block)
    for t, beta, _ in backward(model, block._replace(weight=None), passed):
        passed.alpha[t] *= beta
    if passed.in_logs:
        columns, smoothed = passed.in_logs
        passed.alpha[:, :, columns] = smoothed.state.transpose(0, 2, 1)
    return passed.log_likelihood, passed.alpha


def last_state(model: PoissonHMM, block: Block) -> tuple[Array, Array]:
    """(log-likelihood (customers,), probability of each state in the last period (states, customers))."""
    passed = forward(model, block)
    if passed.in_logs:
        columns, smoothed = passed.in_logs
        passed.alpha[-1][:, columns] = smoothed.state[-1].T
    return passed.log_likelihood, passed.alpha[-1]


def sums(model: PoissonHMM, block: Block) -> Sums:
    """Expected sufficient statistics of a block: one E-step."""
    passed, states = forward(model, block), len(model.rates)
    begun, moved, told = np.zeros(states), np.zeros((states, states)), np.zeros((states, 2))
    gamma, known = np.empty(passed.alpha.shape[1:]), np.empty((2, block.y.shape[1]))
    for t, beta, arriving in backward(model, block, passed):
        np.multiply(passed.alpha[t], beta, out=gamma)
        known[0], known[1] = block.y[t] >= 0, np.maximum(block.y[t], 0)
        told += gamma @ known.T
        begun += gamma[:, block.before[t] : block.born[t]].sum(axis=1)
        if t:
            moved += passed.alpha[t - 1] @ arriving.T
    weight = np.ones(block.y.shape[1]) if block.weight is None else block.weight
    found = Sums(float(weight @ passed.log_likelihood), begun, moved * model.transition, told[:, 0], told[:, 1])
    return _with_logs(found, block, weight, passed) if passed.in_logs else found


def _with_logs(found: Sums, block: Block, weight: Array, passed: Passed) -> Sums:
    assert passed.in_logs  # noqa: S101 - for the type checker
    columns, smoothed = passed.in_logs
    y, state = block.y[:, columns], smoothed.state * weight[columns, None]
    first = (block.born[:, None] > columns) & (block.before[:, None] <= columns)
    return Sums(
        found.log_likelihood,
        found.begun + state[first].sum(axis=0),
        found.moved + np.tensordot(weight[columns], smoothed.moved, 1),
        found.held + state[y >= 0].sum(axis=0),
        found.bought + np.tensordot(np.maximum(y, 0), state, 2),
    )
