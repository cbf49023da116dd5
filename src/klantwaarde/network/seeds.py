"""Whom to seed: customers who together reach the most value, when everyone reached may set off others.

A choice by value-weighted reverse-reachable sets with a guarantee, next to the plain ranking that it should beat:
seeds by their own value, or any other score, pick customers who reach the same people.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from klantwaarde.errors import BadParameters, named
from klantwaarde.network.cascade import edges, incoming, outgoing, reached
from klantwaarde.network.cover import GREEDY, Budget
from klantwaarde.network.imm import Aim, certified, choice
from klantwaarde.network.reverse import batches, grouped, reverse_sets, source

if TYPE_CHECKING:
    from klantwaarde.network.cascade import Edges
    from klantwaarde.network.imm import Choice
    from klantwaarde.network.reverse import Sets, Source
    from klantwaarde.typing import Array

NORMAL = 1.959963984540054  # 95 % of a normal variable lies within this many standard deviations
PRECISION = 20  # the spread is measured to a standard error of epsilon / 20 of itself
CHEAP = 4_000_000  # nodes in the sets that it is measured on, however few were needed for the choice: seconds
ENTRIES = 250_000_000  # nodes in all sets held at one time: about 2.5 GB


class Estimate(NamedTuple):
    """A mean over random draws, its standard error and 95 % interval."""

    mean: float
    standard_error: float
    low: float
    high: float


class SetCounts(NamedTuple):
    """Reverse-reachable sets drawn: for a bound on the optimum, for the choice, for measuring what was chosen."""

    bound: int
    choice: int
    measure: int


@dataclass(frozen=True)
class Seeds:
    """Seeds, what they reach, and what is known about how good they are. Money in the unit of `value`.

    All but the choice is measured on sets of their own, so `spread`, `gains`, `plain_spread` and `advantage` are
    unbiased. With a chance of at least `confidence`, the seeds reach `guarantee` times the most that any choice
    reaches (known beforehand; 0: nothing) and, again so, `certified` times (shown by the draws; usually more).
    """

    nodes: Array
    """Numbers of the seeds, in the order chosen; fewer than k when these reach all value, in all draws."""
    gains: Array
    """Expected value that each adds to those before it; they add up to the spread."""
    spread: Estimate
    """Expected value reached, that of the seeds included."""
    plain: Array
    """As many by plain ranking."""
    plain_spread: Estimate
    advantage: Estimate
    """Spread less plain spread, on the same draws."""
    total: float
    """Value of all."""
    guarantee: float
    certified: float
    confidence: float
    epsilon: float
    """As asked, or larger where the sets would not fit in memory; then the guarantee is smaller."""
    sets: SetCounts


def seeds(
    graph: Any,
    value: Array,
    k: int,
    epsilon: float = 0.1,
    rng: np.random.Generator | None = None,
    *,
    score: Array | None = None,
    cost: Array | None = None,
    budget: float | None = None,
    ell: float = 1.0,
    entries: int = ENTRIES,
) -> Seeds:
    """At most k customers whose cascades together reach the most value; within epsilon of the best that greedy can.

    graph: scipy.sparse, graph[i, j] the chance that i sets off j (two links p and q are one of 1 - (1 - p)(1 - q)).
    value: (n,) >= 0; whoever costs money when reached counts as 0: clip before, and know that you did.
    score: what the plain ranking goes by, default `value`. cost: (n,) > 0, at most `budget` in all.
    The guarantee is 1 - 1/e - epsilon (with costs (1 - 1/e) / 2 - epsilon, and only where k does not bind), with a
    chance of 1 - n^-ell. entries: nodes in the sets held at one time, 10 bytes each. rng: default the same each time.
    BadParameters for a chance outside 0 to 1, a negative value, a k below 1, or sizes that differ.
    """
    links = edges(graph)
    value = _numbers("value", value, links.nodes)
    allowed = _budget(k, cost, budget, links.nodes)
    aim = Aim(links.nodes, allowed, epsilon, ell, entries)
    _check(value, aim)
    plain = _affordable(_ranked(value if score is None else _numbers("score", score, links.nodes)), allowed)
    if not (value.any() and allowed.largest(links.nodes)) or (allowed.cost is None and not len(links.chance)):
        return _without_sampling(value, plain, allowed, aim)
    return _sampled(links, value, plain, aim, np.random.default_rng(0) if rng is None else rng)


def plain_ranking(score: Array, k: int) -> Array:
    """Numbers of the k customers of highest score, the highest first, ties by number; all if there are fewer."""
    return _ranked(_numbers("score", score, np.size(score)))[: _count(k)]


def spread(graph: Any, value: Array, seeds: Array, runs: int, rng: np.random.Generator) -> Estimate:
    """Value that cascades from these seeds reach, that of the seeds included, by simulating them `runs` times.

    value may be negative here. BadParameters for fewer than 2 runs, or a seed that is no node.
    """
    links = edges(graph)
    value, start = _numbers("value", value, links.nodes), _nodes(seeds, links.nodes)
    if _count(runs) < 2:
        raise BadParameters(f"runs={runs!r}: a standard error needs at least 2.")
    if not len(start):
        return _exactly(0.0)
    forward = outgoing(links)

    def run(size: int, own: np.random.Generator) -> Sets:
        run, node = np.repeat(np.arange(size), len(start)), np.tile(start, size)
        return grouped(*reached(forward, run, node, own), size)

    totals = [np.add.reduceat(value[sets.node], sets.start[:-1]) for sets in batches(run, runs, rng)]
    return _mean(np.concatenate(totals))


class Measured(NamedTuple):
    """Of fresh sets: how many, how many each seed is the first to be in, and how many one of two choices alone."""

    sets: int
    first: Array
    only_chosen: int
    only_plain: int


def _sampled(links: Edges, value: Array, plain: Array, aim: Aim, rng: np.random.Generator) -> Seeds:
    drawn, total = source(incoming(links), value), float(value.sum())
    chosen = choice(drawn, aim, _own(value, aim.budget), rng)
    nodes = chosen.cover.nodes
    found = _measured(drawn, _draws(chosen, aim), nodes, plain, rng)
    hits = int(found.first.sum())
    return Seeds(
        nodes,
        total * found.first / found.sets,
        _share(hits, found.sets, total),
        plain,
        _share(hits - found.only_chosen + found.only_plain, found.sets, total),
        _difference(found, total),
        total,
        _guarantee(chosen, aim),
        certified(chosen, hits, found.sets, aim),
        1 - float(max(aim.nodes, 2)) ** -aim.ell,
        chosen.epsilon,
        SetCounts(chosen.before, chosen.sets, found.sets),
    )


def _draws(chosen: Choice, aim: Aim) -> int:
    """Sets to measure on: those that the standard error asks for, at most as many as the choice took, or cheap ones."""
    share = max(chosen.cover.covered, 1) / chosen.sets
    asked = math.ceil((1 - share) / share * (PRECISION / aim.epsilon) ** 2)
    return max(1, min(asked, max(chosen.sets, int(CHEAP / chosen.size))))


def _measured(drawn: Source, count: int, nodes: Array, plain: Array, rng: np.random.Generator) -> Measured:
    """First seed in each of `count` fresh sets, and whether the plain ranking is in it."""
    rank = np.full(len(drawn.share), len(nodes), dtype=np.int32)
    rank[nodes] = np.arange(len(nodes))
    by_plain = np.zeros(len(drawn.share), dtype=bool)
    by_plain[plain] = True
    first, only_chosen, only_plain = np.zeros(len(nodes), dtype=np.int64), 0, 0
    for sets in reverse_sets(drawn, count, rng):
        lowest = np.minimum.reduceat(rank[sets.node], sets.start[:-1])
        in_plain = np.logical_or.reduceat(by_plain[sets.node], sets.start[:-1])
        first += np.bincount(lowest, minlength=len(nodes) + 1)[: len(nodes)]
        only_chosen += int(np.count_nonzero((lowest < len(nodes)) & ~in_plain))
        only_plain += int(np.count_nonzero((lowest == len(nodes)) & in_plain))
    return Measured(count, first, only_chosen, only_plain)


def _without_sampling(value: Array, plain: Array, allowed: Budget, aim: Aim) -> Seeds:
    """Nobody sets off anybody, or has value, or can be paid: the best are those of highest value."""
    ranked = _ranked(value)
    nodes = _affordable(ranked[value[ranked] > 0], allowed)
    most, other = float(value[nodes].sum()), float(value[plain].sum())
    return Seeds(
        nodes,
        value[nodes],
        _exactly(most),
        plain,
        _exactly(other),
        _exactly(most - other),
        float(value.sum()),
        1.0,
        1.0,
        1.0,
        aim.epsilon,
        SetCounts(0, 0, 0),
    )


def _guarantee(chosen: Choice, aim: Aim) -> float:
    if aim.budget.cost is not None and chosen.cover.full:
        return 0.0  # (1 - 1/e) / 2 holds when money alone ends the choice
    return max(0.0, aim.ratio - chosen.epsilon)


def _ranked(score: Array) -> Array:
    return np.argsort(-score, kind="stable")


def _affordable(order: Array, allowed: Budget) -> Array:
    """From the top whoever can still be paid."""
    room, money, parts = allowed.most, allowed.money, [order[:0]]
    if allowed.cost is None:
        return np.asarray(order[:room])
    while room > 0 and len(order):
        order = order[allowed.cost[order] <= money]
        spent = np.cumsum(allowed.cost[order])
        fit = min(room, int(np.searchsorted(spent, money, side="right")))
        parts.append(order[:fit])
        room, money, order = room - fit, money - (spent[fit - 1] if fit else 0), order[fit:]
    return np.concatenate(parts)


def _own(value: Array, allowed: Budget) -> float:
    """Share of all value that seeds have themselves, at best or nearly: the optimum reaches at least that."""
    scaled = value / value.max()
    best = scaled[_affordable(_ranked(value), allowed)].sum()
    if allowed.cost is not None:
        worth = np.log(np.maximum(scaled, 1e-300)) - np.log(allowed.cost)  # a quotient could overflow
        best = max(best, scaled[_affordable(_ranked(worth), allowed)].sum())
    return float(best / scaled.sum())


def _share(hits: int, sets: int, total: float) -> Estimate:
    """Total times a share, with Wilson's interval (1927), which stays within 0 and the total."""
    share, z = hits / sets, NORMAL**2 / sets
    middle = (share + z / 2) / (1 + z)
    half = math.sqrt(z * share * (1 - share) + z**2 / 4) / (1 + z)
    low, high = max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share))
    return Estimate(total * share, total * math.sqrt(share * (1 - share) / sets), total * low, total * high)


def _difference(found: Measured, total: float) -> Estimate:
    both = (found.only_chosen - found.only_plain) / found.sets
    spare = (found.only_chosen + found.only_plain) / found.sets - both**2
    return _normal(total * both, total * math.sqrt(max(spare, 0.0) / found.sets))


def _mean(draws: Array) -> Estimate:
    return _normal(float(draws.mean()), float(draws.std(ddof=1) / math.sqrt(len(draws))))


def _normal(mean: float, error: float) -> Estimate:
    return Estimate(mean, error, mean - NORMAL * error, mean + NORMAL * error)


def _exactly(mean: float) -> Estimate:
    return _normal(mean, 0.0)


def _numbers(name: str, given: Array, count: int) -> Array:
    array = np.asarray(given, dtype=float)
    if array.shape != (count,):
        raise BadParameters(f"{name} has shape {array.shape}; there must be one number for each of {count} nodes.")
    bad = np.flatnonzero(~np.isfinite(array))
    if len(bad):
        raise BadParameters(f"{len(bad)} of {count} entries of {name} are no finite number, the first at {bad[0]}.")
    return array


def _nodes(given: Array, count: int) -> Array:
    array = np.unique(np.asarray(given, dtype=np.int64))
    if len(array) and not 0 <= array[0] <= array[-1] < count:
        raise BadParameters(f"seeds must be numbers of nodes, 0 to {count - 1}; got {array[0]} to {array[-1]}.")
    return array


def _count(given: Any) -> int:
    if not isinstance(given, int | np.integer) or given < 1:
        raise BadParameters(f"{given!r} is no number of customers or runs; give a whole number of at least 1.")
    return int(given)


def _budget(k: int, cost: Array | None, money: float | None, nodes: int) -> Budget:
    most = min(_count(k), nodes)
    if cost is None and money is None:
        return Budget(most)
    if cost is None or money is None:
        raise BadParameters("cost and budget go together: what each costs, and what there is to spend.")
    costs = _numbers("cost", cost, nodes)
    if not (costs > 0).all() or not 0 < money < math.inf:
        raise BadParameters(f"budget={money!r} and every cost must be above 0 and finite; lowest cost {costs.min()}.")
    return Budget(most, costs, float(money))


def check_asked(k: int, epsilon: float) -> None:
    """Raise BadParameters for a number of seeds or a distance from the best that cannot be: before anything is read."""
    if k < 1:
        raise BadParameters(f"{named('k', k)} is no number of customers; give a whole number of at least 1.")
    if not 0 < epsilon < GREEDY:
        raise BadParameters(f"{named('epsilon', epsilon)} must lie above 0 and below {GREEDY:.3f}, or nothing is left.")


def _check(value: Array, aim: Aim) -> None:
    negative = np.flatnonzero(value < 0)
    if len(negative):
        raise BadParameters(
            f"{len(negative)} of {len(value)} values are negative, the first at {negative[0]}: reaching someone cannot "
            "count against seeds. Clip them, np.maximum(value, 0), or leave these customers out."
        )
    if value.max(initial=0.0) > np.finfo(float).max / max(len(value), 1):
        raise BadParameters("values add up to more than a number can hold; give them in a larger unit.")
    if not 0 < aim.epsilon < aim.ratio:
        told = named("epsilon", aim.epsilon)
        raise BadParameters(f"{told} must lie above 0 and below {aim.ratio:.3f}, or nothing is left.")
    if not 0 < aim.ell < math.inf or aim.entries < 1:
        raise BadParameters(f"ell={aim.ell!r} must be above 0 and finite, entries={aim.entries!r} at least 1.")
