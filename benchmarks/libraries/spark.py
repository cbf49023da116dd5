"""klantwaarde on Spark, on the cores of this machine: the command, and what Spark's own event log tells of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.job import Job, Watch, command

MB = 2**20
DRIVER_MEMORY = "6g"
"""In local mode the driver is the only executor as well."""
DEFAULTS = """spark.driver.memory {memory}
spark.local.dir {local}
spark.eventLog.enabled true
spark.eventLog.dir {log}
spark.eventLog.compress false
spark.eventLog.rolling.enabled false
"""


def _run(job: Job, watch: Watch) -> dict[str, Any]:
    """The command `klantwaarde run --engine spark`, the start of the JVM and imports included."""
    out, log = job.file("spark-run"), _configured(job)
    words = (job.orders, "--engine", "spark", "--master", f"local[{job.threads}]")
    record = command(replace(job, memory_limit=None), watch, out, *words)  # Spark has one of its own
    watch.machine_seconds = None  # the JVM's work is not this process's, nor others'
    jvm = sum(peaks_below(os.getpid()))
    _stop()
    told = {name: record[name] for name in ("customers", "model", "seconds")}
    return told | {"jvm_peak_mb": round(jvm, 1), "bytes": _bytes(out)} | tasks(log)


def _configured(job: Job) -> Path:
    """Spark told where to keep its log, by a folder of settings of our own; that log's folder."""
    conf, log, local = (job.file(f"spark-{name}") for name in ("conf", "log", "local"))
    for folder in (conf, log, local):
        folder.mkdir(exist_ok=True)
    for old in log.iterdir():
        old.unlink()
    words = DEFAULTS.format(memory=DRIVER_MEMORY, local=local, log=log.as_uri())
    (conf / "spark-defaults.conf").write_text(words, encoding="utf-8")
    os.environ["SPARK_CONF_DIR"] = str(conf)
    return log


def _stop() -> None:
    from pyspark.sql import SparkSession

    session = SparkSession.getActiveSession()
    if session is not None:
        session.stop()


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*.*") if file.is_file() and file.suffix != ".crc")


def peaks_below(parent: int) -> Iterator[float]:
    """Peak resident MB of every process that this one started and that still lives; on Linux only."""
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            told = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
        except OSError:  # it ended meanwhile
            continue
        if int(told["PPid"]) == parent:
            yield int(told.get("VmHWM", "0 kB").split()[0]) / 1024
            yield from peaks_below(int(told["Pid"]))


def tasks(log: Path) -> dict[str, Any]:
    """What the event log tells of all tasks together: core seconds, bytes, and when any of them ran."""
    (file,) = [one for one in log.iterdir() if not one.name.endswith(".crc")]
    ended = [event for event in _events(file) if event["Event"] == "SparkListenerTaskEnd"]
    metrics = [event["Task Metrics"] for event in ended if "Task Metrics" in event]
    spans = [(event["Task Info"]["Launch Time"], event["Task Info"]["Finish Time"]) for event in ended]
    return {
        "tasks": len(ended),
        "core_seconds": round(sum(one["Executor Run Time"] for one in metrics) / 1e3, 3),
        "cpu_seconds": round(sum(one["Executor CPU Time"] for one in metrics) / 1e9, 3),
        "busy_seconds": round(covered(spans) / 1e3, 3),
        "input_mb": _sum_mb(one["Input Metrics"]["Bytes Read"] for one in metrics),
        "output_mb": _sum_mb(one["Output Metrics"]["Bytes Written"] for one in metrics),
        "shuffled_mb": _sum_mb(one["Shuffle Write Metrics"]["Shuffle Bytes Written"] for one in metrics),
        "spilled_mb": _sum_mb(one["Disk Bytes Spilled"] for one in metrics),
    }


def _events(file: Path) -> Iterator[dict[str, Any]]:
    with file.open(encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines)


def _sum_mb(numbers: Iterable[int]) -> float:
    return round(sum(numbers) / MB, 1)


def covered(spans: Iterable[tuple[int, int]]) -> int:
    """Length of the union of spans (from, to)."""
    whole, reached = 0, 0
    for begin, end in sorted(spans):
        whole += max(end - max(begin, reached), 0)
        reached = max(reached, end)
    return whole


STEPS = {"run": _run}
