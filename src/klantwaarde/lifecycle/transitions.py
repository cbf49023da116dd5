"""What a matrix of moves between stages says: values, times, sizes to come, and how well two stagings agree.

The stages may be the states of a hidden Markov model or come from rules. A transition is (K, K), from row to column in
one period; times are in periods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import gammaln, xlogy

from klantwaarde.errors import BadOrders, BadParameters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from klantwaarde.typing import Array


def state_value(transition: Array, reward: Array, delta: float, periods: int | None = None) -> Array:
    """Value of being in each state now (K,): the reward now and those to come, one in t periods counting e^(-delta t).

    V = (I - e^-delta A)^-1 R, or the sum over so many periods ahead; the present one counts in full. Pfeifer & Carraway
    (2000), "Modeling customer relationships as Markov chains", Journal of Interactive Marketing 14(2). reward (K,) or
    (K, several). delta > 0; with periods given, delta >= 0.
    """
    moves, earned = moves_of(transition), np.asarray(reward, dtype=float)
    if earned.shape[:1] != moves.shape[:1] or not np.all(np.isfinite(earned)):
        raise BadParameters(f"reward must be {len(moves)} finite numbers, one per state, but is {reward}.")
    if not (0 < delta < np.inf or (delta == 0 and periods is not None)):
        raise BadParameters(f"delta={delta!r} must be finite and above 0; it may be 0 for a given number of periods.")
    kept = np.exp(-delta) * moves
    if periods is None:
        return np.asarray(np.linalg.solve(np.eye(len(moves)) - kept, earned))
    value = earned
    for _ in range(_whole(periods)):
        value = earned + kept @ value
    return np.asarray(value)


def customer_value(state: Array, value: Array, reward: Array, *, booked: bool = True) -> Array:
    """Expected value to come (customers,) of customers by their chances of each state, `state` (customers, K).

    The chances sum to 1 or, for who is no customer yet, to 0. booked: the present period's reward is already counted,
    so what is left is value - reward.
    """
    chances = np.asarray(state, dtype=float)
    return np.asarray(chances @ (np.subtract(value, reward) if booked else np.asarray(value, dtype=float)))


def expected_stay(transition: Array) -> Array:
    """Periods that a stay in each state lasts (K,), the first included: 1 / (1 - a_kk); inf if it is never left."""
    moves = moves_of(transition)
    leaving = np.sum(moves * (1 - np.eye(len(moves))), axis=1)  # 1 - a_kk, without its cancellation
    return np.asarray(np.divide(1.0, leaving, out=np.full(len(moves), np.inf), where=leaving > 0))


def time_to(transition: Array, target: int) -> Array:
    """Expected periods until the target is first entered, from each state (K,); 0 in it, inf where it may never be.

    The mean of a discrete phase-type distribution, (I - Q)^-1 1 (Neuts, 1975), Q being the moves among other states.
    """
    moves, wanted = moves_of(transition), _state(target, transition)
    stopped = np.where(np.arange(len(moves))[:, None] == wanted, np.eye(len(moves))[wanted], moves)
    reached = _reach(stopped)
    certain = ~np.any(reached & ~reached[:, wanted], axis=1)  # nowhere to go from which the target is out of reach
    among = np.flatnonzero(certain & (np.arange(len(moves)) != wanted))
    found = np.where(certain, 0.0, np.inf)
    found[among] = np.linalg.solve(_leaving(stopped, among), np.ones(len(among)))
    return found


def reached_within(transition: Array, target: int, periods: int) -> Array:
    """Chance to have been in the target after 0, 1, ..., periods moves, from each state: (periods + 1, K)."""
    moves, wanted = moves_of(transition), _state(target, transition)
    stopped = np.where(np.arange(len(moves))[:, None] == wanted, np.eye(len(moves))[wanted], moves)
    found = [np.eye(len(moves))[wanted]]
    for _ in range(_whole(periods)):
        found.append(stopped @ found[-1])
    return np.minimum(found, 1.0)


def stage_sizes(
    now: Array,
    transition: Array,
    periods: int,
    newcomers: Array | Sequence[float] | float = 0.0,
    start: Array | None = None,
) -> Array:
    """Expected customers per state after 0, 1, ..., periods moves (periods + 1, K), from sizes or shares `now` (K,).

    newcomers: how many come in each period, a number or (periods,), and begin in a state by `start` (K,).
    """
    moves, sizes = moves_of(transition), [np.asarray(now, dtype=float)]
    coming = _coming(newcomers, _whole(periods))
    if sizes[0].shape != moves.shape[:1] or not (np.all(sizes[0] >= 0) and np.all(np.isfinite(sizes[0]))):
        raise BadParameters(f"now must be {len(moves)} sizes, finite and not negative, but is {now}.")
    if coming.any() and start is None:
        raise BadParameters("newcomers need start: the chances that they begin in each state.")
    begin = np.zeros(len(moves)) if start is None else np.asarray(start, dtype=float)
    if start is not None and not (begin.shape == sizes[0].shape and np.all(begin >= 0) and abs(begin.sum() - 1) < 1e-8):
        raise BadParameters(f"start must be {len(moves)} chances that sum to 1, but is {start}.")
    for arriving in coming:
        sizes.append(sizes[-1] @ moves + arriving * begin)
    return np.array(sizes)


def transition_counts(states: Array, number: int) -> Array:
    """Observed moves (number, number) in states (customers, periods): whole numbers, negative where there is none."""
    path = np.asarray(states)
    if path.ndim != 2 or path.dtype.kind not in "iu" or np.max(path, initial=-1) >= number:
        raise BadOrders(f"states must be whole numbers below {number}, one row per customer, one column per period.")
    found = np.zeros(number * number, dtype=np.int64)
    for before, after in zip(path.T[:-1], path.T[1:], strict=True):
        both = (before >= 0) & (after >= 0)
        found += np.bincount(before[both].astype(np.int64) * number + after[both], minlength=number * number)
    return found.reshape(number, number)


def transition_shares(states: Array, number: int) -> Array:
    """Observed moves as shares of their row (number, number); who is in a state never left to be seen stays in it."""
    counts = transition_counts(states, number)
    left = counts.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(counts, left, out=np.eye(number), where=left > 0))


def agreement(labels: Array, others: Array) -> float:
    """Adjusted mutual information of two stagings of the same customers: 1 if the same, 0 on average by chance.

    Vinh, Epps & Bailey (2010), JMLR 11, their AMI with the mean of both entropies. Whole numbers; a customer with a
    negative label in either is left out. 1 if both have only one stage.
    """
    one, other = np.ravel(labels), np.ravel(others)
    if one.shape != other.shape or one.dtype.kind not in "iu" or other.dtype.kind not in "iu":
        raise BadOrders(f"two stagings must be whole numbers, as many: they are {one.shape} and {other.shape}.")
    both = (one >= 0) & (other >= 0)
    if not both.any():
        raise BadOrders("no customer has a stage in both stagings.")
    _, first = np.unique(one[both], return_inverse=True)
    _, second = np.unique(other[both], return_inverse=True)
    rows, columns = first.max() + 1, second.max() + 1
    table = np.bincount(first * columns + second, minlength=rows * columns).reshape(rows, columns)
    a, b, n = table.sum(axis=1), table.sum(axis=0), table.sum()
    by_chance = _expected_information(a, b)
    highest = (_entropy(a) + _entropy(b)) / 2
    information = _entropy(a) + _entropy(b) - _entropy(table)
    if rows == columns == 1 or rows == columns == n:
        return 1.0
    return float((information - by_chance) / (highest - by_chance))


def _entropy(counts: Array) -> float:
    share = counts / counts.sum()
    return float(-xlogy(share, share).sum())


def _expected_information(a: Array, b: Array) -> float:
    """Mean mutual information of two stagings of sizes a and b, put together at random (hypergeometric)."""
    n, total = int(a.sum()), 0.0
    log_factorial = gammaln(np.arange(n + 1) + 1.0)
    for of_a in a:
        for of_b in b:
            both = np.arange(max(1, of_a + of_b - n), min(of_a, of_b) + 1)
            log_chance = (
                log_factorial[[of_a, of_b, n - of_a, n - of_b]].sum()
                - log_factorial[n]
                - log_factorial[both]
                - log_factorial[of_a - both]
                - log_factorial[of_b - both]
                - log_factorial[n - of_a - of_b + both]
            )
            total += float(np.exp(log_chance) @ (both / n * (np.log(both * n) - np.log(of_a * of_b))))
    return total


def _reach(moves: Array) -> Array:
    """(K, K) whether column can be reached from row, in any number of moves or none."""
    found = (moves > 0) | np.eye(len(moves), dtype=bool)
    for _ in range(len(moves).bit_length()):
        found = found @ found
    return found


def _leaving(moves: Array, among: Array) -> Array:
    """I - Q among some states, its diagonal as the sum of what leaves: 1 - q_kk would cancel for long stays."""
    away = moves * (1 - np.eye(len(moves)))
    return np.asarray(np.diag(away[among].sum(axis=1)) - away[np.ix_(among, among)])


def moves_of(transition: Array) -> Array:
    """The matrix as numbers; BadParameters unless it is square and its rows are chances that sum to 1."""
    moves = np.asarray(transition, dtype=float)
    if moves.ndim != 2 or moves.shape[0] != moves.shape[1] or len(moves) == 0:
        raise BadParameters(f"a transition must be (K, K), but is {moves.shape}.")
    total = moves.sum(axis=1)
    if not (np.all(moves >= 0) and np.all(np.abs(total - 1) <= 1e-8)):
        raise BadParameters(f"the rows of a transition must be chances that sum to 1, but sum to {total}.")
    return moves


def _state(target: int, transition: Array) -> int:
    if not 0 <= target < len(transition):
        raise BadParameters(f"target={target!r} is none of the states 0 to {len(transition) - 1}.")
    return target


def _coming(newcomers: Array | Sequence[float] | float, periods: int) -> Array:
    number = np.asarray(newcomers, dtype=float)
    if number.shape not in {(), (periods,)} or not (np.all(number >= 0) and np.all(np.isfinite(number))):
        raise BadParameters(f"newcomers must be finite, not negative, one number or {periods}, but are {newcomers}.")
    return np.broadcast_to(number, (periods,))


def _whole(periods: int) -> int:
    if periods < 0 or periods != int(periods):
        raise BadParameters(f"periods={periods!r} must be a whole number, 0 or more.")
    return int(periods)
