"""How many reverse-reachable sets a choice needs, and the choice.

IMM: Tang, Shi & Xiao (2015), "Influence maximization in near-linear time: a martingale approach", SIGMOD; theorems and
constants under their names there. With values, the number of customers becomes the value of all where it multiplies a
share; shares are used here, so it is 1. The sets of the first phase are not used again: with them the proof has a gap
(Chen 2018, "An issue in the martingale analysis of the influence maximization algorithm IMM", CSoNet).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import gammaln

from klantwaarde.network.cover import GREEDY, Budget, cover, index
from klantwaarde.network.reverse import joined, reverse_sets

if TYPE_CHECKING:
    from klantwaarde.network.cover import Cover
    from klantwaarde.network.reverse import Sets, Source

PILOT = 32  # sets that tell how large sets are, before anything else is known


class Aim(NamedTuple):
    """What is wanted: within epsilon of `ratio` times the optimum, but for a chance of nodes^-ell."""

    nodes: int
    budget: Budget
    epsilon: float
    ell: float
    entries: int  # nodes in all sets that are held at one time

    @property
    def ratio(self) -> float:
        """What greedy reaches at least: 1 - 1/e, and half of that with costs."""
        return GREEDY if self.budget.cost is None else GREEDY / 2

    @property
    def least(self) -> float:
        """Share below which the optimum is not looked for, which can be where only those without value are payable."""
        return min(0.01, 1 / self.nodes)

    @property
    def confidence_term(self) -> float:
        """Term ell ln n, ell raised so that both phases together fail with nodes^-ell."""
        return self.ell * math.log(max(self.nodes, 2)) + math.log(2)

    @property
    def log_choices(self) -> float:
        """Logarithm of how many choices there are, or a bit more."""
        n, most = self.nodes, self.budget.largest(self.nodes)
        if self.budget.cost is None:
            return _log_binomial(n, most)
        return min(n * math.log(2), math.log(most + 1) + _log_binomial(n, min(most, n // 2)))


class Choice(NamedTuple):
    """What was chosen, on how many sets of what mean size, after how many for the bound; the epsilon that they give."""

    cover: Cover
    sets: int
    size: float
    before: int
    epsilon: float


def choice(drawn: Source, aim: Aim, own: float, rng: np.random.Generator) -> Choice:
    """Greedy choice on fresh sets, as many as IMM asks for, or as are allowed. own: a share that can be reached."""
    pilot = joined(list(reverse_sets(drawn, PILOT, rng)))
    bound, used, size = _lower_bound(drawn, aim, own, len(pilot.node) / PILOT, rng)
    count = min(math.ceil(_final(aim) / max(bound, aim.least)), max(1, int(aim.entries / size)))
    fresh = joined(list(reverse_sets(drawn, count, rng)))
    within = aim.epsilon * math.sqrt(max(1.0, _final(aim) / bound / count)) if bound else 1.0
    return Choice(_chosen(fresh, aim), count, len(fresh.node) / count, used + PILOT, min(1.0, within))


def _lower_bound(
    drawn: Source, aim: Aim, own: float, size: float, rng: np.random.Generator
) -> tuple[float, int, float]:
    """(share that the optimum reaches at least, sets used, mean size of a set): algorithm 2, lines 1 to 12."""
    parts: list[Sets] = []
    wide, guess, count, searched = math.sqrt(2) * aim.epsilon, 0.5, 0, _search(aim, own)
    while guess > max(own, aim.least):
        wanted = math.ceil(searched / guess)
        if wanted * size > aim.entries:
            break
        parts = [joined([*parts, *reverse_sets(drawn, wanted - count, rng)])]
        count, size = wanted, len(parts[0].node) / wanted
        share = _chosen(parts[0], aim).covered / count
        if share >= (1 + wide) * guess:
            return max(own, share / (1 + wide)), count, size
        guess /= 2
    return own, count, size


def _search(aim: Aim, own: float) -> float:
    """Lambda prime: sets times guessed share in the search for a bound."""
    wide = math.sqrt(2) * aim.epsilon
    rounds = math.log(max(math.log2(max(aim.nodes, 2)), math.log2(1 / max(own, aim.least)), 1))
    return (2 + 2 * wide / 3) * (aim.log_choices + aim.confidence_term + rounds) / wide**2


def _final(aim: Aim) -> float:
    """Lambda star: sets times the share that the optimum reaches."""
    alpha = math.sqrt(aim.confidence_term + math.log(2))
    beta = math.sqrt(aim.ratio * (aim.log_choices + aim.confidence_term + math.log(2)))
    return 2 * (aim.ratio * alpha + beta) ** 2 / aim.epsilon**2


def certified(chosen: Choice, hits: int, sets: int, aim: Aim) -> float:
    """Share of the optimum that the choice reaches at least, as these very sets show, but for nodes^-ell.

    hits: how many of `sets` fresh sets contain a seed. OPIM: Tang, Tang, Xiao & Yuan (2018), "Online processing
    algorithms for influence maximization", SIGMOD, lemmas 4.2 and 4.3.
    """
    a = aim.confidence_term
    low = max(0.0, math.sqrt(hits + 2 * a / 9) - math.sqrt(a / 2)) ** 2 - a / 18
    high = (math.sqrt(chosen.cover.bound + a / 2) + math.sqrt(a / 2)) ** 2
    return min(1.0, max(0.0, low / sets) / (high / chosen.sets))


def _chosen(sets: Sets, aim: Aim) -> Cover:
    return cover(index(sets, aim.nodes), aim.budget)


def _log_binomial(n: int, k: int) -> float:
    return float(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
