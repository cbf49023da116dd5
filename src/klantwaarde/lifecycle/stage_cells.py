"""What the rules say of each distinct history, once: chances, the stage of the silent, and when the next one begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from klantwaarde.calendar import check_unit
from klantwaarde.engine.relation import query
from klantwaarde.lifecycle.next_order import NO_FEWER, NO_MORE, Limits, limits, overdue, time_to_next
from klantwaarde.lifecycle.rules import (
    AT_RISK,
    DORMANT,
    HYSTERESIS,
    NEVER,
    STEADY,
    YOUNG,
    Cuts,
    Marks,
    Rules,
    Scores,
    day_marks,
    quintiles,
    score_marks,
    silence_marks,
)
from klantwaarde.models import quantities

if TYPE_CHECKING:
    from klantwaarde.estimate.result import Fit
    from klantwaarde.purchases.customers import Customers
    from klantwaarde.typing import Array

LATEST = 36_500  # days: later than in a hundred years is never


@dataclass(frozen=True)
class Judge:
    """What decides about a silent customer."""

    fit: Fit[Any]
    rules: Rules
    cuts: Cuts
    scores: Scores | None

    def marks(self, x: Array, t_x_days: Array, *, worth: bool = False, slack: float = 0.0) -> Marks:
        """The days on which customers with these histories change stage."""
        if self.rules.name == "days":
            return day_marks(self.rules, x, t_x_days)
        if self.scores is not None:
            return score_marks(self.scores, x, t_x_days, worth=worth)
        return silence_marks(self.fit, self.rules, self.cuts, x, t_x_days, slack)

    @property
    def worths(self) -> tuple[bool, ...]:
        """Whether customers of the same history are told apart by what they are worth."""
        return (False,) if self.scores is None else (False, True)


def stage_cells(cells: pa.Table, judged: Judge, *, held: bool = False) -> pa.Table:
    """What the rules say of each distinct history (x, t_x_days, t_days); twice where worth matters."""
    keys = {name: np.asarray(cells.column(name)).astype(np.int64) for name in ("x", "t_x_days", "t_days")}
    chances = _chances(judged, **keys)
    pairs, of_cell = _distinct(keys["x"], keys["t_x_days"])
    parts = []
    for worth in judged.worths:
        marks = judged.marks(*pairs, worth=worth)
        strict = judged.marks(*pairs, worth=worth, slack=HYSTERESIS) if held else marks
        told = _by_silence(_rows(marks, of_cell), _rows(strict, of_cell), keys["t_days"])
        parts.append(pa.table(keys | chances | told | {"worth": np.full(len(of_cell), int(worth))}))
    return pa.concat_tables(parts)


def _distinct(x: Array, t_x: Array) -> tuple[tuple[Array, Array], Array]:
    """The distinct pairs, and which pair each row is."""
    width = int(np.max(t_x, initial=0)) + 1
    keys, of_row = np.unique(x * width + t_x, return_inverse=True)
    return (keys // width, keys % width), of_row


def _rows(marks: Marks, rows: Array) -> Marks:
    return Marks(*(values[rows] for values in marks))


def _by_silence(marks: Marks, strict: Marks, t_days: Array) -> dict[str, Any]:
    level, gone = marks.level(t_days), marks.since(marks.level(t_days))
    by_chance = marks.lost_clause[0] != "silence" if len(level) else True
    of_dormant = "p_alive" if by_chance else "silence"
    return {
        "level": level.astype(np.int32),
        "held": strict.level(t_days).astype(np.int32),
        "clause": _choose(level, "young", "steady", marks.risk_clause, of_dormant, marks.lost_clause),
        "limit_": _choose(level, 0.0, 0.0, marks.risk_limit, marks.dormant_limit, marks.lost_limit).astype(float),
        "since_days": _day(gone),
        "risk_days": _day(marks.risk_from),
        "young_days": marks.young.astype(np.int32),
    }


def _choose(level: Array, young: Any, steady: Any, risk: Any, dormant: Any, lost: Any) -> Array:
    """What belongs to the level of each row."""
    cases = [level == YOUNG, level == STEADY, level == AT_RISK, level == DORMANT]
    return np.select(cases, [young, steady, risk, dormant], lost)


def _chances(judged: Judge, x: Array, t_x_days: Array, t_days: Array) -> dict[str, Any]:
    model, days = judged.fit.model, check_unit(judged.fit.unit or "")
    history = (x.astype(float), t_x_days / days, t_days / days)
    few, steady = _trend(judged.rules, x, t_days)
    return {
        "p_alive": quantities.p_alive(model, *history),
        "p_active": quantities.p_active(model, judged.rules.active_days / days, *history),
        "overdue": overdue(model, *history),
        "next_days": _day(np.ceil(np.minimum(time_to_next(model, history[0], history[2]) * days, NEVER))),
        "fewer": few.fewer.astype(np.int32),
        "more": few.more.astype(np.int32),
        "steady_orders": steady,
    }


def _trend(rules: Rules, x: Array, t_days: Array) -> tuple[Limits, Array]:
    """Limits of recent orders, and the orders that a steady rate gives; found once per distinct (x, T)."""
    steady = x * np.minimum(1.0, rules.trend_days / np.maximum(t_days, 1))
    if rules.name != "default":
        return Limits(np.full(len(x), NO_FEWER), np.full(len(x), NO_MORE)), steady
    (xs, ts), of_cell = _distinct(x, t_days)
    found = limits(xs, ts, rules.trend_days)
    return Limits(found.fewer[of_cell], found.more[of_cell]), steady


def _day(days: Array) -> pa.Array:
    """Whole days, null where that is never."""
    return pa.array(np.minimum(days, NEVER).astype(np.int32), mask=np.asarray(days) > LATEST)


def median_gap(cells: pa.Table) -> float:
    """The median over customers with repeat orders of their mean days between orders; 0 without any."""
    x, t_x, n = (np.asarray(cells.column(name), dtype=float) for name in ("x", "t_x_days", "n"))
    again = x > 0
    if not again.any():
        return 0.0
    gap, n = t_x[again] / x[again], n[again]
    order = np.argsort(gap, kind="stable")
    return float(gap[order][np.searchsorted(np.cumsum(n[order]), n.sum() / 2)])


def scores_of(base: Customers, cells: pa.Table) -> Scores:
    """Quintiles of silence, repeat orders and revenue; without amounts frequency stands in for money."""
    x, t_x, T, n = (np.asarray(cells.column(name), dtype=float) for name in ("x", "t_x_days", "t_days", "n"))
    frequency = quintiles(x, n)
    if not base.orders.has_money:
        return Scores(quintiles(T - t_x, n), frequency, (0.0,) * 4)
    held = query("stage_money", customers=base.table).arrow()
    money = quintiles(*(np.asarray(held.column(name), dtype=float) for name in ("money", "n")))
    return Scores(quintiles(T - t_x, n), frequency, money)
