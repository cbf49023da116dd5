"""Two hundred simulated bases per model, of all sizes and kinds: no fit below the truth, none praised wrongly."""

from __future__ import annotations

import numpy as np
import pytest

from klantwaarde.estimate.fit import fit
from klantwaarde.estimate.partials import log_likelihood
from klantwaarde.estimate.point import Objective, near
from klantwaarde.models import BGNBD, MBGNBD, NBD, GammaGamma, ParetoNBD
from klantwaarde.purchases.cells import Cells, SpendCells

BASES = 200


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def truth(Model: type, rng: np.random.Generator, span: float) -> object:
    """Parameters over one to three decades each, in step with the time observed."""
    if Model is GammaGamma:
        p, q = log_uniform(rng, 0.3, 30), log_uniform(rng, 0.7, 20)
        return GammaGamma(p, q, log_uniform(rng, 1, 300) * max(q - 1, 0.3) / p)
    r = log_uniform(rng, 0.1, 5)
    alpha = r * span / log_uniform(rng, 0.3, 30)
    if Model is NBD:
        return NBD(r, alpha)
    first = log_uniform(rng, 0.1, 5)
    if Model is ParetoNBD:
        return ParetoNBD(r, alpha, first, first * span * log_uniform(rng, 0.1, 10))
    return Model(r, alpha, first, first * log_uniform(rng, 0.3, 30))


def base(model: object, rng: np.random.Generator, span: float) -> Cells | SpendCells:
    customers = int(log_uniform(rng, 300, 10_000))
    if isinstance(model, GammaGamma):
        x = 1 + rng.negative_binomial(0.7, 0.2, customers)
        customer = np.repeat(np.arange(customers), x)
        return SpendCells(x, np.bincount(customer, weights=model.draw(rng, customer)) / x)
    T = rng.uniform(0.1, 1, customers) * span
    customer, time = model.draw(rng, T)
    t_x = np.zeros(customers)
    np.maximum.at(t_x, customer, time)
    return Cells(np.bincount(customer, minlength=customers), t_x, T)


@pytest.mark.slow
@pytest.mark.parametrize("Model", [NBD, BGNBD, MBGNBD, ParetoNBD, GammaGamma])
def test_no_fit_is_below_the_truth_and_none_is_praised_wrongly(Model: type) -> None:
    status = []
    for seed in range(BASES):
        rng = np.random.default_rng([7, seed])
        span = log_uniform(rng, 10, 300)
        model = truth(Model, rng, span)
        data = base(model, rng, span)
        found = fit(Model, data)
        told = f"seed {seed}: {model} gave {found}"
        objective = Objective(log_likelihood(Model, data), np.full(len(model), -40.0), np.full(len(model), 40.0))
        assert np.isfinite(found.model).all(), told
        assert found.log_likelihood >= objective(np.log(model))[0] - 1e-6, told
        assert not np.isnan(found.covariance).any(), told
        status.append(found.status)
        if found.status == "converged":
            value, gradient = objective(np.log(found.model))
            assert value == pytest.approx(found.log_likelihood, rel=1e-10), told
            scores = gradient * list(found.standard_errors.values()) / found.model  # per standard error
            assert np.abs(scores).max() < 1e-2, told
            assert objective(near(objective, np.log(model)))[0] <= found.log_likelihood + 1e-4, told
            assert np.isfinite(list(found.standard_errors.values())).all(), told
    assert status.count("not converged") <= BASES // 100, status
    assert status.count("converged") >= BASES // 2, status
