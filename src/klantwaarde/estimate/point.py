"""Maximum likelihood in z = log(parameter): BFGS to come near, Newton steps to arrive and to know it.

How far from the optimum is told by the Newton decrement, half of g' H^-1 g with the gradient projected on
the box: the log-likelihood still to be gained. It has no unit and no scale, so one tolerance serves every
model and size.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from klantwaarde.typing import Array

ENOUGH = 1e-9  # log-likelihood still to be gained: 0.00005 standard errors away
GOOD = 1e-6  # 0.0014 standard errors: what differences of a differenced gradient can reach
SLOW = 0.1  # of what remained is left after a step: a good Hessian leaves far less
ROUNDING = 1e-12  # of the log-likelihood
ROUNDS = 60
STRIDE = 2.0  # longest step in log(parameter) along one direction
HALVINGS = 30
CENTRAL = 1e-4  # errors of 1e-8 from the third derivative and from a gradient of 12 digits
FORWARD = 1e-6  # half the passes, errors of 1e-6
ROUND = 1e-4  # least over largest curvature from which errors of 1e-6 do no harm
EDGE = 1e-9
NOWHERE = -1e300  # stands for a likelihood that is not finite
WIDE = 5.0  # a standard error of log(parameter) of 5 is a factor of 150: the data do not say


@dataclass
class Objective:
    """The log-likelihood and its gradient in z, within a box, counting the passes over the data."""

    function: Callable[[Array], tuple[float, Array]]
    lower: Array
    upper: Array
    large: bool = False
    evaluations: int = field(default=0)

    def __call__(self, z: Array) -> tuple[float, Array]:
        """Log-likelihood and gradient; a very low value where they are not finite."""
        self.evaluations += 1
        value, gradient = self.function(z)
        if np.isfinite(value) and np.isfinite(gradient).all():
            return value, gradient
        return NOWHERE, np.zeros_like(z)

    def clipped(self, z: Array) -> Array:
        """The nearest z within the box."""
        return np.clip(z, self.lower, self.upper)

    def towards(self, z: Array, step: Array) -> Array:
        """The point z + step, shortened so that it ends where its first parameter meets an edge.

        Clipping each parameter by itself would leave the ridge along which several grow together.
        """
        room = np.where(step > 0, self.upper, self.lower) - z
        open_ = np.abs(room) > EDGE
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = np.where(open_ & (step != 0), room / step, np.inf)
        return self.clipped(z + min(1.0, float(reach.min())) * step)

    def free(self, z: Array, gradient: Array) -> Array:
        """Which parameters are not held at an edge of the box by the gradient."""
        held = (z <= self.lower + EDGE) & (gradient < 0) | (z >= self.upper - EDGE) & (gradient > 0)
        return np.asarray(~held)

    def hessian(self, z: Array, gradient: Array) -> Array:
        """Second derivatives in z by differences of the gradient, symmetrised.

        Of large data forward differences do, unless some direction is so flat that their error would hide it.
        """
        if self.large:
            quick = [(self(z + shift)[1] - gradient) / FORWARD for shift in FORWARD * np.eye(len(z))]
            bend = np.linalg.eigvalsh(-_symmetric(quick))
            if bend[0] > ROUND * bend[-1]:
                return _symmetric(quick)
        shifts = CENTRAL * np.eye(len(z))
        return _symmetric([(self(z + shift)[1] - self(z - shift)[1]) / (2 * CENTRAL) for shift in shifts])


def _symmetric(rows: list[Array]) -> Array:
    table = np.array(rows)
    return np.asarray((table + table.T) / 2)


class Optimum(NamedTuple):
    """Where a search ended: z, log-likelihood, its derivatives there, and what remains to be gained."""

    z: Array
    value: float
    gradient: Array
    hessian: Array
    remaining: float

    @property
    def arrived(self) -> bool:
        """Whether nothing is left to gain that rounding in a sum of this size lets us see."""
        return self.remaining <= max(GOOD, ROUNDING * abs(self.value))


def ascent(objective: Objective, start: Array) -> Optimum:
    """The optimum reached from one start."""
    return newton(objective, near(objective, start))


def better(one: Optimum, other: Optimum) -> Optimum:
    """The higher one; the one that has arrived if their heights agree."""
    if abs(one.value - other.value) <= GOOD:
        return min(one, other, key=lambda found: found.remaining)
    return max(one, other, key=lambda found: found.value)


def best_start(objective: Objective, starts: Iterable[Array]) -> list[Array]:
    """The starts within the box, the most likely first."""
    return sorted((objective.clipped(z) for z in starts), key=lambda z: -objective(z)[0])


def newton(objective: Objective, z: Array, hessian: Array | None = None) -> Optimum:
    """The optimum near z by Newton steps, with a Hessian that starts as given and learns from each step.

    A given Hessian (of a sample, scaled) saves passes over the data; the last one is always that of the data.
    """
    z = objective.clipped(z)
    value, gradient = objective(z)
    exact = hessian is None
    curvature = objective.hessian(z, gradient) if hessian is None else hessian
    for _ in range(ROUNDS):
        step, remaining = _step(objective, z, gradient, curvature)
        if remaining <= ENOUGH and not exact:
            curvature, exact = objective.hessian(z, gradient), True
            continue
        moved = None if remaining <= ENOUGH else _moved(objective, z, value, gradient, step)
        if moved is None:
            break
        slow = _step(objective, moved[0], moved[2], curvature)[1] > SLOW * remaining
        if slow:
            moved = _further(objective, z, moved)
        taken, change = moved[0] - z, moved[2] - gradient
        z, value, gradient = moved
        curvature = objective.hessian(z, gradient) if slow else _learned(curvature, taken, change)
        exact = slow
    if not exact:
        curvature = objective.hessian(z, gradient)
        remaining = _step(objective, z, gradient, curvature)[1]
    return Optimum(z, value, gradient, curvature, remaining if value > NOWHERE else np.inf)


def _step(objective: Objective, z: Array, gradient: Array, curvature: Array) -> tuple[Array, float]:
    """The Newton step of the free parameters and what it should gain; uphill also where not concave."""
    free = objective.free(z, gradient)
    step = np.zeros_like(z)
    if not free.any():
        return step, 0.0
    bend, axes = np.linalg.eigh(-curvature[np.ix_(free, free)])
    slope = axes.T @ gradient[free]
    along = np.clip(slope / np.maximum(np.abs(bend), 1e-12 * np.abs(bend).max() + 1e-300), -STRIDE, STRIDE)
    step[free] = axes @ along
    return step, float(slope @ along) / 2


def _moved(
    objective: Objective, z: Array, value: float, gradient: Array, step: Array
) -> tuple[Array, float, Array] | None:
    """The first point along the step, halved until it gains (to rounding); None if none does."""
    noise = 1e-13 * abs(value)
    for halvings in range(HALVINGS):
        there = objective.towards(z, step / 2**halvings)
        reached, slope = objective(there)
        if reached >= value + 1e-4 * float(gradient @ (there - z)) - noise:
            return (there, reached, slope) if (there != z).any() else None
    return None


def _further(objective: Objective, z: Array, moved: tuple[Array, float, Array]) -> tuple[Array, float, Array]:
    """The point reached by doubling a step while that gains: along a ridge Newton steps are too short."""
    while True:
        there = objective.towards(z, 2 * (moved[0] - z))
        reached, slope = objective(there)
        if reached <= moved[1]:
            return moved
        moved = there, reached, slope


def _learned(curvature: Array, taken: Array, change: Array) -> Array:
    """The symmetric rank-one update of a Hessian by one step and the change of the gradient over it."""
    miss = change - curvature @ taken
    scale = float(miss @ taken)
    if abs(scale) <= 1e-8 * float(np.linalg.norm(miss) * np.linalg.norm(taken)):
        return curvature
    return np.asarray(curvature + np.outer(miss, miss) / scale)


def near(objective: Objective, start: Array, rounds: int = 200, *, simplex: bool = False) -> Array:
    """Where BFGS (or Nelder-Mead) ends, be it content or not: the Newton steps judge.

    Outside the box the likelihood is that of the nearest point in it. Not L-BFGS-B: SciPy's calls LAPACK, whose threads
    cost more than four parameters are worth, ten times as much on a busy machine.
    """
    from scipy.optimize import minimize  # noqa: PLC0415 - loaded where it is used

    size = max(abs(objective(start)[0]), 1.0)

    def cost(z: Array) -> tuple[float, Array]:
        inside = objective.clipped(z)
        value, gradient = objective(inside)
        return -value / size, np.where(inside == z, -gradient / size, 0.0)

    if simplex:
        options: Any = {"maxiter": 400 * len(start), "xatol": 1e-8, "fatol": 1e-14, "adaptive": True}
        value: Any = lambda z: cost(z)[0]  # noqa: E731
        return objective.clipped(minimize(value, start, method="Nelder-Mead", options=options).x)
    found = minimize(cost, start, jac=True, method="BFGS", options={"maxiter": rounds, "gtol": 1e-5})
    return objective.clipped(found.x)
