"""What a measured process is told, and the watch that it carries."""

from __future__ import annotations

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
    """Seconds, processor seconds and memory of what stands in its with block."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    before_mb: float = 0.0
    _began: tuple[float, float] = field(default=(0.0, 0.0))

    def __enter__(self) -> Self:
        self.before_mb = peak_mb()
        self._began = (time.perf_counter(), _cpu())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.seconds += time.perf_counter() - self._began[0]
        self.cpu_seconds += _cpu() - self._began[1]

    def figures(self) -> dict[str, Any]:
        """What was measured; the peak is that of the whole process, imports and input included."""
        return {
            "seconds": round(self.seconds, 4),
            "cpu_seconds": round(self.cpu_seconds, 4),
            "before_mb": round(self.before_mb, 1),
            "peak_mb": round(peak_mb(), 1),
        }


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


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
