"""Fits read back from the file that `Fit.save` and `save_fits` write."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from klantwaarde.errors import BadParameters
from klantwaarde.estimate.result import FORMAT, SCHEMA, Fit
from klantwaarde.files import read_json
from klantwaarde.models import MODELS, SPEND_MODELS
from klantwaarde.wording.message import from_kept

if TYPE_CHECKING:
    import os

ROLES = {"timing": MODELS, "spend": SPEND_MODELS, "potential": MODELS}


def load_fit(path: str | os.PathLike[str], role: str | None = None) -> Fit[Any]:
    """The fit in a file: the one in `role` ("timing" or "spend"), else the timing fit, else the spend fit.

    Raises BadParameters for anything that is not such a file.
    """
    content = _content(path)
    wanted = tuple(ROLES) if role is None else (role,)
    found = next((name for name in wanted if name in ROLES and content.get(name) is not None), None)
    if found is None:
        present = [name for name in ROLES if content.get(name) is not None]
        raise BadParameters(
            f"{path} holds no {role or 'timing or spend'} fit; it holds: {', '.join(present) or 'none'}."
        )
    try:
        return _fit(content[found], ROLES[found])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        told = f"no {error}" if isinstance(error, KeyError) else error
        raise BadParameters(
            f"{path} is damaged: its {found} fit cannot be read ({told}). Fit again and save."
        ) from error


def load_roles(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """The roles that fits in a file have: timing, spend, potential."""
    content = _content(path)
    return tuple(role for role in ROLES if content.get(role) is not None)


def load_settings(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The settings that the fits in a file were made with."""
    settings = _content(path).get("settings")
    return settings if isinstance(settings, dict) else {}


def load_base(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What is kept of the customers that the fits in a file were made of; empty in a file of an earlier version."""
    base = _content(path).get("base") or {}
    try:
        if base.get("first_order") is not None:
            dt.date.fromisoformat(base["first_order"])
    except (TypeError, ValueError, AttributeError) as error:
        raise BadParameters(
            f"{path} is damaged: what it keeps of its customers cannot be read ({error}). Fit again and save."
        ) from error
    return dict(base)


def _content(path: str | os.PathLike[str]) -> dict[str, Any]:
    try:
        content = read_json(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadParameters(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise BadParameters(f"{path} is no JSON file ({error}).") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise BadParameters(f"{path} is no {FORMAT} file: its format is not {FORMAT!r}.")
    if content.get("version") != SCHEMA:
        raise BadParameters(f"{path} has version {content.get('version')!r}; this klantwaarde reads version {SCHEMA}.")
    return content


def _fit(entry: dict[str, Any], models: dict[str, type]) -> Fit[Any]:
    name = entry["model"]
    if name not in models:
        raise BadParameters(f"unknown model {name!r}; known: {', '.join(models)}")
    Model: Any = models[name]
    parameters = {field: _positive(field, entry["parameters"][field]) for field in Model._fields}
    covariance = np.array([[np.inf if value is None else float(value) for value in row] for row in entry["covariance"]])
    if covariance.shape != (len(parameters), len(parameters)) or np.isnan(covariance).any():
        raise BadParameters(f"the covariance is not a table of {len(parameters)} by {len(parameters)} numbers")
    if (np.diag(covariance) < 0).any():
        raise BadParameters("the covariance holds a negative variance")
    if entry["as_of"] is not None:
        dt.date.fromisoformat(entry["as_of"])
    if entry["mean_spend"] is not None:
        _finite("mean_spend", entry["mean_spend"])
    told = ("status", "unit", "as_of", "cells", "evaluations", "mean_spend")
    return Fit(
        model=Model(**parameters),
        log_likelihood=_finite("log_likelihood", entry["log_likelihood"]),
        covariance=covariance,
        standard_errors=dict(zip(parameters, np.sqrt(np.diag(covariance)).tolist(), strict=True)),
        customers=_finite("customers", entry["customers"]),
        reason=from_kept(entry["reason"]),
        notes=tuple(from_kept(note) for note in entry["notes"]),
        **{field: entry[field] for field in told},
    )


def _positive(name: str, value: Any) -> float:
    number = _finite(name, value)
    if number <= 0:
        raise BadParameters(f"{name} = {number} is not positive")
    return number


def _finite(name: str, value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not np.isfinite(value):
        raise BadParameters(f"{name} = {value!r} is no finite number")
    return float(value)
