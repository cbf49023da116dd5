"""Three of the report's pictures, drawn without any shared state: pyramid, value against risk, tracking."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from klantwaarde.report.locale import Speech

TIERS = {"top": "#0b3c49", "large": "#16697a", "medium": "#4a98a5", "small": "#a3cdd2", "inactive": "#dde2e4"}
INK, QUIET, LINE, WARM = "#1d2b30", "#5c6b70", "#dde2e4", "#b4531a"
SHADES = ("#eef5f6", "#d3e6e9", "#a3cdd2", "#357d8b", "#16697a", "#0b3c49")
DARK_FROM = 3
"""Shades from this one on carry white text."""

COLUMN_ENDS = (5.9, 7.4, 8.98)
"""Where the columns beside the pyramid end, in inches."""

MONTH_STEPS = (1, 2, 3, 6, 12, 24, 60, 120)


class _Stack(NamedTuple):
    """A pyramid's place in inches: height of its tip, of a band, width of its foot; its number of bands."""

    tip: float
    band: float
    foot: float
    bands: int


@dataclass(frozen=True)
class _Grid:
    """Where the boxes of value against risk lie, in inches, and what is written in them."""

    axes: Axes
    facts: Mapping[str, Any]
    speech: Speech
    left: float
    foot: float
    box: tuple[float, float]
    narrow: bool

    @property
    def table(self) -> Mapping[str, Any]:
        """Edges, customers and residual value."""
        table: Mapping[str, Any] = self.facts["value_risk"]
        return table

    @property
    def letters(self) -> float:
        """Size of the letters beside the boxes."""
        return 8 if self.narrow else 9.5

    def at(self, row: float, column: float) -> tuple[float, float]:
        """Lower left of a box; halves are middles."""
        return self.left + column * self.box[0], self.foot + row * self.box[1]


def pyramid(facts: Mapping[str, Any], speech: Speech, *, narrow: bool = False) -> Figure:
    """Five stacked bands, top to inactive, with their numbers beside them."""
    width, height, foot, head = (4.6, 4.6, 1.9, 0.05) if narrow else (9.0, 4.5, 3.7, 0.5)
    figure, axes = sheet(width, height)
    tiers = facts["pyramid"]
    stack = _Stack(height - head, (height - head - 0.05) / len(tiers), foot, len(tiers))
    for level, tier in enumerate(tiers):
        top = stack.tip - level * stack.band
        _band(axes, tier["tier"], level, stack)
        if level:
            axes.plot([foot / 2, width], [top + 0.02] * 2, color=LINE, linewidth=0.7, zorder=0)
        (_narrow_row if narrow else _wide_row)(axes, facts, tier, speech, top - stack.band / 2)
    if not narrow:
        _wide_head(axes, facts, speech, stack.tip + 0.14)
    return figure


def value_risk(facts: Mapping[str, Any], speech: Speech, *, narrow: bool = False) -> Figure:
    """A grid of P(alive) bands, surest on top, by value bands, dearest at the right."""
    table = facts["value_risk"]
    rows, columns = len(table["customers"]), len(table["customers"][0])
    width, height, left, foot = (4.6, 4.2, 1.05, 0.75) if narrow else (9.0, 4.3, 1.35, 0.75)
    figure, axes = sheet(width, height)
    box = ((width - left - 0.05) / columns, (height - foot - 0.05) / rows)
    grid = _Grid(axes, facts, speech, left, foot, box, narrow)
    shades = _shades(table["rlv"] if facts["money"] and table["rlv"] else table["customers"])
    for row, column in itertools.product(range(rows), range(columns)):
        _cell(grid, row, column, shades[row][column])
    _grid_labels(grid)
    _outline(grid)
    return figure


def corner(grid: Mapping[str, Any]) -> tuple[int, int]:
    """Rows from the bottom, and first column, of the corner: valuable, and likelier gone than not."""
    unlikely = sum(edge <= 0.5 for edge in grid["p_alive_edges"][1:])
    columns = len(grid["customers"][0])
    return max(unlikely, 1), columns - max(columns // 3, 1)


def tracking(facts: Mapping[str, Any], speech: Speech, *, narrow: bool = False) -> Figure:
    """Two panels, actual and expected: the running total of repeat orders, and those per period."""
    track = facts["tracking"]
    days = [date.fromisoformat(day[:10]).toordinal() for day in track["start"]]
    actual, expected = (np.array(track[name], dtype=float) for name in ("actual", "expected"))
    width, height = (4.6, 5.2) if narrow else (9.0, 5.0)
    figure = Figure(figsize=(width, height), facecolor="none")
    left, wide = (0.6 / width, 1 - 0.72 / width)
    running = figure.add_axes((left, 0.50, wide, 0.40))
    period = figure.add_axes((left, 0.07, wide, 0.29))
    _lines(running, days, np.nancumsum(actual), np.nancumsum(expected))
    _lines(period, days, actual, expected)
    _finish(running, speech.word("tracking_cumulative"), days, speech, narrow=narrow)
    title = speech.word("tracking_period", period=speech.known("per_", track["period"]))
    _finish(period, title, days, speech, narrow=narrow)
    _key(figure, speech, left, height)
    _mark_end(running, period, facts, days, speech)
    return figure


def sheet(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty figure whose coordinates are inches from the lower left."""
    figure = Figure(figsize=(width, height), facecolor="none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    return figure, axes


def _band(axes: Axes, tier: str, level: int, stack: _Stack) -> None:
    gap = 0.045
    upper, lower = (stack.foot / 2 * depth / stack.bands for depth in (level, level + 1 - gap / stack.band))
    middle, top = stack.foot / 2 + 0.05, stack.tip - level * stack.band
    low = top - stack.band + gap
    points = [(middle - lower, low), (middle + lower, low), (middle + upper, top), (middle - upper, top)]
    axes.add_patch(Polygon(points, facecolor=TIERS.get(tier, LINE), edgecolor="none"))


def _wide_head(axes: Axes, facts: Mapping[str, Any], speech: Speech, y: float) -> None:
    words = ("head_last_year", "head_rlv") if facts["money"] else ("head_orders", "head_p_alive")
    for x, word in zip(COLUMN_ENDS, ("head_customers", *words), strict=True):
        axes.text(x, y, speech.word(word), ha="right", fontsize=8.5, color=QUIET)


def _wide_row(axes: Axes, facts: Mapping[str, Any], tier: Mapping[str, Any], speech: Speech, y: float) -> None:
    """The tier's name, and per column a number with its share below it."""
    axes.text(3.86, y, speech.known("tier_", tier["tier"]), va="center", fontsize=12, fontweight="bold", color=INK)
    whole = "of_all" if tier["tier"] == "inactive" else "of_active"
    told = [(speech.number(tier["customers"]), speech.word(whole, share=speech.share(tier["customers_share"])))]
    if facts["money"]:
        last_year, to_come = (
            speech.word("of_total", share=speech.share(tier[name])) for name in ("value_last_year_share", "rlv_share")
        )
        told += [(speech.money(tier["value_last_year"]), last_year), (speech.money(tier["rlv"]), to_come)]
    else:
        told += [(speech.number(tier["orders"]), ""), (speech.chance(tier["p_alive_mean"]), "")]
    for x, (number, share) in zip(COLUMN_ENDS, told, strict=True):
        valign = "bottom" if share else "center"
        axes.text(x, y + 0.02 * bool(share), number, ha="right", va=valign, fontsize=11, color=INK)
        axes.text(x, y - 0.05, share, ha="right", va="top", fontsize=8.5, color=QUIET)


def _narrow_row(axes: Axes, facts: Mapping[str, Any], tier: Mapping[str, Any], speech: Speech, y: float) -> None:
    name = f"{speech.known('tier_', tier['tier'])}: {speech.count('customers', tier['customers'])}"
    whole = "of_all" if tier["tier"] == "inactive" else "of_active"
    lines = [speech.word(whole, share=speech.share(tier["customers_share"]))]
    if facts["money"]:
        lines = [
            speech.word("narrow_last_year", money=speech.compact(tier["value_last_year"])),
            speech.word("narrow_rlv", money=speech.compact(tier["rlv"])),
        ]
    axes.text(2.1, y + 0.1, name, va="bottom", fontsize=10.5, fontweight="bold", color=INK)
    for line, text in enumerate(lines):
        axes.text(2.1, y + 0.05 - 0.19 * line, text, va="top", fontsize=9, color=QUIET)


def _shades(values: Sequence[Sequence[float | None]]) -> list[list[int]]:
    """The shade of every cell, by the root of its share of the highest, so that small ones differ too."""
    table = np.nan_to_num(np.array(values, dtype=float)).clip(min=0)
    root = np.sqrt(table / max(float(table.max()), 1e-12))
    shades = np.ceil(root * (len(SHADES) - 1)).astype(int)
    return [[int(shade) for shade in row] for row in shades]


def _cell(grid: _Grid, row: int, column: int, shade: int) -> None:
    """One box: its customers and, where there is money, their residual value."""
    patch = Rectangle(grid.at(row, column), *grid.box, facecolor=SHADES[shade], edgecolor="white", linewidth=2)
    grid.axes.add_patch(patch)
    ink = "white" if shade >= DARK_FROM else INK
    customers, rlv = grid.table["customers"][row][column], grid.table["rlv"]
    x, y = grid.at(row + 0.5, column + 0.5)
    told = bool(grid.facts["money"] and rlv and customers)
    if told:
        below, size = grid.speech.compact(rlv[row][column]), 7.5 if grid.narrow else 9
        grid.axes.text(x, y - 0.05, below, ha="center", va="top", fontsize=size, color=ink)
    said = (grid.speech.short if grid.narrow else grid.speech.number)(customers or None)
    size = 9 if grid.narrow else 12
    grid.axes.text(x, y, said, ha="center", va="bottom" if told else "center", fontsize=size, color=ink)


def _grid_labels(grid: _Grid) -> None:
    """Chances at the left, values below, and what both are."""
    write, speech, table, size = grid.axes.text, grid.speech, grid.table, grid.letters
    for row, (low, high) in enumerate(itertools.pairwise(table["p_alive_edges"])):
        x, y = grid.at(row + 0.5, 0)
        said = f"{speech.number(100 * low)}–{speech.share(high, 0)}"
        write(x - 0.1, y, said, ha="right", va="center", fontsize=size, color=INK)
    for column, said in enumerate(value_bands(grid.facts, speech)):
        x, y = grid.at(0, column + 0.5)
        write(x, y - 0.09, said, ha="center", va="top", fontsize=6.5 if grid.narrow else size, color=INK)
    right, top = grid.at(len(table["customers"]), len(table["customers"][0]))
    below = speech.word("risk_x", measure=speech.known("measure_", table["value_measure"]))
    write(right, 0.12, f"{below} →", ha="right", fontsize=size, color=QUIET)
    beside = f"{speech.word('risk_y')} →"
    write(grid.left - 0.95, top, beside, ha="center", va="top", rotation=90, fontsize=size, color=QUIET)


def value_bands(facts: Mapping[str, Any], speech: Speech) -> list[str]:
    """The value bands in words, lowest first: "up to €50", "€50 to €100", "€100 or more"."""
    grid = facts["value_risk"]
    plain = not facts["money"] or grid["value_measure"] in {"orders", "expected_orders"}
    bare = [speech.short(edge) for edge in grid["value_edges"]]
    edges = bare if plain else [speech.compact(edge) for edge in grid["value_edges"]]
    bands = [f"{low}–{high}" for low, high in zip(edges[:-1], bare[1:], strict=True)]
    if len(bands) == 1:
        return [speech.word("over", low=edges[0])]
    if bands:
        bands[0] = speech.word("up_to", high=edges[1])
        bands[-1] = speech.word("over", low=edges[-2])
    return bands


def _outline(grid: _Grid) -> None:
    """The corner of the valuable who slip away, and its key below."""
    rows, first = corner(grid.table)
    columns = len(grid.table["customers"][0]) - first
    width, height = columns * grid.box[0], rows * grid.box[1]
    pen: dict[str, Any] = {"fill": False, "edgecolor": WARM, "linewidth": 2, "zorder": 4}
    grid.axes.add_patch(Rectangle(grid.at(0, first), width, height, **pen))
    key = 0.05 if grid.narrow else grid.left
    grid.axes.add_patch(Rectangle((key, 0.11), 0.16, 0.11, **pen))
    grid.axes.text(key + 0.23, 0.12, grid.speech.word("risk_corner"), fontsize=grid.letters, color=WARM)


def _lines(axes: Axes, days: list[int], actual: np.ndarray, expected: np.ndarray) -> None:
    axes.plot(days, actual, color=TIERS["top"], linewidth=1.6)
    axes.plot(days, expected, color=WARM, linewidth=1.6, linestyle=(0, (5, 2)))


def _finish(axes: Axes, title: str, days: list[int], speech: Speech, *, narrow: bool) -> None:
    """Title, months below, quiet grid, whole numbers at the left."""
    axes.set_title(title, loc="left", fontsize=10, color=INK, pad=8)
    axes.set_facecolor("none")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(LINE)
    axes.grid(axis="y", color=LINE, linewidth=0.7)
    axes.tick_params(length=0, labelsize=8.5, labelcolor=QUIET)
    axes.set(ylim=(0, None), xlim=(days[0], max(days[-1], days[0] + 1)))
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: speech.short(value)))
    months = _months(days[0], days[-1], 4 if narrow else 8)
    axes.set_xticks([day.toordinal() for day in months], [speech.month(day) for day in months])


def _months(first: int, last: int, most: int) -> list[date]:
    """First days of months between two days, evenly spaced, at most `most`."""
    start, end = date.fromordinal(first), date.fromordinal(last)
    counted = range(start.year * 12 + start.month - (start.day == 1), end.year * 12 + end.month)
    step = next((step for step in MONTH_STEPS if len(counted) <= step * most), MONTH_STEPS[-1])
    return [date(month // 12, month % 12 + 1, 1) for month in counted if month % step == 0] or [start]


def _key(figure: Figure, speech: Speech, left: float, height: float) -> None:
    """Which line is which, above the panels."""
    handles = figure.axes[0].get_lines()[:2]
    names = [speech.word("tracking_actual"), speech.word("tracking_expected")]
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (left, 1 - 0.02 / height), "ncols": 2}
    look: dict[str, Any] = {
        "frameon": False,
        "fontsize": 9.5,
        "labelcolor": INK,
        "borderpad": 0,
        "borderaxespad": 0,
    }
    figure.legend(handles, names, **place, **look)


def _mark_end(running: Axes, period: Axes, facts: Mapping[str, Any], days: list[int], speech: Speech) -> None:
    """The end of the data, where expectations go on after it."""
    day = date.fromisoformat(facts["as_of"][:10]).toordinal() + 1
    if days[0] < day < days[-1]:
        for axes in (running, period):
            axes.axvline(day, color=QUIET, linewidth=0.9, linestyle=(0, (2, 2)))
        side = "right" if day > (days[0] + days[-1]) / 2 else "left"
        said = f"{speech.word('tracking_end')} " if side == "right" else f" {speech.word('tracking_end')}"
        running.text(day, running.get_ylim()[1], said, ha=side, va="top", fontsize=8.5, color=QUIET)
