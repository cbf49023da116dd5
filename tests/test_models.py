"""Properties that every timing model has, whatever its formula: a new model adds a row in truths.py, no test here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from klantwaarde.estimate.partials import log_likelihood as log_likelihood_of
from klantwaarde.models import BGNBD, MBGNBD, MODELS, NBD, SPEND_MODELS, GammaGamma, ParetoNBD
from klantwaarde.models.quantities import cet, dert, det, expected_purchases, log_likelihood, p_active, p_alive
from klantwaarde.purchases.cells import Cells, SpendCells
from klantwaarde.typing import AttritionModel, SpendModel
from truths import CDNOW_SPEND, HISTORIES, TIMES, TIMING

x, t_x, T = (np.array(column, dtype=float) for column in zip(*HISTORIES, strict=True))
DAYS = 18_262  # 50 years

every_model = pytest.mark.parametrize("name", TIMING)
parameter = st.one_of(st.just(1.0), st.floats(-3, 4).map(lambda power: 10.0**power))
parameters = st.lists(parameter, min_size=4, max_size=4)
deltas = st.floats(-6, 1).map(lambda power: 10.0**power)


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
@given(values=parameters, history=histories(), ahead=st.floats(0, DAYS), delta=deltas)
@example(values=[1.0] * 4, history=(1e5, 9131.0, 9131.0), ahead=DAYS, delta=1e-6)  # a = 1 and s = 1
@example(values=[1e-3] * 4, history=(1e5, 1e-3, DAYS), ahead=DAYS, delta=1e-6)
@example(values=[1e4, 1e-3, 1e4, 1e-3], history=(0.0, 0.0, DAYS), ahead=DAYS, delta=1e-6)
@settings(max_examples=120)
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
@given(values=parameters, history=histories(), delta=deltas)
@settings(max_examples=60)
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
@settings(max_examples=60)
def test_silence_never_raises_p_alive(name: str, values: list[float], history: tuple[float, float, float]) -> None:
    bought, last, until = history
    silent = until + np.array([0.0, 1e-3, 1.0, 30.0, 365.0, 3650.0])
    falling = p_alive(built(name, values), bought, last, silent)
    assert np.all(np.diff(falling) <= 1e-8 * falling[:-1])  # log-gamma of 1e5 has 10 digits


def asked(ahead: float, delta: float) -> dict[str, Any]:
    """Every quantity as a function of (model, x, t_x, T, scale of time)."""
    return {
        "p_alive": lambda m, *h, **_: p_alive(m, *h),
        "cet": lambda m, *h, scale=1.0: cet(m, ahead * scale, *h),
        "p_active": lambda m, *h, scale=1.0: p_active(m, ahead * scale, *h),
        "dert": lambda m, *h, scale=1.0: dert(m, delta / scale, *h),
        "log_likelihood": lambda m, *h, scale=1.0: log_likelihood(m, *h) + np.multiply(h[0], np.log(scale)),
        "expected_purchases": lambda m, *_, scale=1.0: expected_purchases(m, ahead * scale),
        "det": lambda m, *_, scale=1.0: det(m, delta / scale),
    }


def close(quantity: str, one: Any, other: Any) -> bool:
    """A log-likelihood adds up terms of 1e6, of which a double keeps 1e-10; e^that is what a chance can be off."""
    near = {"rel": 1e-11, "abs": 1e-8} if quantity == "log_likelihood" else {"rel": 1e-8, "abs": 1e-200}
    return bool(one == pytest.approx(other, **near))


@every_model
@given(
    values=parameters,
    history=histories(),
    ahead=st.floats(1e-3, DAYS),
    delta=deltas,
    scale=st.one_of(st.sampled_from([7.0, 1 / 30.4375]), st.floats(-3, 3).map(lambda p: 10.0**p)),
)
@settings(max_examples=60)
def test_unit_of_time_does_not_matter(
    name: str, values: list[float], history: tuple[float, float, float], ahead: float, delta: float, scale: float
) -> None:
    model = built(name, values)
    rescaled = type(model)(*(v * scale if k in TIMES[name] else v for k, v in enumerate(model)))
    bought, last, until = history
    for quantity, ask in asked(ahead, delta).items():
        scaled = ask(rescaled, bought, last * scale, until * scale, scale=scale)
        assert close(quantity, scaled, ask(model, *history)), quantity


@every_model
@given(values=parameters, history=histories())
@settings(max_examples=60)
def test_steep_discount_leaves_the_rate_of_now(
    name: str, values: list[float], history: tuple[float, float, float]
) -> None:
    model = built(name, values)
    alive = model.given_alive(*history)
    now = p_alive(model, *history) * alive.r / alive.alpha
    # What the rate loses until a time t is below this speed times t.
    speed = (alive.r + 1) / alive.alpha + (alive.s / alive.beta if name == "pareto_nbd" else 0)
    delta = speed * np.array([1.0, 1e2, 1e4, 1e8])
    limit = delta * dert(model, delta, *history)
    assert np.all(np.diff(limit) >= -1e-12 * limit[1:])
    assert np.all(np.abs(limit - now) <= now * (speed / delta + 1e-11) + 1e-200)


@every_model
@given(
    values=parameters,
    rows=st.lists(histories(), min_size=1, max_size=5),
    ahead=st.floats(1e-3, DAYS),
    delta=deltas,
    spread=st.lists(st.lists(st.floats(0.5, 2), min_size=3, max_size=3), min_size=4, max_size=4),
)
@settings(max_examples=25)
def test_parameters_per_draw_and_per_customer_equal_a_loop(
    name: str,
    values: list[float],
    rows: list[tuple[float, float, float]],
    ahead: float,
    delta: float,
    spread: list[list[float]],
) -> None:
    model, history = built(name, values), [np.array(column) for column in zip(*rows, strict=True)]
    cloud = [value * np.array(factors)[:, None] for value, factors in zip(model, spread, strict=False)]
    for quantity, ask in asked(ahead, delta).items():
        wide = (3, 1) if quantity in {"expected_purchases", "det"} else (3, len(rows))
        draws = ask(type(model)(*cloud), *history)
        assert draws.shape == wide
        for k in range(3):
            one = type(model)(*(float(v[k, 0]) for v in cloud))
            loop = [float(ask(one, *row)) for row in rows]
            assert close(quantity, draws[k], loop[: wide[1]]), quantity
        each = ask(type(model)(*(np.full(len(rows), v[1, 0]) for v in cloud)), *history)
        assert close(quantity, each, np.broadcast_to(draws[1], len(rows))), quantity


@pytest.mark.parametrize("name", [*MODELS, *SPEND_MODELS])
@given(data=st.data(), values=parameters)
@settings(max_examples=40)
def test_weight_two_is_duplication(name: str, data: st.DataObject, values: list[float]) -> None:
    spend = name in SPEND_MODELS
    row = st.tuples(st.integers(1, 1000).map(float), st.floats(0.01, 1e6)) if spend else histories()
    columns = [np.array(column) for column in zip(*data.draw(st.lists(row, min_size=1, max_size=8)), strict=True)]
    Table, Model = (SpendCells, SPEND_MODELS[name]) if spend else (Cells, MODELS[name])
    z = np.log(values[: len(Model._fields)])
    heavy = log_likelihood_of(Model, Table(*columns, n=np.full(len(columns[0]), 2.0)))(z)
    twice = log_likelihood_of(Model, Table(*(np.tile(column, 2) for column in columns)))(z)
    once = log_likelihood_of(Model, Table(*columns))(z)
    assert heavy[0] == pytest.approx(twice[0], rel=1e-11, abs=1e-8)
    assert heavy[0] == pytest.approx(2 * once[0], rel=1e-11, abs=1e-8)
    size = np.max(np.abs(heavy[1]), initial=1)
    assert heavy[1] == pytest.approx(twice[1], rel=1e-8, abs=1e-9 * size)
    # It is the sum of what the public function says of each.
    each = log_likelihood(Model(*np.exp(z)), *columns)
    assert once[0] == pytest.approx(each.sum(), rel=1e-9, abs=1e-6)


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


spend_parameters = st.tuples(parameter, parameter.map(lambda excess: 1 + excess), parameter)
money = st.floats(0.01, 1e6)


@given(values=spend_parameters, bought=st.integers(1, 100_000), zbar=money, scale=st.floats(1e-3, 1e3))
def test_spend_unit_of_money_does_not_matter(
    values: tuple[float, float, float], bought: int, zbar: float, scale: float
) -> None:
    p, q, gamma = values
    model, cents = GammaGamma(p, q, gamma), GammaGamma(p, q, gamma * scale)
    assert cents.mean(bought, zbar * scale) == pytest.approx(scale * model.mean(bought, zbar), rel=1e-13)
    shifted = log_likelihood(model, bought, zbar) - np.log(scale)
    # It adds up terms of 1e10, for p x = 1e9.
    assert log_likelihood(cents, bought, zbar * scale) == pytest.approx(
        shifted, rel=1e-11, abs=1e-14 * (p * bought + q) + 1e-9
    )


@given(values=spend_parameters, bought=st.lists(st.integers(1, 100_000), min_size=3, max_size=3), zbar=money)
def test_spend_parameters_per_draw_equal_a_loop(
    values: tuple[float, float, float], bought: list[int], zbar: float
) -> None:
    cloud = [value * np.array([[1.0], [1.5], [3.0]]) for value in values]
    x = np.array(bought)
    density, mean = log_likelihood(GammaGamma(*cloud), x, zbar), GammaGamma(*cloud).mean(x, zbar)
    for k in range(3):
        one = GammaGamma(*(float(v[k, 0]) for v in cloud))
        assert density[k] == pytest.approx([float(log_likelihood(one, j, zbar)) for j in bought], rel=1e-12)
        assert mean[k] == pytest.approx([float(one.mean(j, zbar)) for j in bought], rel=1e-12)


@given(values=spend_parameters, bought=st.integers(1, 100_000), zbar=money)
def test_spend_is_finite(values: tuple[float, float, float], bought: int, zbar: float) -> None:
    model = GammaGamma(*values)
    assert np.isfinite(log_likelihood(model, bought, zbar))
    own, population = model.mean(bought, zbar), model.mean(0, 0.0)
    assert np.isfinite(own)
    assert min(zbar, population) * (1 - 1e-12) <= own <= max(zbar, population) * (1 + 1e-12)
