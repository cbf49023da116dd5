"""Any model's story as a table of orders: for tests, demonstrations and the recovery of known parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from klantwaarde.calendar import check_unit
from klantwaarde.errors import BadParameters

if TYPE_CHECKING:
    from klantwaarde.models import GammaGamma
    from klantwaarde.typing import Array, AttritionModel

DAY = "datetime64[D]"


def simulate(
    model: AttritionModel,
    customers: int,
    *,
    start: str = "2023-01-01",
    end: str = "2024-12-31",
    acquisition_days: int | None = None,
    spend: GammaGamma | None = None,
    unit: str = "week",
    seed: int = 0,
) -> pa.Table:
    """Orders of simulated customers: customer_id (from 1), date and, with spend, amount; in that order.

    First purchases fall evenly over the first acquisition_days (default: a third of the window), repeat
    purchases up to and including `end`, floored to days: two on one day are two rows. unit: that of the
    model's parameters. amount: money, rounded to cents and at least one.
    """
    days_per_unit, last = check_unit(unit), _days(start, end)
    rng = np.random.default_rng(seed)
    born = rng.integers(_acquisition(acquisition_days, last), size=_count(customers))
    customer, time = model.draw(rng, (last + 1 - born) / days_per_unit)  # to the end of the last day
    repeat = born[customer] + np.floor(time * days_per_unit).astype(int)
    whose, day = np.append(np.arange(customers), customer), np.append(born, np.minimum(repeat, last))
    order = np.lexsort((day, whose))
    return _table(whose[order], np.datetime64(start, "D") + day[order], _amounts(spend, rng, whose[order]))


def _days(start: str, end: str) -> int:
    try:
        days = int((np.datetime64(end, "D") - np.datetime64(start, "D")).astype(int))
    except ValueError as error:
        raise BadParameters(f"start {start!r} and end {end!r} must be dates such as 2024-12-31.") from error
    if days < 1:
        raise BadParameters(f"The window from {start} to {end} holds no day after the first.")
    return days


def _acquisition(days: int | None, last: int) -> int:
    days = max(1, (last + 1) // 3) if days is None else days
    if not 1 <= days <= last + 1:
        raise BadParameters(
            f"acquisition_days must lie between 1 and {last + 1}, the days of the window, but is {days}."
        )
    return days


def _count(customers: int) -> int:
    if customers < 1:
        raise BadParameters(f"customers must be 1 or more, but is {customers}.")
    return customers


def _amounts(spend: GammaGamma | None, rng: np.random.Generator, whose: Array) -> Array | None:
    return None if spend is None else np.maximum(np.round(spend.draw(rng, whose), 2), 0.01)


def _table(whose: Array, date: Array, amount: Array | None) -> pa.Table:
    columns = {
        "customer_id": pa.array(whose + 1, pa.int64()),
        "date": pa.array(date.astype(DAY), pa.date32()),
    }
    return pa.table(columns if amount is None else columns | {"amount": pa.array(amount)})
