"""Properties that every timing model has, whatever its formula: a new model adds a row in truths.py, no test here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klantwaarde.models import BGNBD, MBGNBD, MODELS, NBD, SPEND_MODELS, GammaGamma, ParetoNBD
from klantwaarde.quantities import cet, dert, det, expected_purchases, log_likelihood, p_active, p_alive
from klantwaarde.typing import AttritionModel, SpendModel
from truths import CDNOW_SPEND, HISTORIES, TIMES, TIMING

x, t_x, T = (np.array(column, dtype=float) for column in zip(*HISTORIES, strict=True))
DAYS = 18_262  # 50 years

every_model = pytest.mark.parametrize("name", TIMING)
parameter = st.one_of(st.just(1.0), st.floats(-3, 4).map(lambda power: 10.0**power))
parameters = st.lists(parameter, min_size=4, max_size=4)


@st.composite
def histories(draw: st.DrawFn) -> tuple[float, float, float]:
    bought = draw(st.one_of(st.integers(0, 20), st.integers(0, 100_000)))
    until = draw(st.floats(0.01, DAYS))
    last = until * draw(st.floats(1e-6, 1)) if bought else 0.0
    return float(bought), last, until


def built(name: str, values: list[float]) -> Any:
    model = MODELS[name]
    return model(*values[: len(model._fields)])


def test_every_model_plays_its_role() -> None:
    assert list(MODELS) == list(TIMING)
    for name, model in TIMING.items():
        assert isinstance(model, MODELS[name])
        assert isinstance(model, AttritionModel)
        assert isinstance(model.given_alive(2, 1.0, 3.0), AttritionModel)
    assert isinstance(CDNOW_SPEND, SpendModel)
    assert {"gamma_gamma": GammaGamma} == SPEND_MODELS


@every_model
@given(values=parameters, history=histories(), ahead=st.floats(0, DAYS), delta=st.floats(-6, 1).map(lambda p: 10.0**p))
@settings(max_examples=120, deadline=None)
def test_finite_input_gives_finite_answers(
    name: str, values: list[float], history: tuple[float, float, float], ahead: float, delta: float
) -> None:
    model = built(name, values)
    alive, gone = model.log_branches(*history)
    assert np.isfinite(alive)
    assert gone < np.inf  # -inf is a branch of probability zero
    assert np.isfinite(log_likelihood(model, *history))
    assert 0 <= p_alive(model, *history) <= 1
    assert 0 <= p_active(model, ahead, *history) <= 1
    answers = [
        cet(model, ahead, *history),
        dert(model, delta, *history),
        expected_purchases(model, ahead),
        det(model, delta),
        model.given_alive(*history).purchases(ahead),
        model.given_alive(*history).discounted(delta),
    ]
    assert np.all(np.isfinite(answers))
    assert np.all(np.greater_equal(answers, 0))


@every_model
@given(values=parameters, history=histories(), delta=st.floats(-6, 1).map(lambda p: 10.0**p))
@settings(max_examples=60, deadline=None)
def test_more_time_and_less_discount_are_worth_more(
    name: str, values: list[float], history: tuple[float, float, float], delta: float
) -> None:
    model = built(name, values)
    purchases = cet(model, np.array([0.0, 1e-6, 1.0, 30.0, 365.0, 3650.0, DAYS]), *history)
    assert purchases[0] == 0
    assert np.all(np.diff(purchases) >= -1e-13 * purchases[1:])
    worth = dert(model, delta * np.array([1.0, 1.1, 10.0]), *history)
    assert np.all(np.diff(worth) < 0) or worth[0] < 1e-300


@every_model
@given(values=parameters, history=histories())
@settings(max_examples=60, deadline=None)
def test_silence_never_raises_p_alive(name: str, values: list[float], history: tuple[float, float, float]) -> None:
    bought, last, until = history
    silent = until + np.array([0.0, 1e-3, 1.0, 30.0, 365.0, 3650.0])
    falling = p_alive(built(name, values), bought, last, silent)
    assert np.all(np.diff(falling) <= 1e-8 * falling[:-1])  # log-gamma of 1e5 has 10 digits


@every_model
@pytest.mark.parametrize("scale", [7.0, 1 / 30.4375])
def test_unit_of_time_does_not_matter(name: str, scale: float) -> None:
    model = TIMING[name]
    rescaled = type(model)(*(v * scale if k in TIMES[name] else v for k, v in enumerate(model)))
    then = (x, t_x * scale, T * scale)
    assert p_alive(rescaled, *then) == pytest.approx(p_alive(model, x, t_x, T), rel=1e-12)
    assert cet(rescaled, 9 * scale, *then) == pytest.approx(cet(model, 9, x, t_x, T), rel=1e-12)
    assert p_active(rescaled, 9 * scale, *then) == pytest.approx(p_active(model, 9, x, t_x, T), rel=1e-12)
    assert dert(rescaled, 0.01 / scale, *then) == pytest.approx(dert(model, 0.01, x, t_x, T), rel=1e-12)
    assert det(rescaled, 0.01 / scale) == pytest.approx(det(model, 0.01), rel=1e-12)
    shifted = log_likelihood(model, x, t_x, T) - x * np.log(scale)
    assert log_likelihood(rescaled, *then) == pytest.approx(shifted, rel=1e-12)


@every_model
def test_steep_discount_leaves_the_rate_of_now(name: str) -> None:
    model, delta = TIMING[name], 1e7
    alive = model.given_alive(x, t_x, T)
    now = p_alive(model, x, t_x, T) * alive.r / alive.alpha
    assert delta * dert(model, delta, x, t_x, T) == pytest.approx(now, rel=1e-5)


@every_model
def test_parameters_per_draw_and_per_customer_equal_a_loop(name: str) -> None:
    model, rng = TIMING[name], np.random.default_rng(0)
    cloud = [np.array(v) * rng.uniform(0.8, 1.2, (3, 1)) for v in model]
    asked = {
        "p_alive": p_alive,
        "cet": lambda m, *h: cet(m, 9.0, *h),
        "dert": lambda m, *h: dert(m, 0.01, *h),
        "p_active": lambda m, *h: p_active(m, 9.0, *h),
        "log_likelihood": log_likelihood,
    }
    for ask in asked.values():
        draws = ask(type(model)(*cloud), x, t_x, T)
        assert draws.shape == (3, len(x))
        for k in range(3):
            one = type(model)(*(float(v[k, 0]) for v in cloud))
            assert draws[k] == pytest.approx(ask(one, x, t_x, T), rel=1e-12)
        each = ask(type(model)(*(np.full(len(x), v[1, 0]) for v in cloud)), x, t_x, T)
        assert each == pytest.approx(draws[1], rel=1e-12)
    assert det(type(model)(*cloud), 0.01).shape == (3, 1)


@every_model
def test_at_first_the_chance_of_a_purchase_is_the_expected_number(name: str) -> None:
    few = p_active(TIMING[name], 1e-7, x, t_x, T) / cet(TIMING[name], 1e-7, x, t_x, T)
    assert few == pytest.approx(1, rel=1e-6)


def test_limits() -> None:
    s_to_0 = ParetoNBD(0.55, 10.6, 1e-12, 11.7)
    assert cet(s_to_0, 52, 7, 35, 77.86) == pytest.approx(52 * 7.55 / 88.46, rel=1e-9)
    assert dert(s_to_0, 0.0027, 7, 35, 77.86) == pytest.approx(7.55 / 88.46 / 0.0027, rel=1e-9)
    assert p_alive(TIMING["pareto_nbd"], x[1:], T[1:], T[1:]) == pytest.approx(1, abs=0)  # just bought
    just_bought = p_alive(TIMING["mbg_nbd"], x, T, T)
    assert just_bought == pytest.approx((1.614 + x) / (0.891 + 1.614 + x), rel=1e-12)
    assert p_alive(TIMING["bg_nbd"], 0, 0, 38.86) == 1
    assert p_alive(TIMING["nbd"], x, t_x, T) == pytest.approx(1, abs=0)


@pytest.mark.parametrize("step", [1e-9, -1e-9])
def test_smooth_through_one(step: float) -> None:
    # At s = 1 and a = 1 the textbook forms are 0 / 0.
    for at, near in [
        (ParetoNBD(0.5, 10, 1.0, 12), ParetoNBD(0.5, 10, 1 + step, 12)),
        (BGNBD(0.5, 10, 1.0, 2.5), BGNBD(0.5, 10, 1 + step, 2.5)),
        (MBGNBD(0.5, 10, 1.0, 2.5), MBGNBD(0.5, 10, 1 + step, 2.5)),
    ]:
        assert near.purchases(100.0) == pytest.approx(at.purchases(100.0), rel=1e-8)
        assert near.discounted(0.01) == pytest.approx(at.discounted(0.01), rel=1e-8)


def test_tower_property_of_nbd_by_enumeration() -> None:
    # What is expected of everyone after T, weighted by the chance of their history, is what newcomers buy then.
    model = NBD(0.4, 4.0)
    chances = np.exp(log_likelihood(model, np.arange(2000.0), 5.0, 5.0) + _log_orderings(np.arange(2000.0), 5.0))
    after = cet(model, 3.0, np.arange(2000.0), 5.0, 5.0)
    assert chances.sum() == pytest.approx(1, rel=1e-10)
    assert chances @ after == pytest.approx(expected_purchases(model, 8.0) - expected_purchases(model, 5.0), rel=1e-10)


def _log_orderings(count: np.ndarray, until: float) -> np.ndarray:
    """log(T^x / x!): the likelihood is that of one set of times, any of which may have been."""
    from scipy.special import gammaln

    return count * np.log(until) - gammaln(count + 1)


def test_spend_mean_is_between_own_and_population() -> None:
    own = CDNOW_SPEND.mean(np.array([0.0, 1, 10, 1000]), 90.0)
    assert np.all(np.diff(own) > 0)
    assert own[0] == pytest.approx(35.219, abs=1e-3)
    assert own[3] == pytest.approx(90, rel=2e-3)
    assert GammaGamma(1.0, 0.5, 10.0).mean(0, 0.0) == np.inf  # q <= 1: no finite mean


def test_spend_unit_of_money_does_not_matter() -> None:
    p, q, gamma = CDNOW_SPEND
    cents = GammaGamma(p, q, gamma * 100)
    assert cents.mean(3, 2500.0) == pytest.approx(100 * CDNOW_SPEND.mean(3, 25.0), rel=1e-14)
    shifted = log_likelihood(CDNOW_SPEND, 3, 25.0) - np.log(100)
    assert log_likelihood(cents, 3, 2500.0) == pytest.approx(shifted, rel=1e-13)


@given(values=parameters, bought=st.integers(1, 100_000), zbar=st.floats(0.01, 1e6))
@settings(max_examples=100, deadline=None)
def test_spend_is_finite(values: list[float], bought: int, zbar: float) -> None:
    model = GammaGamma(values[0], 1 + values[1], values[2])
    assert np.isfinite(log_likelihood(model, bought, zbar))
    assert np.isfinite(model.mean(bought, zbar))
