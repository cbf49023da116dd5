"""NBD: customers buy at a gamma-distributed rate and never leave.

Ehrenberg (1959), "The pattern of consumer purchases", Applied Statistics 8(1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from klantwaarde.models import counts, gamma_rates
from klantwaarde.models.parameter import ALPHA, R
from klantwaarde.numerics import log_rising, one_or_more, poisson_points

if TYPE_CHECKING:
    from klantwaarde.typing import Array, Parameter, Values


class NBD(NamedTuple):
    """Purchase rate ~ Gamma(r, alpha); no dropout. alpha in units of time."""

    r: Values
    alpha: Values

    @staticmethod
    def parameters() -> tuple[Parameter, ...]:
        """What is known of each parameter, in order."""
        return R, ALPHA

    def log_branches(self, x: Values, t_x: Values, T: Values) -> tuple[Array, Array]:
        """(alive, gone); gone is -inf: nobody leaves."""
        alive = log_rising(self.r, x) - self.r * np.log1p(np.divide(T, self.alpha)) - x * np.log(np.add(self.alpha, T))
        alive = np.asarray(alive + np.zeros_like(t_x))
        return alive, np.full_like(alive, -np.inf)

    def given_alive(self, x: Values, t_x: Values, T: Values) -> NBD:  # noqa: ARG002 - one signature for all
        """NBD(r + x, alpha + T)."""
        return NBD(np.add(self.r, x), np.add(self.alpha, T))

    def rate(self) -> Array:
        """Expected purchases per unit of time of someone alive, r / alpha."""
        return gamma_rates.rate(self.r, self.alpha)

    def rate_quantile(self, tau: Values) -> Array:
        """The tau-quantile of the purchase rates of those alive, per unit of time."""
        return gamma_rates.rate_quantile(self.r, self.alpha, tau)

    def silence(self, t: Values) -> Array:
        """Chance of no purchase in t of someone alive all the while: (alpha / (alpha + t))^r."""
        return gamma_rates.silence(self.r, self.alpha, t)

    def silent_for(self, chance: Values) -> Array:
        """The time for which someone alive all the while is silent with this chance."""
        return gamma_rates.silent_for(self.r, self.alpha, chance)

    def time_scale(self) -> Array:
        """The time on which what is expected bends: integrals over the future are even in its logarithm."""
        return np.asarray(self.alpha)

    def purchases(self, t: Values) -> Array:
        """Expected purchases, r t / alpha."""
        return np.asarray(np.multiply(self.r, t) / self.alpha)

    def active(self, t: Values) -> Array:
        """Chance of a purchase, 1 - (1 + t / alpha)^-r."""
        return one_or_more(self.r, np.divide(t, self.alpha))

    def discounted(self, delta: Values) -> Array:
        """Discounted purchases without end, r / alpha / delta."""
        return np.asarray(np.divide(self.r, self.alpha) / delta)

    def reach(self, t: Values, m: Values) -> Array:
        """Chance of at least m purchases in (0, t] of someone alive at 0."""
        return counts.reach_staying(*self, t, m)

    def counts(self, t: float, most: int) -> Array:
        """P(k purchases in (0, t]), k = 0 ... most, of someone alive at 0; parameters (rows,), result (rows, most + 1).

        What lies beyond `most` is added to it.
        """
        return counts.staying(*self, t, most)

    def most_counts(self, t: float) -> Array:
        """A count that someone alive hardly ever passes in t, per row."""
        return counts.enough(self.r, self.alpha, t)

    def born(self) -> tuple[Values, NBD]:
        """Everyone is alive."""
        return 1.0, self

    def draw(self, rng: np.random.Generator, T: Array) -> tuple[Array, Array]:
        """(customer, time) of repeat purchases in (0, T]; T of shape (customers,)."""
        return poisson_points(rng, rng.gamma(self.r, size=T.shape) / self.alpha, T)
