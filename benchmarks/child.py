"""One measured thing in a process of its own: python -m benchmarks.child MODULE STEP JOB RESULT."""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.job import Job, Watch


def main(module: str, step: str, job: str, result: str) -> None:
    """Do the step and write what was measured; a fault is a result too, told as what it is."""
    told = _done(module, step, Job(**json.loads(job)))
    Path(result).write_text(json.dumps(told), encoding="utf-8")


def _done(module: str, step: str, job: Job) -> dict[str, Any]:
    _pin(job.threads)
    watch = Watch()
    try:
        answer = import_module(module).STEPS[step](job, watch)
    except ModuleNotFoundError as error:
        return {"status": "missing", "reason": f"{error.name} is not installed"}
    except Exception as error:  # noqa: BLE001 - whatever a peer raises is its result
        return {"status": "failed", "reason": _first_line(error)} | watch.figures()
    return {"status": "done", "answer": answer} | watch.figures()


def _pin(threads: int) -> None:
    """As many cores as are to be used, for this process and all that it starts."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"


if __name__ == "__main__":
    main(*sys.argv[1:])
