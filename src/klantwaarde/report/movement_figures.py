"""The picture of the statement: how the value at one date became that at the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from matplotlib.patches import Rectangle

from klantwaarde.report.figures import INK, LINE, QUIET, TIERS, WARM, sheet
from klantwaarde.report.movement import Step, steps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from klantwaarde.report.locale import Speech

THINNEST = 0.02  # inches: a small change is a line and not nothing


class _Scale(NamedTuple):
    """Where amounts lie, in inches from the left."""

    left: float
    width: float
    low: float
    high: float

    def at(self, amount: float) -> float:
        return self.left + self.width * (amount - self.low) / ((self.high - self.low) or 1.0)


def waterfall(facts: Mapping[str, Any], speech: Speech, *, narrow: bool = False) -> Figure:
    """A bar per line of the statement from above: totals from 0, changes from where the line before ended."""
    found = steps(facts["movement"]["statement"])
    width, row = (4.6, 0.5) if narrow else (9.0, 0.42)
    figure, axes = sheet(width, row * len(found) + 0.1)
    levels = [0.0, *(level for step in found for level in (step.start, step.end))]
    left, right = (0.1, 1.15) if narrow else (3.05, 1.25)
    scale = _Scale(left, width - left - right, min(levels), max(levels))
    top = row * len(found) + 0.05
    axes.plot([scale.at(0)] * 2, [0.05, top], color=LINE, linewidth=0.8, zorder=0)
    for place, step in enumerate(found):
        y = top - (place + 1) * row
        _bar(axes, step, scale, (y, row), narrow=narrow)
        _told(axes, step, scale, speech, (y, row), narrow=narrow)
        if place + 1 < len(found):
            _joined(axes, step, scale, (y, row), narrow=narrow)
    return figure


def statement_told(facts: Mapping[str, Any], speech: Speech) -> str:
    """The waterfall in words."""
    found = steps(facts["movement"]["statement"])
    return "; ".join(f"{speech.known('step_', step.name)}: {amount_told(step, speech)}" for step in found)


def amount_told(step: Step, speech: Speech) -> str:
    """The amount of a bar in whole units, with a sign if it is a change."""
    plus = "" if step.is_total or step.amount <= 0 else "+"
    return plus + speech.money(step.amount, 0)


def _bar_place(place: tuple[float, float], *, narrow: bool) -> tuple[float, float]:
    """Lower edge and height of a bar in its row; on phones its name stands above it."""
    y, row = place
    return (y + 0.06, row * 0.36) if narrow else (y + row * 0.17, row * 0.66)


def _bar(axes: Axes, step: Step, scale: _Scale, place: tuple[float, float], *, narrow: bool) -> None:
    low, high = sorted((scale.at(step.start), scale.at(step.end)))
    face = TIERS["top"] if step.is_total else TIERS["medium"] if step.amount >= 0 else WARM
    if step.name == "expected_closing":
        face = TIERS["small"]
    y, height = _bar_place(place, narrow=narrow)
    axes.add_patch(Rectangle((low, y), max(high - low, THINNEST), height, facecolor=face, edgecolor="none"))


def _told(axes: Axes, step: Step, scale: _Scale, speech: Speech, place: tuple[float, float], *, narrow: bool) -> None:
    """The line's name at the left, or above, and its amount at the right of the bar."""
    y, height = _bar_place(place, narrow=narrow)
    weight, name = "bold" if step.is_total else "normal", speech.known("step_", step.name)
    if narrow:
        axes.text(0.1, y + height + 0.05, name, va="bottom", fontsize=9, fontweight=weight, color=INK)
    else:
        axes.text(0.0, y + height / 2, name, va="center", fontsize=10, fontweight=weight, color=INK)
    x = max(scale.at(step.start), scale.at(step.end), scale.at(0)) + 0.08
    said = amount_told(step, speech)
    axes.text(x, y + height / 2, said, va="center", fontsize=8.5 if narrow else 10, fontweight=weight, color=INK)


def _joined(axes: Axes, step: Step, scale: _Scale, place: tuple[float, float], *, narrow: bool) -> None:
    """A thin line from where a bar ends to the next one."""
    y, row = place
    low, _ = _bar_place(place, narrow=narrow)
    below = _bar_place((y - row, row), narrow=narrow)
    axes.plot([scale.at(step.end)] * 2, [low, sum(below)], color=QUIET, linewidth=0.7, zorder=0)
