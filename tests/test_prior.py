"""Fits with a prior: the mode of likelihood + prior, found by another optimiser too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

import klantwaarde as kw


@pytest.fixture(scope="module", name="cells")
def _cells() -> kw.Cells:
    """Two hundred customers, who say little."""
    made = kw.simulate(kw.ParetoNBD(0.6, 8.0, 0.5, 12.0), 200, start="2024-01-01", end="2024-12-31", seed=5)
    return kw.customers(kw.orders(made, amount=None), "2024-12-31").cells()


PRIORS: dict[Any, kw.Prior] = {
    kw.NBD: kw.Prior({"r": 1.0, "alpha": 10.0}, 0.5),
    kw.BGNBD: kw.Prior({"a": 0.8, "b": 2.5}, {"a": 0.3, "b": 0.6}),
    kw.MBGNBD: kw.Prior({"a": 0.8, "b": 2.5}, 1.0),
    kw.ParetoNBD: kw.Prior({"s": 0.6, "beta": 12.0}, 0.7),
}


@pytest.mark.parametrize("Model", PRIORS)
def test_the_mode_is_that_of_another_optimiser(Model: Any, cells: kw.Cells) -> None:
    prior = PRIORS[Model]

    def cost(z: np.ndarray[Any, Any]) -> float:
        model = Model(*np.exp(z))
        value = float(np.sum(cells.n * kw.models.log_likelihood(model, cells.x, cells.t_x, cells.T)))
        for name, median in prior.median.items():
            deviation = prior.deviation if isinstance(prior.deviation, float) else prior.deviation[name]
            value -= 0.5 * ((z[Model._fields.index(name)] - np.log(median)) / deviation) ** 2
        return -value

    found = kw.fit(Model, cells, prior=prior)
    assert found.status == "converged", found.reason
    z = np.log(np.array(found.model))
    other = minimize(cost, z + 0.05, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-11, "maxiter": 4_000})
    assert cost(z) <= other.fun + 1e-7
    np.testing.assert_allclose(z, other.x, atol=2e-4)
    plain = kw.models.log_likelihood(found.model, cells.x, cells.t_x, cells.T)
    assert found.log_likelihood == pytest.approx(float(np.sum(cells.n * plain)), rel=1e-12), "of the data alone"


@pytest.mark.parametrize("Model", PRIORS)
def test_a_flat_prior_changes_nothing(Model: Any, cells: kw.Cells) -> None:
    plain = kw.fit(Model, cells)
    flat = kw.fit(Model, cells, prior=kw.Prior(dict.fromkeys(Model._fields, 1.0), 1e7))
    assert flat.log_likelihood == pytest.approx(plain.log_likelihood, abs=1e-9 * cells.customers)


def test_a_sure_prior_decides(cells: kw.Cells) -> None:
    found = kw.fit(kw.ParetoNBD, cells, prior=kw.Prior({"s": 0.4, "beta": 20.0}, 1e-5))
    assert (found.model.s, found.model.beta) == pytest.approx((0.4, 20.0), rel=1e-6)
    assert found.standard_errors["s"] == pytest.approx(0.4 * 1e-5, rel=1e-3)


def test_the_unit_of_time_is_that_of_the_data(cells: kw.Cells) -> None:
    prior, days = PRIORS[kw.ParetoNBD], kw.Prior({"s": 0.6, "beta": 84.0}, 0.7)
    week = kw.fit(kw.ParetoNBD, cells, prior=prior)
    day = kw.fit(kw.ParetoNBD, kw.Cells(cells.x, 7 * cells.t_x, 7 * cells.T, cells.n, unit="day"), prior=days)
    np.testing.assert_allclose(day.model_in("week"), week.model, rtol=1e-4)


def test_spend_too() -> None:
    spend = kw.customers(kw.orders(kw.datasets.cdnow_sample()), "1997-09-30").spend()
    plain = kw.fit(kw.GammaGamma, spend)
    pulled = kw.fit(kw.GammaGamma, spend, prior=kw.Prior({"q": 6.0}, 0.05))
    assert plain.model.q < pulled.model.q < 6.0
    assert pulled.log_likelihood < plain.log_likelihood


def test_more_customers_than_are_tried_first() -> None:
    """A prior counts the same in the samples on which a search begins."""
    made = kw.simulate(kw.NBD(0.8, 12.0), 30_000, start="2023-01-01", end="2024-12-31", seed=9)
    cells = kw.customers(kw.orders(made, amount=None), "2024-12-31").cells()
    found = kw.fit(kw.NBD, cells, prior=kw.Prior({"r": 2.0}, 0.01))
    again = kw.fit(kw.NBD, cells, prior=kw.Prior({"r": 2.0}, 0.01), start=found.model)
    assert found.model.r == pytest.approx(again.model.r, rel=1e-6)
    assert kw.fit(kw.NBD, cells).model.r < found.model.r < 2.0


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: kw.Prior({"r": -1.0}), "median of r has to be a positive number"),
        (lambda: kw.Prior({"r": 1.0}, {"s": 1.0}), "deviation of r has to be a positive number, not None"),
        (lambda: kw.Prior({"r": 1.0}, float("nan")), "deviation of r"),
    ],
)
def test_no_prior(made: Any, said: str) -> None:
    with pytest.raises(kw.BadParameters, match=said):
        made()


def test_a_parameter_of_another_model(cells: kw.Cells) -> None:
    with pytest.raises(kw.BadParameters, match="NBD has no parameter 's': they are r, alpha"):
        kw.fit(kw.NBD, cells, prior=kw.Prior({"s": 1.0}))
