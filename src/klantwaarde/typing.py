"""The shapes of things: arrays, and the roles that models play.

Shapes in words: arguments x, t_x, T broadcast against each other and against the model's parameters. A parameter may
be a scalar, an array with one value per customer, or of shape (draws, 1).
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Values: TypeAlias = float | npt.NDArray[Any]


class Parameter(NamedTuple):
    """A parameter, which is positive.

    power: of the unit (of time; of money in a spend model) that it is counted in: 1 for alpha of a gamma rate, 0 for
    shapes. starts: where fits begin, with time and money in units of their means; none for the one that is set so that
    the model's rate, or mean spend, is that of the data. meaning: a word of the report (words.toml).
    """

    name: str
    power: int = 0
    starts: tuple[float, ...] = (1.0,)
    meaning: str = ""


@runtime_checkable
class AttritionModel(Protocol):
    """A population of customers who buy until they leave: what is asked of every timing model."""

    @staticmethod
    def parameters() -> tuple[Parameter, ...]:
        """What is known of each parameter, in order."""
        ...

    def log_branches(self, x: Values, t_x: Values, T: Values) -> tuple[Array, Array]:
        """Log density of the history jointly with being alive at T, and jointly with having gone."""
        ...

    def given_alive(self, x: Values, t_x: Values, T: Values) -> AttritionModel:
        """The population that this customer belongs to at T, if alive."""
        ...

    def rate(self) -> Array:
        """Expected purchases per unit of time of someone alive."""
        ...

    def rate_quantile(self, tau: Values) -> Array:
        """The tau-quantile of the purchase rates of those alive, per unit of time; 0 < tau < 1."""
        ...

    def silence(self, t: Values) -> Array:
        """Chance of no purchase in t of someone who is alive all the while."""
        ...

    def silent_for(self, chance: Values) -> Array:
        """The time t whose silence has this chance; infinite where that is beyond a double."""
        ...

    def time_scale(self) -> Array:
        """The time on which what is expected bends: integrals over the future are even in its logarithm."""
        ...

    def purchases(self, t: Values) -> Array:
        """Expected purchases in (0, t] of someone alive at 0."""
        ...

    def active(self, t: Values) -> Array:
        """Chance of at least one purchase in (0, t] of someone alive at 0."""
        ...

    def discounted(self, delta: Values) -> Array:
        """Expected purchases of someone alive at 0, without end, one at t counting e^(-delta t); delta > 0."""
        ...

    def reach(self, t: Values, m: Values) -> Array:
        """Chance of at least m purchases in (0, t] of someone alive at 0; m whole, arguments broadcast."""
        ...

    def counts(self, t: float, most: int) -> Array:
        """Chances of k = 0 ... most purchases in (0, t] of someone alive at 0: (rows, most + 1), parameters (rows,)."""
        ...

    def most_counts(self, t: float) -> Array:
        """A count that someone alive hardly ever passes in t."""
        ...

    def born(self) -> tuple[Values, AttritionModel]:
        """A newcomer's chance to be alive just after the first purchase, and the population then."""
        ...

    def draw(self, rng: np.random.Generator, T: Array) -> tuple[Array, Array]:
        """Simulated repeat purchases: index of the customer and time after the first purchase, one row each."""
        ...


@runtime_checkable
class SpendModel(Protocol):
    """Money per purchase: what is asked of every spend model."""

    @staticmethod
    def parameters() -> tuple[Parameter, ...]:
        """What is known of each parameter, in order."""
        ...

    def log_likelihood(self, x: Values, zbar: Values) -> Array:
        """Log density of the mean of x purchases."""
        ...

    def mean(self, x: Values, zbar: Values) -> Array:
        """Expected money per purchase of a customer with this history; x = 0 gives the population's mean."""
        ...
