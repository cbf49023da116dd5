"""Gamma-Gamma: a customer's purchases are gamma-distributed around an own mean, and the means differ.

Fader, Hardie & Lee (2005), "RFM and CLV", Journal of Marketing Research 42(4);
Fader & Hardie (2013), brucehardie.com note 25.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import betaln

from klantwaarde.models.parameter import GAMMA, P, Q

if TYPE_CHECKING:
    from klantwaarde.typing import Array, Parameter, Values


class GammaGamma(NamedTuple):
    """Purchase ~ Gamma(p, nu), nu ~ Gamma(q, gamma). gamma in units of money."""

    p: Values
    q: Values
    gamma: Values

    @staticmethod
    def parameters() -> tuple[Parameter, ...]:
        """What is known of each parameter, in order."""
        return P, Q, GAMMA

    def log_likelihood(self, x: Values, zbar: Values) -> Array:
        """Log density of the mean zbar > 0 of x > 0 purchases (note 25, eq. 1a)."""
        p, q, gamma = self
        px = np.multiply(p, x)
        log_total = np.log(gamma + np.multiply(x, zbar))
        return np.asarray(
            q * np.log(gamma) + (px - 1) * np.log(zbar) + px * np.log(x) - betaln(px, q) - (px + q) * log_total
        )

    def mean(self, x: Values, zbar: Values) -> Array:
        """Expected money per purchase (note 25, eq. 5); the population's mean p gamma / (q - 1) at x = 0.

        Linear in zbar for given x. Infinite where p x + q <= 1: the fit says so.
        """
        p, q, gamma = self
        below = np.multiply(p, x) + q - 1
        with np.errstate(divide="ignore"):
            return np.where(below > 0, p * (gamma + np.multiply(x, zbar)) / np.where(below > 0, below, 1.0), np.inf)

    def draw(self, rng: np.random.Generator, customer: Array) -> Array:
        """One amount per purchase; customer says whose purchase it is, in any order."""
        _, whose = np.unique(customer, return_inverse=True)
        nu = rng.gamma(self.q, size=whose.max(initial=-1) + 1) / self.gamma
        return np.asarray(rng.gamma(self.p, size=whose.shape) / nu[whose])
