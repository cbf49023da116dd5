"""python -m benchmarks.beyond [SIZE ...]: runs on Spark, and runs on a state, measured; into benchmarks/beyond.json.

A size that is measured again takes the place of what the file holds of it.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.job import Job
from benchmarks.machine import machine, version_in, versions
from benchmarks.measure import once
from benchmarks.plan import Step

HERE = Path(__file__).resolve().parent
KEPT = HERE / "beyond.json"
STEPS = (
    Step("spark", "run"),
    Step("state", "first batch"),
    Step("state", "a day's batch"),
    Step("state", "a day's batch, model kept"),
)


def main(arguments: list[str] | None = None) -> int:
    """Measure and write; 1 if a step failed."""
    parser = argparse.ArgumentParser("python -m benchmarks.beyond", description=__doc__)
    parser.add_argument("sizes", nargs="*", type=lambda text: int(float(text)), default=[1_000_000])
    parser.add_argument("--only", choices=("spark", "state"), help="one of the two")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", type=Path, default=HERE / "data")
    parser.add_argument("--json", type=Path, default=KEPT)
    told = parser.parse_args(arguments)
    failed = 0
    for customers in told.sizes:
        size = _measured(_job(told, customers), told.only)
        failed += sum(one["status"] != "done" for one in size["measures"])
        _keep(told.json, size, told.threads)
    return min(failed, 1)


def _job(told: argparse.Namespace, customers: int) -> Job:
    data = told.data.resolve()
    orders, work = (str(data / f"{name}-{customers}-date-1") for name in ("orders", "work"))
    return Job(customers, f"{orders}.parquet", work, threads=told.threads)


def _measured(job: Job, only: str | None) -> dict[str, Any]:
    Path(job.work).mkdir(parents=True, exist_ok=True)
    orders = once(job, Step("orders", "orders"), None)
    measures = []
    for step in STEPS:
        if only in {None, step.library}:
            sys.stderr.write(f"· {job.customers:,} customers: {step.library}, {step.name}\n")
            measures.append({"library": step.library, "step": step.name, **once(job, step, None)})
    return {"customers": job.customers, **orders["answer"], "measures": measures}


def _keep(path: Path, size: dict[str, Any], threads: int) -> None:
    """The size in the file: its measures take the place of those of the same name."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"sizes": []}
    sizes = {one["customers"]: one for one in kept["sizes"]}
    old = sizes.get(size["customers"], {"measures": []})["measures"]
    named = {(one["library"], one["step"]): one for one in [*old, *size["measures"]]}
    sizes[size["customers"]] = size | {"measures": list(named.values())}
    header = {
        "made": dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "threads": threads,
        "versions": versions() | {"pyspark": version_in(sys.executable, "pyspark")},
    }
    text = json.dumps(header | {"sizes": [sizes[name] for name in sorted(sizes)]}, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
