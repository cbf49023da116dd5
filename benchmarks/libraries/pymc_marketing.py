"""pymc-marketing's maximum a posteriori, `.fit(method="map")`, in an environment of its own.

With flat priors (`HalfFlat`, as in its manual's example of MBG/NBD) the maximum a posteriori is the maximum likelihood:
the same question as ours. Its default priors would answer another one. One row per customer; it knows no weights.
Seconds hold the building and compiling of its model, for nobody can fit without; what PyTensor has compiled before it
takes from its cache on disk. It gives no standard errors. Runs in that environment: nothing of klantwaarde is imported.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.job import MODELS, SPEND, Job, Watch

PARAMETERS = {
    "bg_nbd": ("r", "alpha", "a", "b"),
    "mbg_nbd": ("r", "alpha", "a", "b"),
    "pareto_nbd": ("r", "alpha", "s", "beta"),
    "gamma_gamma": ("p", "q", "v"),
}
PATIENCE = 60.0
"""Seconds of a fit, beyond which it is not done again."""
NAMES = {"gamma_gamma": {"v": "gamma"}}
"""Parameters that have another name here."""


def _fit(model: str) -> Callable[[Job, Watch], dict[str, Any]]:
    """A fit on one row per customer, and both parameter sets put into its own likelihood."""

    def step(job: Job, watch: Watch) -> dict[str, Any]:
        warnings.simplefilter("ignore")
        kind, flat = _kind(model)
        frame = _frame(model, job)
        with watch:
            made = kind(model_config=flat)
            made.fit(data=frame, method="map", progressbar=False)
        again = _again(model, frame) if watch.seconds < PATIENCE else None
        names = {name: NAMES.get(model, {}).get(name, name) for name in PARAMETERS[model]}
        found = {ours: float(made.idata.posterior[name].squeeze()) for name, ours in names.items()}
        kept = json.loads(job.file(f"parameters-{model}.json").read_text(encoding="utf-8"))
        likelihood, sets = _likelihood(made), {"klantwaarde": kept, "pymc_marketing": found}
        told = {
            whose: likelihood({name: values[ours] for name, ours in names.items()}) / len(frame)
            for whose, values in sets.items()
        }
        extra = {} if again is None else {"seconds": {"again, in the same process": again}}
        return {"parameters": found, "log_likelihoods": told} | extra

    return step


def _again(model: str, frame: Any) -> float:
    """Seconds of a second fit, of which little is left to compile."""
    kind, flat = _kind(model)
    began = time.perf_counter()
    kind(model_config=flat).fit(data=frame, method="map", progressbar=False)
    return round(time.perf_counter() - began, 4)


def _kind(model: str) -> tuple[Any, dict[str, Any]]:
    """The peer's class for a model, and flat priors for its parameters."""
    from pymc_extras.prior import Prior
    from pymc_marketing import clv

    kinds = {
        "bg_nbd": clv.BetaGeoModel,
        "mbg_nbd": clv.ModifiedBetaGeoModel,
        "pareto_nbd": clv.ParetoNBDModel,
        "gamma_gamma": clv.GammaGammaModel,
    }
    return kinds[model], {name: Prior("HalfFlat") for name in PARAMETERS[model]}


def _frame(model: str, job: Job) -> Any:
    import pandas as pd

    kept = np.load(job.file("histories.npz"))
    columns = {"customer_id": kept["customer_id"], "frequency": kept["x"].astype(float)}
    if model == SPEND:
        frame = pd.DataFrame(columns | {"monetary_value": kept["zbar"]})
        return frame[(frame.frequency > 0) & (frame.monetary_value > 0)].reset_index(drop=True)
    return pd.DataFrame(columns | {"recency": kept["t_x"], "T": kept["T"]})


def _likelihood(made: Any) -> Callable[[dict[str, float]], float]:
    """Its log-likelihood at given parameters: the function that it maximised, for flat priors add nothing."""
    density = made.model.compile_logp(jacobian=False)
    return lambda values: float(density({f"{name}_log__": np.log(value) for name, value in values.items()}))


STEPS = {f"fit {model}": _fit(model) for model in MODELS}
