"""lifetimes 0.11.3, as its manual says to use it, and at its best: with weights, on the cells that we counted.

Times are in weeks on both sides. `fit` computes standard errors too, except Pareto/NBD's, which has none. Its
predictions are asked for at our parameters, so that they differ only where the formulas' arithmetic does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.job import AS_OF, HORIZON, MODELS, SPEND, TIMING, Job, Watch

NAMES = {"gamma_gamma": {"v": "gamma"}}
"""Parameters that have another name here."""


def fitter(model: str) -> Any:
    """The peer's own object for a model."""
    import lifetimes

    kinds = {
        "bg_nbd": lifetimes.BetaGeoFitter,
        "mbg_nbd": lifetimes.ModifiedBetaGeoFitter,
        "pareto_nbd": lifetimes.ParetoNBDFitter,
        "gamma_gamma": lifetimes.GammaGammaFitter,
    }
    return kinds[model](penalizer_coef=0.0)


def log_likelihood(model: str, parameters: dict[str, float], data: dict[str, Any]) -> float:
    """The log-likelihood per customer by the peer's own function, at anyone's parameters."""
    values, n = np.array(list(parameters.values())), data["n"]
    history = [data[name] for name in (("x", "zbar") if model == SPEND else ("x", "t_x", "T"))]
    if model == "pareto_nbd":
        each = fitter(model)._conditional_log_likelihood(values, *history)  # noqa: SLF001 - its likelihood has no other door
        return float(np.average(each, weights=n))
    return -float(fitter(model)._negative_log_likelihood(np.log(values), *history, n, 0.0))  # noqa: SLF001


def _summary(job: Job, watch: Watch) -> dict[str, Any]:
    """Orders read into pandas, and one row per customer."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from lifetimes.utils import summary_data_from_transaction_data

    with watch:
        table = pq.read_table(job.orders)
        money = table["amount"].cast(pa.float64())
        frame = table.set_column(2, "amount", money).to_pandas(date_as_object=False)
        made = summary_data_from_transaction_data(
            frame, "customer_id", "date", "amount", observation_period_end=AS_OF, freq="D", freq_multiplier=7
        )
    made = made.sort_index()
    np.savez(
        job.file("lifetimes-summary.npz"),
        customer_id=made.index,
        x=made["frequency"],
        t_x=made["recency"],
        T=made["T"],
        zbar=made["monetary_value"],
    )
    return {"customers": len(made)}


def _fit(model: str, *, weighted: bool) -> Callable[[Job, Watch], dict[str, Any]]:
    """A fit on one row per customer or, weighted, on the distinct histories."""

    def step(job: Job, watch: Watch) -> dict[str, Any]:
        columns, weights = _data(model, job, weighted=weighted)
        fitted = fitter(model)
        np.random.seed(job.seed + job.run)  # noqa: NPY002 - its Pareto/NBD draws its start from there
        with watch:
            fitted.fit(*columns, weights=weights)
        names = NAMES.get(model, {})
        return {"parameters": {names.get(name, name): float(value) for name, value in fitted.params_.items()}}

    return step


def _data(model: str, job: Job, *, weighted: bool) -> tuple[list[Any], Any]:
    names = ("x", "zbar") if model == SPEND else ("x", "t_x", "T")
    kept = np.load(job.file(("spend.npz" if model == SPEND else "cells.npz") if weighted else "histories.npz"))
    columns = [kept[name] for name in names]
    if model == SPEND and not weighted:
        repeat = (kept["x"] > 0) & (kept["zbar"] > 0)
        columns = [column[repeat] for column in columns]
    return columns, kept["n"] if weighted else None


def _predict(model: str) -> Callable[[Job, Watch], dict[str, Any]]:
    """P(alive) and the orders expected in a year, of every customer."""

    def step(job: Job, watch: Watch) -> dict[str, Any]:
        import pandas as pd

        fitted = fitter(model)
        fitted.params_ = pd.Series(json.loads(job.file(f"parameters-{model}.json").read_text(encoding="utf-8")))
        kept = np.load(job.file("histories.npz"))
        history = [kept[name].astype(float) for name in ("x", "t_x", "T")]
        with watch:
            p_alive = fitted.conditional_probability_alive(*history)
            cet = fitted.conditional_expected_number_of_purchases_up_to_time(HORIZON, *history)
        np.savez(job.file(f"lifetimes-{model}.npz"), p_alive=p_alive, cet=cet)
        return {"p_alive": float(np.nansum(p_alive)), "expected_orders": float(np.nansum(cet))}

    return step


STEPS = {
    "summary": _summary,
    **{f"fit {model}": _fit(model, weighted=False) for model in MODELS},
    **{f"fit {model}, weights": _fit(model, weighted=True) for model in MODELS},
    **{f"predict {model}": _predict(model) for model in TIMING},
}
