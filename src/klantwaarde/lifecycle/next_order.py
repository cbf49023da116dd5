"""The rhythm of one customer: how long a silence is too long, when the next order is due, whether the rate has changed.

Given alive, a model says how likely a silence is (of gamma rates it has a Lomax tail) and how long one lasts. Given x
repeat orders at a constant rate, those in the last w of T are Binomial(x, w / T): conditioned on their number, the
points of a Poisson process are uniform, and the unknown rate cancels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import betainc

from klantwaarde.errors import BadParameters

if TYPE_CHECKING:
    from klantwaarde.typing import Array, AttritionModel, Values

FEWER, MORE = 0.8, 1.25  # ratios of rates beyond which a change matters, whatever its chance
NO_FEWER, NO_MORE = -1, 2**30
"""Limits that no count reaches."""


class Limits(NamedTuple):
    """Counts of recent orders at which a customer is declining (so many or fewer), or growing (so many or more)."""

    fewer: Array
    more: Array


def overdue(model: AttritionModel, x: Values, t_x: Values, T: Values) -> Array:
    """q: chance of a silence of T - t_x or longer if still alive; of the NBD ((alpha + t_x) / (alpha + T))^(r + x).

    In the unit of the fit; arguments and parameters broadcast. 1 at T = t_x, falling in T.
    """
    if np.any(np.less(t_x, 0)) or np.any(np.greater(t_x, T)):
        raise BadParameters("a history needs 0 <= t_x <= T: t_x is the time from the first to the last purchase.")
    return _at_last_order(model, x, t_x).silence(np.subtract(T, t_x))


def overdue_from(model: AttritionModel, x: Values, t_x: Values, cut: Values) -> Array:
    """The T beyond which `overdue` is below cut; infinite where that is beyond a double."""
    return np.asarray(t_x + _at_last_order(model, x, t_x).silent_for(cut))


def _at_last_order(model: AttritionModel, x: Values, t_x: Values) -> AttritionModel:
    """The population that a customer belongs to on the day of the last order, if then still one."""
    return model.given_alive(x, t_x, t_x)


def time_to_next(model: AttritionModel, x: Values, T: Values, chance: float = 0.5) -> Array:
    """The time from now within which a customer who stays one orders again with this chance (default: the median).

    Of the NBD (alpha + T) ((1 - chance)^(-1 / (r + x)) - 1); infinite where that is beyond a double. The mean would be
    infinite for r + x <= 1, that is for most who bought once.
    """
    if not 0 < chance < 1:
        raise BadParameters(f"chance={chance} must lie between 0 and 1.")
    return model.given_alive(x, 0.0, T).silent_for(1 - chance)


def fewer_chance(x: Values, k: Values, T: Values, window: float) -> Array:
    """p_dn = P(K <= k): k or fewer of x repeat orders in the last `window` of T, at a constant rate. T > window."""
    return _head(x, k, _share(T, window))


def more_chance(x: Values, k: Values, T: Values, window: float) -> Array:
    """p_up = P(K >= k): k or more of x repeat orders in the last `window` of T, at a constant rate. T > window."""
    # The tail as the head of those before the window: 1 - P(K < k) loses its digits.
    return _head(x, np.subtract(x, k), 1 - _share(T, window))


def rate_ratio(x: Values, k: Values, T: Values, window: float) -> Array:
    """The rate in the last `window` over the rate before it, half an order added to each count. T > window."""
    before, now = np.subtract(T, window), window
    return np.asarray((np.add(k, 0.5) / now) / ((np.subtract(x, k) + 0.5) / before))


def limits(x: Array, T: Array, window: float, level: float = 0.05) -> Limits:
    """Limits of recent orders for x repeat orders in T, integers of the shape of x.

    Declining: p_dn < level and ratio < 0.80; growing: p_up < level and ratio > 1.25. Both are monotone in the count,
    so a search halves its way. No count is a change where T <= window.
    """
    x, T = np.broadcast_arrays(np.asarray(x, dtype=float), np.asarray(T, dtype=float))
    tested = (window < T) & (x > 0)
    until = np.where(tested, T, 2 * window)

    def is_fewer(k: Array) -> Array:
        return (fewer_chance(x, k, until, window) < level) & (rate_ratio(x, k, until, window) < FEWER)

    def is_not_more(k: Array) -> Array:
        return ~((more_chance(x, k, until, window) < level) & (rate_ratio(x, k, until, window) > MORE))

    most_few, most_not_more = _last_true(is_fewer, x), _last_true(is_not_more, x)
    growing = tested & (most_not_more < x)
    return Limits(np.where(tested, most_few, NO_FEWER), np.where(growing, most_not_more + 1, NO_MORE))


def _last_true(holds: Any, most: Array) -> Array:
    """The largest whole number of 0..most for which a falling condition holds, -1 where it holds for none."""
    low, high = np.full(most.shape, -1), most.astype(int)
    while np.any(low < high):
        middle = (low + high + 1) // 2
        true = holds(np.maximum(middle, 0)) & (middle >= 0)
        low, high = np.where(true, middle, low), np.where(true, high, middle - 1)
    return low


def _head(x: Values, k: Values, p: Array) -> Array:
    """P(K <= k) of Binomial(x, p), by the regularised incomplete beta function; 0 below 0, 1 from x on."""
    x, k = np.asarray(x, dtype=float), np.asarray(k, dtype=float)
    within = (k >= 0) & (k < x)
    return np.where(within, betainc(np.where(within, x - k, 1), np.where(within, k + 1, 1), 1 - p), k >= x)


def _share(T: Values, window: float) -> Array:
    share = window / np.asarray(T, dtype=float)
    if not ((share > 0) & (share < 1)).all():
        raise BadParameters(f"the recent window of {window} must be shorter than the history T, and above 0.")
    return np.asarray(share)
