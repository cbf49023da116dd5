"""The figures of one size as rows, for the screen and for the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from benchmarks.plan import OURS

HEADINGS = ("step", "library", "seconds", "peak MB", "MB read", "MB written", "× floor", "× klantwaarde", "answers")
FLOOR = ("group", "write")
"""What any solution on the engine has to do: their seconds together are the floor."""


class Row(NamedTuple):
    """One line of the table, in words."""

    step: str
    library: str
    seconds: str
    peak: str
    read: str
    written: str
    floor: str
    peer: str
    answers: str


def rows(size: Mapping[str, Any]) -> Iterator[Row]:
    """The lines of one size; a run is followed by its steps."""
    floor = floor_seconds(size)
    for measure in size["measures"]:
        yield _row(size, measure, floor)
        for name, seconds in measure.get("answer", {}).get("seconds", {}).items():
            yield Row(f"· {name}", "", duration(seconds), "", "", "", _ratio(seconds, floor), "", "")


def found(size: Mapping[str, Any], library: str, step: str) -> Mapping[str, Any] | None:
    """A measure that was brought to its end."""
    measures = (one for one in size["measures"] if (one["library"], one["step"]) == (library, step))
    return next((one for one in measures if one["status"] == "done"), None)


def compared(size: Mapping[str, Any], peer: str, step: str) -> Mapping[str, Any] | None:
    """The judge's verdict on a peer's step."""
    return next((one for one in size["comparisons"] if (one["peer"], one["step"]) == (peer, step)), None)


def times(size: Mapping[str, Any], peer: str, step: str, figure: str = "seconds") -> float | None:
    """How many times our seconds, or peak, the peer took; None unless the answers are equal."""
    verdict, theirs = compared(size, peer, step), found(size, peer, step)
    ours = found(size, OURS, verdict["of"]) if verdict else None
    if not (verdict and verdict["equal"] and ours and theirs):
        return None
    return float(theirs[figure] / ours[figure])


def floor_seconds(size: Mapping[str, Any]) -> float | None:
    """Seconds of reading, grouping and writing by the engine alone."""
    parts = [found(size, "floor", step) for step in FLOOR]
    return sum(part["seconds"] for part in parts if part) if all(parts) else None


def _row(size: Mapping[str, Any], measure: Mapping[str, Any], floor: float | None) -> Row:
    library, step = measure["library"], measure["step"]
    if measure["status"] != "done":
        return Row(step, library, "–", "–", "", "", "", "", f"{measure['status']}: {measure['reason']}")
    verdict, many = compared(size, library, step), times(size, library, step)
    answers = "" if verdict is None else f"{'equal' if verdict['equal'] else 'differ'}: {verdict['words']}"
    answers += f" (measured {measure['measured']})" if "measured" in measure else ""
    ratio = "" if verdict is None else "answers differ" if many is None else f"{many:,.1f}"
    seconds, peak = measure["seconds"], f"{measure['peak_mb']:,.0f}"
    read, written = (_mb(measure.get(name)) for name in ("read_mb", "written_mb"))
    return Row(step, library, duration(seconds), peak, read, written, _ratio(seconds, floor), ratio, answers)


def _mb(number: float | None) -> str:
    return "" if number is None else f"{number:,.0f}" if number >= 10 else f"{number:.1f}"


def _ratio(seconds: float, floor: float | None) -> str:
    return "" if floor is None else f"{seconds / floor:,.2f}"


def duration(seconds: float) -> str:
    """Seconds with as many digits as mean something."""
    return f"{seconds:,.1f}" if seconds >= 10 else f"{seconds:.2f}" if seconds >= 0.1 else f"{seconds:.3f}"


def others(size: Mapping[str, Any]) -> float | None:
    """Cores that other processes kept busy while the things took their seconds, on average; None where unknown."""
    known = [one for one in size["measures"] if "others_cores" in one and "measured" not in one]
    seconds = sum(one["seconds"] for one in known)
    return sum(one["others_cores"] * one["seconds"] for one in known) / seconds if seconds else None


def title(size: Mapping[str, Any]) -> str:
    """What was measured."""
    return f"{size['customers']:,} customers, {size['lines']:,} order lines, {size['bytes'] / 2**20:,.1f} MB of Parquet"


def markdown(size: Mapping[str, Any]) -> str:
    """The table of one size for a page."""
    lines = [HEADINGS, ("---", "---", *["---:"] * 6, "---"), *rows(size)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
