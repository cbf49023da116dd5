"""BG/NBD: customers buy at a gamma-distributed rate; after each repeat purchase a coin, beta-distributed, ends it.

Fader, Hardie & Lee (2005), "Counting your customers the easy way", Marketing Science 24(2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import betaln

from klantwaarde.numerics import log_rising

if TYPE_CHECKING:
    from klantwaarde.typing import Array, Values


class BGNBD(NamedTuple):
    """Purchase rate ~ Gamma(r, alpha), dropout chance per repeat purchase ~ Beta(a, b). alpha in units of time."""

    r: Values
    alpha: Values
    a: Values
    b: Values

    def log_branches(self, x: Values, t_x: Values, T: Values) -> tuple[Array, Array]:
        """(alive, gone), eq. 6: gone is -inf at x = 0, for nobody leaves before a repeat purchase."""
        r, alpha, a, b = self
        buying = log_rising(r, x) + r * np.log(alpha) - betaln(a, b)
        alive = buying + betaln(a, np.add(b, x)) - np.add(r, x) * np.log(np.add(alpha, T))
        last = np.maximum(x, 1)
        gone = buying + betaln(np.add(a, 1), np.add(b, last) - 1) - np.add(r, x) * np.log(np.add(alpha, t_x))
        return np.asarray(alive + np.zeros_like(gone)), np.where(np.greater(x, 0), gone, -np.inf)

    def given_alive(self, x: Values, t_x: Values, T: Values) -> BGNBD:  # noqa: ARG002 - one signature for all models
        """BG/NBD(r + x, alpha + T, a, b + x)."""
        return BGNBD(np.add(self.r, x), np.add(self.alpha, T), self.a, np.add(self.b, x))

    def born(self) -> tuple[Values, BGNBD]:
        """Everyone is alive until the first repeat purchase."""
        return 1.0, self
