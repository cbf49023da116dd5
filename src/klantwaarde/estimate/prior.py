"""What is known of parameters before the data: one objective, likelihood + prior, for every estimator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from klantwaarde.errors import BadParameters

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from klantwaarde.typing import Array


@dataclass(frozen=True)
class Prior:
    """Logarithms of parameters are normal: a median in the unit of the data, and a standard deviation of the logarithm.

    A parameter that is not named is flat in its logarithm. The fit is then the mode of the posterior of the logarithms,
    its covariance that of the normal approximation there. A ridge penalty is a prior of equal deviations. Raises
    BadParameters for what is no such number.
    """

    median: Mapping[str, float]
    deviation: Mapping[str, float] | float = 1.0

    def __post_init__(self) -> None:
        """Check once."""
        for name, value in self.median.items():
            for said, number in (("median", value), ("deviation", self._deviation(name))):
                if not isinstance(number, (int, float)) or not np.isfinite(number) or number <= 0:
                    raise BadParameters(f"The {said} of {name} has to be a positive number, not {number!r}.")

    def _deviation(self, name: str) -> Any:
        return self.deviation if isinstance(self.deviation, (int, float)) else self.deviation.get(name)

    def checked(self, names: tuple[str, ...], model: str) -> Prior:
        """The prior, for a model with these parameters. Raises BadParameters for a name that is none of them."""
        unknown = [name for name in self.median if name not in names]
        if unknown:
            raise BadParameters(f"{model} has no parameter {unknown[0]!r}: they are {', '.join(names)}.")
        return self

    def density(self, names: tuple[str, ...], units: Array) -> Callable[[Array], tuple[float, Array]]:
        """The function z -> (log density but for a constant, gradient), z = log(parameter / units)."""
        known = np.array([name in self.median for name in names])
        middle = np.array([np.log(self.median.get(name, 1.0)) for name in names]) - np.log(units)
        precision = np.array([self._deviation(name) ** -2 if name in self.median else 0.0 for name in names])

        def function(z: Array) -> tuple[float, Array]:
            off = np.where(known, z - middle, 0.0)
            return float(-0.5 * np.sum(precision * off**2)), -precision * off

        return function
