"""What is measured of growth and scale: its tables and pictures, Spark's plan and log, states, a cluster's formula."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from benchmarks import figures, page, shuffles
from benchmarks.cluster import Cluster, Rates, estimate, rates_of
from benchmarks.growth import grown, moved, spilled_mb
from benchmarks.job import Job, Watch
from benchmarks.libraries import floor, spark, state
from benchmarks.measure import once
from benchmarks.orders import write_orders
from benchmarks.plan import Step

ROOT = Path(__file__).resolve().parent.parent


def job(folder: Path) -> Job:
    (folder / "work").mkdir()
    return Job(customers=50, orders=str(folder / "orders.parquet"), work=str(folder / "work"), peers=False)


def test_pictures_are_of_the_kept_measurements() -> None:
    mark = figures.digest(figures.measured(page.kept()))
    for name in ("scale.svg", "time.svg"):
        drawn = (figures.IMAGES / name).read_text(encoding="utf-8")
        assert mark in drawn, "python -m benchmarks.figures has to be run again"
        assert f"images/{name}" in page.PAGE.read_text(encoding="utf-8")


def sized(customers: int, seconds: float) -> dict[str, Any]:
    """A size with a floor and a run that took so long, spent on the step `write`."""
    done = {"status": "done", "seconds": seconds, "peak_mb": 2048.0}
    told = {"seconds": {"write": seconds, "aggregate": 0.0}, "bytes": 2**20}
    return {
        "customers": customers,
        "lines": 3 * customers,
        "bytes": 2**21,
        "comparisons": [],
        "measures": [
            {"library": "floor", "step": "group", **done},
            {"library": "floor", "step": "write", **done},
            {"library": "klantwaarde", "step": "run", **done, "read_mb": 30.0, "written_mb": 8.0, "answer": told},
        ],
    }


def test_growth_is_next_to_the_size_before() -> None:
    sizes = [sized(1_000, 2.0), sized(10_000, 6.0)]
    assert moved(sizes).splitlines()[2:] == [
        "| 1,000 | 3,000 | 2.0 | 1.0 | 30 | 8 | 7 | 2.00 | 0.5 | 2.0 |",
        "| 10,000 | 30,000 | 2.0 | 1.0 | 30 | 8 | 7 | 6.00 | 0.5 | 2.0 |",
    ]
    assert grown(sizes).splitlines()[3] == (
        "| 10,000 (×10) |  |  |  | 0.000 | 6.00 (×3.0) | 6.00 (×3.0) | 12.0 (×3.0) |"
    )
    assert moved([]) == "Not measured yet."
    assert spilled_mb({"written_mb": 1.4, "answer": {"bytes": 2**20}}) == 0


def test_parts_of_a_run_add_up_to_it() -> None:
    for size in figures.measured(page.kept()):
        run = next(one for one in size["measures"] if (one["library"], one["step"]) == ("klantwaarde", "run"))
        assert sum(figures.parts(size).values()) == pytest.approx(run["seconds"], rel=1e-6)


def test_the_estimate_of_a_cluster_is_its_formula() -> None:
    rates = Rates(10, core_seconds=100, input_mb=30, output_mb=50, shuffled_mb=40, alone_seconds=7)
    made = estimate(rates, 100, Cluster(2, 5, disk=8, network=4, efficiency=0.5), per_tenfold=3)
    assert tuple(made) == pytest.approx((200, 100, 25, 10))
    assert made.total == pytest.approx(335)
    alone = estimate(rates, 10, Cluster(1, 1, efficiency=1.0))
    assert (alone.cores, alone.network, alone.alone) == (100, 0, 7)  # as measured, and nothing crosses a network


def test_rates_are_of_a_run_on_spark_that_ended() -> None:
    answer = {"core_seconds": 8.0, "busy_seconds": 5.0, "input_mb": 1.0, "output_mb": 2.0, "shuffled_mb": 3.0}
    run = {"library": "spark", "step": "run", "status": "done", "seconds": 9.0, "answer": answer}
    assert rates_of({"customers": 10, "measures": [run]}) == Rates(10, 8.0, 1.0, 2.0, 3.0, 4.0)
    assert rates_of({"customers": 10, "measures": [run | {"status": "failed"}]}) is None


def test_the_event_log_is_added_up(tmp_path: Path) -> None:
    assert spark.covered([(5, 7), (0, 2), (1, 3), (6, 7)]) == 5
    metrics = {
        "Executor Run Time": 1500,
        "Executor CPU Time": 1_250_000_000,
        "Input Metrics": {"Bytes Read": 2**20},
        "Output Metrics": {"Bytes Written": 2**21},
        "Shuffle Write Metrics": {"Shuffle Bytes Written": 2**19},
        "Disk Bytes Spilled": 0,
    }
    task = {"Event": "SparkListenerTaskEnd", "Task Info": {"Launch Time": 1000, "Finish Time": 2600}}
    events = [{"Event": "SparkListenerLogStart"}, task | {"Task Metrics": metrics}, task | {"Task Metrics": metrics}]
    (tmp_path / "local-1").write_text("\n".join(map(json.dumps, events)), encoding="utf-8")
    assert spark.tasks(tmp_path) == {
        "tasks": 2, "core_seconds": 3.0, "cpu_seconds": 2.5, "busy_seconds": 1.6,
        "input_mb": 2.0, "output_mb": 4.0, "shuffled_mb": 1.0, "spilled_mb": 0.0,
    }  # fmt: skip


PLAN = """== Physical Plan ==
*(3) Project [customer_id#1L]
+- *(3) BroadcastHashJoin [part_#2, x#3], [part_#9, x#4], Inner, BuildRight, false
   :- *(3) Sort [is_active#5 DESC NULLS LAST], true, 0
   :  +- Exchange rangepartitioning(is_active#5 DESC NULLS LAST, 200), ENSURE_REQUIREMENTS, [plan_id=7]
   :     +- *(2) HashAggregate(keys=[customer_id#1L], functions=[sum(amount#8)])
   :        +- Exchange hashpartitioning(customer_id#1L, 200), ENSURE_REQUIREMENTS, [plan_id=6]
   :           +- *(1) ColumnarToRow
   :              +- FileScan parquet [customer_id#1L,amount#8] Batched: true
   +- BroadcastExchange HashedRelationBroadcastMode(List(input[0, int, true])), [plan_id=8]
"""


def test_a_plan_is_shortened_and_counted() -> None:
    short = shuffles.shortened(PLAN)
    assert [line.strip() for line in short.splitlines()] == [
        "BroadcastHashJoin on part_, x",
        "Sort",
        "Exchange rangepartitioning(is_active DESC NULLS LAST)",
        "HashAggregate by customer_id",
        "Exchange hashpartitioning(customer_id)",
        "FileScan parquet",
        "BroadcastExchange",
    ]
    found = shuffles.counted(short)
    assert (found["hash"], found["range"], found["BroadcastHashJoin"], found["SortMergeJoin"]) == (1, 1, 1, 0)


@pytest.mark.slow
def test_spark_s_plan_is_as_the_page_says() -> None:
    if shutil.which("java") is None:
        pytest.skip("no Java runtime")
    pytest.importorskip("pyspark")
    code = "from benchmarks import shuffles; print(shuffles.shortened(shuffles.plan()))"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    short = ended.stdout.strip()
    found = shuffles.counted(short)
    assert (found["hash"], found["range"]) == (2, 1)
    assert found["BroadcastHashJoin"] >= 2
    assert not found.keys() & {"SortMergeJoin", "ShuffledHashJoin", "BroadcastNestedLoopJoin", "CartesianProduct"}
    page_ = page.SCALE.read_text(encoding="utf-8")
    assert short in page_, "python -m benchmarks.shuffles has to be run again"
    assert shuffles.told(short) in page_


@pytest.mark.slow
def test_a_state_s_batches_are_all_lines_together(tmp_path: Path) -> None:
    given = job(tmp_path)
    write_orders(Path(given.orders), 2_000, seed=1)
    lines = pq.read_metadata(given.orders).num_rows
    told = [once(given, Step("state", name), None) for name in state.STEPS]
    assert [one["status"] for one in told] == ["done"] * 3, told
    new = lines // state.SHARE
    assert [one["answer"]["lines"] for one in told] == [lines - new, new, new]
    assert {one["answer"]["customers"] for one in told} == {2_000}
    assert "fit" in told[1]["answer"]["seconds"]
    assert "fit" not in told[2]["answer"]["seconds"]


@pytest.mark.parametrize("rows_", [10, 25])
def test_the_floor_writes_every_row_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_: int) -> None:
    monkeypatch.setattr(floor, "CHUNK", 10)
    given = job(tmp_path)
    given.file("run").mkdir()
    table = pa.table({"rank": np.arange(1, rows_ + 1), "rlv": np.linspace(0, 1, rows_)})
    pq.write_table(table, given.file("run") / "customers.parquet")
    watch = Watch()
    assert floor.STEPS["write"](given, watch)["bytes"] > 0
    assert watch.seconds > 0
    assert not list(Path(given.work).glob("floor*"))
