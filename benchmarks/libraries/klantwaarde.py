"""klantwaarde: from orders to scored customers, and the parts that peers have too."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.job import AS_OF, HORIZON, MODELS, SPEND, TIMING, Job, Watch, command


def _run(job: Job, watch: Watch) -> dict[str, Any]:
    """The command `klantwaarde run`, Parquet in and all files out, its imports included."""
    out = job.file("run")
    record = command(job, watch, out, job.orders)
    told = {name: record[name] for name in ("customers", "model", "seconds")}
    return told | {"bytes": sum(file.stat().st_size for file in out.iterdir())}


def _summary(job: Job, watch: Watch) -> dict[str, Any]:
    """Orders read from the file, one row per customer, and the cells of both models; then kept for the other steps."""
    import klantwaarde as kw

    with watch:
        base = kw.customers(kw.orders(job.orders, memory_limit=job.memory_limit), AS_OF)
        cells, spend = base.cells(), base.spend()
    np.savez(job.file("cells.npz"), x=cells.x, t_x=cells.t_x, T=cells.T, n=cells.n)
    np.savez(job.file("spend.npz"), x=spend.x, zbar=spend.zbar, n=spend.n)
    if job.peers:
        _write_histories(job, base)
    return {"cells": len(cells), "spend_cells": len(spend), "customers": base.totals["customers"]}


def _write_histories(job: Job, base: Any) -> None:
    frame = base.to_pandas()
    x = frame.orders.to_numpy() - 1
    t_x, T = (
        (frame.last_order - frame.first_order).dt.days / 7,
        (np.datetime64(AS_OF) - frame.first_order).dt.days / 7,
    )
    zbar = np.where(x > 0, frame.repeat_amount / np.maximum(x, 1), 0.0)
    np.savez(job.file("histories.npz"), customer_id=frame.customer_id, x=x, t_x=t_x, T=T, zbar=zbar)


def _fit(model: str) -> Callable[[Job, Watch], dict[str, Any]]:
    """A maximum likelihood fit from cells, standard errors and diagnosis included."""

    def step(job: Job, watch: Watch) -> dict[str, Any]:
        import klantwaarde as kw
        from klantwaarde.models import MODELS as TIMING_MODELS

        spend = model == SPEND
        kept = np.load(job.file("spend.npz" if spend else "cells.npz"))
        data = kw.SpendCells(**kept) if spend else kw.Cells(**kept, unit="week")
        with watch:
            fitted: kw.Fit[Any] = kw.fit(kw.GammaGamma if spend else TIMING_MODELS[model], data)
        told = {"parameters": fitted.model._asdict(), "status": fitted.status, "cells": fitted.cells}
        told |= {"log_likelihood": fitted.log_likelihood / fitted.customers, "evaluations": fitted.evaluations}
        job.file(f"parameters-{model}.json").write_text(json.dumps(told["parameters"]), encoding="utf-8")
        return told

    return step


def _predict(model: str) -> Callable[[Job, Watch], dict[str, Any]]:
    """P(alive) and the orders expected in a year, of every customer."""

    def step(job: Job, watch: Watch) -> dict[str, Any]:
        import klantwaarde as kw
        from klantwaarde.models import MODELS as TIMING_MODELS

        told = json.loads(job.file(f"parameters-{model}.json").read_text(encoding="utf-8"))
        fitted = TIMING_MODELS[model](**told)
        kept = np.load(job.file("histories.npz"))
        x, t_x, T = (kept[name].astype(float) for name in ("x", "t_x", "T"))
        with watch:
            p_alive, cet = kw.models.p_alive(fitted, x, t_x, T), kw.models.cet(fitted, HORIZON, x, t_x, T)
        np.savez(job.file(f"klantwaarde-{model}.npz"), p_alive=p_alive, cet=cet)
        return {"p_alive": float(p_alive.sum()), "expected_orders": float(cet.sum())}

    return step


STEPS = {
    "run": _run,
    "summary": _summary,
    **{f"fit {model}": _fit(model) for model in MODELS},
    **{f"predict {model}": _predict(model) for model in TIMING},
}
