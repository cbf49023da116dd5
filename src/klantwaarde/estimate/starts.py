"""Where a search begins: scales that make every model's parameters near 1, the box, starts and samples."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from klantwaarde.data.cells import Cells, SpendCells

if TYPE_CHECKING:
    from klantwaarde.typing import Array

D = TypeVar("D", bound=Cells | SpendCells)

SCALES = {"alpha", "beta", "gamma"}
"""Parameters in units of time or money; the others are shapes."""

SHAPE_BOX = (1e-6, 1e4)  # beyond 1e4 a gamma or beta distribution is a point for all that data can tell
SCALE_BOX = (1e-9, 1e9)  # of the mean: wide enough for a shape to reach its edge first along a ridge

MEMBERS = {
    "r": (0.3, 1.5),
    "s": (0.4, 1.5, 20.0),
    "beta": (0.2, 2.0, 40.0),
    "a": (0.1, 1.0, 20.0),
    "b": (0.1, 1.0, 5.0, 40.0),
    "p": (2.0, 8.0),
    "q": (2.0, 5.0),
}


def scaled(data: Cells | SpendCells) -> tuple[Cells | SpendCells, float, float]:
    """The data with time or money in units of its mean, that unit, and what it adds to the log-likelihood.

    A density of x times, or of one mean, gets the factor unit^-x or unit^-1.
    """
    if isinstance(data, Cells):
        unit = float(np.average(data.T, weights=data.n))
        events = float((data.n * data.x).sum())
        return replace(data, t_x=data.t_x / unit, T=data.T / unit), unit, -events * float(np.log(unit))
    unit = float(np.average(data.zbar, weights=data.n))
    return replace(data, zbar=data.zbar / unit), unit, -data.customers * float(np.log(unit))


def box(names: tuple[str, ...]) -> tuple[Array, Array]:
    """Lower and upper edges of z = log(parameter), time and money in units of the mean."""
    edges = np.log([SCALE_BOX if name in SCALES else SHAPE_BOX for name in names])
    return edges[:, 0], edges[:, 1]


def starts(names: tuple[str, ...], data: Cells | SpendCells) -> list[Array]:
    """Points of a small grid in z for scaled data: alpha from the purchase rate, gamma from mean spend 1."""
    return [_start(names, dict(zip(names, point, strict=True)), data) for point in product(*_grid(names))]


def _grid(names: tuple[str, ...]) -> list[tuple[float, ...]]:
    return [(1.0,) if name in {"alpha", "gamma"} else MEMBERS.get(name, (1.0,)) for name in names]


def _start(names: tuple[str, ...], point: dict[str, float], data: Cells | SpendCells) -> Array:
    if isinstance(data, Cells):
        rate = max(float((data.n * data.x).sum() / (data.n * data.T).sum()), 1e-6)
        gone = 1.0 if names == ("r", "alpha") else 2.0  # who has left bought faster while still there
        point["alpha"] = point["r"] / (gone * rate)
    else:
        point["gamma"] = (point["q"] - 1) / point["p"]  # so that the population's mean is 1
    return np.log([point[name] for name in names])


def thinned(data: D, customers: int) -> D:
    """About so many customers, every k-th of all, in the cells that they fall in; n keeps its total.

    Cells that many customers share are so drawn in proportion, which a draw of cells would not do.
    """
    last = data.n.cumsum()
    at = (np.arange(customers) + 0.5) * (last[-1] / customers)
    drawn = np.bincount(np.minimum(np.searchsorted(last, at), len(data) - 1), minlength=len(data))
    kept = np.flatnonzero(drawn)
    n = drawn[kept] * (last[-1] / customers)
    columns = ("x", "t_x", "T") if isinstance(data, Cells) else ("x", "zbar")
    return replace(data, n=n, **{name: getattr(data, name)[kept] for name in columns})
