"""What an optimum means: how precise it is, and whether it is one, told so that an analyst can act on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from klantwaarde.estimate.point import EDGE, WIDE
from klantwaarde.wording.message import Message, message, several

if TYPE_CHECKING:
    from collections.abc import Sequence

    from klantwaarde.estimate.point import Objective, Optimum
    from klantwaarde.typing import Array

ALONG = 0.3  # share of a direction from which a parameter counts as moving along it

PAIR = 2

GROWS, SHRINKS = "grows", "shrinks"

MEANINGS = {
    (("alpha", GROWS), ("r", GROWS)): "means_poisson",
    (("r", SHRINKS),): "means_no_repeat",
    (("a", GROWS), ("b", GROWS)): "means_one_chance",
    (("a", SHRINKS), ("b", SHRINKS)): "means_first_chance",
    (("a", SHRINKS), ("b", GROWS)): "means_nobody_leaves",
    (("a", SHRINKS),): "means_nobody_leaves",
    (("b", GROWS),): "means_nobody_leaves",
    (("b", SHRINKS),): "means_all_leave",
    (("beta", GROWS), ("s", GROWS)): "means_one_departure",
    (("beta", GROWS), ("s", SHRINKS)): "means_nobody_leaves",
    (("beta", SHRINKS), ("s", SHRINKS)): "means_at_once",
    (("s", SHRINKS),): "means_nobody_leaves",
    (("beta", GROWS),): "means_nobody_leaves",
    (("beta", SHRINKS),): "means_at_once_mbg",
    (("gamma", SHRINKS), ("p", GROWS)): "means_own_spend",
    (("gamma", GROWS), ("q", GROWS)): "means_one_mean",
}
"""What it means that these parameters run away together, as a code; the first that fits is said."""


class Diagnosis(NamedTuple):
    """Status and reason, and the covariance of z: infinite variance where the data do not determine it."""

    status: str
    reason: Message
    covariance: Array


def diagnosis(names: tuple[str, ...], objective: Objective, found: Optimum) -> Diagnosis:
    """Converged, at a boundary, or not converged, and why."""
    bend, axes, free = _bends(objective, found)
    weak = bend < WIDE**-2
    flat = np.zeros((weak.sum(), len(names)))
    flat[:, free] = axes[:, weak].T
    runaway = _runaway(names, objective, found, free)
    unknown = ~free | (np.abs(flat) > ALONG).any(axis=0) | np.isin(names, list(runaway))
    covariance = _covariance(bend[~weak], axes[:, ~weak], free, unknown)
    if not found.arrived:
        return Diagnosis("not converged", _stuck(found), covariance)
    if runaway or weak.any():
        said = [*_going(runaway), *(_undetermined(names, axis, runaway) for axis in flat)]
        clauses = [clause for clause in said if clause is not None]
        return Diagnosis("boundary", several("clauses", clauses), covariance)
    return Diagnosis("converged", message("fit_left", left=float(found.remaining)), covariance)


def _bends(objective: Objective, found: Optimum) -> tuple[Array, Array, Array]:
    """Eigenvalues and eigenvectors of the information in the parameters that no edge of the box holds."""
    free = (found.z > objective.lower + EDGE) & (found.z < objective.upper - EDGE)
    bend, axes = np.linalg.eigh(-found.hessian[np.ix_(free, free)])
    return bend, axes, free


def _covariance(bend: Array, axes: Array, free: Array, unknown: Array) -> Array:
    covariance = np.zeros((len(free), len(free)))
    covariance[np.ix_(free, free)] = axes / bend @ axes.T
    covariance[unknown, :] = 0.0
    covariance[:, unknown] = 0.0
    covariance[unknown, unknown] = np.inf
    return covariance


def _runaway(names: tuple[str, ...], objective: Objective, found: Optimum, free: Array) -> dict[str, str]:
    """Parameters at an edge of the box, and those that run along with them, each with where it goes."""
    heading: dict[str, str] = {}
    for held in np.flatnonzero(~free):
        sign = 1.0 if found.z[held] > (objective.lower[held] + objective.upper[held]) / 2 else -1.0
        drift = np.zeros(len(names))
        drift[held] = sign
        if free.any():
            inner = found.hessian[np.ix_(free, free)]
            drift[free] = -sign * np.linalg.pinv(inner, rcond=1e-10) @ found.hessian[free, held]
        heading |= {
            name: GROWS if move > 0 else SHRINKS for name, move in zip(names, drift, strict=True) if abs(move) > ALONG
        }
    return heading


def _going(runaway: dict[str, str]) -> list[Message]:
    """Each group of runaways with its meaning."""
    left = dict(runaway)
    clauses: list[Message] = []
    for pattern, meaning in MEANINGS.items():
        if all(left.get(name) == heading for name, heading in pattern):
            clauses.append(message("fit_clause", clause=_clause(pattern), meaning=message(meaning)))
            left = {name: heading for name, heading in left.items() if name not in dict(pattern)}
    limit = message("means_limit")
    return clauses + [message("fit_clause", clause=_clause((one,)), meaning=limit) for one in left.items()]


def _clause(pattern: tuple[tuple[str, str], ...]) -> Message:
    """A clause such as 'alpha and r grow without bound together'."""
    headings = {heading for _, heading in pattern}
    if len(pattern) == PAIR and len(headings) == 1:
        return message(f"fit_{headings.pop().removesuffix('s')}_together", names=_joined([name for name, _ in pattern]))
    each = [message(f"fit_{heading}", name=name) for name, heading in pattern]
    return each[0] if len(each) == 1 else message("fit_while", one=each[0], other=each[1])


def _undetermined(names: tuple[str, ...], axis: Array, runaway: dict[str, str]) -> Message | None:
    """What a direction says along which the likelihood is flat."""
    moving = [name for name, part in zip(names, axis, strict=True) if abs(part) > ALONG and name not in runaway]
    if not moving:
        return None
    both = np.sort(axis[np.isin(names, moving)])
    ratio = len(moving) == PAIR and both[0] * both[1] > 0
    return message("fit_ratio" if ratio else "fit_undetermined", names=_joined(moving))


def _joined(names: Sequence[str]) -> Message:
    """Names with "and" between the last two."""
    *others, last = (message("text", text=name) for name in names)
    return message("pair", one=", ".join(others), other=last) if others else last


def _stuck(found: Optimum) -> Message:
    return message("fit_stuck", left=float(found.remaining))
