"""What a matrix of moves says, against printed numbers, sums, simulation and a peer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klantwaarde.errors import BadOrders, BadParameters
from klantwaarde.lifecycle.hmm import PoissonHMM
from klantwaarde.lifecycle.transitions import (
    agreement,
    customer_value,
    expected_stay,
    reached_within,
    stage_sizes,
    state_value,
    time_to,
    transition_counts,
    transition_shares,
)

# Pfeifer & Carraway (2000): bought 1 to 4 periods ago, former; NC = 40, M = 4, d = .2.
BACK = np.array([0.3, 0.2, 0.15, 0.05])
RECENCY = np.zeros((5, 5))
RECENCY[range(4), 0], RECENCY[range(4), range(1, 5)], RECENCY[4, 4] = BACK, 1 - BACK, 1.0
REWARD, YEARLY = np.array([36.0, -4, -4, -4, 0]), np.log(1.2)
MOVES = np.array([[0.90, 0.08, 0.02], [0.10, 0.80, 0.10], [0.02, 0.10, 0.88]])


def test_the_values_of_pfeifer_and_carraway() -> None:
    four = [50.114969, 4.219907, 0.592110, -1.980131, 0]
    assert state_value(RECENCY, REWARD, YEARLY, periods=4) == pytest.approx(four, abs=5e-7)
    stopped, reward = RECENCY.copy(), REWARD.copy()
    stopped[3], reward[3] = [0, 0, 0, 0, 1], 0
    for_ever = [53.149425, 6.620690, 2.643678, 0, 0]
    assert state_value(stopped, reward, YEARLY) == pytest.approx(for_ever, abs=5e-7)


@settings(max_examples=50)
@given(delta=st.floats(0.01, 5), rewards=st.lists(st.floats(-100, 100), min_size=3, max_size=3))
def test_a_value_is_the_reward_and_the_value_to_come(delta: float, rewards: list[float]) -> None:
    reward, rounding = np.array(rewards), 1e-12 * 100 / delta  # a value is at most 100 per period
    value = state_value(MOVES, reward, delta)
    assert value == pytest.approx(reward + np.exp(-delta) * MOVES @ value, abs=rounding)
    assert state_value(MOVES, np.ones(3), delta) == pytest.approx(np.full(3, -1 / np.expm1(-delta)), rel=1e-9)
    far = state_value(MOVES, reward, delta, periods=int(40 / delta) + 1)
    assert value == pytest.approx(far, abs=rounding)


def test_a_customer_s_value_is_a_mean_over_states() -> None:
    value, state = state_value(MOVES, REWARD[:3], 0.1), np.array([[0.2, 0.3, 0.5], [0, 0, 0], [1, 0, 0]])
    assert customer_value(state, value, REWARD[:3], booked=False)[2] == value[0]
    left = customer_value(state, value, REWARD[:3])
    assert left == pytest.approx(state @ (value - REWARD[:3]))
    assert left[1] == 0  # no customer yet
    # What is left is the value of the next period, one period on.
    assert left[0] == pytest.approx(np.exp(-0.1) * state[0] @ MOVES @ value)


def test_stays_and_times_by_hand() -> None:
    assert expected_stay(MOVES) == pytest.approx([10, 5, 1 / 0.12])
    assert expected_stay(RECENCY)[4] == np.inf
    # Two states, leaving with a chance of 1 %: 100 periods.
    assert time_to(np.array([[1.0, 0.0], [0.01, 0.99]]), 0) == pytest.approx([0, 100])
    # From the back: of who has come to recency 4 a share .05 starts again.
    t = time_to(RECENCY, 4)
    for k in range(4):
        assert t[k] == pytest.approx(1 + BACK[k] * t[0] + (1 - BACK[k]) * (t[k + 1] if k < 3 else 0))


def test_what_may_never_be_takes_for_ever() -> None:
    moves = np.array([[1.0, 0, 0, 0], [0.5, 0, 0.5, 0], [0, 0, 1.0, 0], [0.5, 0, 0, 0.5]])
    assert np.array_equal(time_to(moves, 0), [0, np.inf, np.inf, 2])
    assert np.array_equal(time_to(moves, 2), [np.inf, np.inf, 0, np.inf])
    assert np.array_equal(time_to(np.eye(1), 0), [0])


def test_times_and_chances_are_those_simulated() -> None:
    model = PoissonHMM(np.array([0.0, 0.0, 1.0]), MOVES, np.zeros(3))
    _, states = model.draw(np.random.default_rng(0), 20_000, 400)
    ever = states == 0
    assert ever.any(axis=1).all()
    first = ever.argmax(axis=1)
    assert first.mean() == pytest.approx(time_to(MOVES, 0)[2], abs=4 * first.std() / np.sqrt(20_000))
    for h in (0, 1, 5, 20):
        assert np.mean(first <= h) == pytest.approx(reached_within(MOVES, 0, 20)[h, 2], abs=4 * 0.5 / np.sqrt(20_000))


def test_the_time_is_the_sum_of_the_chances_not_to_be_there_yet() -> None:
    assert np.sum(1 - reached_within(MOVES, 0, 4000), axis=0) == pytest.approx(time_to(MOVES, 0), rel=1e-10)


def test_sizes_to_come() -> None:
    now, start = np.array([100.0, 50, 10]), np.array([0.2, 0.5, 0.3])
    sizes = stage_sizes(now, MOVES, 3)
    assert sizes == pytest.approx(np.array([now @ np.linalg.matrix_power(MOVES, h) for h in range(4)]))
    grown = stage_sizes(now, MOVES, 2, newcomers=[10, 20], start=start)
    assert grown.sum(axis=1) == pytest.approx([160, 170, 190])
    assert grown[2] == pytest.approx((now @ MOVES + 10 * start) @ MOVES + 20 * start)
    assert np.array_equal(stage_sizes(now, MOVES, 0), [now])


def test_moves_seen_are_counted() -> None:
    path = np.array([[-1, 0, 1, 1], [0, 0, -1, 2], [1, 0, 0, 1]])
    assert np.array_equal(transition_counts(path, 3), [[2, 2, 0], [1, 1, 0], [0, 0, 0]])
    assert transition_shares(path, 3) == pytest.approx(np.array([[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 1]]))


def test_agreement_of_scikit_learn() -> None:
    peer = pytest.importorskip("sklearn.metrics").adjusted_mutual_info_score
    rng = np.random.default_rng(1)
    for n, few, many in ((7, 2, 3), (300, 4, 9), (5000, 3, 3)):
        one = rng.integers(0, few, n)
        other = np.where(rng.random(n) < 0.5, one, rng.integers(0, many, n))
        assert agreement(one, other) == pytest.approx(peer(one, other), abs=1e-10)


def test_agreement_of_the_same_and_of_chance() -> None:
    rng = np.random.default_rng(2)
    one = rng.integers(0, 5, 20_000)
    assert agreement(one, (one + 2) % 5) == pytest.approx(1)
    assert agreement(one, rng.permutation(one)) == pytest.approx(0, abs=1e-3)
    assert agreement(np.array([0, 0, 1, 1, -1]), np.array([1, 1, 0, 0, 0])) == pytest.approx(1)
    assert agreement(np.zeros(4, dtype=int), np.zeros(4, dtype=int)) == 1
    assert agreement(np.zeros(4, dtype=int), np.arange(4)) == 0


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: state_value(MOVES, [1, 2], 0.1), "one per state"),
        (lambda: state_value(MOVES, [1, 2, np.nan], 0.1), "finite"),
        (lambda: state_value(MOVES, [1, 2, 3], 0.0), "delta"),
        (lambda: state_value(MOVES, [1, 2, 3], np.nan), "delta"),
        (lambda: state_value(MOVES, [1, 2, 3], 0.0, periods=-1), "periods"),
        (lambda: state_value(MOVES * 1.1, [1, 2, 3], 0.1), "sum to 1"),
        (lambda: expected_stay(MOVES[:2]), r"\(K, K\)"),
        (lambda: time_to(MOVES, 3), "none of the states"),
        (lambda: stage_sizes([1, 2, -3], MOVES, 2), "not negative"),
        (lambda: stage_sizes([1, 2, 3], MOVES, 2, newcomers=5), "need start"),
        (lambda: stage_sizes([1, 2, 3], MOVES, 2, newcomers=5, start=np.ones(3)), "sum to 1"),
        (lambda: stage_sizes([1, 2, 3], MOVES, 2, newcomers=[1, 2, 3], start=np.ones(3) / 3), "newcomers"),
    ],
)
def test_bad_numbers_are_refused(ask: Any, words: str) -> None:
    with pytest.raises(BadParameters, match=words):
        ask()


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: transition_counts(np.array([[0, 3]]), 3), "below 3"),
        (lambda: transition_counts(np.array([[0.0, 1.0]]), 3), "whole numbers"),
        (lambda: agreement(np.array([0, 1]), np.array([0])), "as many"),
        (lambda: agreement(np.array([-1]), np.array([0])), "no customer"),
    ],
)
def test_bad_stages_are_refused(ask: Any, words: str) -> None:
    with pytest.raises(BadOrders, match=words):
        ask()
