"""Warnings that a fit carries: nothing is wrong with the search, but the reader should know."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import digamma

from klantwaarde.data.cells import SpendCells
from klantwaarde.estimate.starts import SHAPE_BOX
from klantwaarde.models.gamma_gamma import GammaGamma

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klantwaarde.data.cells import Cells
    from klantwaarde.typing import Array

MATTERS = 0.1  # a correlation below it moves expected spend by less than a tenth of its spread
SIGNIFICANT = 3.0  # standard errors
NARROW = 1e-3  # spread of log spend below which nobody is valued wrongly by what it depends on: a cent on ten
ROUGH = 1.0  # a standard error as large as the parameter itself


def notes(model: NamedTuple, data: Cells | SpendCells, errors: Mapping[str, float]) -> tuple[str, ...]:
    """Everything worth saying about this fit, in sentences."""
    told = [_precision(model, errors)]
    if isinstance(data, SpendCells):
        told.append(_left_out(data))
    if isinstance(data, SpendCells) and isinstance(model, GammaGamma):
        told += [_infinite_mean(model, data), _dependence(model, data)]
    return tuple(note for note in told if note)


def _precision(model: NamedTuple, errors: Mapping[str, float]) -> str:
    unknown = [name for name, error in errors.items() if np.isinf(error)]
    rough = [name for name, value in model._asdict().items() if ROUGH * value < errors[name] < np.inf]
    parts = [f"no standard error for {', '.join(unknown)}: not determined by the data"] if unknown else []
    parts += [f"{', '.join(rough)} hardly determined: a standard error above the value itself"] if rough else []
    return "; ".join(parts)


def _left_out(data: SpendCells) -> str:
    if not data.left_out:
        return ""
    many = "1 customer" if data.left_out == 1 else f"{data.left_out:,.0f} customers"
    return f"{many} without a repeat purchase, or with mean spend of 0 or less, left out"


def _infinite_mean(model: GammaGamma, data: SpendCells) -> str:
    if model.q > 1:
        return ""
    mean = float(np.average(data.zbar, weights=data.n))
    return (
        f"q = {model.q:.3g} is not above 1: the mean in the population is infinite, for a few spend far "
        f"more than the rest; population_mean(fit) gives the observed mean, {mean:,.2f}, for those without "
        "repeat purchases; look for wholesale buyers or test orders"
    )


def _dependence(model: GammaGamma, data: SpendCells) -> str:
    if _fixed_prices(model, data):
        return ""
    rho, ratio = spend_correlation(model, data)
    if abs(rho) < MATTERS or abs(ratio) < SIGNIFICANT:
        return ""
    way = "more" if rho > 0 else "less"
    return (
        f"spend and frequency are not independent: frequent customers spend {way} per purchase (correlation "
        f"{rho:+.2f}, {abs(ratio):.0f} standard errors from 0); the model, which assumes it, values "
        f"frequent customers with few purchases on record too {'low' if rho > 0 else 'high'}"
    )


def _fixed_prices(model: GammaGamma, data: SpendCells) -> bool:
    """Whether every customer pays one price, so that one purchase tells it, or all customers pay the same.

    p then stands at its bound; what is left to correlate with frequency is the correction for few purchases.
    """
    log_spend = _centred(np.log(data.zbar), data.n)
    spread = float(np.sqrt(np.average(log_spend**2, weights=data.n)))
    return spread < NARROW or bool(model.p >= 0.99 * SHAPE_BOX[1])


def spend_correlation(model: GammaGamma, data: SpendCells) -> tuple[float, float]:
    """Correlation over customers of log(x) and log(zbar), and its ratio to a standard error.

    From log(zbar) its expectation given x is subtracted, up to a constant digamma(p x) - log(p x): the log
    of a mean of few purchases lies lower, also where spend and frequency are independent. The standard
    error lets the spread of log(zbar) depend on x, as it does in the model (White 1980, Econometrica 48).
    """
    px = model.p * data.x
    x, spend = (
        _centred(np.log(data.x), data.n),
        _centred(np.log(data.zbar) - digamma(px) + np.log(px), data.n),
    )
    product = x * spend
    size = np.sqrt((data.n @ x**2) * (data.n @ spend**2))
    if size == 0:
        return 0.0, 0.0
    return float(data.n @ product / size), float(data.n @ product / np.sqrt(data.n @ product**2))


def _centred(values: Array, n: Array) -> Array:
    return np.asarray(values - np.average(values, weights=n))
