"""python -m benchmarks.figures: the pictures of docs/performance.md, from benchmarks/reference*.json alone.

docs/images/scale.svg    customers against seconds, both on a logarithmic scale
docs/images/time.svg     where the time of a run goes, at every size
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.page import by_size, kept
from benchmarks.plan import OURS
from benchmarks.table import duration, floor_seconds, found, times

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
INK, QUIET, LINE = "#1d2b30", "#5c6b70", "#dde2e4"
PARTS = {
    "imports": ("#dde2e4", ()),
    "read, check": ("#a3cdd2", ("read", "check")),
    "aggregate": ("#16697a", ("aggregate",)),
    "choose a model": ("#e8c39e", ("sample", "choose")),
    "cells, fits": ("#b4531a", ("cells", "fit", "fit_spend")),
    "score": ("#7a6c9d", ("score",)),
    "write": ("#0b3c49", ("write",)),
    "report": ("#8a979b", ("report",)),
}
"""Colour, and the steps of run.json that make a part; imports are what remains of the whole."""
Size = Mapping[str, Any]


class Curve(NamedTuple):
    """One line: its name, colour and style, and (customers, seconds)."""

    name: str
    color: str
    style: str
    points: Sequence[tuple[int, float]]


def main() -> None:
    """Draw both."""
    sizes = measured(kept())
    IMAGES.mkdir(exist_ok=True)
    for name, figure in {"scale.svg": scale(sizes), "time.svg": where(sizes)}.items():
        with mpl.rc_context({"svg.hashsalt": "klantwaarde"}):
            figure.savefig(IMAGES / name, metadata={"Date": None, "Description": digest(sizes)})
        sys.stdout.write(f"Written: docs/images/{name}\n")


def measured(files: Iterable[Path]) -> list[Size]:
    """The sizes of the kept measurements, small to large."""
    sizes = by_size(files)
    return [sizes[customers].size for customers in sorted(sizes)]


def digest(sizes: Sequence[Size]) -> str:
    """A mark of the figures drawn, kept in the picture: a test tells by it that a picture is of other figures."""
    drawn = [(curve.name, list(curve.points)) for curve in (*_run_curves(sizes), *_fit_curves(sizes))]
    shares = [(size["customers"], parts(size)) for size in sizes]
    return "figures " + hashlib.sha256(json.dumps(_nine_digits([drawn, shares])).encode()).hexdigest()[:16]


def _nine_digits(value: Any) -> Any:
    """Sums differ in their last digit between versions of Python, and no picture does."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {name: _nine_digits(one) for name, one in value.items()}
    return [_nine_digits(one) for one in value] if isinstance(value, list | tuple) else value


def scale(sizes: Sequence[Size]) -> Figure:
    """Two panels: a run and its steps next to the floor; one fit next to the peers."""
    figure = Figure(figsize=(10, 4.6), layout="constrained", facecolor="white")
    left, right = figure.subplots(1, 2, sharex=True)
    _curves(left, _run_curves(sizes), "A run, its steps, and the floor")
    _curves(right, _fit_curves(sizes), "One fit of Pareto/NBD, where answers are equal")
    left.set_ylabel("seconds", color=QUIET)
    return figure


def _run_curves(sizes: Sequence[Size]) -> list[Curve]:
    steps = {
        "run": ("#0b3c49", "-", lambda size: _seconds(size, OURS, "run")),
        "floor": (QUIET, "--", floor_seconds),
        "aggregate": ("#16697a", "-", lambda size: _part(size, "aggregate")),
        "write": ("#4a98a5", "-", lambda size: _part(size, "write")),
        "fit": ("#b4531a", "-", lambda size: _part(size, "fit")),
        "score": ("#7a6c9d", "-", lambda size: _part(size, "score")),
        "read": ("#a9a06b", "-", lambda size: _part(size, "read")),
        "cells": ("#c98fa6", "-", lambda size: _part(size, "cells")),
    }
    return [Curve(name, color, style, _points(sizes, of)) for name, (color, style, of) in steps.items()]


def _fit_curves(sizes: Sequence[Size]) -> list[Curve]:
    peers = {
        "lifetimes": ("lifetimes", "fit pareto_nbd", "#b4531a", "-"),
        "lifetimes, weights": ("lifetimes", "fit pareto_nbd, weights", "#b4531a", "--"),
        "pymc-marketing, MAP": ("pymc_marketing", "fit pareto_nbd", "#7a6c9d", "-"),
    }
    ours = Curve("klantwaarde", "#0b3c49", "-", _points(sizes, lambda size: _seconds(size, OURS, "fit pareto_nbd")))
    theirs = [
        Curve(name, color, style, _points(sizes, lambda size, who=who, step=step: _equal(size, who, step)))
        for name, (who, step, color, style) in peers.items()
    ]
    return [ours, *(curve for curve in theirs if curve.points)]


def _points(sizes: Sequence[Size], seconds: Any) -> list[tuple[int, float]]:
    found_at = [(size["customers"], seconds(size)) for size in sizes]
    return [(customers, value) for customers, value in found_at if value]


def _seconds(size: Size, library: str, step: str) -> float | None:
    one = found(size, library, step)
    return float(one["seconds"]) if one else None


def _equal(size: Size, peer: str, step: str) -> float | None:
    return None if times(size, peer, step) is None else _seconds(size, peer, step)


def _part(size: Size, name: str) -> float | None:
    run = found(size, OURS, "run")
    return run["answer"]["seconds"].get(name) if run else None


def _curves(axes: Axes, curves: Sequence[Curve], title: str) -> None:
    for curve in curves:
        axes.plot(*zip(*curve.points, strict=True), curve.style, color=curve.color, marker="o", ms=3.5, lw=1.6)
    _name_ends(axes, curves)
    axes.set(xscale="log", yscale="log")
    axes.set_xlabel("customers", color=QUIET)
    axes.set_title(title, loc="left", color=INK, fontsize=11)
    axes.grid(visible=True, color=LINE, lw=0.6)
    axes.tick_params(colors=QUIET, which="both")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.05)
    axes.set_xlim(right=axes.get_xlim()[1] * 5)


def _name_ends(axes: Axes, curves: Sequence[Curve]) -> None:
    """Names at the ends of the lines, moved apart upwards where they would lie on each other."""
    below = 0.0
    for curve in sorted(curves, key=lambda curve: curve.points[-1][1]):
        x, y = curve.points[-1]
        crowded = [one for one in curves if one.points[-1][0] == x]
        below = at = max(y, below * 1.55) if len(crowded) > 1 else y
        axes.annotate(curve.name, (x, at), (7, 0), textcoords="offset points", va="center", fontsize=9,
                      color=curve.color)  # fmt: skip


def parts(size: Size) -> dict[str, float]:
    """Seconds of a run by what they went into."""
    run = found(size, OURS, "run")
    if run is None:
        return {}
    told = run["answer"]["seconds"]
    named = {name: sum(told.get(step, 0.0) for step in steps) for name, (_, steps) in PARTS.items()}
    return named | {"imports": max(run["seconds"] - sum(told.values()), 0.0)}


def where(sizes: Sequence[Size]) -> Figure:
    """One bar per size, cut by what the time went into, with the seconds of the whole beside it."""
    shown = [(size, parts(size)) for size in sizes if parts(size)]
    figure = Figure(figsize=(10, 1.3 + 0.5 * len(shown)), layout="constrained", facecolor="white")
    axes = figure.subplots()
    for row, (size, seconds) in enumerate(shown):
        _bar(axes, row, seconds)
        axes.text(101, row, f"{duration(sum(seconds.values()))} s", va="center", fontsize=10, color=INK)
        axes.text(-1, row, f"{size['customers']:,}", va="center", ha="right", fontsize=10, color=INK)
    axes.set(ylim=(len(shown) - 0.5, -0.5), xlim=(0, 100), xlabel="per cent of the seconds of a run")
    axes.set_yticks([])
    axes.xaxis.label.set_color(QUIET)
    axes.tick_params(colors=QUIET)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.legend(*_legend(axes), loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=8, frameon=False, fontsize=9,
                handlelength=1, columnspacing=1.2)  # fmt: skip
    return figure


def _bar(axes: Axes, row: int, seconds: Mapping[str, float]) -> None:
    whole, left = sum(seconds.values()), 0.0
    for name, value in seconds.items():
        share = 100 * value / whole
        axes.barh(row, share, left=left, color=PARTS[name][0], height=0.66, edgecolor="white", lw=0.8, label=name)
        if share >= 4:
            dark = name in {"aggregate", "cells, fits", "score", "write", "report"}
            axes.text(left + share / 2, row, f"{share:.0f}", ha="center", va="center", fontsize=8.5,
                      color="white" if dark else INK)  # fmt: skip
        left += share


def _legend(axes: Axes) -> tuple[list[Any], list[str]]:
    handles, names = axes.get_legend_handles_labels()
    first = dict(zip(reversed(names), reversed(handles), strict=True))
    return [first[name] for name in PARTS if name in first], [name for name in PARTS if name in first]


if __name__ == "__main__":
    main()
