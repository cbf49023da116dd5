"""Fits: invariances, degenerate data, statuses, notes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klantwaarde.errors import BadOrders, BadParameters
from klantwaarde.estimate.fit import fit, population_mean
from klantwaarde.estimate.notes import spend_correlation
from klantwaarde.estimate.starts import thinned
from klantwaarde.models import BGNBD, MBGNBD, NBD, GammaGamma, ParetoNBD
from klantwaarde.purchases.cells import Cells, SpendCells

TRUTHS = [
    NBD(0.6, 9.0),
    BGNBD(0.6, 9.0, 0.8, 2.5),
    MBGNBD(0.7, 7.0, 0.7, 2.0),
    ParetoNBD(0.7, 9.0, 0.8, 12.0),
    GammaGamma(4.0, 3.5, 20.0),
]
TIMING = [model for model in TRUTHS if not isinstance(model, GammaGamma)]


def histories(model: object, customers: int, seed: int = 0, span: float = 78.0) -> Cells:
    """Simulated histories in weeks, occasions in continuous time; T uniform from a tenth of the span."""
    rng = np.random.default_rng(seed)
    T = rng.uniform(0.1, 1, customers) * span
    customer, time = model.draw(rng, T)
    t_x = np.zeros(customers)
    np.maximum.at(t_x, customer, time)
    return Cells(np.bincount(customer, minlength=customers), t_x, T)


def spends(model: GammaGamma, customers: int, seed: int = 0) -> SpendCells:
    rng = np.random.default_rng(seed)
    x = 1 + rng.negative_binomial(0.8, 0.2, customers)
    customer = np.repeat(np.arange(customers), x)
    return SpendCells(x, np.bincount(customer, weights=model.draw(rng, customer)) / x)


def simulated(model: object, customers: int, seed: int = 0) -> Cells | SpendCells:
    return spends(model, customers, seed) if isinstance(model, GammaGamma) else histories(model, customers, seed)


def rows(data: Cells | SpendCells, at: np.ndarray) -> Cells | SpendCells:
    columns = ("x", "t_x", "T", "n") if isinstance(data, Cells) else ("x", "zbar", "n")
    return replace(data, **{name: getattr(data, name)[at] for name in columns})


def differing(one: object, other: object, rtol: float = 1e-4) -> list[str]:
    """What is not the same in two fits: parameters, and the log-likelihood."""
    names = [
        f"{name}: {getattr(one.model, name)} and {getattr(other.model, name)}"
        for name in one.model._fields
        if not np.isclose(getattr(one.model, name), getattr(other.model, name), rtol=rtol, atol=0)
    ]
    near = one.log_likelihood == pytest.approx(other.log_likelihood, rel=1e-12, abs=1e-6)
    return names if near else [*names, f"log-likelihood: {one.log_likelihood} and {other.log_likelihood}"]


def kind(model: object) -> str:
    return type(model).__name__


@pytest.mark.parametrize("truth", TRUTHS, ids=kind)
class TestInvariances:
    def test_weight_two_is_duplication(self, truth: object) -> None:
        data = simulated(truth, 900)
        heavy = fit(type(truth), replace(data, n=1.0 + (np.arange(len(data)) % 2)))
        twice = fit(type(truth), rows(data, np.r_[: len(data), 1 : len(data) : 2]))
        assert differing(heavy, twice) == []
        np.testing.assert_allclose(heavy.covariance, twice.covariance, rtol=1e-3)
        assert heavy.customers == twice.customers

    def test_row_order_does_not_matter(self, truth: object) -> None:
        data = simulated(truth, 900)
        other = fit(type(truth), rows(data, np.random.default_rng(1).permutation(len(data))))
        assert differing(fit(type(truth), data), other) == []

    def test_the_start_does_not_matter(self, truth: object) -> None:
        data = simulated(truth, 900)
        found = fit(type(truth), data)
        for start in (truth, dict(found.model._asdict()), [3.0] * len(truth), [0.2] * len(truth)):
            assert differing(found, fit(type(truth), data, start=start)) == []

    def test_the_unit_only_rescales(self, truth: object) -> None:
        data = simulated(truth, 900)
        found = fit(type(truth), data)
        if isinstance(data, Cells):
            other = fit(type(truth), Cells(data.x, data.t_x * 7, data.T * 7, data.n, unit="day"))
            change, scaled = -(data.n @ data.x) * np.log(7), {"alpha", "beta"}
        else:
            other = fit(type(truth), SpendCells(data.x, data.zbar * 7, data.n))
            change, scaled = -data.customers * np.log(7), {"gamma"}
        factors = [7.0 if name in scaled else 1.0 for name in truth._fields]
        np.testing.assert_allclose(other.model, np.multiply(found.model, factors), rtol=1e-4)
        np.testing.assert_allclose(
            list(other.standard_errors.values()), np.multiply(list(found.standard_errors.values()), factors), rtol=1e-3
        )
        assert other.log_likelihood == pytest.approx(found.log_likelihood + change, rel=1e-11)

    def test_the_same_on_every_run(self, truth: object) -> None:
        data = simulated(truth, 900)
        first, again = fit(type(truth), data), fit(type(truth), data)
        assert first.model == again.model
        assert first.log_likelihood == again.log_likelihood

    def test_parameters_come_back(self, truth: object) -> None:
        found = fit(type(truth), simulated(truth, 50_000, seed=3))
        assert found.status == "converged"
        away = np.abs(np.subtract(found.model, truth)) / list(found.standard_errors.values())
        assert (away < 4).all(), away


@pytest.mark.parametrize("truth", TRUTHS, ids=kind)
@given(seed=st.integers(0, 10_000), customers=st.integers(50, 400), shape=st.floats(0.5, 2), scale=st.floats(0.2, 5))
@settings(max_examples=4)
def test_weight_two_is_duplication_of_any_base(
    truth: object, seed: int, customers: int, shape: float, scale: float
) -> None:
    data = simulated(type(truth)(*np.multiply(truth, [shape, scale, 1, 1][: len(truth)]).tolist()), customers, seed)
    heavy = fit(type(truth), replace(data, n=np.full(len(data), 2.0)))
    twice = fit(type(truth), rows(data, np.tile(np.arange(len(data)), 2)))
    assert (heavy.status, heavy.customers) == (twice.status, twice.customers)
    assert heavy.log_likelihood == pytest.approx(twice.log_likelihood, abs=1e-5)
    if heavy.status == "converged":
        away = np.abs(np.subtract(heavy.model, twice.model)) / list(twice.standard_errors.values())
        assert (away < 0.01).all(), away


def test_what_a_fit_tells() -> None:
    data = histories(TRUTHS[3], 2000)
    found = fit(ParetoNBD, data)
    assert (found.name, found.unit, found.as_of, found.customers, found.cells) == (
        "pareto_nbd",
        "week",
        None,
        2000,
        2000,
    )
    assert found.aic == pytest.approx(8 - 2 * found.log_likelihood)
    assert found.bic == pytest.approx(4 * np.log(2000) - 2 * found.log_likelihood)
    assert all(type(value) is float for value in found.model)
    assert set(found.standard_errors) == {"r", "alpha", "s", "beta"}
    assert found.evaluations > 0


def test_a_sample_keeps_the_total() -> None:
    data = replace(histories(TRUTHS[0], 5000), n=np.arange(1.0, 5001.0))
    sample = thinned(data, 1000)
    assert sample.customers == pytest.approx(data.customers)
    assert len(sample) <= 1000
    assert (sample.n @ sample.x) / sample.customers == pytest.approx((data.n @ data.x) / data.customers, rel=0.1)


class TestWrongInput:
    def test_pairing(self) -> None:
        with pytest.raises(BadParameters, match="GammaGamma is fitted to SpendCells"):
            fit(GammaGamma, histories(TRUTHS[0], 50))
        with pytest.raises(BadParameters, match="BGNBD is fitted to Cells"):
            fit(BGNBD, spends(TRUTHS[4], 50))

    @pytest.mark.parametrize(
        "start", [[1, 2], [1, 2, 3, -4], [1, 2, 3, np.nan], {"r": 1, "alpha": 2, "s": 3}, [1, 2, 3, "x"], 7]
    )
    def test_start(self, start: object) -> None:
        with pytest.raises(BadParameters, match=r"start has to be 4 positive numbers"):
            fit(ParetoNBD, histories(TRUTHS[3], 50), start=start)

    def test_no_time(self) -> None:
        with pytest.raises(BadOrders, match="last day"):
            fit(ParetoNBD, Cells([0, 0], [0, 0], [0, 0]))

    def test_no_spend(self) -> None:
        with pytest.raises(BadOrders, match="no spend to fit"):
            fit(GammaGamma, SpendCells([0, 1], [0, -3.0]))


DEGENERATE = {
    "nobody bought again": Cells(np.zeros(50), np.zeros(50), np.linspace(1, 60, 50)),
    "one customer, no repeat": Cells([0], [0], [30]),
    "one customer": Cells([3], [20], [30]),
    "all alike": Cells([4] * 60, [25] * 60, [30] * 60),
    "two sorts": Cells([4, 0], [30, 0], [30, 30], [100, 100]),
    "clockwork": Cells(np.arange(1, 53), np.arange(1, 53) - 0.5, np.arange(1, 53)),
    "all just bought": Cells(np.arange(30) % 5, np.where(np.arange(30) % 5, 30, 0), np.full(30, 30)),
    "one giant": Cells([0] * 99 + [100_000], [0] * 99 + [300], [300] * 100),
    "some with T = 0": Cells([0] * 50 + [1, 2, 3, 1], [0] * 50 + [5, 6, 7, 3], [0] * 50 + [10, 10, 10, 9]),
    "tiny times": Cells([0, 1, 2, 0], [0, 1e-6, 2e-6, 0], [1e-6, 3e-6, 5e-6, 2e-6]),
}


@pytest.mark.parametrize("truth", TIMING, ids=kind)
@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_histories_end_with_a_status(truth: object, case: str) -> None:
    found = fit(type(truth), DEGENERATE[case])
    assert np.isfinite(found.model).all()
    assert (np.array(found.model) > 0).all()
    assert np.isfinite(found.log_likelihood)
    assert found.status in {"converged", "boundary", "not converged"}
    assert found.reason
    errors = np.array(list(found.standard_errors.values()))
    assert not np.isnan(found.covariance).any()
    assert (errors > 0).all()
    if np.isinf(errors).any():
        assert found.status != "converged"
        assert any("no standard error" in note for note in found.notes)
    if case.startswith(("nobody", "one customer", "all alike")):
        assert found.status != "converged"
    if "nobody" in case:
        assert "nobody bought a second time" in found.reason


SPEND_DEGENERATE = {
    "one customer": SpendCells([3], [20]),
    "all alike": SpendCells([3] * 40, [20] * 40),
    "one purchase each": SpendCells([1] * 40, np.linspace(5, 80, 40)),
    "fixed prices": SpendCells([1, 2, 3, 4] * 10, [10.0, 20.0, 10.0, 20.0] * 10),
    "cents and millions": SpendCells([1, 2, 3, 4] * 10, [0.01, 1e6, 3.0, 40.0] * 10),
}


@pytest.mark.parametrize("case", SPEND_DEGENERATE)
def test_degenerate_spend_ends_with_a_status(case: str) -> None:
    found = fit(GammaGamma, SPEND_DEGENERATE[case])
    assert np.isfinite([*found.model, found.log_likelihood]).all()
    assert not np.isnan(found.covariance).any()
    assert np.isfinite(population_mean(found))
    if case in {"one customer", "all alike"}:
        assert found.status != "converged"


class TestReasons:
    def test_poisson_buyers(self) -> None:
        rng = np.random.default_rng(2)
        T = rng.uniform(5, 50, 3000)
        x = rng.binomial(20, 0.2, 3000)  # less spread than Poisson
        found = fit(NBD, Cells(x, np.where(x > 0, T, 0), np.full(3000, 50.0)))
        assert found.status == "boundary"
        assert "Poisson" in found.reason
        assert "alpha and r grow without bound together" in found.reason
        assert np.isinf(list(found.standard_errors.values())).all()
        assert found.model.r / found.model.alpha == pytest.approx(x.mean() / 50, rel=1e-3)

    def test_nobody_leaves(self) -> None:
        base = histories(NBD(0.8, 8.0), 3000, seed=5)
        plain = fit(NBD, base)
        for Model in (BGNBD, MBGNBD, ParetoNBD):
            found = fit(Model, replace(base, t_x=np.where(base.x > 0, base.T, 0.0)))
            assert found.status == "boundary", found
            assert "leaves" in found.reason
            assert found.log_likelihood == pytest.approx(
                fit(NBD, replace(base, t_x=np.where(base.x > 0, base.T, 0.0))).log_likelihood, abs=0.01
            )
            assert found.model.r == pytest.approx(plain.model.r, rel=0.01)

    def test_equal_spend(self) -> None:
        rng = np.random.default_rng(3)
        x = 1 + rng.poisson(3, 4000)
        shape = 5.0 * x**1.3  # means of many purchases vary less than independent purchases would make them
        found = fit(GammaGamma, SpendCells(x, rng.gamma(shape) / shape * 30))
        assert found.status == "boundary"
        assert "mean spend hardly differs" in found.reason


class TestSpendNotes:
    def test_infinite_mean(self) -> None:
        data = spends(GammaGamma(3.0, 0.7, 10.0), 4000)
        found = fit(GammaGamma, data)
        assert found.model.q < 1
        assert any("the mean in the population is infinite" in note for note in found.notes)
        assert population_mean(found) == pytest.approx(np.average(data.zbar, weights=data.n))

    def test_finite_mean_is_the_models(self) -> None:
        found = fit(GammaGamma, spends(TRUTHS[4], 4000))
        p, q, gamma = found.model
        assert population_mean(found) == pytest.approx(p * gamma / (q - 1))
        assert not found.notes

    def test_left_out(self) -> None:
        data = spends(TRUTHS[4], 400)
        more = SpendCells(np.r_[data.x, 0, 0, 2], np.r_[data.zbar, 0, 0, -1])
        assert any(note.startswith("3 customers") for note in fit(GammaGamma, more).notes)

    def test_dependence(self) -> None:
        data = spends(TRUTHS[4], 4000)
        found = fit(GammaGamma, replace(data, zbar=data.zbar * data.x**0.4))
        assert any("frequent customers spend more" in note for note in found.notes)
        found = fit(GammaGamma, replace(data, zbar=data.zbar * data.x**-0.4))
        assert any("frequent customers spend less" in note for note in found.notes)

    def test_independent_spend_is_not_accused(self) -> None:
        """The log of a mean of few purchases lies lower: p = 0.5 would show a plain correlation of 0.3."""
        truth = GammaGamma(0.5, 4.0, 100.0)
        ratios = [spend_correlation(truth, spends(truth, 3000, seed))[1] for seed in range(40)]
        assert np.std(ratios) == pytest.approx(1, abs=0.35)
        assert abs(np.mean(ratios)) < 0.5
