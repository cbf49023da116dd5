"""MBG/NBD: as BG/NBD, but the coin is thrown after the first purchase too, so one-time buyers can have left.

Batislam, Denizel & Filiztekin (2007), IJRM 24(3); Hoppe & Wagner (2007), Marketing ZFP 29.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import betaln

from klantwaarde.models import counts, gamma_rates
from klantwaarde.models.bg_nbd import BGNBD, coins_survived, first_points
from klantwaarde.models.parameter import ALPHA, A, B, R
from klantwaarde.numerics import log_rising

if TYPE_CHECKING:
    from klantwaarde.typing import Array, Parameter, Values


class MBGNBD(NamedTuple):
    """Purchase rate ~ Gamma(r, alpha), dropout chance per purchase, the first included, ~ Beta(a, b)."""

    r: Values
    alpha: Values
    a: Values
    b: Values

    @staticmethod
    def parameters() -> tuple[Parameter, ...]:
        """What is known of each parameter, in order."""
        return R, ALPHA, A, B

    def log_branches(self, x: Values, t_x: Values, T: Values) -> tuple[Array, Array]:
        """(alive, gone): gone means that the coin of the last purchase ended it."""
        r, alpha, a, b = self
        buying = log_rising(r, x) + betaln(a, np.add(b, x) + 1) - betaln(a, b)
        alive = buying - r * np.log1p(np.divide(T, alpha)) - x * np.log(np.add(alpha, T))
        gone = (
            buying
            - r * np.log1p(np.divide(t_x, alpha))
            - x * np.log(np.add(alpha, t_x))
            + np.log(np.divide(a, np.add(b, x)))
        )
        return np.asarray(alive + np.zeros_like(gone)), np.asarray(gone + np.zeros_like(alive))

    def gone_to_alive(self, x: Values, t_x: Values, T: Values) -> Array:
        """Odds of having gone: a / (b + x) ((alpha + T) / (alpha + t_x))^(r + x)."""
        r, alpha, a, b = self
        silent = np.power(np.add(alpha, T) / np.add(alpha, t_x), np.add(r, x))
        return np.asarray(np.divide(a, np.add(b, x)) * silent)

    def given_alive(self, x: Values, t_x: Values, T: Values) -> BGNBD:  # noqa: ARG002 - one signature for all
        """BG/NBD(r + x, alpha + T, a, b + x + 1): the coin of the last purchase is behind us."""
        return BGNBD(np.add(self.r, x), np.add(self.alpha, T), self.a, np.add(self.b, x) + 1)

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
        """Of someone alive after the coin of the first purchase."""
        return self.born()[1].purchases(t)

    def active(self, t: Values) -> Array:
        """Of someone alive after the coin of the first purchase."""
        return self.born()[1].active(t)

    def discounted(self, delta: Values) -> Array:
        """Of someone alive after the coin of the first purchase."""
        return self.born()[1].discounted(delta)

    def reach(self, t: Values, m: Values) -> Array:
        """Chance of at least m purchases in (0, t] of someone alive at 0."""
        return self.born()[1].reach(t, m)

    def counts(self, t: float, most: int) -> Array:
        """P(k purchases in (0, t]), k = 0 ... most, of someone alive at 0; parameters (rows,), result (rows, most + 1).

        What lies beyond `most` is added to it.
        """
        return counts.by_coin(*self.born()[1], t, most)

    def most_counts(self, t: float) -> Array:
        """A count that someone alive hardly ever passes in t, per row."""
        return counts.enough(self.r, self.alpha, t)

    def born(self) -> tuple[Values, BGNBD]:
        """Alive with chance b / (a + b), then BG/NBD(r, alpha, a, b + 1)."""
        return np.divide(self.b, np.add(self.a, self.b)), BGNBD(self.r, self.alpha, self.a, np.add(self.b, 1))

    def draw(self, rng: np.random.Generator, T: Array) -> tuple[Array, Array]:
        """(customer, time) of repeat purchases in (0, T]; a coin stands before each of them."""
        rate = rng.gamma(self.r, size=T.shape) / self.alpha
        return first_points(rng, rate, T, coins_survived(rng, self.a, self.b, len(T)))
