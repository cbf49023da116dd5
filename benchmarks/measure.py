"""Processes started, watched and ended; their figures put together."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.gate import floor
from benchmarks.job import Job
from benchmarks.plan import OURS, OWN_PYTHON, PEERS, Step, plan

ROOT = Path(__file__).resolve().parent.parent
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
LIKE = 1.25
"""How far apart floors may be for figures of two days to stand side by side."""
ENOUGH = 20.0
"""Seconds in one thing, after which it is not repeated."""


@dataclass(frozen=True)
class Effort:
    """How often a thing is measured at most, how long a peer may take, and peers' figures that need not be made again.

    earlier: by (customers, library, step), as an earlier measurement on the same machine has them.
    """

    runs: int = 3
    timeout: float = 900.0
    earlier: Mapping[tuple[int, str, str], dict[str, Any]] = field(default_factory=dict)


def measure_size(job: Job, models: list[str], effort: Effort, say: Callable[[str], None]) -> dict[str, Any]:
    """Everything at one size, as JSON."""
    Path(job.work).mkdir(parents=True, exist_ok=True)
    say(f"{job.customers:,} customers: simulating orders (once)")
    orders = once(job, Step("orders", "orders"), None)
    if orders["status"] != "done":
        raise RuntimeError(f"No orders could be simulated: {orders['reason']}")
    told: dict[str, Any] = {"customers": job.customers, **orders["answer"], "measures": [], "comparisons": []}
    for measured, compared in _measured(job, models, effort, say):
        told["measures"].append(measured)
        told["comparisons"] += [compared] if compared else []
    return told


def _measured(
    job: Job, models: list[str], effort: Effort, say: Callable[[str], None]
) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
    for step in plan(models, peers=job.peers):
        say(f"{job.customers:,} customers: {step.library}, {step.name}")
        known = effort.earlier.get((job.customers, step.library, step.name))
        figures = repeated(job, step, effort) if known is None else _taken(job, step, known)
        yield {"library": step.library, "step": step.name, **figures}, _compared(job, step, figures)


def _taken(job: Job, step: Step, known: dict[str, Any]) -> dict[str, Any]:
    """Figures that were measured before, laid where the judge looks: the answer is judged anew."""
    job.result(step.library, step.name).write_text(json.dumps(known), encoding="utf-8")
    return {name: value for name, value in known.items() if name not in {"library", "step"}}


def unlike(size: dict[str, Any], told: Mapping[str, Any]) -> list[str]:
    """A fault, if fits of peers were taken from figures whose floor was not near the floor now: one was disturbed."""
    before = {one["customers"]: one for one in told["sizes"]}.get(size["customers"])
    if before is None:
        return []
    times = floor(size) / floor(before)
    if max(times, 1 / times) <= LIKE:
        return []
    return [f"the floor takes {times:.1f} times what it took for the peers' fits: one of the two was disturbed"]


def fits_of_peers(result: Mapping[str, Any], here: Mapping[str, Any]) -> dict[tuple[int, str, str], dict[str, Any]]:
    """The peers' fits in earlier figures, each with the day it was measured. Raises ValueError if made elsewhere.

    here: what a result made here would say of the machine and the versions.
    """
    for name in sorted({"cpu", "cores", *result["versions"]} - {OURS}):
        told = [(one["machine"] | one["versions"]).get(name) for one in (result, here)]
        if told[0] != told[1]:
            raise ValueError(f"The earlier figures are of another {name}: {told[0]}, here {told[1]}. Measure anew.")
    return {
        (size["customers"], one["library"], one["step"]): {"measured": result["made"][:10]} | one
        for size in result["sizes"]
        for one in size["measures"]
        if one["library"] in PEERS and one["step"].startswith("fit ") and one["status"] == "done"
    }


def _compared(job: Job, step: Step, figures: dict[str, Any]) -> dict[str, Any] | None:
    """The judge's verdict on a peer's answer."""
    if step.of is None or figures["status"] != "done":
        return None
    judged = once(job, Step("answers", f"{step.library} {step.name}"), None)
    verdict = judged.get("answer") or {"equal": False, "words": f"not compared ({judged['reason']})", "fault": False}
    return {"peer": step.library, "step": step.name, "of": step.of, **verdict}


def repeated(job: Job, step: Step, effort: Effort) -> dict[str, Any]:
    """A thing measured up to `runs` times, while that takes little: median seconds, largest peak."""
    limit = effort.timeout if step.of else None
    began, runs = time.perf_counter(), [once(job, step, limit)]
    while runs[-1]["status"] == "done" and len(runs) < effort.runs and time.perf_counter() - began < ENOUGH:
        runs.append(once(replace(job, run=len(runs)), step, limit))
    told = dict(runs[-1])
    if told["status"] == "done":
        seconds = [run["seconds"] for run in runs]
        told |= {"seconds": statistics.median(seconds), "runs": seconds}
        told |= {"cpu_seconds": statistics.median(run["cpu_seconds"] for run in runs)}
        told |= {"peak_mb": max(run["peak_mb"] for run in runs)}
    return told


def once(job: Job, step: Step, limit: float | None) -> dict[str, Any]:
    """One thing in a process of its own; ended after `limit` seconds."""
    python = job.pythons.get(step.library) if step.library in OWN_PYTHON else sys.executable
    if python is None:
        return {"status": "skipped", "reason": f"no Python that has it was named ({OWN_PYTHON[step.library]} PATH)"}
    result = job.result(step.library, step.name)
    result.unlink(missing_ok=True)
    command = [python, "-m", "benchmarks.child", step.module, step.name, json.dumps(asdict(job)), str(result)]
    log = result.with_suffix(".log")
    began = time.perf_counter()
    with log.open("w", encoding="utf-8") as words:
        child = subprocess.Popen(
            command, cwd=job.work, env=_environment(job), stdout=words, stderr=words, start_new_session=True
        )
        if not _ended(child, limit):
            return {"status": "timeout", "reason": f"not done after {limit:,.0f} s", "seconds": limit}
    told = _read(result, log, child.returncode)
    return told | {"process_seconds": round(time.perf_counter() - began, 4)}


def _ended(child: subprocess.Popen[bytes], limit: float | None) -> bool:
    try:
        child.wait(limit)
    except subprocess.TimeoutExpired:
        return False
    finally:
        if child.poll() is None:  # out of time, or interrupted: the child and what it started
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    return True


def _read(result: Path, log: Path, code: int) -> dict[str, Any]:
    if result.exists():
        told: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        return told
    last = (log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["no words"])[-1]
    killed = f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return {"status": "failed", "reason": f"{killed}: {last}"}


def _environment(job: Job) -> dict[str, str]:
    path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | dict.fromkeys(THREADS, str(job.threads)) | {"PYTHONPATH": os.pathsep.join(path)}


def faults(size: dict[str, Any]) -> list[str]:
    """Where klantwaarde itself failed, or gave the worse answer."""
    failed = [
        f"{measure['step']}: {measure['reason']}"
        for measure in size["measures"]
        if measure["library"] in {OURS, "floor"} and measure["status"] != "done"
    ]
    return failed + [f"{found['step']}: {found['words']}" for found in size["comparisons"] if found["fault"]]
