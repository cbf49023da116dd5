"""klantwaarde with a state: the first batch, and a day's batch of 1/500 of all lines after it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.job import Job, Watch, command

SHARE = 500
"""Of so many lines the last one is new: the file's lines stand in the order of their dates."""


def _first(job: Job, watch: Watch) -> dict[str, Any]:
    """Everything but the last lines, into a new state."""
    state = job.file("state")
    shutil.rmtree(state, ignore_errors=True)
    old = job.file("state-old.parquet")
    _cut(job, old, new=False)
    told = _merged(job, watch, old, state, [])
    shutil.rmtree(job.file("state-before"), ignore_errors=True)
    shutil.copytree(state, job.file("state-before"))
    return told


def _daily(*words: str) -> Callable[[Job, Watch], dict[str, Any]]:
    """The last lines, into the state that the first batch made."""

    def step(job: Job, watch: Watch) -> dict[str, Any]:
        state, new = job.file("state"), job.file("state-new.parquet")
        shutil.rmtree(state, ignore_errors=True)
        shutil.copytree(job.file("state-before"), state)
        _cut(job, new, new=True)
        return _merged(job, watch, new, state, list(words))

    return step


def _cut(job: Job, target: Path, *, new: bool) -> None:
    with duckdb.connect() as engine:
        lines = engine.execute(f"select count(*) from '{job.orders}'").fetchall()[0][0]
        part = f"file_row_number {'>=' if new else '<'} {lines - lines // SHARE}"
        source = f"read_parquet('{job.orders}', file_row_number = true)"
        engine.execute(f"copy (select customer_id, date, amount from {source} where {part}) to '{target}'")


def _merged(job: Job, watch: Watch, orders: Path, state: Path, words: list[str]) -> dict[str, Any]:
    out = job.file("state-run")
    record = command(job, watch, out, str(orders), "--state", str(state), *words)
    kept = sum(file.stat().st_size for file in state.rglob("*") if file.is_file())
    told = {name: record[name] for name in ("customers", "model", "seconds")}
    return told | {"lines": record["state"]["batch"]["lines"], "state_bytes": kept}


STEPS = {"first batch": _first, "a day's batch": _daily(), "a day's batch, model kept": _daily("--keep-model")}
