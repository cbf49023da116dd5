"""Maximum likelihood fits of any model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar, overload

import numpy as np

from klantwaarde.errors import BadOrders, BadParameters, kind_of
from klantwaarde.estimate.diagnosis import diagnosis
from klantwaarde.estimate.notes import notes
from klantwaarde.estimate.prior import Prior
from klantwaarde.estimate.result import Fit
from klantwaarde.estimate.search import search
from klantwaarde.estimate.starts import scaled
from klantwaarde.models import MODELS, SPEND_MODELS
from klantwaarde.purchases.cells import Cells, SpendCells
from klantwaarde.wording.message import Message, message, several

if TYPE_CHECKING:
    from collections.abc import Sequence

    from klantwaarde.models.gamma_gamma import GammaGamma
    from klantwaarde.typing import Array

M = TypeVar("M", bound=NamedTuple)
Start: TypeAlias = "M | Sequence[float] | Mapping[str, float] | None"


@overload
def fit(Model: type[M], data: Cells | SpendCells, *, start: Start[M] = None, prior: Prior | None = None) -> Fit[M]: ...
@overload
def fit(Model: str, data: Cells | SpendCells, *, start: Start[Any] = None, prior: Prior | None = None) -> Fit[Any]: ...
def fit(
    Model: type[Any] | str,
    data: Cells | SpendCells,
    *,
    start: Start[Any] = None,
    prior: Prior | None = None,
) -> Fit[Any]:
    """Maximum likelihood fit of a timing model to Cells, or of a spend model to SpendCells.

    Model: the class, or its name as files have it, such as "pareto_nbd". start: parameters in the data's unit, tried
    before the starts that are drawn from the data. prior: of the logarithms of parameters; the fit is then the mode of
    their posterior, and log_likelihood that of the data alone. Raises BadParameters for a model that does not go with
    the data, BadOrders for data that hold no information at all.
    """
    Model = model_of(Model)
    _check(Model, data)
    near, unit, shift = scaled(data)
    units = np.array([unit**one.power for one in Model.parameters()])
    known = None if prior is None else prior.checked(Model._fields, Model.__name__).density(Model._fields, units)
    objective, found = search(Model, near, None if start is None else _start(Model, start, units), known)
    told = diagnosis(Model._fields, objective, found)
    theta = np.exp(found.z) * units
    covariance = _natural(told.covariance, theta)
    errors = dict(zip(Model._fields, np.sqrt(np.diag(covariance)).tolist(), strict=True))
    model = Model._make(theta.tolist())
    return Fit(
        model=model,
        log_likelihood=found.value + shift - (0.0 if known is None else known(found.z)[0]),
        covariance=covariance,
        standard_errors=errors,
        status=told.status,
        reason=_reason(data, told.reason),
        customers=data.customers,
        cells=len(data),
        unit=data.unit if isinstance(data, Cells) else None,
        as_of=None if data.as_of is None else str(data.as_of),
        notes=notes(model, data, errors),
        evaluations=objective.evaluations,
        mean_spend=float(np.average(data.zbar, weights=data.n)) if isinstance(data, SpendCells) else None,
    )


def model_of(given: type[Any] | str) -> type[Any]:
    """The class of a model, given as such or by its name. Raises BadParameters for anything else."""
    known = MODELS | SPEND_MODELS
    found = known.get(given) if isinstance(given, str) else given
    if not isinstance(found, type) or not (hasattr(found, "_fields") and hasattr(found, "parameters")):
        told = repr(given) if isinstance(given, str) else kind_of(given)
        raise BadParameters(f"{told} is no model. Give one of {', '.join(known)}, or its class, such as kw.ParetoNBD.")
    return found


def population_mean(spend: Fit[GammaGamma]) -> float:
    """Expected money per purchase of a customer about whose spend nothing is known.

    The model's p gamma / (q - 1); where q <= 1 that is infinite, and the observed mean of customers stands
    in.
    """
    means = np.asarray(spend.model.mean(0.0, 0.0))
    if spend.mean_spend is not None:
        means = np.where(np.isfinite(means), means, spend.mean_spend)
    return float(means.mean())


def spend_line(spend: Fit[GammaGamma], x: Array) -> tuple[Array, Array]:
    """(intercept, slope): expected money per purchase is intercept + slope zbar, for x repeat purchases.

    The population's mean at x = 0. Where the model's mean is infinite (p x + q <= 1), the customer's own mean. Means
    over draws, where the parameters are draws (draws, 1).
    """
    at_zero, at_one = (spend.model.mean(x, np.full(np.shape(x), zbar)) for zbar in (0.0, 1.0))
    known = np.isfinite(at_zero)
    intercept = np.where(known, at_zero, 0.0)
    slope = np.where(known, at_one, 1.0) - intercept
    intercept, slope = (np.atleast_2d(part).mean(axis=0) for part in (intercept, slope))
    none = np.equal(x, 0)
    return np.where(none, population_mean(spend), intercept), np.where(none, 0.0, slope)


def _check(Model: type[NamedTuple], data: Cells | SpendCells) -> None:
    """The right pair of model and data, and data that say something."""
    spend = hasattr(Model, "log_likelihood")
    if not isinstance(data, SpendCells if spend else Cells):
        wanted = "SpendCells (x, zbar)" if spend else "Cells (x, t_x, T)"
        raise BadParameters(f"{Model.__name__} is fitted to {wanted}, not to {type(data).__name__}.")
    if not len(data):
        raise BadOrders("No customer has a repeat purchase with money: there is no spend to fit.")
    if isinstance(data, Cells) and not data.T.any():
        raise BadOrders("Every T is 0: all first purchases fall on the last day, and nobody had time to buy again.")


def _start(Model: type[M], start: M | Sequence[float] | Mapping[str, float], units: Array) -> Array:
    try:
        values = [start[name] for name in Model._fields] if isinstance(start, Mapping) else list(start)
        theta = np.asarray(values, dtype=float)
    except (KeyError, TypeError, ValueError):
        theta = np.array([])
    if theta.shape != units.shape or not (np.isfinite(theta) & (theta > 0)).all():
        raise BadParameters(f"start has to be {len(units)} positive numbers ({', '.join(Model._fields)}), not {start}.")
    return np.log(theta / units)


def _natural(covariance: Array, theta: Array) -> Array:
    """The covariance of the parameters from that of their logs (delta method)."""
    return np.asarray(covariance * np.outer(theta, theta))


def _reason(data: Cells | SpendCells, reason: Message) -> Message:
    if isinstance(data, Cells) and not data.x.any():
        return several("clauses", [message("fit_nobody_bought_again"), reason])
    return reason
