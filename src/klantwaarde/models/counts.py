"""How many purchases someone alive makes in the time to come: the whole distribution, for every dropout there is.

The mixture of NBD with dropout: Fader, Hardie & Lee (2005), "Counting your customers the easy way", eq. 8, for BG/NBD;
for Pareto/NBD the integral over the time of death. A population given alive is one of these, whatever the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betainc, betaln, gammaln

from klantwaarde.numerics import LEGENDRE_LONG, LEGENDRE_SURE, log_rising

if TYPE_CHECKING:
    from klantwaarde.typing import Array, Values

SPREAD, EXTRA, MOST = 10.0, 10, 4_000  # standard deviations and counts beyond the mean, and at most so many counts


def staying(r: Values, alpha: Values, t: float, most: int) -> Array:
    """P(k purchases in (0, t]) for k = 0 ... most, of someone who never leaves; shape (rows, most + 1).

    Parameters of shape (rows,). What lies beyond `most` is added to it, so that rows sum to 1.
    """
    return _whole(np.exp(_log_nbd(r, alpha, t, most)))


def by_coin(r: Values, alpha: Values, a: Values, b: Values, t: float, most: int) -> Array:
    """The same with a coin after each purchase.

    Alive after k, or gone at the k-th: B(a, b + k) NBD(k) + B(a + 1, b + k - 1) P(NBD >= k), over B(a, b).
    """
    r, alpha, a, b = (_column(each) for each in (r, alpha, a, b))
    bought = np.exp(_log_nbd(r[..., 0], alpha[..., 0], t, most))
    k = np.arange(most + 1)
    at_least = np.maximum(1 - np.cumsum(bought, axis=-1) + bought, 0)
    whole = betaln(a, b)
    gone = np.exp(betaln(a + 1, b + np.maximum(k, 1) - 1) - whole) * at_least
    return _whole(np.exp(betaln(a, b + k) - whole) * bought + np.where(k > 0, gone, 0.0))


def at_any_time(r: Values, alpha: Values, s: Values, beta: Values, t: float, most: int) -> Array:
    """The same with customers who leave at a gamma rate.

    Alive until t, or gone at u before: in v = log(1 + u / beta) the density of u is s e^(-s v).
    """
    r, alpha, s, beta = (np.atleast_1d(np.asarray(each, dtype=float)) for each in (r, alpha, s, beta))
    length = np.log1p(t / beta)
    ways = _log_ways(r, most)
    chances = np.exp(-s * length)[:, None] * np.exp(ways + _log_timing(r, alpha, t, most))
    for node, weight in LEGENDRE_LONG:
        v = node * length
        gone = weight * length * s * np.exp(-s * v)
        chances += gone[:, None] * np.exp(ways + _log_timing(r, alpha, beta * np.expm1(v), most))
    return _whole(chances)


def reach_staying(r: Values, alpha: Values, t: Values, m: Values) -> Array:
    """P(at least m purchases in (0, t]) of someone who never leaves: the regularised incomplete beta function.

    At t / (alpha + t) with parameters (m, r); 1 for m = 0. Arguments broadcast.
    """
    share = np.divide(t, np.add(alpha, t))
    return np.where(np.greater(m, 0), betainc(np.maximum(m, 1), r, share), 1.0)


def reach_by_coin(r: Values, alpha: Values, a: Values, b: Values, t: Values, m: Values) -> Array:
    """The same with a coin after each purchase, of which the last does not matter: times (b)_(m-1) / (a + b)_(m-1)."""
    coins = np.maximum(np.subtract(m, 1), 0)
    survived = np.exp(log_rising(b, coins) - log_rising(np.add(a, b), coins))
    return np.asarray(reach_staying(r, alpha, t, m) * survived)


def reach_at_any_time(r: Values, alpha: Values, s: Values, beta: Values, t: Values, m: Values) -> Array:
    """The same with customers who leave at a gamma rate: there until t, or gone at u before; all terms positive."""
    length = np.log1p(np.divide(t, beta))
    chances = np.exp(np.negative(s) * length) * reach_staying(r, alpha, t, m)
    for node, weight in LEGENDRE_SURE:
        v = node * length
        gone = weight * length * s * np.exp(np.negative(s) * v)
        chances = chances + gone * reach_staying(r, alpha, beta * np.expm1(v), m)
    return np.asarray(np.minimum(chances, 1.0))


def enough(r: Values, alpha: Values, t: float) -> Array:
    """A count that is hardly ever passed, per row: the mean and ten standard deviations of NBD without dropout."""
    mean = np.multiply(r, t) / alpha
    far = mean + SPREAD * np.sqrt(mean * (1 + t / alpha)) + EXTRA
    return np.asarray(np.minimum(np.ceil(far), MOST), dtype=int)


def _log_nbd(r: Values, alpha: Values, t: Values, most: int) -> Array:
    """Log of Gamma(r + k) / Gamma(r) / k! (alpha / (alpha + t))^r (t / (alpha + t))^k; shape (rows, most + 1)."""
    return _log_ways(r, most) + _log_timing(r, alpha, t, most)


def _log_ways(r: Values, most: int) -> Array:
    """The part without time, which costs most."""
    k = np.arange(most + 1)
    return np.asarray(log_rising(_column(r), k) - gammaln(k + 1))


def _log_timing(r: Values, alpha: Values, t: Values, most: int) -> Array:
    r, alpha, t = (_column(each) for each in (r, alpha, t))
    return np.asarray(-r * np.log1p(t / alpha) - np.arange(most + 1) * np.log1p(alpha / t))


def _column(values: Values) -> Array:
    return np.atleast_1d(np.asarray(values, dtype=float))[:, None]


def _whole(chances: Array) -> Array:
    chances[:, -1] += np.maximum(1 - chances.sum(-1), 0)
    return np.asarray(chances / chances.sum(-1, keepdims=True))
