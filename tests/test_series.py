"""Closed forms of models beside their definitions: BG/NBD's purchases, odds of having gone, chances to reach m."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
from scipy.special import expit

import klantwaarde as kw
from klantwaarde.models import bg_nbd

RNG = np.random.default_rng(7)


def truth(r: float, tau: float, a: float, b: float) -> float:
    """Eq. 9 of Fader, Hardie & Lee (2005), in forty digits."""
    with mpmath.workdps(40):
        w = mpmath.mpf(tau) / (1 + mpmath.mpf(tau))
        rest = (1 - w) ** mpmath.mpf(r) * mpmath.hyp2f1(r, b, mpmath.mpf(a) + b - 1, w)
        return float((mpmath.mpf(a) + b - 1) / (mpmath.mpf(a) - 1) * (1 - rest))


POINTS = np.exp(RNG.uniform((-3, -9, -3, -3), (4, 3, 4, 4), (60, 4)))


def test_any_way_is_the_closed_form() -> None:
    expected = np.array([truth(*point) for point in POINTS])
    columns = [np.ascontiguousarray(column) for column in POINTS.T]
    summed, left = bg_nbd._summed(*columns)
    assert 0 < left.sum() < 30, "both ways are tried"
    np.testing.assert_allclose(summed[~left], expected[~left], rtol=1e-12)
    np.testing.assert_allclose(bg_nbd._integrated(*columns), expected, rtol=1e-11)
    np.testing.assert_allclose(bg_nbd._purchases(*columns), expected, rtol=1e-11)


@pytest.mark.parametrize("a", [0.05, 0.8, 30.0])
def test_coefficients_made_once_say_the_same(a: float) -> None:
    x = RNG.integers(0, 12, 600)
    r, b, tau = 0.3 + x, 2.0 + x, np.exp(RNG.uniform(-9, 1, 600))
    found, left = bg_nbd._series(r, tau, np.full(600, a), b)
    assert not left.any()
    for row in range(0, 600, 40):
        assert found[row] == pytest.approx(truth(r[row], tau[row], a, b[row]), rel=1e-12)


def test_too_many_terms_are_not_begun() -> None:
    r, tau = np.full(64, 140.0), np.linspace(4.0, 5.5, 64)
    assert bg_nbd._coefficients(r[:1], np.array([0.8]), np.array([2.0]), np.array([5.5 / 6.5])) is None
    np.testing.assert_allclose(
        bg_nbd._purchases(r, tau, 0.8, 2.0), [truth(140.0, one, 0.8, 2.0) for one in tau], rtol=1e-11
    )


@pytest.mark.parametrize(
    "model",
    [kw.BGNBD(0.3, 4.5, 0.8, 2.5), kw.MBGNBD(0.3, 4.5, 0.8, 2.5), kw.ParetoNBD(0.5, 10.0, 0.6, 12.0)],
    ids=lambda model: type(model).__name__,
)
def test_odds_of_having_gone_are_those_of_the_branches(model: Any) -> None:
    x = RNG.integers(0, 30, 400).astype(float)
    T = RNG.uniform(1, 900, 400)
    t_x = np.where(x > 0, T * RNG.random(400), 0.0)
    alive, gone = model.log_branches(x, t_x, T)
    np.testing.assert_allclose(1 / (1 + model.gone_to_alive(x, t_x, T)), expit(alive - gone), rtol=1e-10)


ALIVE = [
    kw.NBD(0.4, 12.0),
    kw.BGNBD(0.3, 4.5, 0.8, 2.5),
    kw.MBGNBD(0.3, 4.5, 0.8, 2.5),
    kw.ParetoNBD(0.5, 10.0, 0.6, 12.0),
]


@pytest.mark.parametrize("model", ALIVE, ids=lambda model: type(model).__name__)
def test_reach_is_the_tail_of_the_counts(model: Any) -> None:
    """To the quadrature of counts; and the sum of the tails is the mean."""
    for t in (0.5, 20.0, 400.0):
        most = 1_500
        tails = np.cumsum(np.ravel(model.counts(t, most))[::-1])[::-1]
        m = np.arange(60)
        np.testing.assert_allclose(model.reach(t, m), tails[:60], rtol=1e-8, atol=1e-13)
        assert np.sum(model.reach(t, np.arange(1, 4_000))) == pytest.approx(float(model.purchases(t)), rel=1e-6)
    assert model.reach(7.0, 1) == pytest.approx(float(model.active(7.0)), rel=1e-12)


@pytest.mark.parametrize("model", ALIVE, ids=lambda model: type(model).__name__)
def test_reach_falls_in_m_and_rises_in_t(model: Any) -> None:
    found = model.reach(np.geomspace(1e-6, 1e6, 40)[:, None], np.arange(25))
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found, axis=1) <= 1e-15).all()
    assert (np.diff(found, axis=0) >= -1e-13).all()


def test_reach_is_what_is_simulated() -> None:
    """Shares of 200,000 simulated newcomers of Pareto/NBD, within five standard errors."""
    model, t, n = kw.ParetoNBD(0.5, 10.0, 0.6, 12.0), 52.0, 200_000
    who, _ = model.draw(np.random.default_rng(3), np.full(n, t))
    made = np.bincount(who, minlength=n)
    for m in (1, 2, 5, 9):
        expected = float(model.reach(t, m))
        assert (made >= m).mean() == pytest.approx(expected, abs=5 * np.sqrt(expected * (1 - expected) / n))
