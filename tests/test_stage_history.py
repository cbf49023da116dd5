"""Stages over time and their calibration: no look ahead, flows that add up, limits that hold on other customers."""

from __future__ import annotations

import datetime as dt
import itertools
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import klantwaarde as kw
from klantwaarde.errors import BadOrders, BadParameters
from klantwaarde.lifecycle.calibration import (
    PRIOR,
    Returns,
    calibration,
    cross_fitted,
    is_lost,
    lost_cuts,
    lost_rate,
    returns,
    split_customers,
    wilson,
)
from klantwaarde.lifecycle.history import History, stage_history
from klantwaarde.lifecycle.rules import STAGES, Cuts

DATES = ["2023-06-30", "2023-09-30", "2023-12-31", "2024-03-31", "2024-06-30"]


@pytest.fixture(scope="module", name="orders")
def _orders() -> kw.Orders:
    model = kw.ParetoNBD(0.8, 6.0, 0.6, 12.0)
    return kw.orders(kw.simulate(model, 1500, start="2022-01-01", end="2024-12-31", acquisition_days=700, seed=8))


@pytest.fixture(scope="module", name="history")
def _history(orders: kw.Orders) -> History:
    return stage_history(orders, DATES)


def test_counts_and_flows_add_up(history: History) -> None:
    assert [day.isoformat() for day in history.dates] == DATES
    for (start, before), (end, after) in zip(
        zip(history.dates, history.counts, strict=True),
        list(zip(history.dates, history.counts, strict=True))[1:],
        strict=False,
    ):
        part = [flow for flow in history.flows if (flow.start, flow.end) == (start, end)]
        assert sum(flow.customers for flow in part) == sum(after.values())
        for stage in STAGES:
            assert sum(flow.customers for flow in part if flow.after == stage) == after[stage]
            assert sum(flow.customers for flow in part if flow.before == stage) == before[stage]
            assert history.net(start, end, stage) == after[stage] - before[stage]
    assert list(history.to_pandas().columns) == list(STAGES)
    assert history.to_pandas().sum(axis=1).is_monotonic_increasing


def test_hardly_anyone_flaps(history: History) -> None:
    assert history.flaps.seen > 2000
    assert history.flaps.rate < 0.05
    assert history.flaps.flapped_quietly <= history.flaps.flapped


@pytest.mark.slow
@pytest.mark.parametrize("parameters", ["refit", "frozen"])
def test_without_an_order_nobody_gets_better(orders: kw.Orders, parameters: Any) -> None:
    """Except by more than the slack: with frozen parameters never."""
    found = stage_history(orders, DATES[:3], parameters)
    frames = [orders.engine.pandas(f"select * from {table}") for table in found.tables]
    worse = {"growing": 0, "core": 1, "declining": 2, "at_risk": 3, "dormant": 4, "lost": 5}
    for earlier, later in itertools.pairwise(frames):
        both = earlier.merge(later, on="customer_id", suffixes=("_a", "_b"))
        quiet = both[(both.last_order_a == both.last_order_b) & both.stage_a.isin(worse) & both.stage_b.isin(worse)]
        assert len(quiet) > 300
        healed = quiet.stage_b.map(worse) < quiet.stage_a.map(worse)
        assert healed.sum() == 0 if parameters == "frozen" else healed.mean() < 0.02
        assert (quiet.stage_b == "won_back").sum() == 0


@pytest.mark.slow
def test_a_date_sees_what_was_known_then(orders: kw.Orders) -> None:
    """The same history from orders that end at its last date."""
    frame = orders.engine.pandas(f"select customer_id, day as date from {orders.lines} where day <= date '2023-12-31'")
    one, other = stage_history(orders, DATES[:3]), stage_history(kw.orders(frame), DATES[:3])
    assert one.counts == other.counts
    assert one.flows == other.flows


@pytest.mark.slow
@pytest.mark.parametrize("rules", ["days", "rfm"])
def test_the_other_rules_have_a_history_too(orders: kw.Orders, rules: str) -> None:
    found = stage_history(orders, DATES[:3], "frozen", rules=rules)
    assert found.rules.name == rules
    assert sum(found.counts[-1].values()) == sum(flow.customers for flow in found.flows if flow.end == found.dates[-1])


def test_dates_that_do_not_rise_are_refused(orders: kw.Orders) -> None:
    for dates in (["2023-06-30"], ["2023-06-30", "2023-06-30"], ["2023-06-30", "2023-01-31"]):
        with pytest.raises(BadParameters, match="to rise"):
            stage_history(orders, dates)
    with pytest.raises(BadParameters, match="refit, frozen"):
        stage_history(orders, DATES, "melted")  # type: ignore[arg-type]
    with pytest.raises(BadOrders, match="before the first order"):
        stage_history(orders, ["2020-01-01", "2023-01-01"])


# --- calibration


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (5, 10), (37, 619), (10, 10), (1, 100_000)])
def test_wilson_solves_its_equation(successes: int, n: int) -> None:
    """The ends are where the score test just rejects: |p - share| = z sqrt(p (1 - p) / n)."""
    found = wilson(successes, n)
    z = NormalDist().inv_cdf(0.975)
    for p in (found.low, found.high):
        assert abs(p - successes / n) == pytest.approx(z * np.sqrt(p * (1 - p) / n), abs=1e-12)
    assert 0 <= found.low <= found.rate <= found.high <= 1


def test_wilson_of_nobody() -> None:
    assert wilson(0, 0) == (0, 0, None, 0.0, 1.0)


def made(rng: np.random.Generator, cells: int, *, bias: float = 1.0) -> Returns:
    """Histories whose customers come back as often as the model says, times a bias."""
    kind, alive = rng.integers(0, 4, cells), rng.random(cells)
    active = alive * 0.8
    n = rng.integers(1, 30, cells)
    back = rng.binomial(n, np.clip(alive * 0.9 * bias, 0, 1))
    return Returns(kind, alive, active, alive * 0.9, n.astype(float), back.astype(float), rng.random(cells) < 0.1)


@given(seed=st.integers(0, 10_000), target=st.sampled_from([0.05, 0.1, 0.25]), bias=st.sampled_from([0.3, 1.0, 1.5]))
def test_limits_keep_to_the_target_and_are_the_largest(seed: int, target: float, bias: float) -> None:
    found = made(np.random.default_rng(seed), 400, bias=bias)
    cuts = lost_cuts(found, target)
    for place in range(4):
        part = Returns(*(values[(found.kind == place) & ~found.young] for values in found))
        below = is_lost(part, cuts)
        n, back = part.n[below].sum(), part.returned[below].sum()
        expected = (part.expected * part.n)[below].sum() / max(n, 1)
        if below.any():
            assert back + PRIOR * expected + error(target, n) <= target * (n + PRIOR) + 1e-9
        # No larger limit of P(active) would do.
        for limit in np.unique(part.p_active[(part.p_active > cuts.p_active[place]) & (part.p_active < 0.5)]):
            rows = part.p_active <= limit
            m = part.n[rows].sum()
            told = part.returned[rows].sum() + PRIOR * (part.expected * part.n)[rows].sum() / m
            assert told + error(target, m) > target * (m + PRIOR)


def error(target: float, n: float) -> float:
    """One standard error of the count of those who come back."""
    return float(np.sqrt(target * (1 - target) * (n + PRIOR)))


def test_a_model_that_is_right_gets_the_limit_it_says() -> None:
    """Returns uniform in 0 to .9 with the chance: the mean below a limit L of P(alive) is .45 L, so L = .222."""
    found = made(np.random.default_rng(3), 40_000)._replace(p_active=np.full(40_000, 0.9))
    cuts = lost_cuts(found, 0.10)
    for alive in cuts.p_alive[1:]:
        assert alive == pytest.approx(0.1 / 0.45, abs=0.012)


def test_nobody_comes_back_or_everybody_does() -> None:
    found = made(np.random.default_rng(4), 2000)
    none = lost_cuts(found._replace(returned=found.n * 0, expected=found.n * 0.0), 0.10)
    assert none.p_active == (0.5,) * 4
    every = lost_cuts(found._replace(returned=found.n, expected=found.n * 0 + 1.0), 0.10)
    assert lost_rate(found, every).lost == 0
    assert all(limit <= usual for limit, usual in zip(every.p_alive, Cuts().p_alive, strict=True))


def test_halves_are_the_same_customers_every_time() -> None:
    found = made(np.random.default_rng(5), 500)
    one, other = split_customers(found)
    assert np.array_equal(one.n + other.n, found.n)
    assert np.array_equal(one.returned + other.returned, found.returned)
    assert np.all(one.returned <= one.n)
    assert np.all(other.returned <= other.n)
    assert np.array_equal(split_customers(found)[0].n, one.n)
    assert cross_fitted(found) == cross_fitted(found)


def test_calibrated_on_a_split_twelve_months_before(orders: kw.Orders) -> None:
    found = calibration(orders, kw.ParetoNBD, as_of="2024-12-31")
    assert found.split == dt.date(2023, 12, 31)
    assert found.rate.low <= 0.10
    assert found.rate.lost > 100
    assert f"{found.rate.lost:,} customers lost on 2023-12-31" in found.told
    assert sum(rate.lost for _, rate in found.by_class) == lost_rate(_returns(orders), found.cuts).lost


def _returns(orders: kw.Orders) -> Returns:
    base = kw.customers(orders, "2023-12-31")
    return returns(base, dt.date(2024, 12, 31), kw.fit(kw.ParetoNBD, base.cells()))


def test_returns_are_those_of_the_orders(orders: kw.Orders) -> None:
    found = _returns(orders)
    frame = orders.engine.pandas(f"select distinct customer_id, day from {orders.lines}")
    before = set(frame.customer_id[frame.day <= pd.Timestamp("2023-12-31")])
    after = set(frame.customer_id[frame.day > pd.Timestamp("2023-12-31")])
    assert found.n.sum() == len(before)
    assert found.returned.sum() == len(before & after)
    assert np.all((found.p_active <= found.expected) & (found.expected <= found.p_alive))


def test_a_short_history_has_the_constants_and_says_so(orders: kw.Orders) -> None:
    found = calibration(orders, as_of="2022-12-31")
    assert found.split is None
    assert (found.cuts.p_alive, found.cuts.p_active) == (Cuts().p_alive, Cuts().p_active)
    assert "default thresholds, for calibration needs 548 days of orders and there are 365" in found.told
    with pytest.raises(BadParameters, match="one lost customer in ten"):
        calibration(orders, target=10)


def test_calibrated_at_each_date(orders: kw.Orders) -> None:
    found = stage_history(orders, ["2023-01-31", "2024-01-31"], cuts="calibrated")
    assert "default thresholds" in found.notes[0]
    assert "bought again by 2024-01-31" in found.notes[1]
