"""Purchase rates that differ between customers as a gamma distribution: what all models of Poisson purchases share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betainc, betaincinv, gammaincinv

if TYPE_CHECKING:
    from klantwaarde.models.gamma_gamma import GammaGamma
    from klantwaarde.typing import Array, Values


def rate(r: Values, alpha: Values) -> Array:
    """The mean rate, r / alpha."""
    return np.asarray(np.divide(r, alpha))


def silence(r: Values, alpha: Values, t: Values) -> Array:
    """Chance of no purchase in t at a rate that stays: (alpha / (alpha + t))^r, the tail of a Lomax distribution."""
    return np.asarray(np.exp(-np.asarray(r) * np.log1p(np.divide(t, alpha))))


def silent_for(r: Values, alpha: Values, chance: Values) -> Array:
    """The t of which the silence has this chance, alpha (chance^(-1 / r) - 1); infinite beyond a double."""
    with np.errstate(over="ignore"):
        return np.asarray(alpha * np.expm1(-np.log(chance) / np.asarray(r)))


def rate_quantile(r: Values, alpha: Values, tau: Values) -> Array:
    """The tau-quantile of the rates, sought once per distinct shape: as a rule those are whole numbers + r."""
    if np.ndim(tau):
        return np.asarray(gammaincinv(r, tau) / alpha)
    shapes, where = np.unique(np.asarray(r, dtype=float), return_inverse=True)
    return np.asarray(gammaincinv(shapes, tau)[where].reshape(np.shape(r)) / alpha)


def count_quantile(r: Values, alpha: Values, t: float, tau: float) -> Array:
    """The least k with P(N <= k) >= tau, N being the purchases in t of someone who stays: by halving.

    P(N <= k) is the regularised incomplete beta function of (r, k + 1) at alpha / (alpha + t).
    """
    r, none = np.asarray(r, dtype=float), np.asarray(np.divide(alpha, np.add(alpha, t)))
    low = np.full(np.broadcast_shapes(r.shape, none.shape), -1.0)
    high = np.ones_like(low)
    while (short := betainc(r, high + 1, none) < tau).any():
        high = np.where(short, 2 * high, high)
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        enough = (betainc(r, middle + 1, none) >= tau) & (middle >= 0)
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return high


def money_quantile(
    r: Values, alpha: Values, spend: GammaGamma, tau: Values, x: Values, zbar: Values, T: Values
) -> Array:
    """The tau-quantile of money per unit of time, lambda p / nu, of someone who stays, with this history.

    p (gamma + x zbar) / (alpha + T) times the quantile of BetaPrime(r + x, q + p x).
    """
    p, q, gamma = spend
    shape, other = np.add(r, x), q + np.multiply(p, x)
    scale = p * (gamma + np.multiply(x, zbar)) / np.add(alpha, T)
    # Not b / (1 - b): for a heavy tail b rounds to 1.
    return np.asarray(scale * betaincinv(shape, other, tau) / betaincinv(other, shape, 1 - np.asarray(tau)))
