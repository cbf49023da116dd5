"""Expected against actual repeat orders over time."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from klantwaarde.calendar import check_unit
from klantwaarde.engine.relation import query
from klantwaarde.models import quantities
from klantwaarde.purchases.schema import MOST_PERIODS

if TYPE_CHECKING:
    import pyarrow as pa

    from klantwaarde.estimate.result import Fit
    from klantwaarde.purchases.customers import Customers
    from klantwaarde.typing import Array


class Tracking(NamedTuple):
    """Repeat orders per period, as they came and as the model expects of customers won at these dates."""

    period: str
    start: tuple[dt.date, ...]
    actual: Array
    expected: Array
    customers: int
    of: int
    """Customers followed, of how many: large bases are followed by a sample."""


def tracking(base: Customers, fit: Fit[Any], of: int | None = None) -> Tracking:
    """Repeat orders of the whole base per week (per month in long histories); an unfinished last period is left out."""
    cohorts = query("cohorts", customers=base.table, as_of=base.as_of).arrow()
    repeats = query("repeats", customers=base.table, stood=base.stood, as_of=base.as_of).arrow()
    first = base.totals["first_order"]
    period, days = _period((base.as_of - first).days + 1)
    edges = np.arange(0, (base.as_of - first).days + 2, days)
    born, n = _days(cohorts, first)
    bought, times = _days(repeats, first)
    actual = np.histogram(bought, bins=edges, weights=times)[0]
    starts = tuple(first + dt.timedelta(days=int(edge)) for edge in edges[:-1])
    followed = base.totals["with_purchase"]
    return Tracking(period, starts, actual, _expected(fit, born, n, edges), followed, of or followed)


def _period(days: int) -> tuple[str, int]:
    return next((name, size) for name, size in (("week", 7), ("month", 30), ("quarter", 91), ("year", 365)) if
                days / size <= MOST_PERIODS or name == "year")  # fmt: skip


def _days(table: pa.Table, first: dt.date) -> tuple[Array, Array]:
    day = np.asarray(table.column("day").cast("int32"), dtype=np.float64)
    return day - (first - dt.date(1970, 1, 1)).days, np.asarray(table.column("n"), dtype=np.float64)


def _expected(fit: Fit[Any], born: Array, n: Array, edges: Array) -> Array:
    """Increments of the sum over cohorts of n times E[X(time since the first purchase)]."""
    days = check_unit(fit.unit or "day")
    ages, where = np.unique(np.maximum(edges[None, :] - 1 - born[:, None], 0.0), return_inverse=True)
    each = quantities.expected_purchases(fit.model, ages / days)[where].reshape(len(born), len(edges))
    increments: Array = np.diff(n @ each)
    return increments
