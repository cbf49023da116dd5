"""The public quantities: shapes, shared work, errors; the models' own properties are in test_models.py."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from klantwaarde.errors import BadParameters
from klantwaarde.models import BGNBD, GammaGamma, ParetoNBD, quantities
from klantwaarde.models.quantities import cet, dert, det, expected_purchases, log_likelihood, p_active, p_alive
from klantwaarde.numerics import beta_nodes, cores, gamma_nodes, in_blocks, two_or_more
from truths import CDNOW_MBG, CDNOW_PARETO, CDNOW_SPEND, HISTORIES, TIMING

if TYPE_CHECKING:
    from collections.abc import Callable

RNG = np.random.default_rng(1)
ROWS = 40_000
MANY_T = RNG.integers(1, 60, ROWS) / 7
MANY_X = RNG.integers(0, 9, ROWS).astype(float)
MANY_T_X = np.where(MANY_X > 0, MANY_T * RNG.random(ROWS), 0.0)

ASKED = {
    "log_likelihood": log_likelihood,
    "p_alive": p_alive,
    "cet": lambda model, *h: cet(model, 8.0, *h),
    "dert": lambda model, *h: dert(model, 0.01, *h),
    "p_active": lambda model, *h: p_active(model, 8.0, *h),
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
@pytest.mark.parametrize("name", TIMING)
def test_many_rows_equal_few(name: str, ask: Callable[..., Any]) -> None:
    model, some = TIMING[name], RNG.integers(0, ROWS, 200)
    answers = ask(model, MANY_X, MANY_T_X, MANY_T)
    assert answers.shape == (ROWS,)
    assert answers[some] == pytest.approx(ask(model, MANY_X[some], MANY_T_X[some], MANY_T[some]), rel=1e-12)


def test_equal_histories_are_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    purchases = ParetoNBD.purchases
    monkeypatch.setattr(ParetoNBD, "purchases", lambda self, t: asked.append(np.size(self.r)) or purchases(self, t))
    cet(CDNOW_PARETO, 8.0, MANY_X, MANY_T_X, MANY_T)
    assert sum(asked) == len({*zip(MANY_X, MANY_T, strict=True)})


def test_parameters_per_customer_in_blocks() -> None:
    alpha = CDNOW_MBG.alpha * RNG.uniform(0.5, 2, ROWS)
    each, some = CDNOW_MBG._replace(alpha=alpha), [0, 20_000, ROWS - 1]
    answers = cet(each, 8.0, MANY_X, MANY_T_X, MANY_T)
    for k in some:
        one = CDNOW_MBG._replace(alpha=alpha[k])
        assert answers[k] == pytest.approx(cet(one, 8.0, MANY_X[k], MANY_T_X[k], MANY_T[k]), rel=1e-12)


def test_shapes_broadcast() -> None:
    assert np.shape(p_alive(CDNOW_PARETO, 2, 30.0, 38.0)) == ()
    assert cet(CDNOW_PARETO, np.array([[4.0], [8.0]]), [0.0, 2.0], [0.0, 3.0], 9.0).shape == (2, 2)
    assert cet(CDNOW_PARETO, 4.0, np.empty(0), np.empty(0), np.empty(0)).shape == (0,)
    assert expected_purchases(CDNOW_PARETO, np.arange(5)).shape == (5,)
    assert log_likelihood(CDNOW_SPEND, np.array([1, 2]), 30.0).dtype == float
    wide = cet(CDNOW_PARETO, 8.0, MANY_X.reshape(2, -1), MANY_T_X.reshape(2, -1), MANY_T.reshape(2, -1))
    assert wide.ravel() == pytest.approx(cet(CDNOW_PARETO, 8.0, MANY_X, MANY_T_X, MANY_T), rel=1e-14)


def test_integers_are_numbers() -> None:
    assert cet(BGNBD(1, 10, 1, 2), 8, 2, 30, 38) == pytest.approx(cet(BGNBD(1.0, 10.0, 1.0, 2.0), 8.0, 2.0, 30.0, 38.0))


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_bad_parameters_are_refused(ask: Callable[..., Any], bad: float) -> None:
    with pytest.raises(BadParameters, match=r"ParetoNBD's alpha must be finite and greater than 0, but is"):
        ask(CDNOW_PARETO._replace(alpha=np.array([1.0, bad])), 2, 3.0, 4.0)


def test_bad_arguments_are_refused() -> None:
    history = (2, 3.0, 4.0)
    with pytest.raises(BadParameters, match=r"horizon t .* -1"):
        cet(CDNOW_PARETO, -1, *history)
    with pytest.raises(BadParameters, match="horizon"):
        p_active(CDNOW_PARETO, [1.0, np.nan], *history)
    with pytest.raises(BadParameters, match="horizon"):
        expected_purchases(CDNOW_PARETO, -0.1)
    for delta in (0, -0.01):
        with pytest.raises(BadParameters, match="discount rate delta"):
            dert(CDNOW_PARETO, delta, *history)
        with pytest.raises(BadParameters, match="discount rate delta"):
            det(CDNOW_PARETO, delta)
    with pytest.raises(BadParameters, match="GammaGamma's q"):
        log_likelihood(GammaGamma(1, -1, 1), 2, 30.0)


def test_a_history_by_name_is_one_by_place() -> None:
    history = {"x": np.array([0, 2]), "t_x": np.array([0.0, 3.0]), "T": 4.0}
    for ask in (log_likelihood, p_alive):
        assert ask(model=CDNOW_PARETO, **history).tolist() == ask(CDNOW_PARETO, *history.values()).tolist()
    by_place = log_likelihood(CDNOW_PARETO, 2, 3.0, 4.0)
    assert log_likelihood(CDNOW_PARETO, 2, T=4.0, t_x=3.0) == by_place
    spent = log_likelihood(CDNOW_SPEND, 2, 30.0)
    assert log_likelihood(CDNOW_SPEND, 2, zbar=30.0) == log_likelihood(CDNOW_SPEND, zbar=30.0, x=2) == spent


@pytest.mark.parametrize(
    ("places", "names"),
    [
        ((), ()),
        ((2,), ("t_x",)),
        ((2, 3.0, 4.0), ("T",)),
        ((2, 3.0, 4.0, 5.0), ()),
        ((2,), ("x", "t_x", "T")),
        ((), ("x", "zbar")),
    ],
)
def test_another_history_than_the_models_is_refused(places: tuple[float, ...], names: tuple[str, ...]) -> None:
    with pytest.raises(TypeError, match=f"ParetoNBD takes x, t_x, T; given were {len(places)} by place"):
        log_likelihood(CDNOW_PARETO, *places, **dict.fromkeys(names, 4.0))
    with pytest.raises(TypeError, match="GammaGamma takes x, zbar; given were 3 by place"):
        log_likelihood(CDNOW_SPEND, 2, 3.0, 4.0)


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
@pytest.mark.parametrize("name", TIMING)
@pytest.mark.parametrize(
    "bad",
    [
        (2.0, 4.0, 3.0),
        (-3.0, 0.0, 4.0),
        (2.0, -1.0, 4.0),
        (0.0, 0.0, -1.0),
        (np.nan, 3.0, 4.0),
        (np.inf, 3.0, 4.0),
        (2.0, np.nan, 4.0),
        (2.0, 3.0, np.nan),
        (2.0, 3.0, np.inf),
        (2.0, np.inf, np.inf),
    ],
    ids=str,
)
def test_impossible_histories_are_refused(ask: Callable[..., Any], name: str, bad: tuple[float, float, float]) -> None:
    told = re.escape("x = {}, t_x = {}, T = {}.".format(*bad))
    with pytest.raises(BadParameters, match=f"x >= 0 and 0 <= t_x <= T, but it has {told}"):
        ask(TIMING[name], *bad)
    rows = [np.array(column) for column in zip((2, 3.0, 4.0), bad, (-1, 1.0, 1.0), strict=True)]
    with pytest.raises(BadParameters, match=f"but row 1 has {told}"):
        ask(TIMING[name], *rows)


@pytest.mark.parametrize("bad", [(0.0, 30.0), (2.0, 0.0), (2.0, -3.0), (np.nan, 30.0), (2.0, np.inf)], ids=str)
def test_impossible_spend_is_refused(bad: tuple[float, float]) -> None:
    with pytest.raises(
        BadParameters, match=r"x > 0 and zbar > 0, but it has {}".format(re.escape("x = {}, zbar = {}.".format(*bad)))
    ):
        log_likelihood(CDNOW_SPEND, *bad)
    with pytest.raises(BadParameters, match="but row 1 has"):
        log_likelihood(CDNOW_SPEND, np.array([1.0, bad[0]]), np.array([1.0, bad[1]]))


def test_bad_rows_are_named_however_they_broadcast() -> None:
    with pytest.raises(BadParameters, match=r"row 1, 0 has x = 2.0, t_x = 3.0, T = 2.5"):
        p_alive(CDNOW_PARETO, 2, np.array([3.0, 1.0]), np.array([[4.0], [2.5]]))
    assert p_alive(CDNOW_PARETO, 1.5, 3.0, 3.0) == pytest.approx(1)  # x need not be whole


def test_threads_are_as_many_as_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {3}, raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    assert cores() == 1
    monkeypatch.delattr("os.sched_getaffinity")
    assert cores() == 64
    monkeypatch.setattr("os.cpu_count", lambda: None)
    assert cores() == 1


def test_newcomers_of_mbg_may_have_left_at_once() -> None:
    r, alpha, a, b = CDNOW_MBG
    assert det(CDNOW_MBG, 0.01) == pytest.approx(b / (a + b) * BGNBD(r, alpha, a, b + 1).discounted(0.01))
    # Just after the first purchase a newcomer is a customer with no history.
    assert expected_purchases(CDNOW_MBG, 9.0) == pytest.approx(float(cet(CDNOW_MBG, 9.0, 0, 0.0, 0.0)), rel=1e-13)


def test_p_active_of_mbg_is_elementary() -> None:
    # P(alive) (1 - ((alpha + T) / (alpha + T + h))^(r + x)): the next purchase is decided by the rate alone.
    x, t_x, T = (np.array(column) for column in zip(*HISTORIES, strict=True))
    r, alpha, *_ = CDNOW_MBG
    expected = p_alive(CDNOW_MBG, x, t_x, T) * (1 - ((alpha + T) / (alpha + T + 8)) ** (r + x))
    assert p_active(CDNOW_MBG, 8.0, x, t_x, T) == pytest.approx(expected, rel=1e-12)


def test_blocks_keep_order_and_errors() -> None:
    values = np.arange(10.0)
    assert in_blocks(lambda a, b: a + b, 3, values, 1.0, workers=2).tolist() == (values + 1).tolist()
    with pytest.raises(ZeroDivisionError):
        in_blocks(lambda _: 1 // 0, 3, values, workers=2)


@pytest.mark.parametrize("shape", [1.0, 1.5, 5.0, 40.0, 1e5])
def test_nodes_have_the_moments(shape: float) -> None:
    weight, y = gamma_nodes(shape, 0.0)
    assert np.sum(weight * y) == pytest.approx(shape, rel=1e-12)
    assert np.sum(weight * y**2) == pytest.approx(shape * (shape + 1), rel=1e-12)
    for other in (1.0, 2.5, 1e4):
        weight, p, rest = beta_nodes(shape, other, 0.0)
        assert p + rest == pytest.approx(1, rel=1e-14)
        assert np.sum(weight * p) == pytest.approx(shape / (shape + other), rel=1e-12)
        assert np.sum(weight * rest) == pytest.approx(other / (shape + other), rel=1e-12)


def test_two_or_more_does_not_cancel() -> None:
    # Enumeration: 1 - P(0) - P(1) of NBD(r), with P(2) leading where the mean is tiny.
    assert two_or_more(0.5, 1e-9) == pytest.approx(0.5 * 1.5 / 2 * 1e-18, rel=1e-8)
    for r in (1e-3, 0.7, 12.0):
        edge = 0.01 / (r + 5) / (1 - 0.01 / (r + 5))
        below, above = two_or_more(r, edge * (1 - 1e-12)), two_or_more(r, edge * (1 + 1e-12))
        assert above == pytest.approx(below, rel=1e-11)
    assert two_or_more(2.0, 3.0) == pytest.approx(1 - 1 / 16 - 2 / 16 * 0.75, rel=1e-15)


def test_public_functions() -> None:
    for name in ("log_likelihood", "p_alive", "cet", "dert", "det", "expected_purchases", "p_active"):
        assert getattr(quantities, name).__doc__
