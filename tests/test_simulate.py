"""Simulated customers behave as the formulas say, within four standard errors."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from klantwaarde.errors import BadParameters
from klantwaarde.models import BGNBD, MBGNBD, ParetoNBD
from klantwaarde.models.quantities import expected_purchases, log_likelihood, p_active
from klantwaarde.purchases.simulate import simulate
from truths import CDNOW_PARETO, CDNOW_SPEND, TIMING

CUSTOMERS = 60_000


def counts(customer: np.ndarray, kept: Any = True) -> np.ndarray:
    return np.bincount(customer[kept] if kept is not True else customer, minlength=CUSTOMERS)


@pytest.mark.parametrize("name", TIMING)
def test_means_agree_with_expected_purchases(name: str) -> None:
    model, rng = TIMING[name], np.random.default_rng(11)
    customer, time = model.draw(rng, np.full(CUSTOMERS, 78.0))
    assert np.array_equal(np.lexsort((time, customer)), np.arange(len(time)))
    assert time.min() > 0
    assert time.max() <= 78
    for until in (5.0, 39.0, 78.0):
        bought = counts(customer, time <= until)
        error = bought.std() / np.sqrt(CUSTOMERS)
        assert bought.mean() == pytest.approx(float(expected_purchases(model, until)), abs=4 * error)


@pytest.mark.parametrize("name", TIMING)
def test_share_of_one_time_buyers(name: str) -> None:
    model = TIMING[name]
    customer, _ = model.draw(np.random.default_rng(12), np.full(CUSTOMERS, 39.0))
    none = float(np.exp(log_likelihood(model, 0, 0.0, 39.0)))
    assert np.mean(counts(customer) == 0) == pytest.approx(none, abs=4 * np.sqrt(none / CUSTOMERS))


@pytest.mark.parametrize("name", ["pareto_nbd", "mbg_nbd", "bg_nbd"])
def test_p_active_of_those_with_one_repeat_purchase(name: str) -> None:
    model = TIMING[name]
    customer, time = model.draw(np.random.default_rng(13), np.full(CUSTOMERS, 47.0))
    before, after = counts(customer, time <= 39), counts(customer, time > 39)
    t_x = np.zeros(CUSTOMERS)
    np.maximum.at(t_x, customer[time <= 39], time[time <= 39])
    one = before == 1
    chance = p_active(model, 8.0, 1.0, t_x[one], 39.0)
    error = np.sqrt(np.sum(chance * (1 - chance)))
    assert np.sum(after[one] > 0) == pytest.approx(chance.sum(), abs=4 * error)


@pytest.mark.parametrize(
    "model", [ParetoNBD(1e-3, 1.0, 1e-3, 1.0), BGNBD(1e-3, 1, 1e-3, 1e-3), MBGNBD(5, 1, 1e3, 1e-3)]
)
def test_extreme_populations_can_be_drawn(model: Any) -> None:
    customer, time = model.draw(np.random.default_rng(0), np.linspace(0, 10, 500))
    assert len(customer) == len(time)
    assert np.all(np.isfinite(time))


def test_parameters_per_customer() -> None:
    alpha = np.repeat([5.0, 500.0], CUSTOMERS // 2)
    customer, _ = CDNOW_PARETO._replace(alpha=alpha).draw(np.random.default_rng(1), np.full(CUSTOMERS, 20.0))
    half = counts(customer).reshape(2, -1).mean(axis=1)
    assert half == pytest.approx(expected_purchases(CDNOW_PARETO._replace(alpha=np.array([5.0, 500.0])), 20.0), rel=0.1)


def test_spend_varies_between_and_within_customers() -> None:
    customer = np.random.default_rng(2).integers(100, 100 + CUSTOMERS, 5 * CUSTOMERS)
    amount = CDNOW_SPEND.draw(np.random.default_rng(3), customer)
    # The variance of a purchase is p (p + q - 1) gamma^2 / ((q - 1)^2 (q - 2)): nu's tail is heavy, so wide bounds.
    assert amount.mean() == pytest.approx(35.219, rel=0.01)
    of_one = CDNOW_SPEND.draw(np.random.default_rng(3), np.zeros(CUSTOMERS, int))
    assert of_one.std() / of_one.mean() == pytest.approx(1 / np.sqrt(6.25), rel=0.02)
    assert len(CDNOW_SPEND.draw(np.random.default_rng(3), np.empty(0, int))) == 0


def test_order_table() -> None:
    orders = simulate(CDNOW_PARETO, 2_000, spend=CDNOW_SPEND, seed=5)
    assert orders.schema.types == [pa.int64(), pa.date32(), pa.float64()]
    assert orders.column_names == ["customer_id", "date", "amount"]
    frame = orders.to_pandas()
    assert frame.customer_id.unique().tolist() == list(range(1, 2_001))
    assert frame.sort_values(["customer_id", "date"], kind="stable").index.is_monotonic_increasing
    first = frame.groupby("customer_id").date.min()
    assert first.min() == dt.date(2023, 1, 1)
    assert first.max() <= dt.date(2023, 8, 31)  # 243 of 731 days
    assert frame.date.max() <= dt.date(2024, 12, 31)
    assert np.array_equal(frame.amount, frame.amount.round(2))
    assert frame.amount.min() > 0
    assert orders.equals(simulate(CDNOW_PARETO, 2_000, spend=CDNOW_SPEND, seed=5))
    assert not orders.equals(simulate(CDNOW_PARETO, 2_000, spend=CDNOW_SPEND, seed=6))


def test_last_day_is_a_day_like_any_other() -> None:
    busy = ParetoNBD(50.0, 50.0, 1e-3, 1e3)  # one a day
    dates = simulate(busy, 3_000, start="2024-01-01", end="2024-01-20", acquisition_days=1, unit="day")[
        "date"
    ].to_numpy()
    days, bought = np.unique(dates, return_counts=True)
    assert str(days[-1]) == "2024-01-20"
    assert bought[-1] == pytest.approx(3_000, rel=0.1)
    assert bought[0] == pytest.approx(6_000, rel=0.1)  # first purchases, and repeats on the same day


def test_unit_scales_time() -> None:
    week = simulate(CDNOW_PARETO, 20_000, acquisition_days=1, unit="week")
    r, alpha, s, beta = CDNOW_PARETO
    day = simulate(ParetoNBD(r, alpha * 7, s, beta * 7), 20_000, acquisition_days=1, unit="day")
    assert week.num_rows == pytest.approx(day.num_rows, rel=0.03)
    assert week.column_names == ["customer_id", "date"]


def test_bad_settings_are_refused() -> None:
    with pytest.raises(BadParameters, match="customers"):
        simulate(CDNOW_PARETO, 0)
    with pytest.raises(BadParameters, match="acquisition_days"):
        simulate(CDNOW_PARETO, 10, acquisition_days=0)
    with pytest.raises(BadParameters, match="window"):
        simulate(CDNOW_PARETO, 10, start="2024-01-01", end="2023-01-01")
    with pytest.raises(BadParameters, match="dates"):
        simulate(CDNOW_PARETO, 10, start="yesterday")
    with pytest.raises(BadParameters, match="unit"):
        simulate(CDNOW_PARETO, 10, unit="fortnight")
