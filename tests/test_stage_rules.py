"""The rhythm and the rules of silence: numbers computed elsewhere, inverses, and days found by looking at each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

import klantwaarde as kw
from klantwaarde.errors import BadParameters
from klantwaarde.lifecycle.next_order import (
    NO_FEWER,
    NO_MORE,
    fewer_chance,
    limits,
    more_chance,
    overdue,
    overdue_from,
    rate_ratio,
    time_to_next,
)
from klantwaarde.lifecycle.rules import (
    AT_RISK,
    DORMANT,
    LOST,
    NEVER,
    RULES,
    STEADY,
    YOUNG,
    Cuts,
    first_day_below,
    frequency_class,
    quintiles,
    rules_named,
    silence_marks,
)
from klantwaarde.lifecycle.stages import staged
from truths import CDNOW_BG, CDNOW_MBG, CDNOW_PARETO, THREE_DIGITS

MODELS = [CDNOW_PARETO, CDNOW_MBG, CDNOW_BG]


# --- rhythm, to the digits


@pytest.mark.parametrize(
    ("x", "t_x", "silence", "answer"),
    [(0, 0.0, 38.86, 0.42629985), (2, 30.43, 8.43, 0.62047640), (7, 35.0, 42.86, 0.00669398)],
)
def test_overdue_to_the_digits(x: int, t_x: float, silence: float, answer: float) -> None:
    assert float(overdue(THREE_DIGITS, x, t_x, t_x + silence)) == pytest.approx(answer, abs=0.51e-8)


def test_trend_to_the_digits() -> None:
    """12 in 39 weeks then 2 in 13; 6 in 39 then 7 in 13."""
    down = float(fewer_chance(14, 2, 52, 13))
    assert down == pytest.approx(0.75**12 * (0.75**2 + 14 * 0.25 * 0.75 + 91 * 0.25**2), rel=1e-14)
    assert down - float(binom.pmf(2, 14, 0.25)) / 2 == pytest.approx(0.19104800, abs=0.51e-8)
    assert float(more_chance(13, 7, 52, 13)) == pytest.approx(0.02429014, abs=0.51e-8)
    assert float(rate_ratio(14, 2, 52, 13)) == pytest.approx((2.5 / 13) / (12.5 / 39), rel=1e-14)


def test_tails_against_the_binomial() -> None:
    x, k = np.array([[0], [1], [6], [40], [300]]), np.arange(0, 41)
    k = np.minimum(k, x)
    np.testing.assert_allclose(fewer_chance(x, k, 90.0, 13.0), binom.cdf(k, x, 13 / 90), rtol=1e-12)
    np.testing.assert_allclose(more_chance(x, k, 90.0, 13.0), binom.sf(k - 1, x, 13 / 90), rtol=1e-10)


@given(x=st.integers(0, 120), T=st.integers(1, 1500))
def test_limits_are_where_the_tests_turn(x: int, T: int) -> None:
    found = limits(np.array([x]), np.array([T]), 91)
    if T <= 91 or x == 0:
        assert (found.fewer[0], found.more[0]) == (NO_FEWER, NO_MORE)
        return
    k = np.arange(x + 1)
    few = (binom.cdf(k, x, 91 / T) < 0.05) & (rate_ratio(x, k, T, 91) < 0.8)
    many = (binom.sf(k - 1, x, 91 / T) < 0.05) & (rate_ratio(x, k, T, 91) > 1.25)
    np.testing.assert_array_equal(k <= found.fewer[0], few)
    np.testing.assert_array_equal(k >= found.more[0], many)


@pytest.mark.parametrize("model", MODELS)
def test_overdue_and_the_next_order_invert(model: Any) -> None:
    x, t_x = np.array([0.0, 1, 5, 40]), np.array([0.0, 3, 20, 60])
    T = overdue_from(model, x, t_x, 0.05)
    np.testing.assert_allclose(overdue(model, x, t_x, T), 0.05, rtol=1e-9)
    # Half of those who stay order again by the median: the silence from T on is a Lomax tail, too.
    later = 60 + time_to_next(model, x, 60.0)
    silent = ((model.alpha + 60) / (model.alpha + later)) ** (model.r + x)
    np.testing.assert_allclose(silent, 0.5, rtol=1e-9)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: overdue(CDNOW_PARETO, 1, 5.0, 4.0), "t_x <= T"),
        (lambda: time_to_next(CDNOW_PARETO, 1, 4.0, 1.0), "between 0 and 1"),
        (lambda: fewer_chance(3, 1, 13, 13), "shorter than"),
        (lambda: rules_named("mine"), "default, days, rfm"),
        (lambda: staged_with(cuts=Cuts(p_alive=(0.2,))), "four chances"),
        (lambda: staged_with(cuts=Cuts(p_active=(0.2, 0.1, 1.0, 0.1))), "four chances"),
    ],
)
def test_bad_numbers_are_refused(ask: Any, words: str) -> None:
    with pytest.raises(BadParameters, match=words):
        ask()


def staged_with(**how: Any) -> Any:
    frame = pd.DataFrame({"customer_id": [1, 1, 2], "date": pd.to_datetime(["2024-01-01", "2024-03-01", "2024-04-01"])})
    base = kw.customers(kw.orders(frame))
    return staged(base, fit_of(CDNOW_PARETO), RULES["default"], **how)


def fit_of(model: Any) -> Any:
    """A fit that nobody made."""
    return kw.Fit(model, 0.0, np.eye(4), {}, "converged", "", 1.0, 1, unit="week")


# --- the days on which a silent customer changes stage


@pytest.mark.parametrize("model", MODELS)
def test_marks_are_the_first_days_below_the_limits(model: Any) -> None:
    pairs = [(0, 0), (1, 20), (1, 200), (3, 100), (9, 30), (9, 400), (40, 700)]
    x, t_x = (np.array(values) for values in zip(*pairs, strict=True))
    cuts = Cuts(p_alive=(0.2, 0.1, 0.15, 0.3), p_active=(0.05, 0.02, 0.1, 0.05))
    marks = silence_marks(fit_of(model), RULES["default"], cuts, x, t_x)
    days = np.arange(3000)
    for row in range(len(x)):
        T = days[t_x[row] :]
        history = (np.full(len(T), float(x[row])), t_x[row] / 7, T / 7)
        alive, active = kw.models.p_alive(model, *history), kw.models.p_active(model, 26.0, *history)
        late, kind = overdue(model, *history), frequency_class(x[row])
        gone = (alive < cuts.p_alive[kind]) | (active < cuts.p_active[kind])
        expected = np.select(
            [(T <= 90) & (alive >= 0.5), gone, alive < 0.5, (alive < 0.8) | (late < 0.05)],
            [YOUNG, LOST, DORMANT, AT_RISK],
            STEADY,
        )
        one = type(marks)(*(values[row : row + 1] for values in marks))
        found = one.level(T)
        np.testing.assert_array_equal(found, expected, err_msg=f"row {row}")
        for level in (AT_RISK, DORMANT, LOST):
            if (found == level).any() and (found[0] != level or level != AT_RISK):
                assert one.since(np.array([level]))[0] == T[np.argmax(found == level)]
        assert np.all(np.diff(np.where(found == YOUNG, STEADY, found)) >= 0)


def test_a_chance_that_never_falls_so_far_is_never() -> None:
    found = first_day_below(lambda rows, _: np.ones(len(rows)), np.array([3, 4]), np.array([0.5, 0.0]))
    assert found.tolist() == [NEVER, NEVER]
    step = first_day_below(lambda _, days: (days < 77).astype(float), np.array([3, 80]), np.array([0.5, 0.5]))
    assert step.tolist() == [77, 80]


def test_classes_and_quintiles() -> None:
    assert frequency_class(np.array([0, 1, 2, 3, 4, 99])).tolist() == [0, 1, 2, 2, 3, 3]
    assert quintiles(np.array([3.0, 1, 2, 5, 4]), np.ones(5)) == (1, 2, 3, 4)
    assert quintiles(np.array([0.0, 7]), np.array([9, 1])) == (0, 0, 0, 0)
