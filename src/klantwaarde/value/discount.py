"""Words to numbers: horizons and annual rates in the unit of a fit."""

from __future__ import annotations

import datetime as dt
import math
import re

from klantwaarde.data.cells import UNITS
from klantwaarde.errors import BadParameters

_DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(day|week|month|year)s?\s*$", re.IGNORECASE)


def continuous_rate(annual: float, days_per_unit: float) -> float:
    """Continuous discount rate per unit of time, ln(1 + annual) / units per year, from an annual effective rate."""
    if not 0 < annual < math.inf:
        raise BadParameters(
            f"annual_discount_rate={annual!r} must be above 0, as a fraction: 0.10 is ten per cent a year."
        )
    if annual >= 1:
        raise BadParameters(
            f"annual_discount_rate={annual!r} is {annual:.0%} a year. Give a fraction: 0.10 is ten per cent."
        )
    return math.log1p(annual) * days_per_unit / UNITS["year"]


def horizon_days(horizon: str | dt.date, as_of: dt.date) -> float:
    """Days from the end of observation to a horizon: a duration ("12 months") or a day ("2027-12-31")."""
    days = _duration(horizon) if isinstance(horizon, str) else None
    if days is None:
        days = float((_day(horizon) - as_of).days)
    if days <= 0:
        raise BadParameters(f"horizon={horizon!r} does not lie after the end of observation ({as_of}).")
    return days


def _duration(text: str) -> float | None:
    found = _DURATION.match(text)
    return float(found[1]) * UNITS[found[2].lower()] if found else None


def _day(given: str | dt.date) -> dt.date:
    if isinstance(given, dt.datetime):
        return given.date()
    try:
        return given if isinstance(given, dt.date) else dt.date.fromisoformat(given)
    except (TypeError, ValueError) as error:
        raise BadParameters(
            f"horizon={given!r} is neither a duration ('12 months', '52 weeks', '90 days') nor a day ('2027-12-31')."
        ) from error
