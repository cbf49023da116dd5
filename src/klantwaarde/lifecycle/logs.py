"""The same passes in logarithms: slow, never underflowing, for the few customers who need it; and best paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import logsumexp

if TYPE_CHECKING:
    from klantwaarde.lifecycle.hmm import PoissonHMM
    from klantwaarde.typing import Array


class Smoothed(NamedTuple):
    """States given all counts; impossible counts have log-likelihood -inf and zeros."""

    log_likelihood: Array  # (customers,), without the counts' common part
    state: Array  # (periods, customers, states)
    moved: Array  # (customers, states, states) expected moves


def smoothed(model: PoissonHMM, log_b: Array, born: Array, not_before: Array) -> Smoothed:
    """Forward and backward; log_b (periods, customers, states), born and not_before (periods, customers).

    born: is a customer in this period; not_before: was none in the period before.
    """
    start, moves = logarithms(model)
    alpha, beta = np.empty_like(log_b), np.zeros_like(log_b)
    for t in range(len(log_b)):
        moved = _sum(alpha[t - 1][:, :, None] + moves, 1) if t else alpha[0]
        come = np.where(not_before[t, :, None], start, moved)
        alpha[t] = np.where(born[t, :, None], come + log_b[t], -np.inf)
    for t in range(len(log_b) - 2, -1, -1):
        beta[t] = _sum(moves + (log_b[t + 1] + beta[t + 1])[:, None, :], 2)
    total = _sum(alpha[-1], 1)
    sure = np.where(np.isneginf(total), 0.0, total)[:, None]
    found = np.zeros((log_b.shape[1], *moves.shape))
    for t in range(1, len(log_b)):
        onward = (log_b[t] + beta[t] - sure)[:, None, :]
        found += np.exp(alpha[t - 1][:, :, None] + moves + onward)
    return Smoothed(total, np.exp(alpha + beta - sure), found)


def _sum(terms: Array, axis: int) -> Array:
    with np.errstate(divide="ignore"):
        return np.asarray(logsumexp(terms, axis=axis))


def logarithms(model: PoissonHMM) -> tuple[Array, Array]:
    """(log start, log transition), -inf for 0."""
    with np.errstate(divide="ignore"):
        return np.log(model.start), np.log(model.transition)


def best_paths(model: PoissonHMM, log_b: Array, before: Array, born: Array) -> tuple[Array, Array]:
    """(log weight (customers,), likeliest states (periods, customers), -1 before birth): Viterbi (1967).

    log_b (periods, states, customers); before, born (periods,): so many columns are customers.
    """
    start, moves = logarithms(model)
    came, path = np.zeros(log_b.shape, dtype=np.int16), np.full(log_b[:, 0].shape, -1)
    weight = np.zeros(log_b.shape[1:])
    for t in range(len(log_b)):
        ways = weight[:, None, : before[t]] + moves[:, :, None]
        came[t][:, : before[t]] = ways.argmax(axis=0)
        weight[:, : before[t]] = ways.max(axis=0)
        weight[:, before[t] : born[t]] = start[:, None]
        weight[:, : born[t]] += log_b[t][:, : born[t]]
    here, columns = weight.argmax(axis=0), np.arange(log_b.shape[2])
    for t in range(len(log_b) - 1, -1, -1):
        path[t, : born[t]] = here[: born[t]]
        here[: before[t]] = came[t][here[: before[t]], columns[: before[t]]]
    return weight.max(axis=0), path
