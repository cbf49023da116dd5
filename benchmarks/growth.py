"""How seconds, memory and bytes grow from size to size: two tables for the page, from the sizes as measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from benchmarks.plan import OURS
from benchmarks.table import duration, floor_seconds, found

MB = 2**20
Size = Mapping[str, Any]
TEXT = {"part", "computed as", "run"}
"""Columns of words."""
NONE = "Not measured yet."


def moved(sizes: Sequence[Size]) -> str:
    """A table of the run at every size: bytes in, out and moved, seconds, memory."""
    headings = (
        "customers", "order lines", "MB in", "MB out", "MB read", "MB written", "spilled",
        "seconds", "× floor", "peak GB",
    )  # fmt: skip
    return table(headings, (_moved(size) for size in sizes if found(size, OURS, "run")))


def _moved(size: Size) -> list[str]:
    run = found(size, OURS, "run") or {}
    floor, out = floor_seconds(size), run["answer"]["bytes"] / MB
    cells = [f"{size['customers']:,}", f"{size['lines']:,}", f"{size['bytes'] / MB:,.1f}", f"{out:,.1f}"]
    cells += [f"{run[name]:,.0f}" if name in run else "" for name in ("read_mb", "written_mb")]
    cells += [f"{spilled_mb(run):,.0f}" if "written_mb" in run else ""]
    return [*cells, duration(run["seconds"]), _ratio(run["seconds"], floor), f"{run['peak_mb'] / 1024:.1f}"]


def spilled_mb(run: Mapping[str, Any]) -> float:
    """What a run wrote and did not keep: the engine's spill, less than a megabyte counting as none."""
    beyond = float(run["written_mb"] - run["answer"]["bytes"] / MB)
    return beyond if beyond >= 1 else 0.0


def grown(sizes: Sequence[Size]) -> str:
    """A table of what a fit, the run and the floor take, each with its growth since the size before."""
    columns: dict[str, Callable[[Size], float | None]] = {
        "distinct histories": _cells,
        "fit of MBG/NBD, s": lambda size: _seconds(size, "fit mbg_nbd"),
        "fit of Pareto/NBD, s": lambda size: _seconds(size, "fit pareto_nbd"),
        "aggregate, s": lambda size: _part(size, "aggregate"),
        "write, s": lambda size: _part(size, "write"),
        "run, s": lambda size: _seconds(size, "run"),
        "floor, s": floor_seconds,
    }
    return table(("customers", *columns), _grown(sizes, columns))


def _grown(sizes: Sequence[Size], columns: Mapping[str, Callable[[Size], float | None]]) -> Iterator[list[str]]:
    for before, size in zip([None, *sizes], sizes, strict=False):
        times = f" (×{size['customers'] / before['customers']:g})" if before else ""
        first = f"{size['customers']:,}{times}"
        yield [first, *(_step(column(size), column(before) if before else None) for column in columns.values())]


def _step(now: float | None, before: float | None) -> str:
    if now is None:
        return ""
    told = f"{now:,}" if isinstance(now, int) else duration(now)
    return f"{told} (×{now / before:.1f})" if before else told


def _cells(size: Size) -> int | None:
    fit = found(size, OURS, "fit pareto_nbd") or found(size, OURS, "fit mbg_nbd")
    return int(fit["answer"]["cells"]) if fit else None


def _seconds(size: Size, step: str) -> float | None:
    one = found(size, OURS, step)
    return float(one["seconds"]) if one else None


def _part(size: Size, name: str) -> float | None:
    run = found(size, OURS, "run")
    return float(run["answer"]["seconds"][name]) if run else None


def _ratio(seconds: float, floor: float | None) -> str:
    return f"{seconds / floor:,.1f}" if floor else ""


def table(headings: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """A table for a page; a word where there are no rows."""
    lines = [list(row) for row in rows]
    if not lines:
        return NONE
    heads = list(headings)
    sides = ["---" if head in TEXT else "---:" for head in heads]
    return "\n".join(f"| {' | '.join(line)} |" for line in (heads, sides, *lines))
