"""Value of the customers yet to come: the second term of a firm's value by its customers.

McCarthy, Fader & Hardie (2017), "Valuing subscription-based businesses using publicly disclosed customer data", Journal
of Marketing 81(1). Costs that customers do not cause, tax and debt are no part of it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from klantwaarde.errors import BadParameters
from klantwaarde.models import quantities

if TYPE_CHECKING:
    from klantwaarde.typing import AttritionModel


def newcomer_value(model: AttritionModel, spend_mean: float, delta: float) -> float:
    """Expected margin of a customer from the first purchase on, discounted to it: spend_mean (1 + DET(delta)).

    spend_mean: margin per purchase; delta: per unit of the fit.
    """
    return float(spend_mean * (1 + quantities.det(model, delta)))


def future_cohorts(
    model: AttritionModel,
    spend_mean: float,
    delta: float,
    customers_per_period: float,
    *,
    period: float = 1.0,
    periods: int | None = None,
    acquisition_cost: float = 0.0,
) -> float:
    """Value today of cohorts won at the end of each of the periods to come, after the cost of winning them.

    The sum over k = 1, 2, ... of e^(-delta k period) customers_per_period (newcomer_value - acquisition_cost); without
    `periods`, of all. period: its length in the unit of the fit. That as many come in every period, and as good, is an
    assumption to print beside the number. Never part of the equity of the base.
    """
    numbers = (spend_mean, customers_per_period, acquisition_cost, period)
    if not all(map(math.isfinite, numbers)) or customers_per_period < 0 or period <= 0:
        raise BadParameters(
            f"customers_per_period={customers_per_period!r} must not be negative, period={period!r} must be above 0, "
            "and all numbers finite."
        )
    if periods is not None and periods < 0:
        raise BadParameters(f"periods={periods!r} must not be negative; leave it out for all to come.")
    step = delta * period
    worth = customers_per_period * (newcomer_value(model, spend_mean, delta) - acquisition_cost)
    grown = 1.0 if periods is None else -np.expm1(-step * periods)
    return float(worth * grown / np.expm1(step))
