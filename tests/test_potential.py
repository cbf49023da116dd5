"""Headroom, peer cells and cross-sell: published and computed numbers, limits, recovery of what was simulated."""

from __future__ import annotations

import itertools
from dataclasses import replace

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klantwaarde.errors import BadOrders, BadParameters
from klantwaarde.estimate.fit import fit
from klantwaarde.models import MBGNBD, ParetoNBD
from klantwaarde.models.quantities import dert, p_alive
from klantwaarde.purchases.cells import Cells
from klantwaarde.value.cross_sell import CrossSell, Owned, cross_sell, money_rates, pairwise_chances, spend_scale
from klantwaarde.value.peers import OTHER, Peers, fit_peers, peer_headroom
from klantwaarde.value.potential import frontier, headroom, headroom_orders, lifetime, margin_upside
from truths import BTYD_PARETO, CDNOW_MBG, CDNOW_SPEND, THREE_DIGITS

DELTA = 0.0027

FRONTIERS = [  # mpmath, quantiles of Gamma(.553, 10.58)
    (0.5, 0.02586844),
    (0.75, 0.07020544),
    (0.8, 0.08610396),
    (0.9, 0.13841753),
    (0.95, 0.19367982),
]
UPSIDES = [(0.5, 0.7361568), (0.8, 2.6859865), (0.9, 4.6859769), (0.95, 7.1633592)]  # mpmath, weekly EUR

# (x, t_x, T, zbar): P(alive), lambda_hat, A, DERT, margin per purchase, current value, headroom at .9; mpmath
CUSTOMERS = [
    ((0, 0.0, 38.86, 0.0), (0.295092, 0.011185, 144.4410, 0.476755, 35.2190, 16.7908, 190.9952)),
    ((2, 30.43, 38.86, 30.0), (0.869135, 0.051638, 144.4410, 6.482610, 30.9383, 200.5611, 337.0465)),
]


def digits(number: float) -> float:
    """Half a unit in the last digit printed."""
    return 0.51 * 10.0 ** -len(f"{number!r}".partition(".")[2])


@pytest.mark.parametrize(("tau", "answer"), FRONTIERS)
def test_frontier_to_the_digits(tau: float, answer: float) -> None:
    assert float(frontier(THREE_DIGITS, tau)) == pytest.approx(answer, abs=0.51e-8)


@pytest.mark.parametrize(("tau", "answer"), UPSIDES)
def test_upside_of_the_population_to_the_digits(tau: float, answer: float) -> None:
    assert float(margin_upside(THREE_DIGITS, CDNOW_SPEND, tau)) == pytest.approx(answer, abs=0.51e-7)


@pytest.mark.parametrize(("history", "answers"), CUSTOMERS)
def test_headroom_to_the_digits(history: tuple[float, ...], answers: tuple[float, ...]) -> None:
    x, t_x, T, zbar = history
    alive, _, discounted, orders, margin, current, potential = answers
    own = float(CDNOW_SPEND.mean(x, zbar))
    found = float(lifetime(THREE_DIGITS, DELTA, x, t_x, T))
    assert float(p_alive(THREE_DIGITS, x, t_x, T)) == pytest.approx(alive, abs=digits(alive))
    assert found / float(p_alive(THREE_DIGITS, x, t_x, T)) == pytest.approx(discounted, abs=0.51e-4)
    assert float(dert(THREE_DIGITS, DELTA, x, t_x, T)) == pytest.approx(orders, abs=digits(orders))
    assert own == pytest.approx(margin, abs=0.51e-4)
    assert own * float(dert(THREE_DIGITS, DELTA, x, t_x, T)) == pytest.approx(current, abs=digits(current))
    assert float(headroom(THREE_DIGITS, DELTA, x, t_x, T, own)) == pytest.approx(potential, abs=digits(potential))


def test_lifetime_is_tricomis() -> None:
    # BTYD's inputs: A = delta^(s-1) (beta+T)^s Psi(s, s; delta (beta+T)).
    found = float(lifetime(BTYD_PARETO, DELTA, 7, 35.0, 77.86) / p_alive(BTYD_PARETO, 7, 35.0, 77.86))
    assert found == pytest.approx(221.220541, abs=0.51e-6)
    s, b = mp.mpf(BTYD_PARETO.s), mp.mpf(BTYD_PARETO.beta) + mp.mpf("77.86")
    exact = mp.mpf("0.0027") ** (s - 1) * b**s * mp.hyperu(s, s, mp.mpf("0.0027") * b)
    assert found == pytest.approx(float(exact), rel=1e-12)


def test_upside_is_the_quantile_of_the_product_of_two_posteriors() -> None:
    # lambda ~ Gamma(r + x, alpha + T), nu ~ Gamma(q + p x, gamma + x zbar): money per unit of time is lambda p / nu.
    (r, alpha, *_), (p, q, gamma), rng = THREE_DIGITS, CDNOW_SPEND, np.random.default_rng(1)
    x, zbar, T, draws = 2, 30.0, 38.86, 1_000_000
    rate, nu = rng.gamma(r + x, size=draws) / (alpha + T), rng.gamma(q + p * x, size=draws) / (gamma + x * zbar)
    for tau in (0.5, 0.9):
        above = float((rate * p / nu > margin_upside(THREE_DIGITS, CDNOW_SPEND, tau, x, zbar, T)).mean())
        assert above == pytest.approx(1 - tau, abs=5 * np.sqrt(tau * (1 - tau) / draws))


MODELS = st.builds(ParetoNBD, st.floats(0.05, 20), st.floats(0.01, 1e3), st.floats(0.05, 20), st.floats(0.01, 1e3))
HISTORY = st.tuples(st.integers(0, 60), st.floats(0.001, 1), st.floats(0.01, 500)).map(
    lambda h: (h[0], h[1] * h[2] if h[0] else 0.0, h[2])
)


@given(MODELS, HISTORY, st.floats(0.05, 0.9), st.floats(1e-4, 1.0), st.floats(0, 1e4))
def test_limits_of_headroom(
    model: ParetoNBD, history: tuple[float, float, float], tau: float, delta: float, margin: float
) -> None:
    at = lambda tau, mode="ceiling", money=margin: float(headroom(model, delta, *history, money, tau, mode))
    ceiling, own = at(tau), (model.r + history[0]) / (model.alpha + history[2])
    assert np.isfinite(ceiling)
    assert 0 <= at(tau, "credible") <= ceiling * (1 + 1e-12) <= at(min(tau + 0.05, 0.99)) * (1 + 1e-9) + 1e-300
    assert at(tau, money=3 * margin) == pytest.approx(3 * ceiling, rel=1e-12)
    assert (ceiling == 0) == (own >= frontier(model, tau) or margin == 0)
    assert ceiling <= margin * max(float(frontier(model, tau)) - own, 0) / delta * (1 + 1e-9)  # A is at most 1 / delta


def test_no_headroom_for_the_gone_and_the_best() -> None:
    gone = headroom(THREE_DIGITS, DELTA, 20, 5.0, [38.86, 200.0, 2000.0], 30.0)
    assert gone == pytest.approx(0, abs=1e-9)
    late = headroom(THREE_DIGITS, DELTA, 3, 30.0, np.array([60.0, 100.0, 400.0]), 30.0)
    assert np.all(np.diff(late / lifetime(ParetoNBD(*THREE_DIGITS), DELTA, 0, 0.0, 0.0)) < 0)
    assert float(headroom(THREE_DIGITS, DELTA, 9, 38.0, 38.86, 30.0)) == 0.0


def test_a_newcomers_rate_is_the_mean_and_one_rate_leaves_no_headroom() -> None:
    r, alpha, s, beta = THREE_DIGITS
    own = float(dert(THREE_DIGITS, DELTA, 0, 0.0, 0.0) / lifetime(THREE_DIGITS, DELTA, 0, 0.0, 0.0))
    assert own == pytest.approx(r / alpha, rel=1e-12)
    same = [ParetoNBD(r * k, alpha * k, s, beta) for k in (1.0, 1e2, 1e4, 1e8)]
    room = np.array([float(headroom_orders(model, DELTA, 0, 0.0, 0.0)) for model in same])
    assert np.all(np.diff(room) < 0)
    assert room[-1] < 1e-3 * room[0]


def test_shapes_parameters_per_customer_and_negative_margins() -> None:
    x, t_x, T = np.array([0, 2, 7]), np.array([0, 30.43, 35.0]), np.array([38.86, 38.86, 77.86])
    alpha = THREE_DIGITS.alpha * np.array([0.5, 1.0, 2.0])
    each = headroom(THREE_DIGITS._replace(alpha=alpha), DELTA, x, t_x, T, 30.0, mode="credible")
    for k in range(3):
        one = headroom(THREE_DIGITS._replace(alpha=alpha[k]), DELTA, x[k], t_x[k], T[k], 30.0, mode="credible")
        assert each[k] == pytest.approx(float(one), rel=1e-12)
    wide = headroom(THREE_DIGITS, DELTA, x, t_x, T, 30.0, np.array([[0.8], [0.9]]), "credible")
    assert wide.shape == (2, 3)
    assert wide[1] == pytest.approx(headroom(THREE_DIGITS, DELTA, x, t_x, T, 30.0, 0.9, "credible"), rel=1e-12)
    assert headroom(THREE_DIGITS, DELTA, x, t_x, T, np.array([-5.0, 0.0, 1.0]))[:2].tolist() == [0.0, 0.0]


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(BadParameters, match=r"Pareto/NBD fit, not on MBGNBD.*1 / p.*Fit ParetoNBD"):
        headroom(MBGNBD(*CDNOW_MBG), DELTA, 0, 0.0, 9.0, 30.0)
    for tau in (0.0, 1.0, np.nan, [0.5, 2.0]):
        with pytest.raises(BadParameters, match="between 0 and 1"):
            frontier(THREE_DIGITS, tau)
    with pytest.raises(BadParameters, match="mode='best'"):
        headroom_orders(THREE_DIGITS, DELTA, 0, 0.0, 9.0, mode="best")
    with pytest.raises(BadParameters, match="margin"):
        headroom(THREE_DIGITS, DELTA, 0, 0.0, 9.0, np.nan)
    with pytest.raises(BadParameters, match="row 0 has"):
        headroom_orders(THREE_DIGITS, DELTA, np.array([1]), np.array([10.0]), np.array([9.0]))


# Peer cells


def drawn(customers: int, gamma: list[float], share: list[float], seed: int) -> tuple[Cells, np.ndarray]:
    """Customers of levels whose rates are e^gamma times those of the reference."""
    rng = np.random.default_rng(seed)
    level = rng.choice(len(gamma), customers, p=share)
    T = rng.integers(182, 728, customers) / 7
    model = ParetoNBD(0.8, 8.0 * np.exp(-np.array(gamma)[level]), 0.9, 40.0)
    who, time = model.draw(rng, T)
    t_x = np.zeros(customers)
    np.maximum.at(t_x, who, time)
    return Cells(np.bincount(who, minlength=customers), t_x, T), level


GAMMA = [0.0, 0.5, -0.7, 0.2]


@pytest.fixture(name="found", scope="module")
def _found() -> tuple[Peers, Cells, np.ndarray]:
    cells, level = drawn(5_000, GAMMA, [0.5, 0.25, 0.2, 0.05], seed=3)
    return fit_peers(cells, level), cells, level


def test_rates_of_levels_are_recovered(found: tuple[Peers, Cells, np.ndarray]) -> None:
    peers, cells, _ = found
    assert peers.levels == (0, 1, 2, 3)
    assert peers.reference == 0
    assert peers.earned
    assert peers.gamma[0] == peers.standard_errors[0] == 0
    off = (peers.gamma[1:] - GAMMA[1:]) / peers.standard_errors[1:]
    assert np.all(np.abs(off) < 3)
    assert np.all(peers.standard_errors[1:] < 0.15)
    assert peers.p_value < 1e-10
    assert sum(peers.customers) == cells.customers


def test_the_optimum_is_one(found: tuple[Peers, Cells, np.ndarray]) -> None:
    # The likelihood by the public function, a parameter per row; every move away from the optimum loses.
    peers, cells, level = found
    total = lambda one: float((cells.n * fit_value(one.population(level), cells)).sum())
    assert total(peers) == pytest.approx(peers.log_likelihood, rel=1e-10)
    for k, step in itertools.product((1, 2, 3), (-0.02, 0.02)):
        assert total(replace(peers, gamma=peers.gamma + step * np.eye(4)[k])) < peers.log_likelihood
    for name, factor in itertools.product(ParetoNBD._fields, (0.98, 1.02)):
        moved = peers.model._replace(**{name: getattr(peers.model, name) * factor})
        assert total(replace(peers, model=moved)) < peers.log_likelihood


def fit_value(model: ParetoNBD, cells: Cells) -> np.ndarray:
    return np.logaddexp(*model.log_branches(cells.x, cells.t_x, cells.T))


def test_frontiers_of_levels_scale_as_their_rates(found: tuple[Peers, Cells, np.ndarray]) -> None:
    peers, cells, level = found
    for model, gamma in zip(peers.models.values(), peers.gamma, strict=True):
        assert float(frontier(model)) == pytest.approx(float(frontier(peers.model)) * np.exp(gamma), rel=1e-12)
    some = np.arange(0, len(cells), 50)
    rows = (cells.x[some], cells.t_x[some], cells.T[some])
    each = peer_headroom(peers, level[some], DELTA, *rows, 25.0)
    assert each == pytest.approx(headroom(peers.population(level[some]), DELTA, *rows, 25.0), rel=1e-10)


def test_levels_without_a_difference_do_not_earn_their_place() -> None:
    cells, level = drawn(1_500, [0.0, 0.0], [0.6, 0.4], seed=5)
    whole = fit(ParetoNBD, cells)
    peers = fit_peers(cells, level, whole)
    assert peers.p_value > 0.05
    assert not peers.earned
    assert "one cell for all" in peers.reason
    assert peers.models == {0: whole.model, 1: whole.model}
    assert peers.log_likelihood == peers.one_cell == whole.log_likelihood


def test_small_and_unknown_levels_are_pooled_and_counted() -> None:
    cells, level = drawn(1_500, [0.0, 0.9, 0.0, 0.0], [0.6, 0.34, 0.03, 0.03], seed=6)
    level[:250] = -7
    sizes = {k: int((level == k).sum()) for k in (2, 3)}
    whole = fit(ParetoNBD, cells)
    pooled = fit_peers(cells, level, whole, least=200)
    assert pooled.levels == (OTHER, 0, 1)
    assert pooled.pooled == 2
    assert pooled.pooled_customers == 250 + sum(sizes.values())
    assert pooled.place(np.array([-7, 2, 3, 99, 0, 1])).tolist() == [0, 0, 0, 0, 1, 2]
    shared = fit_peers(cells, level, whole, least=400)
    assert shared.levels == (0, 1)
    assert "share level 0's" in shared.reason
    assert shared.place(np.array([-7, 3, 1])).tolist() == [0, 0, 1]
    alone = fit_peers(cells, level, whole, least=2_000)
    assert (alone.levels, alone.earned) == ((OTHER,), False)
    assert fit_peers(cells, level, whole, least=1, most=1).levels == (OTHER, 0)


def test_bad_levels_are_refused() -> None:
    cells, level = drawn(50, [0.0], [1.0], seed=1)
    with pytest.raises(BadParameters, match="whole number per cell"):
        fit_peers(cells, level[:-1])
    with pytest.raises(BadParameters, match="whole number per cell"):
        fit_peers(cells, level.astype(float))
    whole = fit(ParetoNBD, cells)
    with pytest.raises(BadParameters, match="Fit ParetoNBD to these cells"):
        fit_peers(Cells([1.0], [2.0], [3.0]), np.array([0]), whole)
    with pytest.raises(BadParameters, match="on which potential rests"):
        fit_peers(cells, level, replace(whole, model=CDNOW_MBG))


@pytest.mark.slow
def test_many_customers_start_from_a_sample() -> None:
    cells, level = drawn(140_000, GAMMA, [0.5, 0.25, 0.2, 0.05], seed=8)
    peers = fit_peers(cells, level)
    assert np.all(np.abs(peers.gamma[1:] - GAMMA[1:]) < 3.5 * peers.standard_errors[1:])
    assert np.all(peers.standard_errors[1:] < 0.03)


# Cross-sell


def table(rows: list[tuple[int, int, float, float]], customers: int, categories: int, last: float) -> Owned:
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return Owned(*columns, customers=customers, categories=categories, last=last)


# Four customers, three categories, 20 days of which the last ten are the horizon: (customer, category, first, spend).
BY_HAND = table(
    [
        (0, 0, 1, 20.0),
        (0, 1, 15, 6.0),
        (1, 0, 5, 8.0),
        (2, 0, 6, 30.0),
        (2, 1, 8, 13.0),
        (2, 2, 18, 3.0),
        (3, 2, 12, 9.0),
    ],
    customers=4,
    categories=3,
    last=20,
)


def test_cross_sell_by_hand() -> None:
    # Cohort 0, 1, 2, without customer 3. Owners of 0 count 1, 1, 1/2; of 1: 1/2. Nobody had 2.
    # Starts: 0 begins 1 (weight 1); 2 begins 2 (1/2 each from 0 and 1). Without 1: customers 0, 1; without 2: all.
    result = cross_sell(BY_HAND, 10.0, horizon=10, unit="day", prior=0, shrinkage=0)
    base = [0.0, 1 / 2, 1 / 3]
    assert result.chances.base == pytest.approx(base)
    assert result.chances.table == pytest.approx(np.array([[0, 1 / 2, 0.5 / 2.5], [0, 1 / 2, 1.0], base]))
    rate = np.array([58 / (20 + 16 + 15), 19 / (6 + 13), 12 / (3 + 9)])
    assert result.money_rate == pytest.approx(rate)
    own = np.array([26, 8, 46, 9])
    peers = np.array([20 * rate[0] + 6 * rate[1], 16 * rate[0], 15 * rate[0] + 13 * rate[1] + 3 * rate[2], 9 * rate[2]])
    assert result.scale == pytest.approx(own / peers)
    # One start by the two owners of one category, of .5 + .2 each expected; one by the owner of two, of (.2 + 1) / 2.
    one, two = 1 / 1.4, 1 / 0.6
    assert result.chances.breadth == pytest.approx([1, one, two])
    gain = np.array([two * 0.6 * rate[2], one * (0.5 * rate[1] + 0.2 * rate[2]), 0.0, one * 0.5 * rate[1]])
    assert result.value == pytest.approx(10 * own / peers * gain)
    assert result.best.tolist() == [2, 1, -1, 1]
    assert result.best_chance == pytest.approx([1.0, one * 0.5, 0.0, one * 0.5])
    assert (result.cohort, result.sets) == (3, 4)


def test_prior_and_shrinkage() -> None:
    strong = cross_sell(BY_HAND, 10.0, horizon=10, unit="day", prior=1e12, shrinkage=1e12)
    assert strong.chances.table == pytest.approx(np.tile(strong.chances.base, (3, 1)), abs=1e-9)
    assert strong.scale == pytest.approx(np.ones(4), abs=1e-9)
    half = cross_sell(BY_HAND, 10.0, horizon=10, unit="day", prior=2.5, shrinkage=1)
    assert half.chances.table[0, 2] == pytest.approx((0.5 + 2.5 / 3) / 5)


def shopping(customers: int, categories: int, seed: int) -> Owned:
    rng = np.random.default_rng(seed)
    own = rng.random((customers, categories)) < 0.4
    own[:, 0] |= ~own.any(axis=1)
    who, what = np.nonzero(own)
    first, spend = rng.integers(0, 365, len(who)), rng.gamma(2.0, 30.0, len(who))
    return Owned(who, what, first, spend, customers, categories, 364.0)


def brute(owned: Owned, result: CrossSell, life: np.ndarray) -> np.ndarray:
    """The sum as written, customer by customer."""
    value = np.zeros(owned.customers)
    for i in range(owned.customers):
        had = owned.category[owned.customer == i].tolist()
        for j in set(range(owned.categories)) - set(had):
            chance = np.mean([result.chances.table[k, j] for k in had]) if had else result.chances.base[j]
            chance = min(chance * result.chances.breadth[len(had).bit_length()], 1)
            value[i] += chance * result.money_rate[j] * result.scale[i] * life[i]
    return value


@pytest.mark.parametrize("categories", [5, 70])
def test_distinct_sets_give_what_the_sum_gives(categories: int) -> None:
    owned = shopping(300, categories, seed=2)
    life = np.random.default_rng(3).random(300) * 50
    result = cross_sell(owned, life, horizon=120)
    assert result.value == pytest.approx(brute(owned, result, life), rel=1e-12)
    assert result.sets == (min(300, 2**5 - 1) if categories == 5 else 300)


@pytest.mark.parametrize("seed", range(5))
def test_chances_of_the_cohort_add_up_to_its_starts(seed: int) -> None:
    owned = shopping(400, 6, seed)
    before = owned.first <= 200
    had, begun = owned.sparse(rows=before), owned.sparse(rows=~before)
    cohort = (np.diff(had.indptr) > 0).astype(float)
    chances = pairwise_chances(had, begun, cohort, prior=0.0)
    sizes = np.maximum(np.diff(had.indptr), 1)[:, None]
    each = (had @ chances.table / sizes) * (had.toarray() == 0) * cohort[:, None]
    assert each.sum(axis=0) == pytest.approx((begun.toarray() * cohort[:, None]).sum(axis=0), rel=1e-12)


def test_scales_of_owners_weigh_to_one_and_money_scales() -> None:
    owned = shopping(300, 6, seed=4)
    rate = money_rates(owned, 7.0)
    peers = np.bincount(owned.customer, rate[owned.category] * (owned.last - owned.first + 1) / 7, owned.customers)
    for shrinkage in (0.0, 1.0, 10.0):
        scale = spend_scale(owned, rate, 7.0, shrinkage)
        weight = peers + shrinkage * peers[peers > 0].mean()
        assert np.average(scale, weights=weight) == pytest.approx(1, rel=1e-12)
    once, twice = (cross_sell(replace(owned, spend=owned.spend * k), 30.0, horizon=120) for k in (1, 2))
    assert twice.value == pytest.approx(2 * once.value, rel=1e-12)
    weeks = cross_sell(owned, 30.0, horizon=120)
    days = cross_sell(owned, 210.0, horizon=120, unit="day")
    assert days.value == pytest.approx(weeks.value, rel=1e-12)


def test_chances_of_the_living_are_those_of_all_over_the_chance_to_live() -> None:
    owned = shopping(2_000, 5, seed=5)
    all_, half = (cross_sell(owned, 1.0, horizon=120, alive=alive, prior=0) for alive in (1.0, 0.5))
    assert half.chances.table == pytest.approx(np.minimum(2 * all_.chances.table, 1), rel=1e-12)
    assert half.chances.base == pytest.approx(np.minimum(2 * all_.chances.base, 1), rel=1e-12)


def test_categories_at_a_loss_and_customers_with_nothing_have_finite_values() -> None:
    rows = [(0, 0, 1, 5.0), (0, 1, 2, -9.0), (1, 0, 1, -3.0), (2, 0, 3, 4.0), (2, 2, 15, 2.0)]
    result = cross_sell(table(rows, 4, 4, 20), 10.0, horizon=10)
    assert np.all(np.isfinite(result.value))
    assert np.all(result.value >= 0)
    assert 1 not in result.best
    assert result.value[3] > 0  # nothing bought yet: the chances of anyone


def test_bad_ownership_is_refused() -> None:
    good = (np.array([0, 1]), np.array([0, 1]), np.array([1.0, 2.0]), np.array([5.0, 5.0]))
    with pytest.raises(BadOrders, match=r"1 row\(s\) \[1\].*outside 0\.\.0"):
        Owned(*good, customers=1, categories=2, last=9)
    with pytest.raises(BadOrders, match=r"1 row\(s\) \[1\].*category outside"):
        Owned(*good, customers=2, categories=1, last=9)
    with pytest.raises(BadOrders, match="begin after the last day, 1"):
        Owned(*good, customers=2, categories=2, last=1)
    with pytest.raises(BadOrders, match="not finite"):
        Owned(*good[:3], np.array([np.nan, 1]), customers=2, categories=2, last=9)
    with pytest.raises(BadOrders, match="no whole number"):
        Owned(np.array([0.5, 1]), *good[1:], customers=2, categories=2, last=9)
    with pytest.raises(BadOrders, match="repeat a customer and category"):
        Owned(np.array([1, 1]), np.array([1, 1]), *good[2:], customers=2, categories=2, last=9)
    with pytest.raises(BadOrders, match="differ in length"):
        Owned(good[0][:1], *good[1:], customers=2, categories=2, last=9)
    with pytest.raises(BadOrders, match="coarser"):
        Owned(*good, customers=2, categories=5_000, last=9)
    owned = Owned(*good, customers=2, categories=2, last=9)
    with pytest.raises(BadOrders, match="shorter horizon"):
        cross_sell(owned, 1.0, horizon=100)
    for bad in ({"lifetime": -1.0}, {"lifetime": np.ones(3)}, {"alive": 1.5}, {"horizon": 0}, {"prior": -1}):
        with pytest.raises(BadParameters, match=next(iter(bad))):
            cross_sell(owned, **({"lifetime": 1.0, "horizon": 5} | bad))
