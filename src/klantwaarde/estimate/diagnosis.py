"""What an optimum means: how precise it is, and whether it is one, told so that an analyst can act on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from klantwaarde.estimate.point import EDGE, WIDE

if TYPE_CHECKING:
    from klantwaarde.estimate.point import Objective, Optimum
    from klantwaarde.typing import Array

ALONG = 0.3  # share of a direction from which a parameter counts as moving along it

PAIR = 2

GROWS, SHRINKS = "grows without bound", "shrinks to zero"

NOBODY = "hardly anyone leaves; the NBD model, without dropout, fits as well"
MEANINGS = {
    (
        ("alpha", GROWS),
        ("r", GROWS),
    ): "purchase rates hardly differ between customers; a Poisson rate fits as well",
    (("r", SHRINKS),): "hardly anyone buys again",
    (
        ("a", GROWS),
        ("b", GROWS),
    ): "the chance to leave hardly differs between customers; one chance fits as well",
    (("a", SHRINKS), ("b", SHRINKS)): "some leave at the first chance and the others never",
    (("a", SHRINKS), ("b", GROWS)): NOBODY,
    (("a", SHRINKS),): NOBODY,
    (("b", GROWS),): NOBODY,
    (("b", SHRINKS),): "almost everyone leaves at the first chance",
    (("beta", GROWS), ("s", GROWS)): "departure rates hardly differ between customers; one rate fits as well",
    (("beta", GROWS), ("s", SHRINKS)): NOBODY,
    (("beta", SHRINKS), ("s", SHRINKS)): "some leave at once and the others hardly ever",
    (("s", SHRINKS),): NOBODY,
    (("beta", GROWS),): NOBODY,
    (("beta", SHRINKS),): "some leave at once and the others hardly ever; MBG/NBD describes that better",
    (("gamma", SHRINKS), ("p", GROWS)): "a customer's own purchases hardly differ in value",
    (("gamma", GROWS), ("q", GROWS)): "mean spend hardly differs between customers; one mean fits as well",
}
"""What it means that these parameters run away together; the first that fits is told."""


class Diagnosis(NamedTuple):
    """Status and reason, and the covariance of z: infinite variance where the data do not determine it."""

    status: str
    reason: str
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
        told = [*_going(runaway), *(_undetermined(names, axis, runaway) for axis in flat)]
        return Diagnosis("boundary", "; ".join(clause for clause in told if clause), covariance)
    return Diagnosis("converged", f"at most {found.remaining:.0e} of log-likelihood is left to gain", covariance)


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


def _going(runaway: dict[str, str]) -> list[str]:
    """Each group of runaways with its meaning."""
    left = dict(runaway)
    clauses: list[str] = []
    for pattern, meaning in MEANINGS.items():
        if all(left.get(name) == heading for name, heading in pattern):
            clauses.append(f"{_clause(pattern)}: {meaning}")
            left = {name: heading for name, heading in left.items() if name not in dict(pattern)}
    return [
        *clauses,
        *(f"{name} {heading}: a limit of the model fits as well" for name, heading in left.items()),
    ]


def _clause(pattern: tuple[tuple[str, str], ...]) -> str:
    """A clause such as 'alpha and r grow without bound together'."""
    headings = {heading for _, heading in pattern}
    if len(pattern) == 1 or len(headings) > 1:
        return " while ".join(f"{name} {heading}" for name, heading in pattern)
    return f"{' and '.join(name for name, _ in pattern)} {headings.pop().replace('s ', ' ', 1)} together"


def _undetermined(names: tuple[str, ...], axis: Array, runaway: dict[str, str]) -> str:
    """What a direction says along which the likelihood is flat."""
    moving = [name for name, part in zip(names, axis, strict=True) if abs(part) > ALONG and name not in runaway]
    if not moving:
        return ""
    both = np.sort(axis[np.isin(names, moving)])
    if len(moving) == PAIR and both[0] * both[1] > 0:
        return f"the data determine hardly more than the ratio of {' and '.join(moving)}"
    return f"the data do not determine {' and '.join(moving)}"


def _stuck(found: Optimum) -> str:
    return (
        f"the search stopped with an estimated {found.remaining:.2g} of log-likelihood left to gain; "
        "look for extreme rows (very many orders, T near 0) or fit a simpler model"
    )
