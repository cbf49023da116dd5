"""Fits of the hidden Markov model: what EM promises, what was simulated, and what is refused."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

from klantwaarde.errors import BadOrders, BadParameters
from klantwaarde.lifecycle.em import parts_of
from klantwaarde.lifecycle.hmm import PoissonHMM
from klantwaarde.lifecycle.hmm_fit import choose_states, fewest, fit_hmm
from test_hmm import LOST, THREE, TWO

tables = st.integers(1, 6).flatmap(
    lambda periods: st.lists(
        st.lists(st.one_of(st.integers(-1, 4), st.integers(0, 10**9)), min_size=periods, max_size=periods),
        min_size=1,
        max_size=12,
    )
)


@given(y=tables, states=st.integers(1, 4), lost=st.booleans(), prior=st.sampled_from([0.0, 0.01, 2.0]))
@example(y=[[0, 0, 0]], states=3, lost=True, prior=0.0)
@example(y=[[7]], states=1, lost=False, prior=0.0)
@settings(max_examples=80)
def test_em_never_falls_and_ends_in_chances(y: list[list[int]], states: int, lost: bool, prior: float) -> None:
    table = np.array(y)
    if not (table >= 0).any():
        return
    fit = fit_hmm(table, max(states, 1 + lost), lost=lost, prior=prior, starts=2, steps=40)
    assert np.all(np.diff(fit.history) >= -1e-9 * np.abs(fit.history[-1]))
    start, transition, rates = fit.model
    assert np.all(np.isfinite(rates))
    assert np.all(rates >= 0)
    assert start.sum() == pytest.approx(1)
    assert transition.sum(axis=1) == pytest.approx(np.ones(len(rates)))
    assert np.all(np.diff(rates[lost:]) >= 0)
    if lost:
        assert rates[0] == 0
        assert np.array_equal(transition[0], np.eye(len(rates))[0])
    assert fit.log_likelihood == pytest.approx(fit.model.log_likelihood(table).sum(), rel=1e-12)
    assert fit.customers + fit.unobserved == len(table)


def test_disjoint_emissions_give_the_empirical_shares() -> None:
    truth = PoissonHMM(THREE.start, THREE.transition, np.array([0.0, 300.0, 4000.0]))
    y, states = truth.draw(np.random.default_rng(8), 400, 12)
    moves = np.zeros((3, 3))
    np.add.at(moves, (states[:, :-1].ravel(), states[:, 1:].ravel()), 1)
    fit = fit_hmm(y, 3, prior=0.0)
    assert fit.model.transition == pytest.approx(moves / moves.sum(axis=1, keepdims=True), abs=1e-12)
    assert fit.model.start == pytest.approx(np.bincount(states[:, 0]) / 400, abs=1e-12)
    assert fit.model.rates == pytest.approx([y[states == s].mean() for s in range(3)], rel=1e-12)
    assert np.array_equal(fit.model.most_likely_path(y), states)


def test_one_state_is_poisson() -> None:
    y = np.array([[0, 3, -1], [-1, 2, 0]])
    fit = fit_hmm(y, 1)
    assert fit.model.rates == pytest.approx([5 / 4])
    assert fit.log_likelihood == pytest.approx(poisson.logpmf([0, 3, 2, 0], 5 / 4).sum())
    assert fit.status == "converged"


def test_equal_histories_counted_once_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    y, _ = LOST.draw(np.random.default_rng(9), 2000, 4)
    assert parts_of(y, np.zeros(2000, dtype=int), 3)[0].block.weight is not None
    once = fit_hmm(y, 3, lost=True, steps=30)
    monkeypatch.setattr("klantwaarde.lifecycle.em.distinct", lambda rows: (rows, None))
    each = fit_hmm(y, 3, lost=True, steps=30)
    assert once.history == pytest.approx(each.history, rel=1e-11)


def known(fit: Any, truth: PoissonHMM, precision: float) -> None:
    for ours, theirs in zip(fit, truth, strict=True):
        assert ours == pytest.approx(np.asarray(theirs), abs=precision)


@pytest.mark.slow
def test_what_was_simulated_is_found_again() -> None:
    rng = np.random.default_rng(10)
    y = np.full((30_000, 12), -1)
    for birth, rows in enumerate(np.array_split(np.arange(30_000), 6)):
        y[rows, birth:], _ = THREE.draw(rng, len(rows), 12 - birth)
        later = y[rows, birth + 1 :]
        y[rows, birth + 1 :] = np.where(rng.random(later.shape) < 0.1, -1, later)  # missing here and there
    fit = fit_hmm(y, 3)
    assert fit.status == "converged"
    known(fit.model, THREE, 0.03)  # the rate 5 has a standard error of about .01
    assert fit.log_likelihood > THREE.log_likelihood(y).sum()
    # Twice the distance is chi-squared with 2 + 6 + 3 degrees of freedom: above 31.3 once in 1,000.
    assert 2 * (fit.log_likelihood - THREE.log_likelihood(y).sum()) < 31.3


@pytest.mark.slow
def test_a_lost_state_is_found_again() -> None:
    y, states = LOST.draw(np.random.default_rng(11), 100_000, 12)
    fit = fit_hmm(y, 3, lost=True)
    known(fit.model, LOST, 0.03)
    gone = fit.model.posterior(y, last=True)[:, 0]
    assert gone.mean() == pytest.approx(np.mean(states[:, -1] == 0), abs=0.01)
    for low, high in itertools.pairwise([0, 0.2, 0.5, 0.8, 1]):  # calibrated
        some = (gone >= low) & (gone < high)
        assert np.mean(states[some, -1] == 0) == pytest.approx(gone[some].mean(), abs=0.02)


@pytest.mark.slow
def test_segments_have_their_own_moves_and_share_their_rates() -> None:
    rng = np.random.default_rng(12)
    other = PoissonHMM(THREE.start[::-1].copy(), np.full((3, 3), 0.2) + 0.4 * np.eye(3), THREE.rates)
    y = np.vstack([THREE.draw(rng, 20_000, 10)[0], other.draw(rng, 20_000, 10)[0]])
    fit = fit_hmm(y, 3, segments=np.repeat(["north", "south"], 20_000))
    assert list(fit.models) == ["north", "south"]
    known(fit.models["north"], THREE, 0.04)
    known(fit.models["south"], other, 0.04)
    assert np.array_equal(fit.models["north"].rates, fit.models["south"].rates)
    assert np.all(np.diff(fit.history) >= 0)
    with pytest.raises(BadParameters, match="model for each segment"):
        _ = fit.model


@pytest.mark.slow
def test_held_out_customers_choose_the_number_of_states() -> None:
    y, _ = THREE.draw(np.random.default_rng(13), 6000, 10)
    held_out = choose_states(y, (1, 2, 3, 4), starts=3)
    assert fewest(held_out) == 3
    assert min(each.behind for each in held_out) == 0
    fit = fit_hmm(y, (2, 3, 4), starts=3)
    assert len(fit.model.rates) == 3
    assert [each.states for each in fit.held_out] == [2, 3, 4]


def test_a_sample_is_fitted_and_all_are_counted() -> None:
    y, _ = TWO.draw(np.random.default_rng(14), 3000, 6)
    y[:10] = -1
    fit = fit_hmm(y, 2, sample=1000, starts=2)
    assert (fit.customers, fit.fitted, fit.unobserved) == (2990, 1000, 10)
    assert fit.log_likelihood == pytest.approx(fit.model.log_likelihood(y).sum(), rel=1e-12)


def test_a_fit_says_what_it_is_worth() -> None:
    y, _ = TWO.draw(np.random.default_rng(15), 500, 6)
    assert fit_hmm(y, 2, steps=2).status == "not converged"
    alike = fit_hmm(np.zeros((50, 4), dtype=int), 2)
    assert alike.status == "doubtful"
    assert "same rate" in alike.reason


BAD = {
    "one dimension": (np.array([1, 2]), "shape"),
    "no period": (np.empty((3, 0)), "shape"),
    "no whole number": (np.array([[1.0, 0], [0, 2.5]]), r"row 1, period 1 has a count of 2\.5"),
    "infinite": (np.array([[np.inf]]), "row 0, period 0"),
    "text": (np.array([["a"]]), "whole numbers"),
    "nothing known": (np.full((2, 2), -1), "no customer"),
}


@pytest.mark.parametrize("name", BAD)
def test_counts_that_are_none_are_refused(name: str) -> None:
    y, words = BAD[name]
    with pytest.raises(BadOrders, match=words):
        fit_hmm(y, 2)


@pytest.mark.parametrize(
    ("settings_", "words"),
    [
        ({"states": 0}, "from 1"),
        ({"states": ()}, "from 1"),
        ({"states": 1, "lost": True}, "from 2"),
        ({"states": 2, "prior": -1.0}, "prior"),
        ({"states": 2, "prior": np.nan}, "prior"),
        ({"states": 2, "starts": 0}, "starts"),
        ({"states": 2, "sample": 0}, "sample"),
        ({"states": 2, "segments": np.array([1])}, "one label for each"),
        ({"states": 2, "segments": np.array([1.0, np.nan])}, "NaN"),
        ({"states": 2, "segments": np.array([1, "a"], dtype=object)}, "sorted"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings_: dict[str, Any], words: str) -> None:
    with pytest.raises(BadParameters, match=words):
        fit_hmm(np.array([[0, 1], [1, 0]]), **settings_)


GROCERY = Path("../shared/data/grocery/transactions.parquet")


@pytest.mark.slow
@pytest.mark.skipif(not GROCERY.exists(), reason="real orders are not here")
def test_a_grocer_s_customers_by_month() -> None:
    orders = pq.read_table(GROCERY).to_pandas()
    orders = orders.set_axis(["customer", "day", *orders.columns[2:]], axis=1)
    month = orders.day.astype("datetime64[ns]").to_numpy().astype("datetime64[M]").astype(int)
    month = month - month.min()
    customers, row = np.unique(orders.customer, return_inverse=True)
    y = np.zeros((len(customers), month.max() + 1), dtype=int)
    np.add.at(y, (row, month), 1)
    first = np.full(len(customers), month.max())
    np.minimum.at(first, row, month)
    y[np.arange(y.shape[1]) <= first[:, None]] = -1  # from the first full month after acquisition
    fit = fit_hmm(y, (2, 3, 4), lost=True)
    assert fit.held_out[0].behind > 0
    poisson_only = fit_hmm(y, 1)
    assert fit.log_likelihood > poisson_only.log_likelihood + 1000
    assert np.all(np.diff(fit.history) >= -1e-9 * abs(fit.history[-1]))
