"""The tables of docs/scale.md: Spark and states as measured, and what a cluster should take, computed from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.growth import NONE, Size, table
from benchmarks.plan import OURS
from benchmarks.table import duration, found

KEPT = Path(__file__).resolve().parent / "beyond.json"
GROWING = ("choose", "cells", "fit", "fit_spend", "score")
"""Steps that one process does on the distinct histories, however many workers there are."""


class Cluster(NamedTuple):
    """What a cluster has: of workers, of cores in each, and MB per second of each one's disk and network.

    efficiency: the part of the cores' time that is work, the rest being waiting for the slowest task.
    """

    workers: int = 20
    cores: int = 16
    disk: float = 1000.0
    network: float = 1250.0
    efficiency: float = 0.5


class Rates(NamedTuple):
    """What Spark did for so many customers: core seconds, MB read, written and shuffled, and seconds without a task."""

    customers: int
    core_seconds: float
    input_mb: float
    output_mb: float
    shuffled_mb: float
    alone_seconds: float


class Estimate(NamedTuple):
    """Seconds, computed."""

    cores: float
    disks: float
    network: float
    alone: float

    @property
    def total(self) -> float:
        """One after the other, as if nothing overlapped."""
        return sum(self)


def estimate(rates: Rates, customers: int, cluster: Cluster, per_tenfold: float = 0.0) -> Estimate:
    """What a cluster takes for so many customers, each with as many lines as those measured.

    per_tenfold: seconds that the work of one process grows by with every tenfold of customers.
    """
    times, workers = customers / rates.customers, cluster.workers
    moved = rates.input_mb + rates.output_mb + 2 * rates.shuffled_mb
    return Estimate(
        cores=times * rates.core_seconds / (workers * cluster.cores * cluster.efficiency),
        disks=times * moved / (workers * cluster.disk),
        network=times * rates.shuffled_mb * (workers - 1) / workers / (workers * cluster.network),
        alone=rates.alone_seconds + per_tenfold * math.log10(times),
    )


def rates_of(size: Size) -> Rates | None:
    """The rates of a size's run on Spark."""
    run = found(size, "spark", "run")
    if run is None:
        return None
    told = run["answer"]
    return Rates(
        size["customers"], told["core_seconds"], told["input_mb"], told["output_mb"], told["shuffled_mb"],
        run["seconds"] - told["busy_seconds"],
    )  # fmt: skip


def blocks(beyond: Mapping[str, Any], sizes: Sequence[Size]) -> dict[str, str]:
    """The page's blocks, by name."""
    words = _words(beyond)
    return {
        "spark": words + _spark(beyond["sizes"], sizes),
        "state": words + _state(beyond["sizes"]),
        "cluster": _cluster(beyond["sizes"], sizes),
    }


def _words(beyond: Mapping[str, Any]) -> str:
    if not beyond["sizes"]:
        return ""
    machine, versions = beyond["machine"], beyond["versions"]
    return (
        f"Measured {beyond['made'][:10]} by `python -m benchmarks.beyond`, on {machine['cpu']}, {beyond['threads']} of "
        f"{machine['cores']} cores, {machine['memory_gb']:g} GB memory; klantwaarde {versions['klantwaarde']}, "
        f"pyspark {versions['pyspark']}, duckdb {versions['duckdb']}.\n\n"
    )


def _spark(beyond: Sequence[Size], sizes: Sequence[Size]) -> str:
    headings = ("customers", "order lines", "seconds on Spark", "seconds on DuckDB", "seconds with tasks",
                "core seconds", "tasks", "MB read", "MB shuffled", "MB written", "peak GB of the JVM")  # fmt: skip
    duck = {size["customers"]: found(size, OURS, "run") for size in sizes}
    return table(headings, [_spark_row(size, duck.get(size["customers"])) for size in beyond if rates_of(size)])


def _spark_row(size: Size, duck: Mapping[str, Any] | None) -> list[str]:
    run = found(size, "spark", "run") or {}
    told = run["answer"]
    moved = [f"{told[f'{name}_mb']:,.0f}" for name in ("input", "shuffled", "output")]
    seconds = [duration(run["seconds"]), duration(duck["seconds"]) if duck else "", duration(told["busy_seconds"])]
    ends = [duration(told["core_seconds"]), f"{told['tasks']:,}", *moved, f"{told['jvm_peak_mb'] / 1024:.1f}"]
    return [f"{size['customers']:,}", f"{size['lines']:,}", *seconds, *ends]


def _state(beyond: Sequence[Size]) -> str:
    headings = (
        "customers",
        "run",
        "new lines",
        "seconds",
        "of it merging",
        "peak MB",
        "MB of the state after it",
        "cores that others kept busy",
    )
    rows = [
        [f"{size['customers']:,}", one["step"], *_state_row(one)]
        for size in beyond
        for one in size["measures"]
        if one["library"] == "state" and one["status"] == "done"
    ]
    return table(headings, rows)


def _state_row(one: Mapping[str, Any]) -> list[str]:
    told = one["answer"]
    merging = duration(told["seconds"].get("merge", 0.0))
    peak, kept = f"{one['peak_mb']:,.0f}", f"{told['state_bytes'] / 2**20:,.0f}"
    theirs = f"{one['others_cores']:.2f}" if "others_cores" in one else ""
    return [f"{told['lines']:,}", duration(one["seconds"]), merging, peak, kept, theirs]


def _cluster(beyond: Sequence[Size], sizes: Sequence[Size], customers: int = 1_000_000_000) -> str:
    measured = [(size, rates) for size in beyond if (rates := rates_of(size))]
    if not measured:
        return NONE
    (size, rates), cluster = measured[-1], Cluster()
    made = estimate(rates, customers, cluster, _per_tenfold(sizes))
    headings = ("part", "computed as", "seconds")
    each = f"{rates.core_seconds:,.0f} core seconds per {rates.customers:,} customers"
    rows: list[tuple[str, str, float]] = [
        ("cores", f"{each}, on {cluster.workers} × {cluster.cores} cores at {cluster.efficiency:.0%}", made.cores),
        ("disks", f"read, written, and shuffled twice, at {cluster.disk:,.0f} MB/s per worker", made.disks),
        ("network", f"shuffled, but for what stays, at {cluster.network:,.0f} MB/s per worker", made.network),
        ("one process", "seconds without a task, as measured, and the growth of the fits", made.alone),
        ("**together**", "one after the other, as if nothing overlapped", made.total),
    ]
    lines = round(size["lines"] / size["customers"] * customers / 1e8) / 10
    head = (
        f"**Computed, not measured**: {customers:,} customers, {lines:g} billion order lines, {cluster.workers} "
        f"workers of {cluster.cores} cores, from the run on Spark of {rates.customers:,} customers above.\n\n"
    )
    return head + table(headings, [[*words, f"{seconds:,.0f}"] for *words, seconds in rows])


def _per_tenfold(sizes: Sequence[Size]) -> float:
    """Seconds by which the steps of one process grew between the two largest sizes, which are tenfold apart."""
    runs = [run["answer"]["seconds"] for size in sizes if (run := found(size, OURS, "run"))]
    if len(runs) < 2:
        return 0.0
    before, after = (sum(run.get(step, 0.0) for step in GROWING) for run in runs[-2:])
    return float(max(after - before, 0.0))
