"""Simulated orders, CDNOW-like, of any number of customers: written in chunks, so that memory does not grow.

Pareto/NBD and Gamma-Gamma with the published CDNOW parameters, 78 weeks of which the first 12 bring new customers,
dates by the day. The lines stand in the order of their dates, as in a shop's log.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.job import AS_OF, Job, Watch
from klantwaarde import GammaGamma, ParetoNBD, simulate

MODEL = ParetoNBD(0.553, 10.578, 0.606, 11.669)
SPENDING = GammaGamma(6.25, 3.74, 15.44)
START, ACQUISITION_DAYS = "2023-01-02", 84
SCENARIOS = {"cohort": (START, ACQUISITION_DAYS), "growing": ("2022-07-01", 730)}
"""First day, and days on which customers come: a cohort that is followed, or a shop that wins new ones all the time."""
CHUNK = 250_000
"""Customers simulated at a time; other chunks are other orders."""

ORDERS = {"date": "date, customer_id, amount", "customer": "customer_id, date, amount"}


def chunks(customers: int, seed: int, scenario: str = "cohort") -> Iterator[pa.Table]:
    """The orders of up to CHUNK customers at a time, with seeds of their own; customer_id from 1."""
    start, acquisition_days = SCENARIOS[scenario]
    for number, first in enumerate(range(0, customers, CHUNK)):
        own = np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)
        drawn = simulate(
            MODEL,
            min(CHUNK, customers - first),
            start=start,
            end=AS_OF,
            acquisition_days=acquisition_days,
            spend=SPENDING,
            seed=int(own[0]),
        )
        yield drawn.set_column(0, "customer_id", pc.add(drawn["customer_id"], first))


def write_orders(
    path: Path, customers: int, seed: int, order: str = "date", threads: int = 2, scenario: str = "cohort"
) -> None:
    """One Parquet file (customer_id, date, amount as DECIMAL) in the order of dates or of customers."""
    drawn, sorted_ = path.with_suffix(".drawn"), path.with_suffix(".sorted")
    try:
        _write_chunks(drawn, customers, seed, scenario)
        _sort(drawn, sorted_, ORDERS[order], threads)
        sorted_.replace(path)
    finally:
        drawn.unlink(missing_ok=True)
        sorted_.unlink(missing_ok=True)


def _write_chunks(path: Path, customers: int, seed: int, scenario: str) -> None:
    parts = chunks(customers, seed, scenario)
    first = next(parts)
    with pq.ParquetWriter(path, first.schema) as writer:
        writer.write_table(first)
        for part in parts:
            writer.write_table(part)


def _sort(source: Path, target: Path, by: str, threads: int) -> None:
    with duckdb.connect(config={"threads": threads, "memory_limit": "2GB", "temp_directory": f"{target}.tmp"}) as db:
        db.execute(
            f"copy (select customer_id, date, cast(amount as decimal(12, 2)) as amount from read_parquet('{source}') "
            f"order by {by}) to '{target}' (format parquet)"
        )


def _orders(job: Job, watch: Watch) -> dict[str, Any]:
    """The file that all libraries get, made unless it is there."""
    path = Path(job.orders)
    if not path.exists():
        with watch:
            write_orders(path, job.customers, job.seed, job.order, job.threads, job.scenario)
    return {"lines": pq.read_metadata(path).num_rows, "bytes": path.stat().st_size}


STEPS = {"orders": _orders}
