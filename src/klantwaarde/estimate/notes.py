"""Warnings that a fit carries: nothing is wrong with the search, but the reader should know."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import digamma

from klantwaarde.estimate.starts import SHAPE_BOX
from klantwaarde.models.gamma_gamma import GammaGamma
from klantwaarde.purchases.cells import SpendCells
from klantwaarde.wording.message import Message, message, several

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klantwaarde.purchases.cells import Cells
    from klantwaarde.typing import Array

MATTERS = 0.1  # a correlation below it moves expected spend by less than a tenth of its spread
SIGNIFICANT = 3.0  # standard errors
NARROW = 1e-3  # spread of log spend below which nobody is valued wrongly by what it depends on: a cent on ten
ROUGH = 1.0  # a standard error as large as the parameter itself


def notes(model: NamedTuple, data: Cells | SpendCells, errors: Mapping[str, float]) -> tuple[Message, ...]:
    """Everything worth saying about this fit, in sentences."""
    found = [_precision(model, errors)]
    if isinstance(data, SpendCells):
        found.append(_left_out(data))
    if isinstance(data, SpendCells) and isinstance(model, GammaGamma):
        found += [_infinite_mean(model, data), _dependence(model, data)]
    return tuple(note for note in found if note is not None)


def _precision(model: NamedTuple, errors: Mapping[str, float]) -> Message | None:
    unknown = [name for name, error in errors.items() if np.isinf(error)]
    rough = [name for name, value in model._asdict().items() if ROUGH * value < errors[name] < np.inf]
    parts = [message("note_no_error", names=unknown)] if unknown else []
    parts += [message("note_rough" if len(rough) == 1 else "note_rough_several", names=rough)] if rough else []
    return several("clauses", parts) if parts else None


def _left_out(data: SpendCells) -> Message | None:
    return message("note_left_out", customers=message("customers", n=round(data.left_out))) if data.left_out else None


def _infinite_mean(model: GammaGamma, data: SpendCells) -> Message | None:
    if model.q > 1:
        return None
    return message("note_infinite_mean", q=float(model.q), mean=float(np.average(data.zbar, weights=data.n)))


def _dependence(model: GammaGamma, data: SpendCells) -> Message | None:
    if _fixed_prices(model, data):
        return None
    rho, ratio = spend_correlation(model, data)
    if abs(rho) < MATTERS or abs(ratio) < SIGNIFICANT:
        return None
    return message("note_spend_rises" if rho > 0 else "note_spend_falls", rho=rho, errors=abs(ratio))


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
