"""Pareto/NBD: customers buy at a gamma-distributed rate and leave at a gamma-distributed rate, at any time.

Schmittlein, Morrison & Colombo (1987), "Counting your customers", Management Science 33(1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from klantwaarde.numerics import log_product_integral, log_rising

if TYPE_CHECKING:
    from klantwaarde.typing import Array, Values


class ParetoNBD(NamedTuple):
    """Purchase rate ~ Gamma(r, alpha), dropout rate ~ Gamma(s, beta). alpha and beta in units of time."""

    r: Values
    alpha: Values
    s: Values
    beta: Values

    def log_branches(self, x: Values, t_x: Values, T: Values) -> tuple[Array, Array]:
        """(alive, gone); gone is an integral over the time of death between t_x and T, without cancellation."""
        r, alpha, s, beta = self
        buying = log_rising(r, x) + r * np.log(alpha)
        alive = buying - np.add(r, x) * np.log(np.add(alpha, T)) - s * np.log1p(np.divide(T, beta))
        death = np.log(s) + s * np.log(beta)
        gone = buying + death + log_product_integral(np.add(r, x), np.add(s, 1), alpha, beta, t_x, T)
        return np.asarray(alive + np.zeros_like(gone)), gone

    def given_alive(self, x: Values, t_x: Values, T: Values) -> ParetoNBD:  # noqa: ARG002 - one signature for all models
        """Pareto/NBD(r + x, alpha + T, s, beta + T)."""
        return ParetoNBD(np.add(self.r, x), np.add(self.alpha, T), self.s, np.add(self.beta, T))

    def born(self) -> tuple[Values, ParetoNBD]:
        """Everyone is alive at the first purchase."""
        return 1.0, self
