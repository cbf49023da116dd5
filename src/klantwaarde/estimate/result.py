"""A fitted model: parameters, precision, a plain word about their quality, and the file that keeps them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import numpy as np
from scipy.special import ndtri

from klantwaarde.calendar import check_unit
from klantwaarde.errors import BadParameters
from klantwaarde.files import write_text
from klantwaarde.models import MODELS, SPEND_MODELS
from klantwaarde.shown import html_table
from klantwaarde.wording.message import as_kept

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    import pandas as pd

    from klantwaarde.typing import Array

FORMAT, SCHEMA = "klantwaarde-model", 1

M = TypeVar("M", bound=NamedTuple)


@dataclass(frozen=True, repr=False)
class Fit(Generic[M]):
    """A model fitted to data.

    log_likelihood is that of the data in their own unit. covariance (parameters x parameters) and
    standard_errors come from the observed information; a parameter that the data do not determine has an
    infinite variance, covariance 0 with the others, and is told in `reason`. status is "converged",
    "boundary" (the likelihood rises towards an edge of the parameter space, or is flat: predictions are
    fine, the parameters named in `reason` mean nothing) or "not converged". reason and notes are messages: English
    text, with code and fields; plain text where they come from an older file. customers is the sum of n,
    cells the number of rows. mean_spend is the mean over customers of their mean spend; None for timing
    models.
    """

    model: M
    log_likelihood: float
    covariance: Array
    standard_errors: dict[str, float]
    status: str
    reason: str
    customers: float
    cells: int
    unit: str | None = None
    as_of: str | None = None
    notes: tuple[str, ...] = ()
    evaluations: int = 0
    mean_spend: float | None = field(default=None)

    @property
    def name(self) -> str:
        """Name of the model in files and on the command line."""
        return model_name(type(self.model))

    @property
    def aic(self) -> float:
        """Akaike's criterion: the lower the better."""
        return 2 * len(self.model) - 2 * self.log_likelihood

    @property
    def bic(self) -> float:
        """Schwarz's criterion, with the number of customers as the size of the data."""
        return float(len(self.model) * np.log(self.customers) - 2 * self.log_likelihood)

    def __repr__(self) -> str:
        """Short: the covariance and the words of the reason are asked for."""
        values = ", ".join(f"{name}={np.mean(value):.4g}" for name, value in self.model._asdict().items())
        draws = max(np.size(value) for value in self.model)
        values += f", means of {draws:,} draws" * (draws > 1)
        return f"<Fit {self.name} ({values}), {self.status}, of {self.customers:,.0f} customers>"

    def summary(self, level: float = 0.95) -> pd.DataFrame:
        """A row per parameter: estimate, standard_error, and an interval, of log(parameter), so that it stays positive.

        level: of the interval. A parameter that the data do not determine runs from 0 to infinity.
        """
        import pandas as pd  # noqa: PLC0415 - half a second that fits do without

        if not 0 < level < 1:
            raise BadParameters(f"level={level} must lie between 0 and 1.")
        estimate = np.array([float(value) for value in self.model])
        error = np.array(list(self.standard_errors.values()))
        with np.errstate(over="ignore"):
            far = np.exp(ndtri((1 + level) / 2) * error / estimate)
            rows = {"estimate": estimate, "standard_error": error, "low": estimate / far, "high": estimate * far}
        return pd.DataFrame(rows, index=pd.Index(list(self.standard_errors), name="parameter"))

    def _repr_html_(self) -> str:
        rows = [[name, *(f"{value:.4g}" for value in row)] for name, *row in self.summary().itertuples()]
        return html_table((f"{self.name}, {self.status}", "estimate", "standard error", "low", "high"), rows)

    def drawn(self, draws: Array) -> Fit[M]:
        """The same fit with draws of its parameters in their place: scores are then means over the draws.

        draws: shape (draws, parameters), positive, in the unit of the fit.
        """
        draws = np.asarray(draws, dtype=float)
        if draws.ndim != 2 or draws.shape[1] != len(self.model) or not (np.isfinite(draws) & (draws > 0)).all():
            wanted = f"a row of {len(self.model)} positive numbers per draw ({', '.join(self.model._fields)})"
            raise BadParameters(f"draws has to be {wanted}, but is of shape {draws.shape}.")
        columns: Any = type(self.model)._make(column[:, None] for column in draws.T)
        return replace(self, model=columns)

    def model_in(self, unit: str) -> M:
        """The model with its times in another unit; spend models have none."""
        if self.unit is None or unit == self.unit:
            return self.model
        factor = check_unit(self.unit) / check_unit(unit)
        told: Any = self.model
        return type(self.model)._make(
            value * factor**one.power for value, one in zip(self.model, told.parameters(), strict=True)
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """A small JSON file with everything but the data, written whole or not at all."""
        spend = self.name in SPEND_MODELS
        save_fits(path, timing=None if spend else self, spend=self if spend else None)


def model_name(Model: type) -> str:
    """Name of a model in files and on the command line."""
    return next((name for name, known in (MODELS | SPEND_MODELS).items() if known is Model), Model.__name__)


def save_fits(
    path: str | os.PathLike[str],
    timing: Fit[Any] | None = None,
    spend: Fit[Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    potential: Fit[Any] | None = None,
    base: Mapping[str, Any] | None = None,
) -> None:
    """One JSON file for a timing fit, a spend fit, or both, and the settings they were made with.

    potential: the fit that headroom rests on, where the timing fit is of another model. base: the customers they were
    fitted on, by which new orders are told from all orders.
    """
    roles = {"timing": _entry(timing, "timing", MODELS), "spend": _entry(spend, "spend", SPEND_MODELS)}
    if potential is not None:
        roles["potential"] = _entry(potential, "timing", MODELS)
    content = {"format": FORMAT, "version": SCHEMA, "klantwaarde": version("klantwaarde"), **roles}
    content["settings"] = dict(settings or {})
    content["base"] = dict(base or {})
    write_text(Path(path), json.dumps(content, indent=2, allow_nan=False) + "\n")


def _entry(kept: Fit[Any] | None, role: str, models: Mapping[str, type]) -> dict[str, Any] | None:
    """Everything in a fit as JSON, an infinite variance as null. Floats read back exactly."""
    if kept is None:
        return None
    if kept.name not in models:
        raise BadParameters(f"{kept.name} is no {role} model; those are {', '.join(models)}.")
    covariance = [[value if np.isfinite(value) else None for value in row] for row in kept.covariance.tolist()]
    told = (
        "log_likelihood",
        "status",
        "customers",
        "cells",
        "unit",
        "as_of",
        "evaluations",
        "mean_spend",
    )
    return {
        "model": kept.name,
        "parameters": kept.model._asdict(),
        "covariance": covariance,
        "reason": as_kept(kept.reason),
        "notes": [as_kept(note) for note in kept.notes],
        **{name: getattr(kept, name) for name in told},
    }
