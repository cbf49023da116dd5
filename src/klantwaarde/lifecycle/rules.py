"""The rules of the stages: names, constants, and the days on which a silent customer passes from one to the next.

Without a purchase P(alive), P(active) and the overdue tail only fall. So every rule about silence is a day: the first
on which the chance lies below its limit. One such set of days per (x, t_x) tells the stage of every customer with that
history today, since when it holds, when a customer will be at risk, and which gaps of the past were a loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from klantwaarde.calendar import check_unit
from klantwaarde.errors import BadParameters, named
from klantwaarde.lifecycle.next_order import overdue_from
from klantwaarde.models import quantities
from klantwaarde.wording.message import Message, message

if TYPE_CHECKING:
    from collections.abc import Callable

    from klantwaarde.estimate.result import Fit
    from klantwaarde.typing import Array, Values

STAGES = ("prospect", "new", "growing", "core", "declining", "at_risk", "dormant", "lost", "won_back")
"""The stages of a relation; every customer is in exactly one."""

YOUNG, GROWING, STEADY, DECLINING, AT_RISK, DORMANT, LOST = -1, 0, 1, 2, 3, 4, 5
"""How bad a stage is, as numbers that statements compare."""

NEVER = 2**30
FARTHEST = 2**14  # days, 45 years: what has not happened by then never does
HYSTERESIS = 0.05

CLASSES = ("0", "1", "2-3", "4+")
"""Classes of repeat orders, which have limits of their own."""

RuleSet = Literal["default", "days", "rfm"]


class Cuts(NamedTuple):
    """Limits of LOST per class of repeat orders: P(alive) below the one, or P(active) below the other."""

    p_alive: tuple[float, ...] = (0.20,) * 4
    p_active: tuple[float, ...] = (0.05,) * 4
    told: Message = message("limits_constants")


@dataclass(frozen=True)
class Rules:
    """A named set of rules, with a version that changes when a rule does."""

    name: RuleSet
    version: str
    says: str
    new_days: int = 90
    back_days: int = 90
    """How long a customer who came back is won back; by default twice the median time between orders if longer."""
    trend_days: int = 91
    active_days: int = 182
    """Horizon of P(active)."""
    at_risk: float = 0.80
    dormant: float = 0.50
    overdue: float = 0.05
    silences: tuple[int, int, int] = (90, 180, 365)
    """Days of silence after which a customer is at risk, dormant, lost; of the rules by days."""


RULES = {
    "default": Rules(
        "default",
        "default-1",
        "chances of a fitted model: P(alive), P(active in 26 weeks), an overdue order, a change of rate",
    ),
    "days": Rules("days", "days-1", "days since the last order: 90, 180, 365"),
    "rfm": Rules("rfm", "rfm-1", "quintiles of recency, frequency and money"),
}


class Scores(NamedTuple):
    """Limits between the five scores of recency (days of silence), frequency (repeat orders) and money."""

    recency: tuple[float, ...]
    frequency: tuple[float, ...]
    money: tuple[float, ...]


class Marks(NamedTuple):
    """Days after the first order, per history (x, t_x), on which a customer without a further order changes stage.

    young: the last day of NEW, -1 for none; then the first day of each other, NEVER for none, which may fall in another
    order: the worst that has begun holds. risk_limit and lost_limit: what was passed, by risk_clause and lost_clause.
    """

    young: Array
    risk: Array
    dormant: Array
    lost: Array
    risk_clause: Array
    risk_limit: Array
    dormant_limit: Array
    lost_clause: Array
    lost_limit: Array

    @property
    def gone(self) -> Array:
        """The first day of DORMANT or LOST: a purchase from then on wins the customer back."""
        return np.asarray(np.minimum(self.dormant, self.lost))

    @property
    def risk_from(self) -> Array:
        """The first day of AT_RISK or worse."""
        return np.asarray(np.maximum(np.minimum(self.risk, self.gone), self.young + 1))

    def level(self, t_days: Array) -> Array:
        """The stage on a day, as a number: YOUNG, STEADY, AT_RISK, DORMANT or LOST."""
        stages = [
            (t_days <= self.young, YOUNG),
            (t_days >= self.lost, LOST),
            (t_days >= self.dormant, DORMANT),
            (t_days >= self.risk, AT_RISK),
        ]
        return np.select([holds for holds, _ in stages], [level for _, level in stages], STEADY)

    def since(self, level: Array) -> Array:
        """The day from which a level of AT_RISK or worse holds, NEVER for the others."""
        day = np.select(
            [level == LOST, level == DORMANT, level == AT_RISK], [self.lost, self.dormant, self.risk], NEVER
        )
        return np.asarray(np.maximum(day, self.young + 1))


def rules_named(name: str) -> Rules:
    """A rule set. Raises BadParameters for a name that is none."""
    if name not in RULES:
        raise BadParameters(f"{named('rules', name)} is not one of {', '.join(RULES)}.")
    return RULES[name]


def frequency_class(x: Values) -> Array:
    """Place in CLASSES of a number of repeat orders."""
    return np.searchsorted([1, 2, 4], x, side="right")


def check_cuts(cuts: Cuts) -> Cuts:
    """Cuts that are chances, one per class. Raises BadParameters."""
    for name, values in (("p_alive", cuts.p_alive), ("p_active", cuts.p_active)):
        if len(values) != len(CLASSES) or not all(0 <= value < 1 for value in values):
            raise BadParameters(f"cuts need four chances from 0 to below 1 for {name}, one per class, not {values}.")
    return cuts


def silence_marks(fit: Fit[Any], rules: Rules, cuts: Cuts, x: Array, t_x_days: Array, slack: float = 0.0) -> Marks:
    """The marks of the default rules, by the model. slack is added to every limit, for what was worse before."""
    days, model = check_unit(fit.unit or ""), fit.model
    x, t_x = np.asarray(x, dtype=float), np.asarray(t_x_days).astype(np.int64)
    kind = frequency_class(x)
    horizon = rules.active_days / days

    def alive(rows: Array, T: Array) -> Array:
        return quantities.p_alive(model, x[rows], t_x[rows] / days, T / days)

    def active(rows: Array, T: Array) -> Array:
        return quantities.p_active(model, horizon, x[rows], t_x[rows] / days, T / days)

    lost_alive, lost_active = (
        np.where(cut > 0, cut + slack, 0.0) for cut in (np.asarray(cuts.p_alive)[kind], np.asarray(cuts.p_active)[kind])
    )
    risk = first_day_below(alive, t_x, np.full(len(x), rules.at_risk + slack))
    dormant = first_day_below(alive, t_x, np.full(len(x), rules.dormant + slack))
    by_alive, by_active = first_day_below(alive, t_x, lost_alive), first_day_below(active, t_x, lost_active)
    late = _late(model, x, t_x, days, rules.overdue + slack)
    return Marks(
        young=np.minimum(rules.new_days, dormant - 1),
        risk=np.minimum(risk, late),
        dormant=dormant,
        lost=np.minimum(by_alive, by_active),
        risk_clause=np.where(risk <= late, "p_alive", "overdue"),
        risk_limit=np.where(risk <= late, rules.at_risk, rules.overdue),
        dormant_limit=np.full(len(x), rules.dormant),
        lost_clause=np.where(by_alive <= by_active, "p_alive", "p_active"),
        lost_limit=np.where(by_alive <= by_active, lost_alive - slack, lost_active - slack),
    )


def first_day_below(chance: Callable[[Array, Array], Array], start: Array, cut: Array) -> Array:
    """The first whole day from `start` on which a falling chance(rows, days) lies below the cut; NEVER in 45 years."""
    low, high = start - 1, start + FARTHEST
    rows = np.flatnonzero(cut > 0)
    rows = rows[chance(rows, high[rows]) < cut[rows]]
    low, high, cut = low[rows], high[rows], cut[rows]
    while np.any(high - low > 1):
        middle = (low + high + 1) // 2
        below = chance(rows, middle) < cut
        low, high = np.where(below, low, middle), np.where(below, middle, high)
    found = np.full(len(start), NEVER)
    found[rows] = high
    return found


def _late(model: Any, x: Array, t_x: Array, days: float, cut: float) -> Array:
    beyond = overdue_from(model, x, t_x / days, cut) * days
    return np.where(beyond < t_x + FARTHEST, np.floor(np.minimum(beyond, NEVER)) + 1, NEVER).astype(np.int64)


def day_marks(rules: Rules, x: Array, t_x_days: Array) -> Marks:
    """The marks of the rules by days: new is who bought once, not longer ago than new_days."""
    t_x = np.asarray(t_x_days).astype(np.int64)
    young = np.where(np.equal(x, 0), rules.new_days, -1)
    return _silent_for(young, t_x, *(np.full(len(t_x), n) for n in rules.silences))


def score_marks(scores: Scores, x: Array, t_x_days: Array, *, worth: bool) -> Marks:
    """The marks of the rules by scores. worth: frequency and money add up to 6 or more of 10.

    Recency 5 and 4 are new (one order, not older than new_days) or core. Who is not worth much is at risk at 3, dormant
    at 2 and lost at 1; who is stays core at 3, is at risk at 2, dormant at 1, and lost at twice that silence.
    """
    t_x = np.asarray(t_x_days).astype(np.int64)
    _, second, third, last = (int(day) for day in scores.recency)
    silences = (third, last, 2 * last + 1) if worth else (second, third, last)
    young = np.where(np.equal(x, 0), min(second, RULES["rfm"].new_days), -1)
    return _silent_for(young, t_x, *(np.full(len(t_x), n) for n in silences))


def _silent_for(young: Array, t_x: Array, at_risk: Array, dormant: Array, lost: Array) -> Marks:
    clause = np.full(len(t_x), "silence")
    return Marks(young, t_x + at_risk + 1, t_x + dormant + 1, t_x + lost + 1, clause, at_risk, dormant, clause, lost)


def quintiles(values: Array, n: Array) -> tuple[float, ...]:
    """The four limits between fifths of weighted values; equal values stay together."""
    order = np.argsort(values, kind="stable")
    share = np.cumsum(n[order]) / np.sum(n)
    places = np.searchsorted(share, [0.2, 0.4, 0.6, 0.8])
    return tuple(float(value) for value in values[order][places])
