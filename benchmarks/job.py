"""What a measured process is told, and the watch that it carries."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

AS_OF = "2024-06-30"
HORIZON = 52.0
"""Weeks ahead that are predicted."""

TIMING = ("bg_nbd", "mbg_nbd", "pareto_nbd")
SPEND = "gamma_gamma"
MODELS = (*TIMING, SPEND)


@dataclass(frozen=True)
class Job:
    """Where the orders are, where results go, and how much of the machine may be used."""

    customers: int
    orders: str
    work: str
    seed: int = 1
    threads: int = 2
    peers: bool = True
    """Whether a peer comes after, which needs one row per customer instead of cells."""
    memory_limit: str | None = None
    order: str = "date"
    scenario: str = "cohort"
    pythons: dict[str, str] = field(default_factory=dict)
    """Peers that need a Python of their own, and where it is."""
    run: int = 0
    """Which of several runs of the same thing: what starts at random starts elsewhere in each, but not by accident."""

    def file(self, name: str) -> Path:
        """A file in the folder of results."""
        return Path(self.work) / name

    def result(self, library: str, step: str) -> Path:
        """The file with what a measured step told."""
        return self.file(f"told-{library}-{step.replace(',', '').replace(' ', '-')}.json")


@dataclass
class Watch:
    """Seconds, processor seconds, memory and bytes moved of what stands in its with block."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    before_mb: float = 0.0
    moved_mb: tuple[float, float] | None = None
    machine_seconds: float | None = None
    _began: tuple[float, float] = field(default=(0.0, 0.0))
    _moved: tuple[float, float] | None = None
    _busy: float | None = None

    def __enter__(self) -> Self:
        self.before_mb = peak_mb()
        self._moved, self._busy = moved_mb(), _machine_cpu()
        self._began = (time.perf_counter(), _cpu())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.seconds += time.perf_counter() - self._began[0]
        self.cpu_seconds += _cpu() - self._began[1]
        then, now, before = self._moved, moved_mb(), self.moved_mb or (0.0, 0.0)
        busy = _machine_cpu()
        if busy is not None and self._busy is not None:
            self.machine_seconds = (self.machine_seconds or 0.0) + busy - self._busy
        if then and now:
            self.moved_mb = before[0] + now[0] - then[0], before[1] + now[1] - then[1]

    def figures(self) -> dict[str, Any]:
        """What was measured; the peak is that of the whole process, imports and input included.

        On Linux only: read_mb, written_mb, what went through the system's files, from its cache or not;
        others_cores, how many cores all other processes kept busy meanwhile.
        """
        others = {}
        if self.machine_seconds is not None and self.seconds > 0:
            theirs = max(self.machine_seconds - self.cpu_seconds, 0.0)
            others = {"others_cores": round(theirs / self.seconds, 2)}
        moved = others | dict(
            zip(("read_mb", "written_mb"), (round(mb, 1) for mb in self.moved_mb or ()), strict=False)
        )
        return {
            "seconds": round(self.seconds, 4),
            "cpu_seconds": round(self.cpu_seconds, 4),
            "before_mb": round(self.before_mb, 1),
            "peak_mb": round(peak_mb(), 1),
        } | moved


def command(job: Job, watch: Watch, out: Path, *words: str) -> dict[str, Any]:
    """What `klantwaarde run WORDS --as-of ... --out OUT` recorded; the watch runs with it, imports included."""
    limit = ["--memory-limit", job.memory_limit] if job.memory_limit else []
    sys.argv = ["klantwaarde", "run", *words, "--as-of", AS_OF, "--out", str(out), *limit]
    with watch:
        from klantwaarde.cli.app import main

        try:
            main()
        except SystemExit as ended:
            if ended.code:
                raise RuntimeError(f"klantwaarde run ended with exit code {ended.code}") from ended
    record: dict[str, Any] = json.loads((out / "run.json").read_text(encoding="utf-8"))
    return record


def peak_mb() -> float:
    """Peak resident memory of this process so far, in MB of 2^20 bytes.

    Linux hands ru_maxrss down from the process that started this one, so that a small child of a large parent
    looks large; VmHWM begins anew with the program. Not imported from klantwaarde: a peer's process must not carry it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        kilobytes = (line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(next(kilobytes)) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def moved_mb() -> tuple[float, float] | None:
    """MB of 2^20 bytes that this process has read and written through files so far; None where nobody counts them."""
    kept = Path("/proc/self/io")
    if not kept.exists():
        return None
    told = dict(line.split(": ") for line in kept.read_text().splitlines())
    return int(told["rchar"]) / 2**20, int(told["wchar"]) / 2**20


def _machine_cpu() -> float | None:
    """Processor seconds of all processes since the machine started, but for its waiting; None where nobody says."""
    told = Path("/proc/stat")
    if not told.exists():
        return None
    ticks = [int(number) for number in told.read_text(encoding="utf-8").split("\n", 1)[0].split()[1:]]
    return float(sum(ticks[:3] + ticks[5:8])) / os.sysconf("SC_CLK_TCK")  # without idle and waiting for disks


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
