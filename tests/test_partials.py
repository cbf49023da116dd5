"""Gradients against differences, and against differentiation at high precision."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from klantwaarde.estimate import partials
from klantwaarde.estimate.blocks import BLOCK, STEPS, Rising
from klantwaarde.models import BGNBD, MBGNBD, NBD, GammaGamma, ParetoNBD, quantities
from klantwaarde.purchases.cells import Cells, SpendCells

TIMING = [
    NBD(0.38, 12.1),
    NBD(1e-3, 1e4),
    NBD(1e4, 1e-3),
    BGNBD(0.24, 4.4, 0.79, 2.43),
    BGNBD(1e-3, 1e-3, 1e-3, 1e-3),
    BGNBD(1e4, 1e4, 1e4, 1e4),
    BGNBD(20.0, 0.01, 1e4, 1e-3),
    MBGNBD(0.52, 6.2, 0.89, 1.61),
    MBGNBD(1e-3, 1e4, 1e-3, 1e4),
    MBGNBD(1e4, 1e-3, 1e4, 1e-3),
    ParetoNBD(0.55, 10.6, 0.61, 11.7),
    ParetoNBD(0.55, 10.6, 0.61, 10.6),
    ParetoNBD(2.0, 40.0, 0.4, 3.0),
    ParetoNBD(1e-3, 1e-3, 1e-3, 1e-3),
    ParetoNBD(1e4, 1e4, 1e4, 1e4),
    ParetoNBD(1e-3, 1e4, 1e4, 1e-3),
]
SPEND = [
    GammaGamma(6.25, 3.74, 15.44),
    GammaGamma(1e-3, 1e4, 1e-3),
    GammaGamma(1e4, 1e-3, 1e4),
    GammaGamma(1e3, 0.9, 0.01),
]

X = np.array([0, 0, 1, 1, 3, 7, 26, 200, 1e5, 1e5, 2, 1])
T_X = np.array([0, 0, 5.0, 30.0, 20.0, 38.9, 30.9, 77.0, 600.0, 700.0, 1e-3, 0.14])
LONG = np.array([0, 38.9, 30.0, 30.0, 38.9, 38.9, 31.0, 600.0, 700.0, 700.0, 3650.0, 0.14])
CELLS = Cells(X, T_X, LONG, np.array([7, 1000, 3, 1, 2, 1, 1, 4, 1, 1, 2, 1.5]))
SPENDS = SpendCells([1, 1, 2, 9, 300, 1e5], [0.01, 35.0, 20.0, 1e4, 12.0, 33.0], [3, 100, 5, 1, 2, 1])


def name(model: object) -> str:
    return f"{type(model).__name__}{tuple(model)}"


def data_of(model: object) -> Cells | SpendCells:
    return SPENDS if isinstance(model, GammaGamma) else CELLS


def history(data: Cells | SpendCells) -> tuple[np.ndarray, ...]:
    return (data.x, data.t_x, data.T) if isinstance(data, Cells) else (data.x, data.zbar)


@pytest.mark.parametrize("model", TIMING + SPEND, ids=name)
def test_value_is_the_sum_of_the_models_own_log_likelihood(model: object) -> None:
    data = data_of(model)
    value, _ = partials.log_likelihood(type(model), data)(np.log(model))
    rows = data.n * quantities.log_likelihood(model, *history(data))
    assert value == pytest.approx(rows.sum(), rel=1e-10, abs=1e-9 * np.abs(rows).max())


@pytest.mark.parametrize("model", TIMING + SPEND, ids=name)
def test_gradient_is_that_of_differences(model: object) -> None:
    z, function = np.log(model), partials.log_likelihood(type(model), data_of(model))
    value, gradient = function(z)
    step = 1e-5
    plain = np.array([(function(z + e)[0] - function(z - e)[0]) / (2 * step) for e in step * np.eye(len(z))])
    np.testing.assert_allclose(gradient, plain, rtol=1e-5, atol=1e-10 * abs(value) / step)


def oracle(model: object, theta: list[mp.mpf], row: tuple[float, ...]) -> mp.mpf:
    """Log-likelihood of one row with mpmath: latent death integrated, not our nodes."""
    if isinstance(model, GammaGamma):
        p, q, gamma = theta
        x, zbar = row
        total = gamma + x * zbar
        return mp.log(gamma**q * mp.mpf(zbar) ** (p * x - 1) * x ** (p * x) / total ** (p * x + q)) - mp.log(
            mp.beta(p * x, q)
        )
    x, t_x, T = row
    r, alpha = theta[:2]
    buying = mp.loggamma(r + x) - mp.loggamma(r) + r * mp.log(alpha)
    until = lambda t: -(r + x) * mp.log(alpha + t)
    if isinstance(model, NBD):
        return buying + until(T)
    if isinstance(model, ParetoNBD):
        s, beta = theta[2:]
        width = min((alpha + t_x) / (r + x), (beta + t_x) / (s + 1))
        cuts = sorted({t_x, *(min(T, t_x + width * k) for k in (0.5, 2, 6, 20, 60, 200, 1e3, 1e4)), T})
        top = until(t_x)
        death = lambda u: mp.exp(until(u) - top) * s / beta * mp.exp(-(s + 1) * mp.log1p(u / beta))
        gone = mp.quad(death, cuts) if t_x < T else mp.mpf(0)
        return buying + top + mp.log(mp.exp(until(T) - top - s * mp.log1p(T / beta)) + gone)
    a, b = theta[2:]
    coins = x + isinstance(model, MBGNBD)
    ln_beta = lambda u, v: mp.loggamma(u) + mp.loggamma(v) - mp.loggamma(u + v)
    alive = until(T) + ln_beta(a, b + coins)
    gone = mp.exp(until(t_x) + ln_beta(a + 1, b + coins - 1) - alive) if coins else mp.mpf(0)
    return buying + alive - ln_beta(a, b) + mp.log1p(gone)


ORDINARY = [model for model in TIMING + SPEND if max(model) < 50]
HARD = [
    BGNBD(1e-3, 1e4, 1e-3, 1e4),
    MBGNBD(1e4, 1e-3, 1e4, 1e-3),
    ParetoNBD(1e-3, 1e4, 30.0, 0.1),
    ParetoNBD(50.0, 1.0, 1e-3, 1e3),
]


@pytest.mark.parametrize("model", ORDINARY + HARD, ids=name)
def test_gradient_is_that_of_mpmath(model: object) -> None:
    data = data_of(model)
    for row in list(zip(*history(data), strict=True))[1::2]:
        value, gradient = partials.log_likelihood(type(model), type(data)(*([v] for v in row)))(np.log(model))
        exact = exactly(model, tuple(mp.mpf(float(v)) for v in row))
        slack = 1e-12 * (row[0] + max(model))  # sums of terms as large as r + x, which bound what is lost
        np.testing.assert_allclose([value], exact[:1], rtol=1e-11, atol=1e-11 + slack, err_msg=str(row))
        np.testing.assert_allclose(gradient, exact[1:], rtol=1e-9, atol=1e-10 + slack, err_msg=str(row))


def exactly(model: object, row: tuple[mp.mpf, ...]) -> list[float]:
    """Value and gradient in z by central differences with 40 digits."""
    step = mp.mpf("1e-8")
    with mp.workdps(40):
        at = lambda k, h: oracle(model, [mp.exp(v + h * (i == k)) for i, v in enumerate(np.log(model))], row)
        slopes = [(at(k, step) - at(k, -step)) / (2 * step) for k in range(len(model))]
        return [float(v) for v in (at(0, 0), *slopes)]


class Other(ParetoNBD):
    """A model without an entry."""


def test_a_model_without_an_entry_is_differenced() -> None:
    z = np.log([0.55, 10.6, 0.61, 11.7])
    few = Cells(X[:8], T_X[:8], LONG[:8])
    value, gradient = partials.log_likelihood(Other, few)(z)
    known, exact = partials.log_likelihood(ParetoNBD, few)(z)
    assert value == pytest.approx(known, rel=1e-12)
    np.testing.assert_allclose(gradient, exact, rtol=1e-6, atol=1e-6)


def test_blocks_add_up_the_same_on_every_run() -> None:
    rng = np.random.default_rng(1)
    x = rng.poisson(2.0, 3 * BLOCK + 5).astype(float)
    T = rng.uniform(1, 80, len(x))
    data = Cells(x, np.where(x > 0, T * rng.uniform(0.1, 1, len(x)), 0), T)
    first, again = (partials.log_likelihood(ParetoNBD, data)(np.log([0.5, 10, 0.6, 12])) for _ in range(2))
    assert first[0] == again[0]
    assert (first[1] == again[1]).all()
    rows = quantities.log_likelihood(ParetoNBD(0.5, 10.0, 0.6, 12.0), x, data.t_x, T)
    assert first[0] == pytest.approx(rows.sum(), rel=1e-12)


@pytest.mark.parametrize("r", [1e-6, 0.3, 7.0, 1e4])
def test_rising_sums_near_and_far(r: float) -> None:
    x, n = np.array([0, 1, 5, STEPS, STEPS + 1, 10 * STEPS, 5]), np.array([2, 1, 1.5, 1, 2, 1, 1])
    value, slope = Rising.of(x.astype(float), n).log(r)
    with mp.workdps(30):
        exact = sum(w * (mp.loggamma(r + int(k)) - mp.loggamma(r)) for k, w in zip(x, n, strict=True))
        exact_slope = sum(w * (mp.psi(0, r + int(k)) - mp.psi(0, r)) for k, w in zip(x, n, strict=True))
    assert value == pytest.approx(float(exact), rel=1e-12)
    assert slope == pytest.approx(float(exact_slope), rel=1e-12)
