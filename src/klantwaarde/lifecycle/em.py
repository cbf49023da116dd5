"""EM for hidden Markov models of several segments that share their rates.

Dempster, Laird & Rubin (1977), JRSS B 39(1); the sums per block are those of `forward`. What never falls from step to
step is the log-likelihood plus the logarithm of the prior.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import xlogy

from klantwaarde.lifecycle import forward
from klantwaarde.lifecycle.counts import block_of, distinct, each, slices
from klantwaarde.lifecycle.hmm import PoissonHMM

if TYPE_CHECKING:
    from klantwaarde.lifecycle.counts import Block
    from klantwaarde.typing import Array

LEFT = 0.01  # log-likelihood that all further steps together may still bring: far less than noise


class Asked(NamedTuple):
    """How to fit."""

    lost: bool  # the first state buys nothing and is never left
    prior: float  # added to every expected number of beginnings and moves
    starts: int
    steps: int
    seed: int


class Part(NamedTuple):
    """A block of customers of one segment."""

    segment: int
    block: Block


class Parameters(NamedTuple):
    """Of all segments."""

    start: Array  # (segments, states)
    transition: Array  # (segments, states, states)
    rates: Array  # (states,)

    def model(self, segment: int) -> PoissonHMM:
        """That of one segment."""
        return PoissonHMM(self.start[segment], self.transition[segment], self.rates)


class Run(NamedTuple):
    """Where EM ended."""

    parameters: Parameters
    history: tuple[float, ...]  # log-likelihood plus log prior, per step
    left: float  # how much further steps may still bring
    held: Array  # (states,) expected periods


def parts_of(y: Array, groups: Array, states: int) -> list[Part]:
    """Blocks of each segment, equal histories counted once where that pays."""
    found = []
    for segment in range(int(groups.max(initial=0)) + 1):
        rows, weight = distinct(y[groups == segment])
        for cut in slices(len(rows), rows.shape[1], states):
            part = block_of(rows[cut], np.arange(cut.start, cut.stop), None if weight is None else weight[cut])
            found.append(Part(segment, part))
    return found


def climb(parameters: Parameters, parts: list[Part], asked: Asked, steps: int, enough: float = LEFT) -> Run:
    """EM until the steps to come together bring less than `enough`, or for so many steps.

    They bring what a geometric series with the ratio of the last two gains does: Aitken's extrapolation (Boehning et
    al., 1994, Annals of the Institute of Statistical Mathematics 46(2)).
    """
    history: list[float] = []
    left, held = np.inf, np.zeros(len(parameters.rates))
    for _ in range(steps):
        found = _expected(parameters, parts)
        history.append(sum(sums.log_likelihood for sums in found) + _log_prior(parameters, asked))
        left, held = _left(history), np.sum([sums.held for sums in found], axis=0)
        if left < enough:
            break
        parameters = _maximised(parameters, found, asked)
    return Run(parameters, tuple(history), left, held)


def _left(history: list[float]) -> float:
    if len(history) < 3:
        return np.inf
    before, gain = np.diff(history[-3:])
    # Rounding of a sum of many logarithms can pass for a gain, or for a loss.
    noise = 1e-13 * abs(history[-1])
    if gain <= noise:
        return 0.0
    return float(gain * gain / (before - gain)) if before > gain else np.inf


def _expected(parameters: Parameters, parts: list[Part]) -> list[forward.Sums]:
    """Sums per segment."""
    found = each(lambda part: forward.sums(parameters.model(part.segment), part.block), parts)
    segments = len(parameters.start)
    of = [[sums for part, sums in zip(parts, found, strict=True) if part.segment == s] for s in range(segments)]
    return [forward.Sums(*(sum(values) for values in zip(*each_sums, strict=True))) for each_sums in of]


def _maximised(parameters: Parameters, found: list[forward.Sums], asked: Asked) -> Parameters:
    start = _shares(np.array([sums.begun for sums in found]) + asked.prior, parameters.start)
    moves = _shares(np.array([sums.moved for sums in found]) + asked.prior, parameters.transition)
    held, bought = (np.sum([getattr(sums, name) for sums in found], axis=0) for name in ("held", "bought"))
    rates = np.divide(bought, held, out=parameters.rates.copy(), where=held > 0)
    return absorbing(Parameters(start, moves, rates)) if asked.lost else Parameters(start, moves, rates)


def _shares(numbers: Array, before: Array) -> Array:
    """Numbers as shares of their row; rows without any as before."""
    total = numbers.sum(axis=-1, keepdims=True)
    return np.asarray(np.divide(numbers, total, out=before.copy(), where=total > 0))


def absorbing(parameters: Parameters) -> Parameters:
    """The same, the first state buying nothing and never left."""
    rates, transition = parameters.rates.copy(), parameters.transition.copy()
    rates[0], transition[:, 0] = 0.0, np.eye(len(rates))[0]
    return Parameters(parameters.start, transition, rates)


def _log_prior(parameters: Parameters, asked: Asked) -> float:
    free = parameters.transition[:, int(asked.lost) :]
    return float(xlogy(asked.prior, parameters.start).sum() + xlogy(asked.prior, free).sum())


def started(y: Array, segments: int, states: int, asked: Asked, which: int) -> Parameters:
    """Where EM may begin: number 0 from the customers' own rates, others at random, never two rates alike."""
    rng = np.random.default_rng((asked.seed, which))
    periods = (y >= 0).sum(axis=1)
    own = np.sort(np.maximum(y, 0).sum(axis=1) / np.maximum(periods, 1))
    mean = max(float(own.mean()), 1e-6)
    if which == 0:
        rates = np.array([group.mean() if len(group) else mean for group in np.array_split(own, states)])
    else:
        rates = np.sort(mean * rng.lognormal(0, 1.3, states))
    rates = np.maximum.accumulate(np.maximum(rates, 0.05 * mean) * 1.3 ** np.arange(states))
    stay = rng.uniform(0.6, 0.95) if which else 0.8
    moves = stay * np.eye(states) + (1 - stay) * rng.dirichlet(np.full(states, 5.0), states)
    start = rng.dirichlet(np.full(states, 5.0))
    found = Parameters(np.tile(start, (segments, 1)), np.tile(moves, (segments, 1, 1)), rates)
    return absorbing(found) if asked.lost else found


def ordered(parameters: Parameters, *, lost: bool) -> Parameters:
    """States by rate, a lost state first."""
    key = parameters.rates.copy()
    key[0] = -1.0 if lost else key[0]
    by = np.argsort(key, kind="stable")
    return Parameters(parameters.start[:, by], parameters.transition[:, by][:, :, by], parameters.rates[by])
