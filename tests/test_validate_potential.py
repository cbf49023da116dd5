"""Validation of potential on bases whose truth is known: needs and shares of stores, kinds of customers, departures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from klantwaarde.errors import BadOrders, BadParameters
from klantwaarde.models import ParetoNBD
from klantwaarde.models.gamma_rates import count_quantile
from klantwaarde.validate.frontier import FrontierCalibration, frontier_calibration
from klantwaarde.validate.potential import HiddenSpend, captured, mask_category, split_wallet

GROCERY = Path("../shared/data/grocery/transactions.parquet")

Lines = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def households(r: float, total: float, customers: int, seed: int) -> Lines:
    """(customer, day, store, amount) of 8 stores in a year.

    Needs per week ~ Gamma(r), mean .6; shares of the stores ~ Dirichlet of this total concentration, whatever the need;
    an own mean per purchase, the same in every store; some move away.
    """
    rng = np.random.default_rng(seed)
    need, share = rng.gamma(r, 0.6 / r, customers), rng.dirichlet(np.full(8, total / 8), customers)
    born = rng.integers(0, 60, customers)
    stay = np.minimum(7 * rng.exponential(size=customers) * 104 / rng.gamma(2, 0.5, customers), 364 - born)
    who = np.repeat(np.arange(customers), rng.poisson(need * stay / 7))
    store = (share.cumsum(axis=1)[who] < rng.random((len(who), 1))).sum(axis=1)
    mean = 90 / rng.gamma(4, size=customers)
    return who, born[who] + rng.random(len(who)) * stay[who], store, mean[who] * rng.gamma(6, 1 / 6, len(who))


def baskets(customers: int, seed: int) -> Lines:
    """(customer, day, category, amount): two kinds of customers, each at home in half of ten categories; one scale."""
    rng, categories = np.random.default_rng(seed), np.arange(10)
    home = (categories < 5) == (rng.random((customers, 1)) < 0.5)
    buys = rng.random((customers, 10)) < np.where(home, 0.6, 0.1)
    born, scale = rng.integers(0, 60, customers), rng.gamma(2, 0.5, customers)
    times = rng.poisson(buys * (0.25 * scale * (364 - born) / 7)[:, None])
    who = np.repeat(np.arange(customers), times.sum(axis=1))
    what = np.repeat(np.tile(categories, customers), times.ravel())
    day = born[who] + rng.random(len(who)) * (364 - born)[who]
    return who, day, what, (2 + 0.4 * what) * rng.gamma(3, size=len(who))


def rows(result: HiddenSpend) -> dict[str, dict[str, float]]:
    return {row["score"]: row for row in result.table()}


def test_share_captured_by_hand() -> None:
    y = np.array([10.0, 0, 0, 0, 5, 5, 0, 0, 0, 0])
    assert captured(y, y) == 0.75  # ten customers, the top two of them: 10 and one of two equals at 5
    assert captured(y, -y) == 0.0
    assert captured(y, np.zeros(10)) == pytest.approx(0.2)  # all equal: a share like any other
    assert captured(y, y, share=0.3) == 1.0


@pytest.mark.slow
def test_headroom_finds_the_wallet_elsewhere() -> None:
    # Twelve splits of a base whose shares differ more between households (2) than their needs do (4): six standard
    # errors of the splits above both baselines, and the best score in every split.
    result = split_wallet(*households(4, 2, 1_200, seed=1), last=364, repeats=12, seed=1)
    table = rows(result)
    found = table["headroom"]
    assert found["best"] == 1.0
    for other in ("random", "own spend, least first"):
        error = np.hypot(found["spearman_sd"], table[other]["spearman_sd"]) / np.sqrt(12)
        assert found["spearman"] - table[other]["spearman"] > max(0.2, 6 * error)
        assert found["captured"] - table[other]["captured"] > 0.1
    assert abs(table["random"]["spearman"]) < 4 / np.sqrt(12 * result.customers)
    assert table["random"]["captured"] == pytest.approx(0.2, abs=0.02)


@pytest.mark.slow
def test_where_needs_differ_more_than_shares_own_spend_ranks_better_and_the_test_says_so() -> None:
    table = rows(split_wallet(*households(1, 20, 800, seed=2), last=364, repeats=4, seed=2))
    assert table["own spend, most first"]["best"] == 1.0
    assert table["own spend, least first"]["spearman"] < -0.5
    assert table["own spend, most first"]["spearman"] == pytest.approx(-table["own spend, least first"]["spearman"])


def test_one_split_without_amounts() -> None:
    who, day, store, _ = households(4, 2, 300, seed=3)
    first, again = (split_wallet(who, day, store, last=364, repeats=1, seed=5) for _ in range(2))
    assert first.table() == again.table()
    assert first.hidden[0] == int(first.hidden[0])  # lines are counted
    assert (first.left_out, first.without, first.expected.tolist()) == (0, 0, [0.0])
    assert np.all((first.captured >= 0) & (first.captured <= 1) & (np.abs(first.spearman) <= 1))


def test_cross_sell_finds_hidden_categories() -> None:
    result = mask_category(*baskets(3_000, seed=1), last=364, repeats=10, seed=1)
    table = rows(result)
    assert table["cross-sell"]["best"] == 1.0
    assert (
        table["cross-sell"]["spearman"] > max(table[name]["spearman"] for name in table if name != "cross-sell") + 0.1
    )
    assert table["cross-sell"]["captured"] > table["random"]["captured"] + 0.2
    assert table["cross-sell"]["captured"] > table["own spend, most first"]["captured"] + 0.05
    # The forecast is of money: over all repeats right within a tenth.
    assert result.expected.sum() / result.hidden.sum() == pytest.approx(1, abs=0.1)


def test_lines_that_do_not_count_are_counted() -> None:
    who, day, what, amount = baskets(200, seed=2)
    bad = np.array([-4.0, 0.0])
    lines = [np.append(column, column[:2]) for column in (who, day, what)]
    more = mask_category(*lines, np.append(amount, bad), last=364, repeats=2)
    assert more.left_out == 2
    assert more.table() == mask_category(who, day, what, amount, last=364, repeats=2).table()


# The frontier


@pytest.mark.parametrize(
    ("r", "alpha", "t"), [(0.553, 10.58, 39.0), (3.0, 1.0, 0.01), (0.01, 5.0, 50.0), (40.0, 2.0, 9.0)]
)
def test_quantile_of_counts_by_enumeration(r: float, alpha: float, t: float) -> None:
    k = np.arange(4_000)
    log_each = np.cumsum(np.append(0, np.log((r + k[:-1]) / (k[:-1] + 1)))) + r * np.log(alpha / (alpha + t))
    total = np.cumsum(np.exp(log_each + k * np.log(t / (alpha + t))))
    for tau in (0.01, 0.5, 0.8, 0.95, 0.999):
        assert count_quantile(r, alpha, t, tau) == np.searchsorted(total, tau)
    both = count_quantile(r + np.array([0.0, 2.0]), np.array([alpha, 2 * alpha]), t, 0.9)
    assert both.tolist() == [count_quantile(r, alpha, t, 0.9), count_quantile(r + 2, 2 * alpha, t, 0.9)]


def bought(model: ParetoNBD, customers: int, days: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(customer, day), first purchases within 100 days."""
    rng = np.random.default_rng(seed)
    born = rng.integers(0, 100, customers)
    who, time = model.draw(rng, (days - born) / 7)
    return np.append(np.arange(customers), who), np.append(born, np.minimum(born[who] + np.ceil(time * 7), days))


@pytest.mark.parametrize("seed", [1, 2])
def test_the_frontier_is_calibrated_where_the_model_is_true(seed: int) -> None:
    result = frontier_calibration(*bought(ParetoNBD(0.9, 9.0, 0.8, 30.0), 3_000, 560, seed), 280, last=560)
    assert np.all(np.abs(result.z) < 3)
    assert np.all(np.abs(result.above - result.expected) < 0.04)
    # One's own history tells more than the peers', and no constant is better than the best in hindsight.
    assert np.all(result.pinball_own < result.pinball_global)
    assert np.all(result.pinball_global <= result.pinball + 1e-12)
    assert np.all(np.diff(result.above) < 0)
    assert (len(result.table()), result.peers) == (3, None)


@pytest.mark.slow
def test_who_never_leaves_exceeds_the_quantile_as_often_as_it_says() -> None:
    # Nobody leaves, and in the holdout nearly all buy: the share above is 1 - P(N <= k).
    result = frontier_calibration(
        *bought(ParetoNBD(3.0, 6.0, 1e-3, 1e6), 3_000, 560, 4), 210, last=560, taus=(0.5, 0.9)
    )
    assert result.alive > 0.995 * result.customers
    k = np.arange(4_000)
    weeks = 50.0
    log_each = np.cumsum(np.append(0, np.log((3 + k[:-1]) / (k[:-1] + 1)))) + 3 * np.log(6 / (6 + weeks))
    total = np.cumsum(np.exp(log_each + k * np.log(weeks / (6 + weeks))))
    exact = 1 - total[result.most.astype(int)]
    assert result.above == pytest.approx(exact, abs=0.035)  # chance, estimation, and two on a day


@pytest.mark.slow
def test_peer_cells_move_the_frontier_to_its_level() -> None:
    rng = np.random.default_rng(7)
    level = rng.integers(0, 2, 3_000)
    who, day = bought(ParetoNBD(0.9, 9.0 * np.exp(-1.2 * level), 0.8, 30.0), 3_000, 560, 7)
    one, two = (frontier_calibration(who, day, 280, last=560, level=of) for of in (None, level[who]))
    assert two.peers is not None
    assert two.peers.earned
    assert two.peers.gamma[1] - two.peers.gamma[0] == pytest.approx(1.2, abs=0.2)
    assert np.all(np.abs(two.z) < 3)
    assert np.all(two.pinball < one.pinball)


@pytest.mark.skipif(not GROCERY.exists(), reason="the grocery orders are not part of the project")
def test_real_orders_give_finite_numbers() -> None:
    orders = pq.read_table(GROCERY)
    day = orders["date"].to_numpy().astype("datetime64[D]")
    result = frontier_calibration(orders["customer_id"].to_numpy(), day.astype(int), 13_513, rounds=10)
    assert result.customers == 1_525
    assert result.alive > 400
    assert all(np.isfinite(list(row.values())).all() for row in result.table())
    assert np.all((result.above >= 0) & (result.above <= 1))


def test_bad_lines_are_refused() -> None:
    who, day, store, amount = households(4, 2, 30, seed=1)
    with pytest.raises(BadOrders, match="one value per line"):
        split_wallet(who[:-1], day, store, amount)
    with pytest.raises(BadOrders, match="some lines"):
        split_wallet(np.array([]), np.array([]), np.array([]))
    with pytest.raises(BadOrders, match=r"2 line\(s\)"):
        split_wallet(who, np.append([np.nan, np.inf], day[2:]), store, amount)
    with pytest.raises(BadOrders, match="There are 1 stores"):
        split_wallet(who, day, np.zeros(len(who)), amount)
    with pytest.raises(BadParameters, match="lies before the last line"):
        split_wallet(who, day, store, amount, last=5)
    with pytest.raises(BadParameters, match="repeats=0"):
        split_wallet(who, day, store, amount, repeats=0)
    with pytest.raises(BadParameters, match="masked=8 of 8"):
        mask_category(who, day, store, amount, masked=8)
    with pytest.raises(BadOrders, match="In no repeat"):
        mask_category(np.array([1, 2, 3]), np.array([1, 2, 3]), np.array([0, 0, 1]), repeats=1, seed=1)
    with pytest.raises(BadOrders, match="Nobody bought in the holdout"):
        frontier_calibration(who, day, 364)
    with pytest.raises(BadOrders, match="no line up to day -1"):
        frontier_calibration(who, day, -1)
    assert isinstance(frontier_calibration(who, day, 200, rounds=1), FrontierCalibration)
