"""Pareto/NBD: customers buy at a gamma-distributed rate and leave at a gamma-distributed rate, at any time.

Schmittlein, Morrison & Colombo (1987), "Counting your customers", Management Science 33(1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import exprel

from klantwaarde.models import counts, gamma_rates
from klantwaarde.models.parameter import ALPHA, BETA, R, S
from klantwaarde.numerics import (
    gamma_nodes,
    in_blocks,
    log_product_integral,
    log_rising,
    poisson_points,
    product_integral,
)

if TYPE_CHECKING:
    from klantwaarde.models.gamma_gamma import GammaGamma
    from klantwaarde.typing import Array, Parameter, Values


class ParetoNBD(NamedTuple):
    """Purchase rate ~ Gamma(r, alpha), dropout rate ~ Gamma(s, beta). alpha and beta in units of time."""

    r: Values
    alpha: Values
    s: Values
    beta: Values

    @staticmethod
    def parameters() -> tuple[Parameter, ...]:
        """What is known of each parameter, in order."""
        return R, ALPHA, S, BETA

    def log_branches(self, x: Values, t_x: Values, T: Values) -> tuple[Array, Array]:
        """(alive, gone); gone is an integral over the time of death, from t_x to T, without cancellation."""
        r, alpha, s, beta = self
        buying = log_rising(r, x) - r * np.log1p(np.divide(T, alpha)) - x * np.log(np.add(alpha, T))
        alive = buying - s * np.log1p(np.divide(T, beta))
        gone = log_rising(r, x) + r * np.log(alpha) + np.log(s) + s * np.log(beta)
        gone = gone + log_product_integral(np.add(r, x), np.add(s, 1), alpha, beta, t_x, T)
        return np.asarray(alive + np.zeros_like(gone)), gone

    def gone_to_alive(self, x: Values, t_x: Values, T: Values) -> Array:
        """Odds of having gone: the integral over the time of death, t_x to T, next to the chance of none up to T."""
        r, alpha, s, beta = self
        gone = np.log(s) + log_product_integral(np.add(r, x), np.add(s, 1), alpha, beta, t_x, T)
        return np.asarray(np.exp(gone + np.add(r, x) * np.log(np.add(alpha, T)) + s * np.log(np.add(beta, T))))

    def given_alive(self, x: Values, t_x: Values, T: Values) -> ParetoNBD:  # noqa: ARG002 - one signature for all
        """Pareto/NBD(r + x, alpha + T, s, beta + T)."""
        return ParetoNBD(np.add(self.r, x), np.add(self.alpha, T), self.s, np.add(self.beta, T))

    def rate(self) -> Array:
        """Expected purchases per unit of time of someone alive, r / alpha."""
        return gamma_rates.rate(self.r, self.alpha)

    def rate_quantile(self, tau: Values) -> Array:
        """The tau-quantile of the purchase rates of those alive, per unit of time."""
        return gamma_rates.rate_quantile(self.r, self.alpha, tau)

    def count_quantile(self, t: float, tau: float) -> Array:
        """The tau-quantile of purchases in t of those who stay all the while."""
        return gamma_rates.count_quantile(self.r, self.alpha, t, tau)

    def money_quantile(self, spend: GammaGamma, tau: Values, x: Values, zbar: Values, T: Values) -> Array:
        """The tau-quantile of money per unit of time while alive, given a history of x purchases of mean zbar in T."""
        return gamma_rates.money_quantile(self.r, self.alpha, spend, tau, x, zbar, T)

    def faster(self, by: Values) -> ParetoNBD:
        """The same population buying at `by` times the rates."""
        return self._replace(alpha=np.divide(self.alpha, by))

    def left_at(self, x: Values, t_x: Values, T: Values) -> Array:
        """When those left who have gone, on average: between the last purchase and T."""
        r, alpha, s, beta = self
        between = np.less(t_x, T)
        p, end = np.add(r, x), np.where(between, T, np.add(t_x, 1))  # no time between is no integral
        less, more = (log_product_integral(p, q, alpha, beta, t_x, end) for q in (s, np.add(s, 1)))
        mean = np.where(between, np.exp(less - more) - beta, T)
        return np.asarray(np.clip(mean, t_x, T))

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
        """Rate r / alpha times lifetime in t, beta / (s-1) (1 - (beta / (beta+t))^(s-1)), also at s = 1."""
        log_grown = np.log1p(np.divide(t, self.beta))
        lifetime = self.beta * log_grown * exprel((1 - np.asarray(self.s)) * log_grown)
        return np.asarray(np.divide(self.r, self.alpha) * lifetime)

    def active(self, t: Values) -> Array:
        """Chance of a purchase: the first one at u, still alive, integrated over u in (0, t).

        As the intensity r / alpha (1 + u / alpha)^-(r + 1) (1 + u / beta)^-s is positive, nothing cancels. No chance is
        above 1 or above the purchases expected: what the quadrature's last digits say otherwise is cut off.
        """
        first = np.divide(self.r, self.alpha) * product_integral(np.add(self.r, 1), self.s, self.alpha, self.beta, t)
        return np.asarray(np.minimum(np.minimum(first, 1.0), self.purchases(t)))

    def discounted(self, delta: Values) -> Array:
        """Rate r / alpha times discounted lifetime, E[1 / (mu + delta)] over mu ~ Gamma(s, beta)."""
        lifetime = in_blocks(_discounted_lifetime, 256, self.s, np.multiply(delta, self.beta))
        return np.asarray(np.divide(self.r, self.alpha) * self.beta * lifetime)

    def reach(self, t: Values, m: Values) -> Array:
        """Chance of at least m purchases in (0, t] of someone alive at 0."""
        return counts.reach_at_any_time(*self, t, m)

    def counts(self, t: float, most: int) -> Array:
        """P(k purchases in (0, t]), k = 0 ... most, of someone alive at 0; parameters (rows,), result (rows, most + 1).

        What lies beyond `most` is added to it.
        """
        return counts.at_any_time(*self, t, most)

    def most_counts(self, t: float) -> Array:
        """A count that someone alive hardly ever passes in t, per row."""
        return counts.enough(self.r, self.alpha, t)

    def born(self) -> tuple[Values, ParetoNBD]:
        """Everyone is alive at the first purchase."""
        return 1.0, self

    def draw(self, rng: np.random.Generator, T: Array) -> tuple[Array, Array]:
        """(customer, time) of repeat purchases in (0, T]; T of shape (customers,)."""
        rate, death = (
            rng.gamma(self.r, size=T.shape) / self.alpha,
            rng.gamma(self.s, size=T.shape) / self.beta,
        )
        with np.errstate(divide="ignore", over="ignore"):  # a death rate may be 0 to a double: never
            lifetime = rng.exponential(size=T.shape) / death
        return poisson_points(rng, rate, np.minimum(lifetime, T))


def _discounted_lifetime(s: Values, theta: Values) -> Array:
    """E[1 / (y + theta)] over y ~ Gamma(s, 1): theta^(s-1) Psi(s, s; theta), Psi being Tricomi's function.

    By parts E[h] = E'[h - h'], E' over Gamma(s + 1, 1): positive terms, and no long tail at y -> 0 for s < 1.
    """
    weight, y = gamma_nodes(np.add(s, 1), 2 * np.log1p(np.add(s, 1) / theta))
    h = 1 / (y + np.asarray(theta)[..., None])
    return np.asarray(np.sum(weight * (h + h**2), axis=-1))
