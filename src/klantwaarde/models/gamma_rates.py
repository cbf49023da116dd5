"""Purchase rates that differ between customers as a gamma distribution: what all models of Poisson purchases share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import gammaincinv

if TYPE_CHECKING:
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
