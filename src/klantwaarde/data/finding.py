"""One finding of the data doctor, and the words they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Section = Literal["correct", "timely", "complete", "ground"]
Level = Literal["info", "warning"]


@dataclass(frozen=True)
class Check:
    """One finding: what, how many, how much money, examples, and what to do."""

    section: Section
    check: str
    level: Level
    count: int
    text: str
    money: float | None = None
    examples: tuple[str, ...] = ()
    remedy: str | None = None


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number and what it counts: "1 line", "2 lines"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def share(part: Any, whole: Any) -> str:
    """A part of a whole in per cent."""
    return f"{float(part) / float(whole):.1%}" if whole else "0.0%"


def plain(money: Any) -> float | None:
    """Money as a float."""
    return None if money is None else float(money)
