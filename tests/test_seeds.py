"""Whom to seed: against enumeration of every outcome, forward simulation, the optimum and a network worked by hand."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from benchmarks import seeds as bench
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse, stats

from klantwaarde.errors import BadParameters
from klantwaarde.network import imm, reverse
from klantwaarde.network.cascade import edges, incoming, outgoing, reached, steps
from klantwaarde.network.cover import Budget, cover, index
from klantwaarde.network.hash_sets import Visited
from klantwaarde.network.reverse import Sets, joined, reverse_sets, source
from klantwaarde.network.seeds import Seeds, plain_ranking, seeds, spread
from klantwaarde.network.solve import accountable

TOY = [(0, 1, 0.5), (0, 2, 0.4), (1, 3, 0.6), (2, 3, 0.3), (3, 4, 0.5), (4, 2, 0.2)]
TOY_VALUE = np.array([10.0, 20.0, 30.0, 40.0, 50.0])
TOY_SPREAD = [57.5, 60.8, 49.5, 68.0, 58.4]  # of each alone, by hand
FAR = 4.5  # standard errors: 1 in 150,000 by chance

Link = tuple[int, int, float]


def graph_of(links: list[Link], nodes: int) -> Any:
    rows, columns, chances = zip(*links, strict=True) if links else ((), (), ())
    return sparse.coo_array((np.array(chances, dtype=float), (rows, columns)), shape=(nodes, nodes))


def exact(links: list[Link], value: np.ndarray) -> np.ndarray:
    """Expected value reached from every set of seeds (bit i: node i), by every outcome of the links."""
    nodes = len(value)
    total = np.zeros(1 << nodes)
    sets = np.arange(1 << nodes)
    for live in itertools.product((False, True), repeat=len(links)):
        chance = math.prod(p if on else 1 - p for (_, _, p), on in zip(links, live, strict=True))
        within = sets
        for _ in range(nodes):
            for (i, j, _), on in zip(links, live, strict=True):
                within = within | (((within >> i) & 1) << j if on else 0)
        total += chance * sum(value[i] * ((within >> i) & 1) for i in range(nodes))
    return total


def bits(nodes: Any) -> int:
    return sum(1 << int(i) for i in nodes)


def optimum(every: np.ndarray, nodes: int, k: int) -> float:
    return max(every[bits(choice)] for choice in itertools.combinations(range(nodes), min(k, nodes)))


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def near(estimate: Any, truth: float) -> bool:
    return bool(abs(estimate.mean - truth) <= FAR * estimate.standard_error + 1e-9 * abs(truth))


@st.composite
def networks(draw: st.DrawFn) -> tuple[list[Link], np.ndarray]:
    nodes = draw(st.integers(1, 5))
    chance = st.one_of(st.sampled_from([1.0, 0.0, 1e-9, 0.5]), st.floats(0, 1))
    link = st.tuples(st.integers(0, nodes - 1), st.integers(0, nodes - 1), chance)
    value = st.one_of(st.just(0.0), st.floats(0.1, 100))
    return draw(st.lists(link, max_size=7)), np.array(draw(st.lists(value, min_size=nodes, max_size=nodes)))


# The network worked by hand


def test_enumeration_agrees_with_the_numbers_by_hand() -> None:
    every = exact(TOY, TOY_VALUE)
    assert [every[1 << i] for i in range(5)] == pytest.approx(TOY_SPREAD, abs=0.05)
    assert optimum(every, 5, 2) == pytest.approx(101.968, abs=5e-4) == every[bits([0, 4])]
    assert every[bits([3, 0])] == pytest.approx(98.8, abs=0.05)


@pytest.mark.parametrize("node", range(5))
def test_forward_simulation_reaches_what_was_worked_by_hand(node: int) -> None:
    told = spread(graph_of(TOY, 5), TOY_VALUE, [node], 20_000, rng(node))
    assert near(told, exact(TOY, TOY_VALUE)[1 << node])
    assert told.low < told.mean < told.high


def test_seeds_of_the_network_by_hand() -> None:
    every = exact(TOY, TOY_VALUE)
    found = seeds(graph_of(TOY, 5), TOY_VALUE, 2, 0.05, rng())
    assert found.nodes.tolist() == [3, 0]  # greedy's choice
    assert near(found.spread, every[bits([3, 0])])
    assert near(found.spread._replace(mean=found.gains[0]), every[bits([3])])
    assert found.plain.tolist() == [4, 3]
    assert near(found.plain_spread, every[bits([3, 4])])
    assert near(found.advantage, every[bits([3, 0])] - every[bits([3, 4])])
    assert found.spread.mean / optimum(every, 5, 2) == pytest.approx(0.969, abs=0.02)
    assert found.guarantee == pytest.approx(1 - 1 / math.e - 0.05)
    # No two reach more than any chosen so far and the two largest gains after them (submodularity): here after 3.
    bound = every[bits([3])] + sum(sorted(every[bits([3, i])] - every[bits([3])] for i in (0, 1, 2, 4))[-2:])
    assert found.certified == pytest.approx(every[bits([3, 0])] / bound, rel=0.05)
    assert found.certified < every[bits([3, 0])] / bound


# Small networks, every outcome enumerated


@given(networks(), st.integers(1, 3))
@settings(max_examples=25)
def test_within_the_guarantee_of_the_optimum(network: tuple[list[Link], np.ndarray], k: int) -> None:
    links, value = network
    every, found = exact(links, value), seeds(graph_of(links, len(value)), value, k, 0.2, rng())
    reached_by, best = every[bits(found.nodes)], optimum(every, len(value), k)
    assert len(found.nodes) == len(set(found.nodes.tolist())) <= k
    assert reached_by >= found.guarantee * best - 1e-9
    assert reached_by >= found.certified * best - 1e-9
    assert near(found.spread, reached_by)
    assert near(found.plain_spread, every[bits(found.plain)])
    assert found.gains.sum() == pytest.approx(found.spread.mean)
    assert (
        0 <= found.spread.low <= found.spread.mean + 1e-9 <= found.spread.high + 2e-9 <= found.total * (1 + 1e-9) + 2e-9
    )


@given(networks(), st.integers(0, 31))
@settings(max_examples=25)
def test_forward_simulation_is_unbiased(network: tuple[list[Link], np.ndarray], some: int) -> None:
    links, value = network
    chosen = [i for i in range(len(value)) if some >> i & 1]
    assert near(spread(graph_of(links, len(value)), value, chosen, 4_000, rng()), exact(links, value)[bits(chosen)])


@given(networks(), st.integers(0, 31))
@settings(max_examples=25)
def test_reverse_sets_are_unbiased_for_any_seeds(network: tuple[list[Link], np.ndarray], some: int) -> None:
    links, value = network
    if not value.any():
        return
    chosen = [i for i in range(len(value)) if some >> i & 1]
    sets = joined(list(reverse_sets(source(incoming(edges(graph_of(links, len(value)))), value), 4_000, rng())))
    hit = np.add.reduceat(np.isin(sets.node, chosen), sets.start[:-1]) > 0
    share = exact(links, value)[bits(chosen)] / value.sum()
    assert abs(hit.mean() - share) <= FAR * math.sqrt(share * max(1 - share, 0) / 4_000) + 1e-6  # rare: 7 of 1e-9


@given(networks(), st.lists(st.floats(0.5, 3), min_size=5, max_size=5), st.floats(0.4, 6))
@settings(max_examples=25)
def test_with_costs_within_the_budget_and_the_guarantee(
    network: tuple[list[Link], np.ndarray], costs: list[float], budget: float
) -> None:
    links, value = network
    n, cost = len(value), np.array(costs[: len(value)])
    every = exact(links, value)
    found = seeds(graph_of(links, n), value, n + 1, 0.2, rng(), cost=cost, budget=budget)
    payable = [s for s in range(1 << n) if sum(cost[i] for i in range(n) if s >> i & 1) <= budget]
    assert cost[found.nodes].sum() <= budget * (1 + 1e-12)
    assert cost[found.plain].sum() <= budget * (1 + 1e-12)
    assert every[bits(found.nodes)] >= max(found.guarantee, found.certified) * max(every[s] for s in payable) - 1e-9
    if found.sets.choice:
        assert found.guarantee in (0.0, pytest.approx((1 - 1 / math.e) / 2 - 0.2))


def test_costs_prefer_many_cheap_to_one_dear_and_one_dear_to_a_cheap_trifle() -> None:
    # 0 reaches 1, 2, 3 for 3; by sets alone it would come first. 4, 5, 6 cost 1 each and reach two each.
    links = [(0, 1, 1.0), (0, 2, 1.0), (0, 3, 1.0), (4, 7, 1.0), (5, 8, 1.0), (6, 9, 1.0)]
    cost = np.array([3, 9, 9, 9, 1, 1, 1, 9, 9, 9.0])
    found = seeds(graph_of(links, 10), np.ones(10), 10, 0.1, rng(), cost=cost, budget=3)
    assert sorted(found.nodes.tolist()) == [4, 5, 6]
    dear = seeds(graph_of([], 2), np.array([2.0, 100.0]), 2, 0.1, rng(), cost=np.array([0.01, 10.0]), budget=10)
    assert dear.nodes.tolist() == [1]  # for the money 0 is better, and then 1 cannot be paid


# Edge cases


def exactly(found: Seeds, mean: float) -> bool:
    return found.spread.mean == pytest.approx(mean) and found.spread.standard_error == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("links", "value", "k", "nodes", "mean"),
    [
        ([], [1, 5, 3], 2, [1, 2], 8),  # nobody sets off anybody
        ([], [1, 5, 3], 9, [1, 2, 0], 9),  # more than there are
        ([(0, 1, 1.0)], [0, 0], 1, [], 0),  # nobody has value
        ([(0, 0, 0.9), (1, 1, 1.0)], [2, 1], 1, [0], 2),  # links to oneself
        ([(0, 1, 0.0)], [2, 1], 1, [0], 2),  # links of chance 0
        ([(0, 1, 1.0), (1, 2, 1.0)], [1, 1, 1], 1, [0], 3),  # a certain chain
        ([(0, 1, 1.0), (1, 2, 1.0), (2, 0, 1.0)], [0, 0, 7], 3, [0], 7),  # a ring: the first will do
        ([(0, 1, 1.0)], [0, 4, 0], 2, [0], 4),  # one without value who sets off one with
        ([], [3], 1, [0], 3),
        ([], [], 1, [], 0),
    ],
)
def test_edges(links: list[Link], value: list[float], k: int, nodes: list[int], mean: float) -> None:
    found = seeds(graph_of(links, len(value)), np.array(value, dtype=float), k, 0.1, rng())
    assert found.nodes.tolist() == nodes
    assert exactly(found, mean)
    assert np.isfinite([*found.spread, *found.plain_spread, *found.advantage, found.guarantee, found.certified]).all()


def test_two_links_are_one_of_the_chance_that_either_is_live() -> None:
    twice, once = graph_of([(0, 1, 0.5), (0, 1, 0.6)], 2), graph_of([(0, 1, 0.8)], 2)
    value = np.array([0.0, 1.0])
    assert near(spread(twice, value, [0], 20_000, rng()), 0.8)
    assert near(spread(once, value, [0], 20_000, rng()), 0.8)


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil", "dok"])
def test_every_sparse_format_gives_the_same(form: str) -> None:
    first = seeds(graph_of(TOY, 5).tocsr(), TOY_VALUE, 2, 0.2, rng())
    other = seeds(graph_of(TOY, 5).asformat(form), TOY_VALUE, 2, 0.2, rng())
    assert first.nodes.tolist() == other.nodes.tolist()
    assert near(first.spread, other.spread.mean) or first.spread == other.spread


def test_huge_and_tiny_values_stay_numbers() -> None:
    found = seeds(graph_of(TOY, 5), np.array([1e-300, 1e300, 0, 5e-324, 1e299]), 2, 0.2, rng())
    assert np.isfinite([*found.spread, *found.gains, found.certified]).all()
    assert found.nodes[0] == 1


def test_plain_ranking_breaks_ties_by_number() -> None:
    assert plain_ranking(np.array([1.0, 3.0, 3.0, 2.0]), 3).tolist() == [1, 2, 3]
    assert plain_ranking(np.array([-1.0, 0.0]), 5).tolist() == [1, 0]
    found = seeds(graph_of(TOY, 5), TOY_VALUE, 2, 0.2, rng(), score=np.array([5.0, 1, 1, 4, 1]))
    assert found.plain.tolist() == [0, 3]


GOOD: dict[str, Any] = {"graph": graph_of(TOY, 5), "value": TOY_VALUE, "k": 2}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"graph": np.eye(5)}, "SciPy sparse"),
        ({"graph": sparse.csr_array((4, 5))}, "square"),
        ({"graph": sparse.csr_array(([0.7, 0.6], ([0, 0], [1, 1])), shape=(5, 5))}, r"graph\[0, 1\] = 1.3"),
        ({"graph": graph_of([(2, 3, -0.1), (0, 1, 0.5)], 5)}, r"1 of 2 chances .* graph\[2, 3\] = -0.1"),
        ({"graph": graph_of([(2, 3, math.nan)], 5)}, "nan"),
        ({"value": TOY_VALUE[:4]}, r"shape \(4,\)"),
        ({"value": np.array([1, 2, -3, 4, -5.0])}, "2 of 5 values are negative, the first at 2"),
        ({"value": np.array([1, 2, math.inf, 4, 5.0])}, "no finite number, the first at 2"),
        ({"value": np.full(5, 1e308)}, "larger unit"),
        ({"k": 0}, "at least 1"),
        ({"k": 1.5}, "whole number"),
        ({"epsilon": 0.0}, "epsilon"),
        ({"epsilon": 0.7}, "epsilon"),
        ({"epsilon": math.nan}, "epsilon"),
        ({"ell": -1}, "ell"),
        ({"entries": 0}, "entries"),
        ({"score": np.ones(3)}, "score"),
        ({"cost": np.ones(5)}, "go together"),
        ({"budget": 3}, "go together"),
        ({"cost": np.zeros(5), "budget": 3}, "above 0"),
        ({"cost": np.ones(5), "budget": math.nan}, "above 0"),
        ({"cost": np.ones(5), "budget": 3, "epsilon": 0.4}, "below 0.316"),
    ],
)
def test_bad_input_says_what_and_where(change: dict[str, Any], says: str) -> None:
    with pytest.raises(BadParameters, match=says):
        seeds(**GOOD | change)


@pytest.mark.parametrize(
    ("chosen", "runs", "says"),
    [([5], 10, "0 to 4"), ([-1], 10, "0 to 4"), ([0], 1, "at least 2"), ([0], 0, "at least 1")],
)
def test_simulation_refuses(chosen: list[int], runs: int, says: str) -> None:
    with pytest.raises(BadParameters, match=says):
        spread(graph_of(TOY, 5), TOY_VALUE, chosen, runs, rng())


def test_simulation_counts_a_seed_once_and_takes_losses() -> None:
    assert spread(graph_of([], 3), np.array([1.0, -4.0, 9.0]), [1, 1, 0], 5, rng()).mean == -3
    assert spread(graph_of([], 3), np.ones(3), [], 5, rng()).mean == 0


# The parts


@given(st.lists(st.lists(st.integers(0, 400), max_size=60), max_size=8))
@settings(max_examples=60)
def test_visited_is_a_set(groups: list[list[int]]) -> None:
    seen, table = set[int](), Visited(2)
    for group in groups:
        fresh = table.fresh(np.array(group, dtype=np.int64)).tolist()
        assert len(fresh) == len(set(fresh))
        assert set(fresh) == set(group) - seen
        seen |= set(group)


def test_steps() -> None:
    assert steps(np.array([2, 0, 3])).tolist() == [0, 1, 0, 1, 2]
    assert steps(np.array([], dtype=int)).tolist() == []


@pytest.mark.parametrize("chance", [1.0, 0.9, 0.3, 0.01])
def test_live_links_are_independent_and_as_frequent_as_their_chance(chance: float) -> None:
    """A star of equal links: how many are live is binomial, and each of them as often."""
    leaves, runs = 60, 4_000
    links = outgoing(edges(graph_of([(0, i, chance) for i in range(1, leaves + 1)], leaves + 1)))
    run, node = reached(links, np.arange(runs), np.zeros(runs, dtype=np.int64), rng())
    live = np.bincount(run, minlength=runs) - 1
    each = np.bincount(node, minlength=leaves + 1)[1:]
    spare = leaves * chance * (1 - chance)
    assert abs(live.mean() - leaves * chance) <= FAR * math.sqrt(spare / runs)
    if chance < 1:
        assert stats.chi2.sf(np.sum((each - runs * chance) ** 2) / (runs * chance * (1 - chance)), leaves) > 1e-5
        assert live.var() == pytest.approx(spare, rel=FAR * math.sqrt((2 + 1 / spare) / runs))


def test_chances_that_differ_widely_are_thinned_right() -> None:
    chance = np.array([1.0, 0.99, 0.5, 0.49, 0.26, 0.1, 0.01, 1e-4, 1e-300, 5e-324])
    runs = 20_000
    links = incoming(edges(graph_of([(i, 10, p) for i, p in enumerate(chance)], 11)))
    node = reached(links, np.arange(runs), np.full(runs, 10), rng())[1]
    count = np.bincount(node, minlength=11)[:10]
    assert np.all(
        np.abs(count - runs * chance) <= FAR * np.sqrt(runs * chance * (1 - chance)) + 1e-6 + (chance == 1e-4)
    )


@given(
    st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=4, unique=True), min_size=1, max_size=10),
    st.integers(1, 3),
)
@settings(max_examples=80)
def test_greedy_takes_the_most_each_time_and_its_bound_holds(given_sets: list[list[int]], k: int) -> None:
    lengths = [len(s) for s in given_sets]
    sets = Sets(np.append(0, np.cumsum(lengths)), np.concatenate(given_sets).astype(np.int32))
    found = cover(index(sets, 6), Budget(k))
    left = [set(s) for s in given_sets]
    for node in found.nodes:
        gains = [sum(i in s for s in left) for i in range(6)]
        assert gains[node] == max(gains) > 0
        left = [s for s in left if node not in s]
    assert found.covered == len(given_sets) - len(left)
    best = max(sum(bool(set(c) & set(s)) for s in given_sets) for c in itertools.combinations(range(6), k))
    assert found.covered <= best <= found.bound + 1e-9
    assert found.covered >= (1 - 1 / math.e) * best - 1e-9


def test_roots_come_by_value() -> None:
    value = np.array([0.0, 1.0, 0.0, 3.0, 0.0])
    roots = source(incoming(edges(graph_of([], 5))), value).roots(40_000, rng())
    count = np.bincount(roots, minlength=5)
    assert count[[0, 2, 4]].sum() == 0
    assert abs(count[3] - 30_000) <= FAR * math.sqrt(40_000 * 3 / 16)


def test_numbers_of_sets_are_those_of_imm() -> None:
    """Worked from the paper's formulas for n = 1000, k = 10, epsilon = 0.1, ell = 1, in shares of the whole."""
    aim = imm.Aim(1000, Budget(10), 0.1, 1.0, 10**9)
    ell, choices = 1 + math.log(2) / math.log(1000), math.log(math.comb(1000, 10))
    wide = math.sqrt(2) * 0.1
    search = (2 + 2 / 3 * wide) * (choices + ell * math.log(1000) + math.log(math.log2(1000))) / wide**2
    alpha = math.sqrt(ell * math.log(1000) + math.log(2))
    beta = math.sqrt((1 - 1 / math.e) * (choices + ell * math.log(1000) + math.log(2)))
    assert imm._search(aim, 0.01) == pytest.approx(search, rel=1e-12)
    assert imm._final(aim) == pytest.approx(2 * ((1 - 1 / math.e) * alpha + beta) ** 2 / 0.1**2, rel=1e-12)
    with_costs = imm.Aim(20, Budget(20, np.arange(1.0, 21.0), 10.0), 0.1, 1.0, 10**9)
    assert math.exp(with_costs.log_choices) >= sum(math.comb(20, j) for j in range(5))  # at most 1 + 2 + 3 + 4


def test_the_same_whatever_the_number_of_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = [], []
    for cores, told in ((1, one), (2, two)):
        monkeypatch.setattr(reverse, "cores", lambda cores=cores: cores)
        told.append(seeds(graph_of(TOY, 5), TOY_VALUE, 2, 0.1, rng(7)))
    assert one[0].nodes.tolist() == two[0].nodes.tolist()
    assert one[0].spread == two[0].spread


def test_what_does_not_fit_is_said_not_hidden() -> None:
    whole = seeds(graph_of(TOY, 5), TOY_VALUE, 2, 0.1, rng())
    small = seeds(graph_of(TOY, 5), TOY_VALUE, 2, 0.1, rng(), entries=2_000)
    assert whole.epsilon == 0.1
    assert small.epsilon > 0.1
    assert small.guarantee == pytest.approx(max(0, 1 - 1 / math.e - small.epsilon))
    assert small.sets.choice < whole.sets.choice
    assert small.certified < whole.certified


def test_sets_hold_no_more_than_allowed() -> None:
    """A network where everybody reaches everybody: sets as large as the network."""
    ring = graph_of([(i, (i + 1) % 600, 1.0) for i in range(600)], 600)
    found = seeds(ring, np.ones(600), 2, 0.3, rng(), entries=20_000)
    assert found.sets.choice * 600 <= 20_000
    assert found.epsilon > 0.3
    assert exactly(found, 600)


# A network of some size


@pytest.fixture(name="town", scope="module")
def _town() -> tuple[Any, np.ndarray]:
    made = rng(5)
    return bench.network(3_000, 15_000, made), made.lognormal(4, 1, 3_000)


def test_backwards_and_forwards_agree_and_beat_plain_rankings(town: tuple[Any, np.ndarray]) -> None:
    graph, value = town
    found = seeds(graph, value, 10, 0.3, rng(), score=accountable(bench.SOCIAL * graph, value))
    forward = spread(graph, value, found.nodes, 400, rng(2))
    apart = math.hypot(forward.standard_error, found.spread.standard_error)
    assert abs(forward.mean - found.spread.mean) <= FAR * apart
    assert found.advantage.low > 0
    assert found.certified > found.guarantee > 0.33
    assert forward.mean > 3 * spread(graph, value, plain_ranking(value, 10), 400, rng(2)).mean


@pytest.mark.slow
def test_gains_of_a_town_are_those_of_forward_simulation(town: tuple[Any, np.ndarray]) -> None:
    graph, value = town
    found = seeds(graph, value, 5, 0.1, rng())
    before = 0.0
    for i in range(5):
        now = spread(graph, value, found.nodes[: i + 1], 5_000, rng(i))
        slack = FAR * math.hypot(1.5 * now.standard_error, found.spread.standard_error)
        assert abs(now.mean - before - found.gains[i]) <= slack
        before = now.mean


@pytest.mark.slow
def test_intervals_hold_as_often_as_they_say() -> None:
    """Of 200 runs about 190 intervals contain the true spread of the seeds, though these were chosen by draws."""
    every = exact(TOY, TOY_VALUE)
    held = 0
    for seed in range(200):
        found = seeds(graph_of(TOY, 5), TOY_VALUE, 2, 0.3, rng(seed))
        held += found.spread.low <= every[bits(found.nodes)] <= found.spread.high
    assert 0.95 * 200 - FAR * math.sqrt(200 * 0.95 * 0.05) <= held


def test_the_benchmark_runs(capsys: pytest.CaptureFixture[str]) -> None:
    bench.main(500, 2_500, 3, 0.3)
    said = capsys.readouterr().out
    assert "certified" in said
    assert said.count("simulated forward") == 4
