"""From data to an optimum: several starts on a small sample, a larger one, a handful of passes over all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from klantwaarde.estimate.partials import log_likelihood
from klantwaarde.estimate.point import (
    EDGE,
    Objective,
    Optimum,
    ascent,
    best_start,
    better,
    near,
    newton,
)
from klantwaarde.estimate.starts import box, starts, thinned

if TYPE_CHECKING:
    from klantwaarde.purchases.cells import Cells, SpendCells
    from klantwaarde.typing import Array

FIRST = 4_096  # customers on which starts are tried: milliseconds a pass
DOUBT = 1.0  # a standard error of log(parameter) from which another optimum may lie along a ridge
RIVAL = 8.0  # log-likelihood of a sample's own customers by which an optimum has to lie lower to be dropped
APART = 0.1  # in log(parameter)
ROUGHLY = 8  # iterations that tell which of many starts leads highest
SECOND = 65_536  # customers whose optimum is within a few steps of that of all


Density = Callable[[Any], tuple[float, Any]]
"""A log density of z and its gradient."""


def search(
    Model: type[NamedTuple], data: Cells | SpendCells, start: Array | None = None, prior: Density | None = None
) -> tuple[Objective, Optimum]:
    """The best optimum found, with its objective; data scaled, start and optimum in z = log(parameter).

    The objective is likelihood + prior, on samples too, whose customers count for all.

    Optima that a sample cannot tell apart are carried on, for the next stage to decide (MBG/NBD often has two).
    """
    samples = [size for size in (FIRST, SECOND) if len(data) > 2 * size]
    stages = [_objective(Model, thinned(data, size), prior) for size in samples]
    stages.append(_objective(Model, data, prior))
    ranked = best_start(stages[0], starts(Model, data))
    found = _several(stages[0], ranked if start is None else [start, *ranked])
    for size, objective in zip(samples, stages[1:], strict=True):
        rivals = [one for one in found if one.value >= found[0].value - RIVAL * data.customers / size]
        found = _distinct([_followed(objective, one) for one in rivals])
    stages[-1].evaluations = sum(objective.evaluations for objective in stages)
    return stages[-1], found[0]


def _followed(objective: Objective, one: Optimum) -> Optimum:
    """The optimum on more data that one on a sample leads to."""
    found = newton(objective, one.z, one.hessian)
    return found if found.arrived else better(found, ascent(objective, found.z))


def _several(objective: Objective, ranked: list[Array]) -> list[Optimum]:
    """The optima from the first, a middling and the last start, the best first; from all when it is in doubt."""
    chosen = [ranked[0], ranked[len(ranked) // 2], ranked[-1]]
    found = _distinct([ascent(objective, start) for start in chosen])
    if len(found) == 1 and _sure(objective, found[0]):
        return found
    others = best_start(objective, (near(objective, start, rounds=ROUGHLY) for start in ranked))
    found = _distinct([*found, *(ascent(objective, start) for start in others[:3])])
    if found[0].arrived:
        return found
    return _distinct([newton(objective, near(objective, found[0].z, simplex=True)), *found])


def _distinct(found: list[Optimum]) -> list[Optimum]:
    """Optima without doubles, the best first."""
    kept: list[Optimum] = []
    for one in sorted(found, key=lambda one: (-round(one.value, 6), one.remaining)):
        if all(np.abs(one.z - other.z).max() > APART for other in kept):
            kept.append(one)
    return kept


def _sure(objective: Objective, found: Optimum) -> bool:
    """An optimum that has arrived, away from the edges, and curved enough in every direction."""
    inside = (found.z > objective.lower + EDGE) & (found.z < objective.upper - EDGE)
    curved = np.linalg.eigvalsh(-found.hessian)[0] > DOUBT**-2
    return bool(found.arrived and inside.all() and curved)


def _objective(Model: type[NamedTuple], data: Cells | SpendCells, prior: Density | None) -> Objective:
    function = log_likelihood(Model, data)
    if prior is not None:
        function = _both(function, prior)
    return Objective(function, *box(Model), large=len(data) > 2 * SECOND)


def _both(likelihood: Density, prior: Density) -> Density:
    """Likelihood + prior."""

    def function(z: Array) -> tuple[float, Array]:
        (value, slope), (known, pull) = likelihood(z), prior(z)
        return value + known, slope + pull

    return function
