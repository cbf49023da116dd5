"""Published fits of the CDNOW sample, and standard errors by another road."""

from __future__ import annotations

from typing import NamedTuple

import mpmath as mp
import numpy as np
import pytest

from klantwaarde.estimate.fit import fit
from klantwaarde.models import BGNBD, MBGNBD, NBD, GammaGamma, ParetoNBD, quantities
from klantwaarde.purchases.cells import Cells, SpendCells
from klantwaarde.purchases.customers import customers
from klantwaarde.purchases.datasets import cdnow_sample
from klantwaarde.purchases.orders import orders


class Published(NamedTuple):
    """A printed fit: what the source rounds to bounds what may be asked."""

    source: str
    model: type
    parameters: tuple[float, ...]
    rounding: float
    log_likelihood: float


TABLE = [
    Published(
        "Fader, Hardie & Lee (2005), Marketing Science 24(2), table 2",
        BGNBD,
        (0.243, 4.414, 0.793, 2.426),
        5e-4,
        -9582.4,
    ),
    Published("BTYD vignette", BGNBD, (0.2426, 4.4136, 0.7930, 2.4262), 5e-4, -9582.429),
    Published("Fader, Hardie & Lee (2005), table 2", ParetoNBD, (0.553, 10.578, 0.606, 11.669), 5e-4, -9595.0),
    Published("BTYD vignette, CLVTools test", ParetoNBD, (0.553277, 10.577679, 0.606240, 11.668740), 2e-5, -9594.976),
    Published("own fit with another program", MBGNBD, (0.525, 6.183, 0.891, 1.614), 5e-4, -9582.14),
    Published("CLVTools test", GammaGamma, (6.25, 3.74, 15.44), 5e-3, -4055.92),
]


@pytest.fixture(scope="module")
def cdnow() -> dict[str, Cells | SpendCells]:
    """Cells of 2,357 customers, 39 weeks to 1997-09-30; one purchase a day, zero amounts count in the mean."""
    base = customers(orders(cdnow_sample()), as_of="1997-09-30", unit="week")
    return {"timing": base.cells(), "spend": base.spend()}


def role(model: type) -> str:
    return "spend" if model is GammaGamma else "timing"


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.model.__name__}, {row.source}")
def test_published_fit(row: Published, cdnow: dict[str, Cells | SpendCells]) -> None:
    found = fit(row.model, cdnow[role(row.model)])
    assert found.status == "converged"
    np.testing.assert_allclose(found.model, row.parameters, rtol=1e-4, atol=row.rounding)
    digits = len(str(row.log_likelihood).split(".")[1])
    assert found.log_likelihood == pytest.approx(row.log_likelihood, abs=0.51 * 10**-digits)


def test_customers_are_all_counted(cdnow: dict[str, Cells | SpendCells]) -> None:
    timing, spend = fit(NBD, cdnow["timing"]), fit(GammaGamma, cdnow["spend"])
    assert timing.customers == 2357
    assert spend.customers == 946


@pytest.mark.parametrize("Model", [NBD, BGNBD, MBGNBD, ParetoNBD, GammaGamma])
def test_standard_errors_by_second_differences_of_the_value(Model: type, cdnow: dict[str, Cells | SpendCells]) -> None:
    """Natural scale, four-point second differences of the models' own log-likelihood: no gradient, no logs."""
    data = cdnow[role(Model)]
    found = fit(Model, data)
    history = (data.x, data.zbar) if isinstance(data, SpendCells) else (data.x, data.t_x, data.T)
    total = lambda theta: float(data.n @ quantities.log_likelihood(Model(*theta), *history))
    theta = np.array(found.model)
    steps = np.diag(1e-3 * theta)
    second = lambda u, v: total(theta + u + v) - total(theta + u - v) - total(theta - u + v) + total(theta - u - v)
    hessian = np.array([[second(u, v) / (4 * u.sum() * v.sum()) for v in steps] for u in steps])
    np.testing.assert_allclose(found.covariance, np.linalg.inv(-hessian), rtol=2e-3)
    np.testing.assert_allclose(list(found.standard_errors.values()), np.sqrt(np.diag(found.covariance)), rtol=1e-12)


def test_standard_error_of_nbd_by_mpmath(cdnow: dict[str, Cells | SpendCells]) -> None:
    """The observed information of NBD has a closed form: trigamma of r + x and of r, and powers of alpha + T."""
    data = cdnow["timing"]
    found = fit(NBD, data)
    r, alpha = found.model
    trigamma = {x: float(mp.psi(1, r + x) - mp.psi(1, r)) for x in set(data.x.tolist())}
    rr = sum(n * trigamma[x] for x, n in zip(data.x.tolist(), data.n.tolist(), strict=True))
    ra = float(data.n @ (1 / alpha - 1 / (alpha + data.T)))
    aa = float(data.n @ (-r / alpha**2 + (r + data.x) / (alpha + data.T) ** 2))
    np.testing.assert_allclose(found.covariance, np.linalg.inv(-np.array([[rr, ra], [ra, aa]])), rtol=1e-6)


def test_lifetimes_agrees_on_its_standard_errors(cdnow: dict[str, Cells | SpendCells]) -> None:
    """lifetimes turns the covariance of the logs of its (scaled) parameters into theirs; right for BG/NBD."""
    lifetimes = pytest.importorskip("lifetimes")
    data = cdnow["timing"]
    theirs = lifetimes.BetaGeoFitter().fit(data.x, data.t_x, data.T, weights=data.n)
    ours = fit(BGNBD, data)
    at_theirs = quantities.log_likelihood(BGNBD(*theirs.params_[["r", "alpha", "a", "b"]]), data.x, data.t_x, data.T)
    assert ours.log_likelihood >= data.n @ at_theirs - 1e-9
    np.testing.assert_allclose(ours.model, theirs.params_, rtol=0.01)
    np.testing.assert_allclose(list(ours.standard_errors.values()), theirs.standard_errors_, rtol=0.01)
