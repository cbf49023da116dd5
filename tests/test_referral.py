"""Referral value: worked examples, limits, forests, the chance to have come anyway, and referrals still to come."""

from __future__ import annotations

from itertools import combinations
from math import factorial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse, stats
from scipy.integrate import quad
from scipy.special import gammaln

from klantwaarde.errors import BadOrders, BadParameters
from klantwaarde.estimate.fit import fit
from klantwaarde.models import NBD
from klantwaarde.models.quantities import log_likelihood, p_alive
from klantwaarde.models.zi_nbd import ZINBD
from klantwaarde.network.anyway import Anyway, anyway, declared, matched, prior, randomised
from klantwaarde.network.forest import forest, subtree_sums
from klantwaarde.network.future_referrals import (
    alive_with_referrals,
    departure,
    forward_fit,
    forward_line,
    forward_rate,
    forward_value,
    mixture_p,
    newcomer_credit,
)
from klantwaarde.network.referral import (
    Referrals,
    attributed,
    crv,
    incremental_share,
    kumar2007,
    responsibility,
    sensitivity,
)
from klantwaarde.purchases.cells import Cells
from klantwaarde.typing import Array
from truths import CDNOW_PARETO

# A referred B, B referred C: chances to have come anyway 0.4 and 0.5, worth 100, 200 and 80.
CHAIN = {"referrer": np.array([0, 1]), "referred": np.array([1, 2]), "anyway": np.array([0.4, 0.5])}
VALUE = np.array([100.0, 200, 80])
TREE = forest(np.array([0, 1]), np.array([1, 2]), 3)
THETA = np.array([0.0, 0.6, 0.5])


def random_forest(seed: int, n: int, linked: float = 0.7) -> tuple[Array, Array]:
    """(referrer, referred) of a forest over shuffled customers, rows shuffled."""
    rng = np.random.default_rng(seed)
    below = np.flatnonzero((rng.random(n) < linked) & (np.arange(n) > 0))
    above = (rng.random(len(below)) * below).astype(int)
    names, rows = rng.permutation(n), rng.permutation(len(below))
    return names[above[rows]], names[below[rows]]


# --- one generation


def test_published_example() -> None:
    """Two who would not have come, one who would.

    60 margin and 5 marketing in two half-years; 20 incentive and 40 acquisition on joining.
    """
    rate = 1.15**0.5 - 1
    assert rate == pytest.approx(0.0723805295, abs=5e-11)
    once = np.array([[1.0], [0.0]])
    each = kumar2007(
        np.full((2, 3), 60.0), np.full((2, 3), 5.0), 20 * once, 40 * once, np.array([False, False, True]), rate
    )
    assert each[:2].sum() == pytest.approx(235.527895, abs=5e-7)
    assert each[2] == pytest.approx(37.300192, abs=5e-7)
    assert each.sum() == pytest.approx(272.828087, abs=1e-6)
    with pytest.raises(BadParameters, match="rate"):
        kumar2007(np.ones((2, 3)), 0.0, 0.0, 0.0, np.zeros(3), -1.0)


def test_acceleration() -> None:
    assert incremental_share(1.0, 26, 0.0027) == pytest.approx(0.0677926, abs=5e-8)
    assert incremental_share(0.4) == pytest.approx(0.6, rel=1e-15)
    assert incremental_share(0.5, np.inf, 0.0027) == 1


def test_one_generation_of_the_worked_example() -> None:
    own = crv(CHAIN, VALUE)
    np.testing.assert_allclose(own, (120, 40, 0), rtol=1e-14)
    assert (own + VALUE).sum() == pytest.approx(540)  # 42 per cent more than the 380 that there are
    np.testing.assert_allclose(crv(pd.DataFrame(CHAIN), VALUE), own, rtol=0)
    np.testing.assert_allclose(crv(Referrals(**CHAIN), VALUE), own, rtol=0)


LIMITS: list[tuple[dict[str, Any], float]] = [
    ({"anyway": 1.0, "incentive": 7.0, "acquisition_saved": 7.0}, 0.0),
    ({"anyway": 0.0, "incentive": 7.0, "acquisition_saved": 50.0}, 280 - 14.0),
    ({"anyway": 1.0, "acceleration": 26.0, "delta": 0.0027}, 280 * 0.0677926),
    ({"anyway": 1.0, "acquisition_saved": 40.0, "incentive": 20.0}, 40.0),
]


@pytest.mark.parametrize(("terms", "expected"), LIMITS)
def test_limits(terms: dict[str, Any], expected: float) -> None:
    made = {"referrer": np.array([0, 0]), "referred": np.array([1, 2]), **terms}
    np.testing.assert_allclose(crv(made, VALUE), (expected, 0, 0), rtol=1e-6, atol=1e-12)


def test_no_referrals_no_value() -> None:
    none = np.array([], dtype=int)
    assert not crv({"referrer": none, "referred": none}, VALUE).any()
    assert forest(none, none, 3).cycles == 0
    np.testing.assert_array_equal(responsibility(forest(none, none, 3), 0.5, VALUE), VALUE)


def test_published_convention_counts_acquisition_twice() -> None:
    made = {"referrer": [0], "referred": [1], "incentive": 20.0, "acquisition_saved": 40.0}
    for chance, by_hand in ((0.0, 200 - 20 + 40), (1.0, 40), (0.25, 0.75 * 180 + 40)):
        np.testing.assert_allclose(crv({**made, "anyway": chance}, VALUE, "kumar2007"), (by_hand, 0, 0), rtol=1e-14)


@given(chances=st.lists(st.floats(0, 1), min_size=2, max_size=2, unique=True), saved=st.floats(0, 199))
def test_falls_with_the_chance_to_have_come_anyway(chances: list[float], saved: float) -> None:
    made = {"referrer": [0], "referred": [1], "acquisition_saved": saved}
    less, more = (crv({**made, "anyway": chance}, VALUE)[0] for chance in sorted(chances))
    assert less >= more


def test_sensitivity_is_a_line_in_the_chance() -> None:
    shown = sensitivity({**CHAIN, "incentive": 3.0, "acquisition_saved": 10.0}, VALUE)
    assert list(shown) == [0.25, 0.5, 0.75]
    np.testing.assert_allclose(shown[0.25] + shown[0.75], 2 * shown[0.5], rtol=1e-14)
    np.testing.assert_allclose(shown[0.25], (0.75 * 200 + 2.5 - 3, 0.75 * 80 + 2.5 - 3, 0), rtol=1e-14)


BAD_REFERRALS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"anyway": 1.5}, BadParameters, "anyway"),
    ({"anyway": [0.5, np.nan]}, BadParameters, "anyway"),
    ({"acceleration": -1.0}, BadParameters, "acceleration"),
    ({"acceleration": 2.0}, BadParameters, "delta"),
    ({"incentive": [1.0]}, BadParameters, "one per referral"),
    ({"referrer": [1, 1]}, BadOrders, "Row 0 .* himself"),
    ({"referrer": [0, 3]}, BadOrders, "Row 1 .* index"),
    ({"referrer": [0, -1]}, BadOrders, "Row 1 .* index"),
    ({"referrer": [0.0, 0.5]}, BadOrders, "Row 1 .* index"),
    ({"referrer": ["a", "b"]}, BadOrders, "index"),
    ({"referrer": [0]}, BadOrders, "one length"),
]


@pytest.mark.parametrize(("terms", "error", "told"), BAD_REFERRALS)
def test_bad_referrals_are_refused(terms: dict[str, Any], error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        crv({**CHAIN, **terms}, VALUE)


def test_other_bad_arguments_are_refused() -> None:
    with pytest.raises(BadOrders, match="column referred"):
        crv({"referrer": [0]}, VALUE)
    with pytest.raises(BadParameters, match="convention"):
        crv(CHAIN, VALUE, "kumar")
    with pytest.raises(BadParameters, match="value"):
        crv(CHAIN, np.array([1, np.inf, 2]))
    for wrong in ({"method": "equal"}, {"omega": 2.0}):
        with pytest.raises(BadParameters):
            attributed(TREE, THETA, VALUE, **wrong)
    with pytest.raises(BadParameters, match="theta"):
        responsibility(TREE, 1.5, VALUE)
    with pytest.raises(BadParameters, match="value"):
        responsibility(TREE, 0.5, np.ones(2))


# --- the forest


def test_depths_and_parents() -> None:
    tree = forest(np.array([4, 0, 0, 2]), np.array([0, 1, 2, 3]), 6)
    np.testing.assert_array_equal(tree.parent, (4, 0, 0, 2, -1, -1))
    np.testing.assert_array_equal(tree.depth, (1, 2, 2, 3, 0, 0))
    assert tree.cycles == 0


def test_cycles_are_cut_at_their_latest_link() -> None:
    """0 -> 1 -> 2 -> 0 with 3 below 1; 4 <-> 5."""
    above, below = np.array([1, 0, 2, 1, 4, 5]), np.array([2, 1, 0, 3, 5, 4])
    tree = forest(above, below, 6)
    np.testing.assert_array_equal(tree.cut, (2, 5))
    np.testing.assert_array_equal(tree.parent, (-1, 0, 1, 1, -1, 4))
    np.testing.assert_array_equal(tree.depth, (0, 1, 2, 2, 0, 1))
    days = np.array(["2020-05-01", "2020-01-01", "2020-02-01", "2020-09-09", "NaT", "2020-03-01"], dtype="M8[D]")
    dated = forest(above, below, 6, days)
    np.testing.assert_array_equal(dated.cut, (0, 4))
    np.testing.assert_array_equal(dated.parent, (2, 0, -1, 1, 5, -1))


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 60))
@settings(max_examples=100, deadline=None)
def test_every_cycle_is_cut_once(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    parent = rng.integers(0, n, n)
    below = np.flatnonzero((parent != np.arange(n)) & (rng.random(n) < 0.9))
    links = sparse.csr_array((np.ones(len(below)), (parent[below], below)), shape=(n, n))
    parts, part = sparse.csgraph.connected_components(links, connection="strong")
    tree = forest(parent[below], below, n)
    assert tree.cycles == (np.bincount(part, minlength=parts) > 1).sum()
    for k in tree.cut:  # the last row of its cycle
        assert k == np.flatnonzero(part[below] == part[below[k]])[-1]
    linked = tree.parent >= 0
    assert linked.sum() == len(below) - tree.cycles
    np.testing.assert_array_equal(tree.depth[linked], tree.depth[tree.parent[linked]] + 1)
    assert not tree.depth[~linked].any()


def test_a_long_chain_and_a_large_cycle() -> None:
    n = 300_000
    row = np.arange(n - 1)
    tree = forest(row, row + 1, n)
    np.testing.assert_array_equal(tree.depth, np.arange(n))
    np.testing.assert_array_equal(responsibility(tree, 1.0, np.ones(n)), n - np.arange(n))
    ring = forest(np.arange(n), np.roll(np.arange(n), -1), n)
    assert (ring.cycles, ring.cut[0], ring.depth.max()) == (1, n - 1, n - 1)


def test_bad_links_are_refused() -> None:
    with pytest.raises(BadOrders, match=r"Rows 0, 1 .* more than one"):
        forest(np.array([0, 1]), np.array([2, 2]), 3)
    with pytest.raises(BadParameters, match="joined"):
        forest(np.array([0]), np.array([2]), 3, np.array([1, 2]))


# --- generations


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 100))
@settings(max_examples=50, deadline=None)
def test_sweep_is_the_sparse_solution(seed: int, n: int) -> None:
    above, below = random_forest(seed, n)
    rng = np.random.default_rng(seed)
    weight, value = rng.random(n), rng.normal(10, 20, n)
    phi = sparse.csc_array((weight[below], (above, below)), shape=(n, n))
    exact = np.linalg.solve(np.eye(n) - phi.toarray(), value)
    np.testing.assert_allclose(subtree_sums(forest(above, below, n).parent, weight, value), exact, rtol=1e-9, atol=1e-9)


def test_depth_one_is_the_margin_part_of_referral_value() -> None:
    made = {"referrer": np.array([0, 0]), "referred": np.array([1, 2]), "anyway": np.array([0.4, 0.5])}
    tree = forest(made["referrer"], made["referred"], 3)
    np.testing.assert_allclose(responsibility(tree, THETA, VALUE) - VALUE, crv(made, VALUE), rtol=1e-14)


PASSED_UP = [(0.5, (166, 154, 60)), (1.0, (244, 96, 40)), (0.0, (100, 200, 80))]


@pytest.mark.parametrize(("omega", "expected"), PASSED_UP)
def test_pass_up(omega: float, expected: tuple[float, ...]) -> None:
    np.testing.assert_allclose(attributed(TREE, THETA, VALUE, omega=omega), expected, rtol=1e-14)


def shapley_by_enumeration(parent: Array, theta: Array, value: Array) -> Array:
    """Over all coalitions: the value of those there, each by himself with chance 1 - theta or with his referrer."""
    n = len(parent)

    def there(j: int, group: frozenset[int]) -> float:
        if j not in group:
            return 0.0
        return 1.0 if parent[j] < 0 else 1 - theta[j] + theta[j] * there(int(parent[j]), group)

    def worth(group: frozenset[int]) -> float:
        return float(sum(value[j] * there(j, group) for j in range(n)))

    result = np.zeros(n)
    for i in range(n):
        others = [j for j in range(n) if j != i]
        for size in range(n):
            share = factorial(size) * factorial(n - size - 1) / factorial(n)
            for group in map(frozenset, combinations(others, size)):
                result[i] += share * (worth(group | {i}) - worth(group))
    return result


@pytest.mark.parametrize("seed", range(6))
def test_shapley_is_the_shapley_value(seed: int) -> None:
    above, below = random_forest(seed, 6, linked=0.9)
    rng = np.random.default_rng(seed)
    tree, theta, value = forest(above, below, 6), rng.random(6), rng.normal(10, 20, 6)
    given_to = attributed(tree, theta, value, "shapley")
    np.testing.assert_allclose(given_to, shapley_by_enumeration(tree.parent, theta, value), rtol=1e-11, atol=1e-11)


def test_shapley_of_two_gives_a_half() -> None:
    pair = forest(np.array([0]), np.array([1]), 2)
    np.testing.assert_allclose(attributed(pair, 1.0, np.array([0.0, 100]), "shapley"), (50, 50), rtol=1e-14)
    np.testing.assert_allclose(attributed(pair, 0.6, np.array([10.0, 100]), "shapley"), (40, 70), rtol=1e-14)


@pytest.mark.parametrize("method", ["pass_up", "shapley"])
def test_what_is_attributed_adds_up(method: str) -> None:
    above, below = random_forest(4, 5000)
    rng = np.random.default_rng(4)
    value = rng.lognormal(3, 2, 5000)
    shared = attributed(forest(above, below, 5000), rng.random(5000), value, method)
    assert shared.sum() == pytest.approx(value.sum(), rel=1e-12)
    assert (shared >= 0).all()


# --- the chance to have come anyway


def test_prior_is_a_half() -> None:
    known = prior()
    assert known.estimate == 0.5
    np.testing.assert_allclose((known.low, known.high), stats.beta(5, 5).ppf([0.025, 0.975]))
    assert known.band == (0.25, 0.5, 0.75)
    with pytest.raises(BadParameters):
        prior(0.0)


def test_the_first_that_is_known_counts() -> None:
    found = randomised(100, 10, 100, 4)
    assert anyway(None, found, prior()) is found
    assert anyway(None).method == "prior"
    made = {**CHAIN, "anyway": found.estimate}
    np.testing.assert_allclose(crv(made, VALUE), (120, 48, 0))


def test_experiment() -> None:
    found = randomised(1000, 100, 500, 20)
    assert found.estimate == pytest.approx(0.4)
    assert found.low < 0.4 < found.high
    assert randomised(1000, 100, 500, 0).low == 0
    assert 0 < randomised(1000, 100, 500, 0).high < 0.1
    assert randomised(100, 10, 100, 30).estimate == 1
    for counts in ((10, 0, 10, 1), (10, 11, 10, 1), (10, 5, 0, 0)):
        with pytest.raises(BadOrders):
            randomised(*counts)


def test_experiment_interval_agrees_with_the_published_one() -> None:
    """36 of 40 against 16 of 80 (Koopman 1984, table 1): 2.94 to 7.15 for the ratio 4.5."""
    flipped = randomised(80, 16, 40, 36)  # a ratio above one is cut at one, so the reciprocal is asked
    assert flipped.estimate == 1
    back = randomised(40, 36, 80, 16)
    np.testing.assert_allclose((1 / back.high, 1 / back.low), (2.94, 7.15), atol=0.005)


@pytest.mark.slow
def test_experiment_interval_covers() -> None:
    rng = np.random.default_rng(1)
    runs = [randomised(400, max(1, rng.binomial(400, 0.1)), 300, rng.binomial(300, 0.05)) for _ in range(800)]
    covered = np.mean([run.low <= 0.5 <= run.high for run in runs])
    assert 0.925 < covered < 0.975


def test_prospects() -> None:
    """Hazards 0.02 and 0.01 a week over 10 and 5 weeks: 1 - e^-0.25."""
    found = matched(np.array([[20.0, 5]]), np.array([[1000.0, 500]]), np.array([10.0, 5]))
    assert found.estimate[0] == pytest.approx(-np.expm1(-0.25), rel=1e-14)
    one = matched(np.array([0.0]), np.array([1000.0]), np.array([10.0]))  # nobody: an exact Poisson bound
    assert (one.estimate, one.low) == (0, 0)
    assert one.high == pytest.approx(-np.expm1(-10 * stats.chi2.ppf(0.975, 2) / 2 / 1000), rel=1e-12)
    seven = matched(np.array([7.0]), np.array([1000.0]), np.array([10.0]))  # one period: the exact interval of a count
    np.testing.assert_allclose(-np.log1p(-seven.low), stats.chi2.ppf(0.025, 14) / 200, rtol=1e-12)
    np.testing.assert_allclose(-np.log1p(-seven.high), stats.chi2.ppf(0.975, 16) / 200, rtol=1e-12)
    with pytest.raises(BadOrders, match="Cell 1 "):
        matched(np.ones((2, 1)), np.array([[5.0], [0.0]]), np.array([3.0]))


@pytest.mark.parametrize(("size", "most"), [(1, 1.0), (30, 0.97)])
def test_prospects_interval_covers(size: int, most: float) -> None:
    """Never below the level, as the method promises; near it once there are some hundreds of joins."""
    rng = np.random.default_rng(2)
    exposure, window, hazard = size * np.array([300.0, 200, 100]), np.array([4.0, 8, 20]), np.array([0.03, 0.02, 0.01])
    found = matched(rng.poisson(exposure * hazard, (4000, 3)), exposure, window)
    truth = -np.expm1(-(hazard * window).sum())
    covered = np.mean((found.low <= truth) & (truth <= found.high))
    assert 0.945 < covered <= most
    assert found.estimate.mean() == pytest.approx(truth, abs=0.02)


def test_answers() -> None:
    many = declared(np.array([300]), np.array([400]))
    assert many.estimate[0] == pytest.approx(0.75, abs=0.01)
    nobody = declared(np.array([0]), np.array([0]))
    assert nobody.estimate[0] == pytest.approx(0.5, abs=1e-9)
    alike = declared(np.array([30, 31, 29, 30, 2]), np.array([100, 100, 100, 100, 2]))
    assert alike.estimate[4] < 0.5  # two of two shrink towards cells at 0.3
    unlike = declared(np.array([5, 95, 10, 90, 2]), np.array([100, 100, 100, 100, 2]))
    assert unlike.estimate[4] > 0.7  # where cells differ, they say little about it
    with pytest.raises(BadOrders, match="Cell 1 "):
        declared(np.array([1, 3]), np.array([2, 2]))


@pytest.mark.slow
def test_answers_cover_and_shrinking_pays() -> None:
    rng = np.random.default_rng(3)
    truth = rng.beta(4, 8, (40, 25))
    asked = rng.integers(1, 40, truth.shape)
    yes = rng.binomial(asked, truth)
    found = [declared(*row) for row in zip(yes, asked, strict=True)]
    low, high, estimate = (np.array([getattr(one, name) for one in found]) for name in ("low", "high", "estimate"))
    assert 0.93 < np.mean((low <= truth) & (truth <= high)) < 0.97
    assert np.mean((estimate - truth) ** 2) < 0.6 * np.mean((yes / asked - truth) ** 2)


@given(
    counts=st.tuples(st.integers(1, 500), st.integers(1, 500)),
    joins=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
@settings(max_examples=100, deadline=None)
def test_chances_are_chances(counts: tuple[int, int], joins: tuple[float, float]) -> None:
    treated, control = counts
    known: list[Anyway] = [
        randomised(treated, max(1, int(joins[0] * treated)), control, int(joins[1] * control)),
        matched(np.array([np.floor(joins[1] * 10)]), np.array([float(control)]), np.array([float(treated)])),
    ]
    for one in known:
        assert 0 <= one.low <= one.estimate <= one.high <= 1


# --- referrals still to come


def test_rate_and_value_by_hand() -> None:
    model = NBD(0.5, 20.0)
    assert forward_rate(model, 3, 50.0) == pytest.approx(3.5 / 70)
    assert forward_value(3.5 / 70, 0.8 * 120, 25.0) == pytest.approx(120.0)
    line = forward_line(model, np.array([50.0, 10]))
    np.testing.assert_allclose(
        line.intercept + 3 * line.slope, forward_rate(model, 3, np.array([50.0, 10])), rtol=1e-14
    )
    np.testing.assert_array_equal(line.at_zero, 1)
    for wrong in ((-1.0, 1.0, 1.0), (1.0, np.nan, 1.0), (1.0, 1.0, np.inf)):
        with pytest.raises(BadParameters):
            forward_value(*wrong)


def test_those_who_never_refer_by_hand() -> None:
    """A quarter never refer: f(0) = 1/4 + 3/4 NBD(0), f(k) = 3/4 NBD(k)."""
    model, k, T = ZINBD(0.5, 20.0, 1 / 3), np.arange(40.0), 30.0
    nbd = stats.nbinom(0.5, 20 / 50).pmf(k)
    expected = 0.75 * nbd + np.where(k == 0, 0.25, 0)
    # A density of k times is T^k / k! off the probability of the count.
    found = np.exp(log_likelihood(model, k, np.where(k > 0, T, 0.0), T) + k * np.log(T) - gammaln(k + 1))
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert p_alive(model, 0, 0, T) == pytest.approx(0.75 * nbd[0] / expected[0])
    assert forward_rate(model, 0, T) == pytest.approx(0.75 * nbd[0] / expected[0] * 0.5 / 50)
    assert forward_rate(model, 2, T) == pytest.approx(2.5 / 50)
    assert (model.purchases(10.0), model.discounted(0.05)) == (pytest.approx(0.25), pytest.approx(0.5))
    assert model.born()[0] == pytest.approx(0.75)
    who, _ = model.draw(np.random.default_rng(0), np.full(200_000, T))
    assert np.mean(np.bincount(who, minlength=200_000) == 0) == pytest.approx(expected[0], abs=0.004)


def drawn(seed: int, n: int, never: float, dates: int = 85) -> tuple[Array, Array]:
    """Referrals k in T of customers who came on so many dates; r = 0.9, alpha = 40, and those who never refer."""
    rng = np.random.default_rng(seed)
    T = 20.0 + 84 / dates * rng.integers(1, dates + 1, n)
    rate = rng.gamma(0.9, 1 / 40, n) * (rng.random(n) >= never)
    return rng.poisson(rate * T).astype(float), T


def test_fit_finds_those_who_never_refer() -> None:
    k, T = drawn(1, 30_000, 0.5)
    found = forward_fit(k, T)
    assert isinstance(found.model, ZINBD)
    assert found.p_value < 1e-6
    assert found.model.never / (1 + found.model.never) == pytest.approx(0.5, abs=0.06)
    assert found.model.r / found.model.alpha == pytest.approx(0.9 / 40, rel=0.1)


def test_fit_stays_plain_where_all_refer() -> None:
    k, T = drawn(2, 30_000, 0.0)
    found = forward_fit(k, T)
    assert isinstance(found.model, NBD)
    np.testing.assert_allclose(found.model, (0.9, 40), rtol=0.1)
    cells = np.unique(np.stack([k, T]), axis=1, return_counts=True)
    np.testing.assert_allclose(forward_fit(*cells[0], cells[1]).model, found.model, rtol=1e-4)


def test_fit_is_that_of_the_purchase_model() -> None:
    """Referrals of people who never leave are an NBD like any other."""
    k, T = drawn(3, 5000, 0.0)
    peer = fit(NBD, Cells(k, np.where(k > 0, T, 0.0), T))
    found = forward_fit(k, T)
    np.testing.assert_allclose(found.plain, peer.model, rtol=1e-4)
    assert found.arrived


def leavers(seed: int, n: int) -> tuple[tuple[Array, Array, Array], Array, Array]:
    """((x, t_x, T), k, whether alive) of customers who buy, leave, and refer as long as they are there."""
    rng = np.random.default_rng(seed)
    T = rng.choice([26.0, 52, 78, 104], n)
    life = rng.exponential(size=n) / (rng.gamma(CDNOW_PARETO.s, size=n) / CDNOW_PARETO.beta)
    there = np.minimum(life, T)
    x = rng.poisson(rng.gamma(CDNOW_PARETO.r, size=n) / CDNOW_PARETO.alpha * there).astype(float)
    t_x = np.where(x > 0, there * rng.random(n) ** (1 / np.maximum(x, 1)), 0.0)  # the last of x uniform times
    return (x, t_x, T), rng.poisson(rng.gamma(0.9, 1 / 40, n) * there).astype(float), life > T


def test_those_who_left_are_not_waited_for() -> None:
    history, k, alive = leavers(0, 20_000)
    chance, gone_at = p_alive(CDNOW_PARETO, *history), departure(CDNOW_PARETO, *history)
    found = forward_fit(k, history[2], p_alive=chance, gone_at=gone_at)
    assert found.plain.r / found.plain.alpha == pytest.approx(0.9 / 40, rel=0.06)
    waited = forward_fit(k, history[2])
    assert waited.plain.r / waited.plain.alpha < 0.6 * 0.9 / 40  # what time counted in full would say
    there = alive_with_referrals(found.plain, k, history[2], chance, gone_at)
    truth = ((0.9 + k) / (40 + history[2]))[alive].sum()
    assert (there * forward_rate(found.plain, k, history[2])).sum() == pytest.approx(truth, rel=0.06)
    assert there.sum() == pytest.approx(alive.sum(), rel=0.03)


def test_leaving_by_hand() -> None:
    """The time of leaving, by integration of its density between the last purchase and now."""
    x, t_x, T = 2.0, 10.0, 39.0
    r, alpha, s, beta = CDNOW_PARETO
    density = lambda u: (alpha + u) ** -(r + x) * (beta + u) ** -(s + 1)
    mean = quad(lambda u: u * density(u), t_x, T)[0] / quad(density, t_x, T)[0]
    assert departure(CDNOW_PARETO, np.array([x]), np.array([t_x]), np.array([T]))[0] == pytest.approx(mean, rel=1e-9)
    np.testing.assert_array_equal(departure(CDNOW_PARETO, np.array([1.0]), np.array([T]), np.array([T])), T)
    np.testing.assert_array_equal(departure(NBD(1.0, 1.0), np.array([x]), np.array([t_x]), np.array([T])), t_x)


def test_referrals_speak_for_being_there() -> None:
    """By Bayes, with scipy's negative binomial for the counts."""
    k, T, gone_at, chance = 2.0, 50.0, 10.0, 0.4
    there, gone = (stats.nbinom(0.5, 20 / (20 + time)).pmf(k) for time in (T, gone_at))
    expected = chance * there / (chance * there + (1 - chance) * gone)
    assert alive_with_referrals(NBD(0.5, 20.0), k, T, chance, gone_at) == pytest.approx(expected, rel=1e-12)
    some = ZINBD(0.5, 20.0, 1.0)
    none = [0.5 * stats.nbinom(0.5, 20 / (20 + time)).pmf(0) + 0.5 for time in (T, gone_at)]
    expected = chance * none[0] / (chance * none[0] + (1 - chance) * none[1])
    assert alive_with_referrals(some, 0.0, T, chance, gone_at) == pytest.approx(expected, rel=1e-12)
    assert alive_with_referrals(some, 1.0, T, chance, 0.0) == 1


def test_fit_of_nobody_who_referred_is_near_nothing() -> None:
    found = forward_fit(np.zeros(500), np.full(500, 30.0))
    assert 0 <= forward_rate(found.model, 0, 30.0) < 1e-4
    with pytest.raises(BadOrders, match="referrals need some time"):
        forward_fit(np.array([1.0]), np.array([0.0]))
    with pytest.raises(BadOrders, match="no customers"):
        forward_fit(np.array([]), np.array([]))


def test_p_value_at_the_edge() -> None:
    assert mixture_p(0.0) == 1
    assert mixture_p(2.705543454) == pytest.approx(0.05, rel=1e-6)


@pytest.mark.slow
def test_false_finds_are_as_rare_as_said() -> None:
    p = np.array([forward_fit(*drawn(seed, 2000, 0.0, dates=2)).p_value for seed in range(300)])
    assert np.mean(p < 0.05) <= stats.binom.ppf(0.999, 300, 0.05) / 300
    assert np.mean(p == 1) == pytest.approx(0.5, abs=0.1)


def test_value_of_one_more_referral() -> None:
    made = {**CHAIN, "incentive": 5.0, "acquisition_saved": 10.0}
    assert newcomer_credit(made, VALUE) == pytest.approx((0.6 * 200 + 4 - 5 + 0.5 * 80 + 5 - 5) / 2)
    with pytest.raises(BadOrders):
        newcomer_credit({"referrer": np.array([], dtype=int), "referred": np.array([], dtype=int)}, VALUE)
    with pytest.raises(BadParameters):
        newcomer_credit(made, VALUE[:2])
