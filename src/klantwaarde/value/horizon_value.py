"""What a period is expected to bring of a customer's residual value.

    DECT(H) = integral over (0, H] of e^(-delta s) dCET(s),     DECT(inf) = DERT

and, for someone valued again after H by the same parameters, the expected DERT is e^(delta H) (DERT - DECT(H)).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from klantwaarde.errors import BadParameters
from klantwaarde.models import quantities
from klantwaarde.numerics import LEGENDRE, LEGENDRE_LONG, LONG, cores, in_blocks

if TYPE_CHECKING:
    from klantwaarde.typing import Array, AttritionModel, Values

BLOCK = 4_096  # rows of distinct (x, T) at a time


class Ahead(NamedTuple):
    """Per history: what a period is expected to bring. All of shape (histories,)."""

    rate: Array
    """Posterior mean of the purchase rate given alive, (r + x) / (alpha + T), per unit."""
    expected: Array
    """Purchases expected in the period (CET)."""
    released: Array
    """The same, discounted to its start (DECT)."""


def ahead(model: AttritionModel, horizon: float, delta: float, x: Values, t_x: Values, T: Values) -> Ahead:
    """Rate, CET and DECT of each history; horizon in the unit of the fit, delta per unit.

    By parts, DECT(H) = e^(-delta H) CET(H) + delta times the integral of e^(-delta s) CET(s): over a quarter or a
    year what is left to quadrature (24 nodes) is a few per cent of the whole. Purchases given alive depend on x and T
    alone, and are computed once per distinct pair. Raises BadParameters for impossible histories.
    """
    if not (np.isfinite(horizon) and horizon > 0 and np.isfinite(delta) and delta > 0):
        raise BadParameters(f"horizon={horizon!r} and delta={delta!r} must be finite and above 0.")
    alive = quantities.p_alive(model, x, t_x, T)
    xs, Ts, inverse = _pairs(*np.broadcast_arrays(np.asarray(x, dtype=float), np.asarray(T, dtype=float)))
    bought, discounted = _given_alive(model, horizon, delta, xs, Ts)
    rate = np.broadcast_to(model.given_alive(xs, 0.0, Ts).rate(), xs.shape)
    return Ahead(rate[inverse], alive * bought[inverse], alive * discounted[inverse])


def dect(model: AttritionModel, horizon: float, delta: float, x: Values, t_x: Values, T: Values) -> Array:
    """Discounted expected purchases in (T, T + horizon], one at T + s counting e^(-delta s)."""
    return ahead(model, horizon, delta, x, t_x, T).released


def _given_alive(model: AttritionModel, horizon: float, delta: float, x: Array, T: Array) -> tuple[Array, Array]:
    """(purchases, discounted purchases) in the horizon of someone alive.

    The nodes are even in y = log(1 + s / c), c being alpha + T: purchases bend on that scale, be it a day or years.
    """

    def purchases(s: Values) -> Array:
        def part(bought: Array, until: Array, far: Array) -> Array:
            return model.given_alive(bought, 0.0, until).purchases(far)

        return in_blocks(part, BLOCK, x, T, s, workers=cores())

    scale = np.broadcast_to(model.given_alive(x, 0.0, T).time_scale(), x.shape)
    length = np.log1p(horizon / scale)
    rule = LEGENDRE_LONG if delta * horizon > 1 or np.max(length, initial=0.0) > LONG else LEGENDRE
    inner = np.zeros(x.shape)
    for node, weight in rule:
        s = np.minimum(scale * np.expm1(length * node), horizon)
        inner += weight * length * (scale + s) * np.exp(-delta * s) * purchases(s)
    bought = purchases(horizon)
    return bought, np.exp(-delta * horizon) * bought + delta * inner


def _pairs(x: Array, T: Array) -> tuple[Array, Array, Array]:
    """Distinct (x, T), and which of them each row is."""
    (xs, of_x), (Ts, of_T) = (np.unique(values, return_inverse=True) for values in (x, T))
    found, inverse = np.unique(of_x.reshape(x.shape) * len(Ts) + of_T.reshape(x.shape), return_inverse=True)
    return xs[found // len(Ts)], Ts[found % len(Ts)], inverse.reshape(x.shape)
