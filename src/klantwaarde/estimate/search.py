"""From data to an optimum: several starts on a small sample, a larger one, a handful of passes over all."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from klantwaarde.estimate.partials import log_likelihood
from klantwaarde.estimate.point import (
    EDGE,
    GOOD,
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
    from klantwaarde.data.cells import Cells, SpendCells
    from klantwaarde.typing import Array

FIRST = 4_096  # customers on which starts are tried: milliseconds a pass
DOUBT = 1.0  # a standard error of log(parameter) from which another optimum may lie along a ridge
ROUGHLY = 25  # iterations that tell which of many starts leads highest
SECOND = 65_536  # customers whose optimum is within a few steps of that of all


def search(Model: type[NamedTuple], data: Cells | SpendCells, start: Array | None = None) -> tuple[Objective, Optimum]:
    """The best optimum found, with its objective; data scaled, start and optimum in z = log(parameter)."""
    samples = [size for size in (FIRST, SECOND) if len(data) > 2 * size]
    stages = [_objective(Model, thinned(data, size)) for size in samples] + [_objective(Model, data)]
    ranked = best_start(stages[0], starts(Model._fields, data))
    found = _several(stages[0], ranked if start is None else [start, *ranked])
    for objective in stages[1:]:
        following = newton(objective, found.z, found.hessian)
        found = following if following.remaining <= GOOD else better(following, ascent(objective, following.z))
    stages[-1].evaluations = sum(objective.evaluations for objective in stages)
    return stages[-1], found


def _several(objective: Objective, ranked: list[Array]) -> Optimum:
    """The best optimum from the first, a middling and the last start; from all when that is in doubt."""
    chosen = [ranked[0], ranked[len(ranked) // 2], ranked[-1]]
    found = reduce(better, (ascent(objective, start) for start in chosen))
    if _sure(objective, found):
        return found
    others = [near(objective, start, rounds=ROUGHLY) for start in ranked]
    found = better(found, newton(objective, max(others, key=lambda z: objective(z)[0])))
    if found.remaining <= GOOD:
        return found
    return better(found, newton(objective, near(objective, found.z, simplex=True)))


def _sure(objective: Objective, found: Optimum) -> bool:
    """An optimum that has arrived, away from the edges, and curved enough in every direction."""
    inside = (found.z > objective.lower + EDGE) & (found.z < objective.upper - EDGE)
    curved = np.linalg.eigvalsh(-found.hessian)[0] > DOUBT**-2
    return bool(found.remaining <= GOOD and inside.all() and curved)


def _objective(Model: type[NamedTuple], data: Cells | SpendCells) -> Objective:
    return Objective(log_likelihood(Model, data), *box(Model._fields), large=len(data) > 2 * SECOND)
