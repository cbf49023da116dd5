"""The floor: the engine alone, doing the least that any solution on it has to do."""

from __future__ import annotations

from typing import Any

import duckdb

from benchmarks.job import Job, Watch


def _scan(job: Job, watch: Watch) -> dict[str, Any]:
    """Every value of the orders, read once."""
    with duckdb.connect() as engine, watch:
        found = engine.execute(f"select count(*), max(customer_id), max(date), sum(amount) from '{job.orders}'")
        return {"lines": found.fetchall()[0][0]}


def _group(job: Job, watch: Watch) -> dict[str, Any]:
    """The orders read and grouped: one row per customer, kept in the engine."""
    with duckdb.connect() as engine:
        with watch:
            engine.execute(
                "create temp table base as select customer_id, min(date) as first, max(date) as last, "
                f"count(*) as orders, sum(amount) as money from '{job.orders}' group by customer_id"
            )
        return {"customers": engine.execute("select count(*) from base").fetchall()[0][0]}


def _write(job: Job, watch: Watch) -> dict[str, Any]:
    """The scored customers of our own run, from the engine's memory to a Parquet file."""
    scored, copy = job.file("run") / "customers.parquet", job.file("floor.parquet")
    with duckdb.connect() as engine:
        engine.execute(f"create temp table scored as from '{scored}'")
        with watch:
            engine.execute(f"copy scored to '{copy}' (format parquet, compression zstd)")
    bytes_written = copy.stat().st_size
    copy.unlink()
    return {"bytes": bytes_written}


STEPS = {"scan": _scan, "group": _group, "write": _write}
