"""The hidden Markov model of the relation, against enumeration, a peer, closed forms and simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

from klantwaarde.errors import BadOrders, BadParameters
from klantwaarde.lifecycle import counts as counting
from klantwaarde.lifecycle import forward
from klantwaarde.lifecycle.hmm import PoissonHMM

TWO = PoissonHMM(np.array([0.6, 0.4]), np.array([[0.85, 0.15], [0.10, 0.90]]), np.array([0.1, 2.0]))
THREE = PoissonHMM(
    np.array([0.3, 0.4, 0.3]),
    np.array([[0.90, 0.08, 0.02], [0.10, 0.80, 0.10], [0.02, 0.10, 0.88]]),
    np.array([0.05, 1.0, 5.0]),
)
LOST = PoissonHMM(
    np.array([0.05, 0.55, 0.40]), np.array([[1, 0, 0], [0.10, 0.80, 0.10], [0.02, 0.10, 0.88]]), np.array([0, 0.8, 4.0])
)
# 0 entries everywhere, so that states can be ruled out and a count can kill the path that was likeliest.
SPARSE = PoissonHMM(
    np.array([0.5, 0.5, 0.0]), np.array([[1, 0, 0], [0.2, 0.5, 0.3], [0.0, 0.4, 0.6]]), np.array([0.0, 1.0, 30.0])
)
MODELS = {"two": TWO, "three": THREE, "lost": LOST, "sparse": SPARSE}
CASES = [
    [3, 0, 0, 1],
    [0, 0, 0, 0],
    [-1, 2, 0, 1],
    [-1, -1, -1, 4],
    [1, -1, 0, -1],
    [-1, 0, -1, 2],
    [2, -1, -1, -1],
    [0, 30, 40, 0],
]


class Enumerated:
    """The answers from all paths of states, one by one."""

    def __init__(self, model: PoissonHMM, y: list[int]) -> None:
        birth = next(t for t, k in enumerate(y) if k >= 0)
        known = y[birth:]
        self.paths = np.array(list(itertools.product(range(len(model.rates)), repeat=len(known))))
        weights = model.start[self.paths[:, 0]].copy()
        for t, k in enumerate(known):
            weights *= model.transition[self.paths[:, t - 1], self.paths[:, t]] if t else 1
            weights *= poisson.pmf(k, model.rates[self.paths[:, t]]) if k >= 0 else 1
        self.total, self.share = weights.sum(), weights / weights.sum()
        state = [[self.share[self.paths[:, t] == s].sum() for s in range(len(model.rates))] for t in range(len(known))]
        self.posterior = np.vstack([np.zeros((birth, len(model.rates))), state])
        best = self.paths[weights.argmax()]
        self.best, self.path = weights.max(), np.concatenate([np.full(birth, -1), best])


def weight_of(model: PoissonHMM, y: list[int], path: np.ndarray) -> float:
    """Probability of the counts and of one path."""
    birth = int(np.argmax(path >= 0))
    weight = model.start[path[birth]]
    for t in range(birth, len(y)):
        weight *= model.transition[path[t - 1], path[t]] if t > birth else 1
        weight *= poisson.pmf(y[t], model.rates[path[t]]) if y[t] >= 0 else 1
    return float(weight)


def test_the_two_state_oracle() -> None:
    y = np.array([[3, 0, 0, 1]])
    assert TWO.log_likelihood(y) == pytest.approx(-6.9132559709384, abs=5e-14)
    rows = [[0.00675978, 0.99324022], [0.63389144, 0.36610856], [0.69386534, 0.30613466], [0.46509706, 0.53490294]]
    assert TWO.posterior(y)[0] == pytest.approx(np.array(rows), abs=5e-9)
    assert TWO.posterior(y, last=True)[0] == pytest.approx(rows[-1], abs=5e-9)


@pytest.mark.parametrize("name", MODELS)
def test_every_answer_is_that_of_all_paths(name: str) -> None:
    model, y = MODELS[name], np.array(CASES)
    log_likelihood, state, last, path = (
        model.log_likelihood(y),
        model.posterior(y),
        model.posterior(y, last=True),
        model.most_likely_path(y),
    )
    for row, case in enumerate(CASES):
        truth = Enumerated(model, case)
        assert log_likelihood[row] == pytest.approx(np.log(truth.total), rel=1e-12)
        assert state[row] == pytest.approx(truth.posterior, abs=1e-12)
        assert last[row] == pytest.approx(truth.posterior[-1], abs=1e-12)
        assert weight_of(model, case, path[row]) == pytest.approx(truth.best, rel=1e-12)  # paths may tie
        assert np.array_equal(path[row] < 0, truth.path < 0)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("unsure", [-600.0, np.inf])  # inf: every row is done in logarithms
def test_expected_statistics_are_those_of_all_paths(name: str, unsure: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "UNSURE", unsure)
    monkeypatch.setattr(forward, "SURE", 1.0 if np.isinf(unsure) else forward.SURE)
    model, weight = MODELS[name], np.arange(1.0, len(CASES) + 1)
    found = forward.sums(model, counting.block_of(np.array(CASES), np.arange(len(CASES)), weight))
    states = len(model.rates)
    begun, moved, held, bought = np.zeros(states), np.zeros((states, states)), np.zeros(states), np.zeros(states)
    total = 0.0
    for n, case in zip(weight, CASES, strict=True):
        truth, birth = Enumerated(model, case), int(np.argmax(np.array(case) >= 0))
        total += n * np.log(truth.total)
        for path, share in zip(truth.paths, n * truth.share, strict=True):
            begun[path[0]] += share
            for t, state in enumerate(path):
                if t:
                    moved[path[t - 1], state] += share
                if case[birth + t] >= 0:
                    held[state] += share
                    bought[state] += share * case[birth + t]
    assert found.log_likelihood == pytest.approx(total, rel=1e-12)
    for ours, theirs in zip(found[1:], (begun, moved, held, bought), strict=True):
        assert ours == pytest.approx(theirs, abs=1e-11)


def test_log_likelihood_path_and_posterior_of_hmmlearn() -> None:
    peer = pytest.importorskip("hmmlearn.hmm").PoissonHMM(3)
    peer.n_features = 1
    peer.startprob_, peer.transmat_, peer.lambdas_ = THREE.start, THREE.transition, THREE.rates[:, None]
    y, _ = THREE.draw(np.random.default_rng(3), 200, 24)
    ours, state, path = THREE.log_likelihood(y), THREE.posterior(y), THREE.most_likely_path(y)
    theirs = np.array([peer.score(row[:, None]) for row in y])
    assert np.abs(ours - theirs).max() < 1e-8
    assert np.sum(ours) == pytest.approx(peer.score(y.reshape(-1, 1), [24] * 200), abs=1e-8)
    assert np.abs(state - peer.predict_proba(y.reshape(-1, 1), [24] * 200).reshape(200, 24, 3)).max() < 1e-8
    assert np.array_equal(path.ravel(), peer.predict(y.reshape(-1, 1), [24] * 200))


@pytest.mark.parametrize("ways", ["negative", "masked", "nan", "float", "uint8", "masked uint8"])
def test_what_is_not_known_may_be_told_in_several_ways(ways: str) -> None:
    y = np.array(CASES)
    hidden = {
        "negative": y * np.where(y < 0, 1000, 1),
        "masked": np.ma.masked_array(np.where(y < 0, 10**12, y), y < 0),
        "nan": np.where(y < 0, np.nan, y),
        "float": y.astype(float),
        "uint8": np.maximum(y, 0).astype(np.uint8),
        "masked uint8": np.ma.masked_array(np.where(y < 0, 255, y).astype(np.uint8), y < 0),
    }
    truth = THREE.log_likelihood(np.maximum(y, 0) if ways == "uint8" else y)
    assert np.array_equal(THREE.log_likelihood(hidden[ways]), truth)


def test_a_missing_period_is_a_sum_over_its_counts() -> None:
    every = np.array([[1, k, 2] for k in range(60)])
    assert THREE.log_likelihood(np.array([[1, -1, 2]]))[0] == pytest.approx(
        np.logaddexp.reduce(THREE.log_likelihood(every)), abs=1e-12
    )
    late, early = THREE.log_likelihood(np.array([[-1, -1, 4, 0], [4, 0, -1, -1]]))
    assert late == pytest.approx(early, abs=1e-12)  # nothing before birth, nothing learned after


def test_no_customer_no_state() -> None:
    y = np.array([[-1, -1, -1], [-1, 0, 2]])
    assert THREE.log_likelihood(y)[0] == 0
    assert THREE.posterior(y).sum(axis=2) == pytest.approx(np.array([[0, 0, 0], [0, 1, 1]]))
    assert THREE.posterior(y, last=True).sum(axis=1) == pytest.approx(np.array([0, 1]))
    assert np.array_equal(THREE.most_likely_path(y)[0], [-1, -1, -1])


def test_blocks_and_rows_in_any_order_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    y, _ = THREE.draw(rng, 3000, 8)
    y[np.arange(8) < rng.integers(0, 9, (3000, 1))] = -1
    whole, mixed = THREE.posterior(y), rng.permutation(3000)
    monkeypatch.setattr(counting, "NUMBERS", 1)
    assert np.allclose(THREE.posterior(y[mixed]), whole[mixed], rtol=0, atol=1e-14)
    assert np.array_equal(THREE.posterior(y, last=True), whole[:, -1])


def test_an_unlikely_story_is_done_in_logarithms() -> None:
    # Silent 20 times at a rate of 200, then a purchase: staying lost until then weighs nothing, e^-4000 is the truth.
    model = PoissonHMM(np.array([0.5, 0.5]), np.array([[1.0, 0.0], [0.1, 0.9]]), np.array([0.0, 200.0]))
    y = np.array([[0] * 20 + [200], [0] * 21])
    truth = np.log(0.5) + 20 * (np.log(0.9) - 200) + poisson.logpmf(200, 200)
    assert model.log_likelihood(y)[0] == pytest.approx(truth, rel=1e-13)
    assert model.posterior(y)[0] == pytest.approx(np.tile([0.0, 1.0], (21, 1)))
    assert model.posterior(y, last=True) == pytest.approx(np.array([[0.0, 1.0], [1.0, 0.0]]))
    assert np.array_equal(model.most_likely_path(y), [[1] * 21, [0] * 21])


def test_logarithms_and_numbers_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(6)
    y, _ = LOST.draw(rng, 300, 10)
    y[rng.random(y.shape) < 0.2] = -1
    answers = LOST.log_likelihood(y), LOST.posterior(y), LOST.posterior(y, last=True)
    monkeypatch.setattr(forward, "UNSURE", np.inf)
    again = LOST.log_likelihood(y), LOST.posterior(y), LOST.posterior(y, last=True)
    for one, other in zip(answers, again, strict=True):
        assert one == pytest.approx(other, abs=1e-12)


chance = st.floats(0, 1).map(lambda u: u if u > 1e-3 else 0.0)
rate = st.one_of(st.just(0.0), st.floats(-6, 6).map(lambda power: 10.0**power))
count = st.one_of(st.integers(-1, 3), st.integers(0, 10**15))


@st.composite
def cases(draw: st.DrawFn) -> tuple[PoissonHMM, np.ndarray]:
    states, periods = draw(st.integers(1, 4)), draw(st.integers(1, 30))
    row = st.lists(chance, min_size=states, max_size=states).filter(lambda u: sum(u) > 0)
    shares = np.array([np.divide(u, np.sum(u)) for u in draw(st.lists(row, min_size=states + 1, max_size=states + 1))])
    rates = np.array(draw(st.lists(rate, min_size=states, max_size=states)))
    y = draw(st.lists(st.lists(count, min_size=periods, max_size=periods), min_size=1, max_size=4))
    return PoissonHMM(shares[0], shares[1:], rates), np.array(y)


@given(case=cases())
@example(case=(PoissonHMM(np.array([1.0]), np.array([[1.0]]), np.array([0.0])), np.array([[0], [1]])))
@settings(max_examples=120)
def test_never_nan_never_negative(case: tuple[PoissonHMM, np.ndarray]) -> None:
    model, y = case
    log_likelihood = model.log_likelihood(y)
    assert not np.isnan(log_likelihood).any()
    assert np.all(log_likelihood <= 0)
    possible = y[np.isfinite(log_likelihood)]
    if len(possible) < len(y):
        with pytest.raises(BadOrders, match="cannot happen"):
            model.posterior(y)
    customers = (possible >= 0).any(axis=1)
    for state in (model.posterior(possible)[:, -1], model.posterior(possible, last=True)):
        assert np.all(state >= 0)
        assert state.sum(axis=1) == pytest.approx(customers.astype(float), abs=1e-9)
    path = model.most_likely_path(possible)
    assert np.all(path < len(model.rates))
    assert np.array_equal(path[:, -1] >= 0, customers)


@pytest.mark.parametrize(
    "model",
    [
        TWO._replace(start=np.array([0.6, 0.5])),
        TWO._replace(transition=np.array([[0.85, 0.15], [-0.1, 1.1]])),
        TWO._replace(rates=np.array([0.1, np.nan])),
        TWO._replace(rates=np.array([0.1, -2.0])),
        TWO._replace(rates=np.array([0.1, 2.0, 3.0])),
        TWO._replace(start=np.array([np.nan, 0.5])),
    ],
)
def test_a_model_that_is_none_is_refused(model: PoissonHMM) -> None:
    with pytest.raises(BadParameters):
        model.log_likelihood(np.array([[1, 0]]))


def test_counts_that_cannot_happen_are_named() -> None:
    model = PoissonHMM(np.array([0.0, 1.0]), np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([0.0, 2.0]))
    y = np.array([[2, 0], [2, 1], [3, 4]])
    assert np.array_equal(np.isneginf(model.log_likelihood(y)), [False, True, True])
    for ask in (model.posterior, model.most_likely_path):
        with pytest.raises(BadOrders, match="row 1 cannot happen"):
            ask(y)
