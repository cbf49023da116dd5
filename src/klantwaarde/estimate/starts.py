"""Where a search begins: scales that make every model's parameters near 1, the box, starts and samples."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from klantwaarde.purchases.cells import Cells, SpendCells

if TYPE_CHECKING:
    from klantwaarde.typing import Array

D = TypeVar("D", bound=Cells | SpendCells)

SHAPE_BOX = (1e-6, 1e4)  # beyond 1e4 a gamma or beta distribution is a point for all that data can tell
SCALE_BOX = (1e-9, 1e9)  # of the mean: wide enough for a shape to reach its edge first along a ridge


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


def box(Model: Any) -> tuple[Array, Array]:
    """Lower and upper edges of z = log(parameter), time and money in units of the mean."""
    edges = np.log([SCALE_BOX if one.power else SHAPE_BOX for one in Model.parameters()])
    return edges[:, 0], edges[:, 1]


def starts(Model: Any, data: Cells | SpendCells) -> list[Array]:
    """Points of a small grid in z for scaled data; what a model leaves open is set by the purchase rate, or spend."""
    told = Model.parameters()
    place = next((place for place, one in enumerate(told) if not one.starts), None)
    pace = _pace(data)
    points = [np.array(point) for point in product(*(one.starts or (1.0,) for one in told))]
    if place is not None:
        for point in points:
            point[place] = _paced(Model(*point), pace) ** (1 / told[place].power)
    return [np.log(point) for point in points]


def _pace(data: Cells | SpendCells) -> float:
    """Purchases per unit of time; of spend 1, which is its mean."""
    if isinstance(data, SpendCells):
        return 1.0
    return max(float((data.n * data.x).sum() / (data.n * data.T).sum()), 1e-6)


def _paced(model: Any, pace: float) -> float:
    """By how much a unit must be longer for a model, one of whose scales is 1, to have the pace of the data."""
    if hasattr(model, "log_likelihood"):
        return pace / float(model.mean(0.0, 0.0))
    leaves = float(model.log_branches(1.0, 0.5, 1.0)[1]) > -np.inf
    return float(model.rate()) / ((2.0 if leaves else 1.0) * pace)  # who has left bought faster while still there


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
