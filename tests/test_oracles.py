"""Published numbers, and numbers computed elsewhere, to the digits printed."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pytest

from klantwaarde.models import BGNBD, MBGNBD, ParetoNBD, quantities
from klantwaarde.models.quantities import cet, dert, expected_purchases, log_likelihood, p_alive
from truths import (
    CDNOW_BG,
    CDNOW_MBG,
    CDNOW_PARETO,
    CDNOW_SPEND,
    GIVEN_ALIVE,
    HISTORIES,
    ORACLES,
    THREE_DIGITS,
    Oracle,
    bg_branches,
    bg_purchases,
    cdnow_histories,
    dert_by_definition,
    pareto_branches,
)


@pytest.mark.parametrize("oracle", ORACLES, ids=lambda o: f"{type(o.model).__name__}-{o.quantity}-{o.source}")
def test_published(oracle: Oracle) -> None:
    answer = getattr(quantities, oracle.quantity)(oracle.model, *oracle.arguments)
    assert answer == pytest.approx(oracle.answer, rel=oracle.precision)


@pytest.mark.parametrize("oracle", GIVEN_ALIVE, ids=lambda o: f"{type(o.model).__name__}-{o.quantity}-{o.arguments}")
def test_given_alive(oracle: Oracle) -> None:
    ahead, x, T = oracle.arguments
    answer = getattr(oracle.model.given_alive(x, 0.0, T), oracle.quantity)(ahead)
    assert answer == pytest.approx(oracle.answer, rel=oracle.precision)


@pytest.mark.parametrize(
    ("model", "total"),
    [
        (CDNOW_PARETO, -9594.976),  # Fader, Hardie & Lee (2005); BTYD vignette; CLVTools test
        (CDNOW_BG, -9582.429),  # the same paper; BTYD vignette
        (CDNOW_MBG, -9582.14),  # own fit with another program
    ],
    ids=lambda value: type(value).__name__,
)
def test_cdnow_log_likelihood(model: Any, total: float) -> None:
    x, t_x, T = cdnow_histories()
    assert len(x) == 2357
    assert log_likelihood(model, x, t_x, T).sum() == pytest.approx(total, abs=0.006)


def test_gamma_gamma_published() -> None:
    # Fader, Hardie & Lee's mean p gamma / (q - 1); m-hat of the project's own table of 30-digit arithmetic.
    assert CDNOW_SPEND.mean(0, 0.0) == pytest.approx(6.25 * 15.44 / 2.74, rel=1e-14)
    assert CDNOW_SPEND.mean(0, 0.0) == pytest.approx(35.2190, abs=5e-5)
    assert CDNOW_SPEND.mean(2, 30.0) == pytest.approx(30.9383, abs=5e-5)


def test_rate_given_alive() -> None:
    # lambda-hat = (r + x) / (alpha + T) with BTYD's inputs: .08364385.
    model = ParetoNBD(0.5629966, 12.5590370, 0.4081095, 10.5148048).given_alive(7, 35, 77.86)
    assert model.r / model.alpha == pytest.approx(0.08364385, rel=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize(("x", "t_x", "T"), HISTORIES)
def test_pareto_is_the_integral_over_latent_rates(x: int, t_x: float, T: float) -> None:
    alive, gone = pareto_branches(CDNOW_PARETO, x, t_x, T)
    assert log_likelihood(CDNOW_PARETO, x, t_x, T) == pytest.approx(float(mp.log(alive + gone)), rel=1e-9)
    assert p_alive(CDNOW_PARETO, x, t_x, T) == pytest.approx(float(alive / (alive + gone)), rel=1e-9)


@pytest.mark.parametrize("model", [CDNOW_BG, CDNOW_MBG], ids=lambda m: type(m).__name__)
@pytest.mark.parametrize(("x", "t_x", "T"), HISTORIES)
def test_coin_models_are_the_integral_over_rate_and_coin(model: Any, x: int, t_x: float, T: float) -> None:
    alive, gone = bg_branches(model, x, t_x, T)
    assert log_likelihood(model, x, t_x, T) == pytest.approx(float(mp.log(alive + gone)), rel=1e-9)
    assert p_alive(model, x, t_x, T) == pytest.approx(float(alive / (alive + gone)), rel=1e-9)


@pytest.mark.parametrize("x", [1, 3, 12])
def test_gamma_gamma_is_the_integral_over_nu(x: int) -> None:
    p, q, gamma = map(mp.mpf, CDNOW_SPEND)
    zbar, total = mp.mpf(31), mp.mpf(31) * x
    # The mean of x amounts Gamma(p, nu) is Gamma(p x, nu x).
    mean = lambda nu: (nu * x) ** (p * x) * zbar ** (p * x - 1) * mp.exp(-nu * total) / mp.gamma(p * x)
    prior = lambda nu: gamma**q * nu ** (q - 1) * mp.exp(-nu * gamma) / mp.gamma(q)
    cuts = [0, 0.05, 0.2, 0.5, 1, 3, mp.inf]
    density = mp.quad(lambda nu: mean(nu) * prior(nu), cuts)
    posterior_mean = mp.quad(lambda nu: p / nu * mean(nu) * prior(nu), cuts) / density
    assert log_likelihood(CDNOW_SPEND, x, 31.0) == pytest.approx(float(mp.log(density)), rel=1e-11)
    assert CDNOW_SPEND.mean(x, 31.0) == pytest.approx(float(posterior_mean), rel=1e-11)


RNG = np.random.default_rng(3)
COINS = [BGNBD(*10 ** RNG.uniform(-3, 2.5, 4)) for _ in range(40)]
COINS += [BGNBD(0.5, 10, 1.0, 2.5), BGNBD(50, 1e-3, 1.0, 0.01), BGNBD(0.3, 2, 0.2, 0.3), BGNBD(1e-3, 1, 1e-3, 1e-3)]


@pytest.mark.parametrize("model", COINS, ids=str)
def test_bg_purchases_is_the_hypergeometric_function(model: Any) -> None:
    for t in (0.01, 3.0, 18262.0):
        assert model.purchases(t) == pytest.approx(bg_purchases(model, t), rel=1e-13)


@pytest.mark.parametrize("model", COINS[::5], ids=str)
def test_bg_discounted_is_the_double_integral(model: Any) -> None:
    # Over lambda first: E[lambda / (delta + lambda p)] = E[1 / (p + theta / y)], then over y with 2F1 for the coin.
    r, alpha, a, b = map(mp.mpf, model)
    theta = mp.mpf("0.01") * alpha
    coin = lambda y: y / theta * mp.hyp2f1(1, a, a + b, -y / theta)
    density = lambda w: mp.exp(r * w - mp.exp(w)) / mp.gamma(r) * coin(mp.exp(w))
    mode, width = mp.log(r + 1), 1 / mp.sqrt(r + 1)
    total = mp.quad(density, [mode + width * k for k in (-80, -40, -20, -10, -5, -2, -1, 0, 1, 2, 4, 8)])
    assert model.discounted(0.01) == pytest.approx(float(total), rel=1e-11)


@pytest.mark.parametrize("s", [1e-3, 0.4, 1.0, 1 + 1e-9, 2.5, 300.0])
@pytest.mark.parametrize("delta", [1e-6, 0.0027, 5.0])
def test_pareto_discounted_is_tricomis_function(s: float, delta: float) -> None:
    model = ParetoNBD(0.55, 10.6, s, 11.7)
    with mp.workdps(40):
        z = mp.mpf(delta) * mp.mpf(11.7)
        expected = mp.mpf(0.55) / mp.mpf(10.6) * mp.mpf(11.7) * z ** (s - 1) * mp.hyperu(s, s, z)
    assert model.discounted(delta) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("model", [CDNOW_BG, CDNOW_MBG.born()[1], CDNOW_PARETO, COINS[1]], ids=str)
@pytest.mark.parametrize("delta", [0.0027, 0.3])
def test_discounted_is_its_definition(model: Any, delta: float) -> None:
    assert model.discounted(delta) == pytest.approx(dert_by_definition(model, delta), rel=1e-9)


@pytest.mark.parametrize(
    ("ours", "theirs"), [(BGNBD, "BetaGeoFitter"), (MBGNBD, "ModifiedBetaGeoFitter"), (ParetoNBD, "ParetoNBDFitter")]
)
@pytest.mark.filterwarnings("ignore")
def test_lifetimes_side_by_side(ours: type, theirs: str) -> None:
    lifetimes = pytest.importorskip("lifetimes")
    peer, model = getattr(lifetimes, theirs)(), ours(0.5, 6.0, 0.7, 2.0)
    peer.params_ = dict(zip(("r", "alpha", "s", "beta") if ours is ParetoNBD else model._fields, model, strict=True))
    x, t_x, T = (np.array(column, dtype=float) for column in zip(*HISTORIES, strict=True))
    assert p_alive(model, x, t_x, T) == pytest.approx(np.ravel(peer.conditional_probability_alive(x, t_x, T)), rel=1e-7)
    answer = peer.conditional_expected_number_of_purchases_up_to_time(9.0, x, t_x, T)
    assert cet(model, 9.0, x, t_x, T) == pytest.approx(np.ravel(answer), rel=1e-7)
    assert expected_purchases(model, 9.0) == pytest.approx(
        float(peer.expected_number_of_purchases_up_to_time(9.0)), rel=1e-7
    )


@pytest.mark.filterwarnings("ignore")
def test_gamma_gamma_lifetimes_side_by_side() -> None:
    peer = pytest.importorskip("lifetimes").GammaGammaFitter()
    peer.params_ = dict(zip(("p", "q", "v"), CDNOW_SPEND, strict=True))
    x, zbar = np.array([0.0, 1.0, 4.0, 300.0]), np.array([0.0, 20.0, 50.0, 3.0])
    assert CDNOW_SPEND.mean(x, zbar) == pytest.approx(peer.conditional_expected_average_profit(x, zbar), rel=1e-12)
    each = [log_likelihood(CDNOW_SPEND, *one) for one in zip(x[1:], zbar[1:], strict=True)]
    for one, frequency, mean in zip(each, x[1:], zbar[1:], strict=True):
        loss = peer._negative_log_likelihood(np.log(CDNOW_SPEND), np.r_[frequency], np.r_[mean], np.ones(1), 0.0)
        assert one == pytest.approx(-float(loss), rel=1e-10)


def test_increasing_frequency_effect() -> None:
    # Fader, Hardie & Lee (2005), figure 2: of two customers with the same silence, the busier one may be worth less.
    worth = cet(CDNOW_PARETO, 52, np.array([2.0, 8.0, 14.0]), 30.0, 78.0)
    assert worth[0] > worth[1] > worth[2]
    assert dert(CDNOW_PARETO, 0.0027, 14.0, 30.0, 78.0) < dert(CDNOW_PARETO, 0.0027, 2.0, 30.0, 78.0)


@pytest.mark.parametrize(
    ("history", "zbar", "rate", "worth"),
    [((0, 0.0, 38.86), 0.0, 0.011185, 16.7908), ((2, 30.43, 38.86), 30.0, 0.051638, 200.5611)],
)
def test_worth_is_rate_times_lifetime_times_spend(
    history: tuple[int, float, float], zbar: float, rate: float, worth: float
) -> None:
    # 30-digit arithmetic: lambda-hat, the discounted lifetime A = 144.4410 and D = m-hat times DERT.
    alive = THREE_DIGITS.given_alive(*history)
    assert alive.r / alive.alpha == pytest.approx(rate, abs=5e-7)
    assert alive.discounted(0.0027) / (alive.r / alive.alpha) == pytest.approx(144.4410, abs=5e-5)
    spent = CDNOW_SPEND.mean(history[0], zbar)
    assert spent * dert(THREE_DIGITS, 0.0027, *history) == pytest.approx(worth, abs=5e-5)
