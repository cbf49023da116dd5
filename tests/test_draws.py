"""Parameters as draws of a posterior: scores are means over them, in memory that does not grow with the draws."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

import klantwaarde as kw
from klantwaarde.estimate.fit import spend_line
from klantwaarde.models import quantities
from klantwaarde.numerics import in_blocks
from klantwaarde.value.score import cell_scores
from klantwaarde.value.terms import basis

RNG = np.random.default_rng(1)
SCORES = ("p_alive", "p_active", "expected_orders", "dert", "lifetime", "headroom_orders")


@pytest.fixture(scope="module", name="base")
def _base() -> kw.Customers:
    return kw.customers(kw.orders(kw.datasets.cdnow_sample()), "1997-09-30")


def near(fit: kw.Fit[Any], draws: int) -> np.ndarray[Any, Any]:
    """Draws around a fit."""
    return np.asarray(np.array(fit.model) * np.exp(0.1 * RNG.standard_normal((draws, len(fit.model)))))


@pytest.mark.parametrize("Model", [kw.NBD, kw.BGNBD, kw.MBGNBD, kw.ParetoNBD])
def test_scores_are_means_of_the_scores_of_each_draw(base: kw.Customers, Model: Any, monkeypatch: Any) -> None:
    """In many blocks (here of 40 rows) as in one."""
    monkeypatch.setattr(quantities, "DRAWN", 200)
    fit = kw.fit(Model, base.cells())
    pareto = kw.fit(kw.ParetoNBD, base.cells())
    draws, ceilings = near(fit, 5), near(pareto, 5)
    terms = basis(base, "week", kw.Terms())
    cells = base.day_cells
    found = cell_scores(cells, fit.drawn(draws), terms, pareto.drawn(ceilings).model)
    each = [
        cell_scores(cells, fit.drawn(draw[None]), terms, pareto.drawn(ceiling[None]).model)
        for draw, ceiling in zip(draws, ceilings, strict=True)
    ]
    for name in SCORES:
        mean = np.mean([np.asarray(table[name]) for table in each], axis=0)
        np.testing.assert_allclose(np.asarray(found[name]), mean, rtol=1e-12, err_msg=name)


def test_expected_spend_is_the_mean_over_draws(base: kw.Customers) -> None:
    spend = kw.fit(kw.GammaGamma, base.spend())
    draws = near(spend, 7)
    x = np.arange(6)
    found = spend_line(spend.drawn(draws), x)
    each = [spend_line(spend.drawn(draw[None]), x) for draw in draws]
    for part in (0, 1):
        np.testing.assert_allclose(found[part], np.mean([line[part] for line in each], axis=0), rtol=1e-12)


def test_customers_are_valued_by_draws(base: kw.Customers) -> None:
    """Timing and spend are drawn apart, so that the mean of their product is the product of their means."""
    fits = kw.fits(base, kw.ParetoNBD)
    assert fits.spend is not None
    one = kw.score(base, fits).to_pandas()
    same = np.tile(np.array(fits.timing.model), (3, 1))
    again = kw.score(base, kw.Fits(fits.timing.drawn(same), fits.spend)).to_pandas()
    np.testing.assert_allclose(again.rlv, one.rlv, rtol=1e-12)
    drawn = kw.Fits(fits.timing.drawn(near(fits.timing, 4)), fits.spend.drawn(near(fits.spend, 4)))
    frame = kw.score(base, drawn, kw.Terms(headroom=True)).to_pandas()
    assert np.isfinite(frame[["rlv", "potential"]].dropna()).all(axis=None)
    bought = frame[frame.expected_spend.notna()]
    np.testing.assert_allclose(bought.rlv, bought.dert * bought.expected_spend, rtol=1e-9)


def test_quantiles_over_draws() -> None:
    model = kw.ParetoNBD(*(np.exp(RNG.standard_normal((9, 1)) / 4) for _ in range(4)))
    x, t_x, T = np.array([0.0, 1.0, 5.0]), np.array([0.0, 2.0, 8.0]), np.array([9.0, 9.0, 10.0])
    found = quantities.over_draws(
        lambda drawn, *history: {"p_alive": kw.models.p_alive(drawn, *history)},
        model,
        x,
        t_x,
        T,
        reduce=lambda values: np.quantile(values, 0.9, axis=0),
    )
    np.testing.assert_array_equal(found["p_alive"], np.quantile(kw.models.p_alive(model, x, t_x, T), 0.9, axis=0))


@pytest.mark.parametrize(
    "shapes", [((3, 1), (5,)), ((3, 1), (1, 5)), ((5,), ()), ((2, 3, 1), (4,)), ((), ()), ((3, 1),)]
)
@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_blocks_say_what_the_whole_says(shapes: Any, size: int) -> None:
    arrays = [RNG.random(shape) for shape in shapes]
    whole = sum(np.exp(array) for array in arrays)
    np.testing.assert_array_equal(in_blocks(lambda *parts: sum(np.exp(part) for part in parts), size, *arrays), whole)


def test_draws_need_memory_for_their_answer_only() -> None:
    """100 draws x 50,000 rows are 40 MB of answers; spread out before, their arguments took eight times that."""
    model = kw.ParetoNBD(*(np.exp(RNG.standard_normal((100, 1)) / 4) for _ in range(4)))
    x = RNG.integers(0, 9, 50_000).astype(float)
    tracemalloc.start()
    answer = kw.models.p_alive(model, x, np.where(x > 0, 5.0, 0.0), np.full(50_000, 20.0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert answer.shape == (100, 50_000)
    assert peak < 2 * answer.nbytes


def test_scores_over_draws_need_memory_of_a_block() -> None:
    """200 draws x 100,000 histories would be 160 MB an array."""
    fit = kw.Fit(kw.NBD(1.0, 10.0), 0.0, np.eye(2), {}, "converged", "", 1, 1, unit="day")
    draws = np.exp(RNG.standard_normal((200, 2)) / 9)
    x = np.sort(RNG.integers(0, 30, 100_000).astype(float))
    tracemalloc.start()
    found = quantities.over_draws(
        lambda model, *history: {"cet": kw.models.cet(model, 10.0, *history)},
        fit.drawn(draws).model,
        x,
        np.where(x > 0, 50.0, 0.0),
        np.full(100_000, 100.0),
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found["cet"].shape == (100_000,)
    assert peak < 100e6


def test_draws_that_are_none_are_refused(base: kw.Customers) -> None:
    fit = kw.fit(kw.NBD, base.cells())
    for wrong in ([1.0, 2.0], [[1.0, 2.0, 3.0]], [[1.0, -2.0]]):
        with pytest.raises(kw.BadParameters, match="r, alpha"):
            fit.drawn(np.array(wrong))
    assert "means of 3 draws" in repr(fit.drawn(near(fit, 3)))
