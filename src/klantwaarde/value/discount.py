"""Words to numbers: horizons and annual rates in the unit of a fit."""

from __future__ import annotations

import datetime as dt
import math

from klantwaarde.calendar import UNITS, Duration, read_discount_rate, read_moment
from klantwaarde.errors import BadParameters, named


def continuous_rate(annual: float | str, days_per_unit: float) -> float:
    """Continuous discount rate per unit of time, ln(1 + annual) / units per year, from an annual effective rate."""
    return math.log1p(read_discount_rate(annual)) * days_per_unit / UNITS["year"]


def horizon_days(horizon: str | dt.date, as_of: dt.date) -> float:
    """Days from the end of observation to a horizon: a duration ("12 months") or a day ("2027-12-31")."""
    moment = read_moment(horizon, "horizon")
    days = moment.days if isinstance(moment, Duration) else float((moment - as_of).days)
    if days <= 0:
        raise BadParameters(f"{named('horizon', str(horizon))} does not lie after the end of observation ({as_of}).")
    return days
