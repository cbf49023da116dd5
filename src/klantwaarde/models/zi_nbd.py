"""NBD with people who never buy, or never refer, at all: zero-inflated."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from klantwaarde.models.nbd import NBD
from klantwaarde.models.parameter import ALPHA, R
from klantwaarde.typing import Parameter

if TYPE_CHECKING:
    from klantwaarde.typing import Array, Values


class ZINBD(NamedTuple):
    """NBD(r, alpha) of those who refer at all; `never` to one are the odds of a customer who never does.

    As a timing model: who never refers is gone from the start, so that P(alive) is the chance to refer at all.
    """

    r: Values
    alpha: Values
    never: Values

    @staticmethod
    def parameters() -> tuple[Parameter, ...]:
        """What is known of each parameter, in order."""
        return R, ALPHA, Parameter("never", 0, (0.5,))

    def log_branches(self, x: Values, t_x: Values, T: Values) -> tuple[Array, Array]:
        """(refers, never does); the second is -inf once there is a referral."""
        refers, _ = NBD(self.r, self.alpha).log_branches(x, t_x, T)
        never = np.where(np.equal(x, 0), np.log(self.never) - np.log1p(self.never), -np.inf)
        return refers - np.log1p(self.never), never + np.zeros_like(refers)

    def given_alive(self, x: Values, t_x: Values, T: Values) -> NBD:
        """NBD(r + x, alpha + T)."""
        return NBD(self.r, self.alpha).given_alive(x, t_x, T)

    def rate(self) -> Array:
        """Referrals per unit of time of someone who refers."""
        return NBD(self.r, self.alpha).rate()

    def rate_quantile(self, tau: Values) -> Array:
        """The tau-quantile of the rates of those who refer."""
        return NBD(self.r, self.alpha).rate_quantile(tau)

    def silence(self, t: Values) -> Array:
        """Chance of no referral in t of someone who refers."""
        return NBD(self.r, self.alpha).silence(t)

    def silent_for(self, chance: Values) -> Array:
        """The time whose silence has this chance."""
        return NBD(self.r, self.alpha).silent_for(chance)

    def reach(self, t: Values, m: Values) -> Array:
        """Chance of at least m purchases in (0, t] of someone alive at 0."""
        return NBD(self.r, self.alpha).reach(t, m)

    def counts(self, t: float, most: int) -> Array:
        """Chances of 0 ... most referrals in (0, t] of someone who refers."""
        return NBD(self.r, self.alpha).counts(t, most)

    def most_counts(self, t: float) -> Array:
        """A count of referrals that is hardly ever passed."""
        return NBD(self.r, self.alpha).most_counts(t)

    def time_scale(self) -> Array:
        """The time on which what is expected bends: integrals over the future are even in its logarithm."""
        return np.asarray(self.alpha)

    def purchases(self, t: Values) -> Array:
        """Expected referrals in (0, t] of someone who refers, r t / alpha."""
        return NBD(self.r, self.alpha).purchases(t)

    def active(self, t: Values) -> Array:
        """Chance of a referral in (0, t] of someone who refers, 1 - (1 + t / alpha)^-r."""
        return NBD(self.r, self.alpha).active(t)

    def discounted(self, delta: Values) -> Array:
        """Discounted referrals without end of someone who refers, r / alpha / delta."""
        return NBD(self.r, self.alpha).discounted(delta)

    def born(self) -> tuple[Values, NBD]:
        """A newcomer refers at all with chance 1 / (1 + never)."""
        return 1 / np.add(1, self.never), NBD(self.r, self.alpha)

    def draw(self, rng: np.random.Generator, T: Array) -> tuple[Array, Array]:
        """(customer, time) of referrals in (0, T]; T of shape (customers,)."""
        refers = rng.random(T.shape) * np.add(1, self.never) < 1
        return NBD(self.r, self.alpha).draw(rng, np.where(refers, T, 0.0))
