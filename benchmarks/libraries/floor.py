"""The floor: the engine alone, doing the least that any solution on it has to do, within the same limit of memory."""

from __future__ import annotations

from typing import Any

import duckdb

from benchmarks.job import Job, Watch

CHUNK = 10_000_000
"""Scored customers held at a time: what is written stands in the engine's memory, also where the whole would not."""


def _scan(job: Job, watch: Watch) -> dict[str, Any]:
    """Every value of the orders, read once."""
    with _engine(job) as engine, watch:
        found = engine.execute(f"select count(*), max(customer_id), max(date), sum(amount) from '{job.orders}'")
        return {"lines": found.fetchall()[0][0]}


def _group(job: Job, watch: Watch) -> dict[str, Any]:
    """The orders read and grouped: one row per customer, kept in the engine."""
    with _engine(job) as engine:
        with watch:
            engine.execute(
                "create temp table base as select customer_id, min(date) as first, max(date) as last, "
                f"count(*) as orders, sum(amount) as money from '{job.orders}' group by customer_id"
            )
        return {"customers": engine.execute("select count(*) from base").fetchall()[0][0]}


def _write(job: Job, watch: Watch) -> dict[str, Any]:
    """The scored customers of our own run, from the engine's memory to a Parquet file."""
    scored, copy = job.file("run") / "customers.parquet", job.file("floor.parquet")
    written = 0
    with _engine(job) as engine:
        customers = engine.execute(f"select count(*) from '{scored}'").fetchall()[0][0]
        for first in range(0, customers, CHUNK):
            part = f"from '{scored}' where rank > {first} and rank <= {first + CHUNK}"
            engine.execute(f"create or replace temp table scored as {part}")
            with watch:
                engine.execute(f"copy scored to '{copy}' (format parquet, compression zstd)")
            written += copy.stat().st_size
            copy.unlink()
    return {"bytes": written}


def _engine(job: Job) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"memory_limit": job.memory_limit} if job.memory_limit else {})


STEPS = {"scan": _scan, "group": _group, "write": _write}
