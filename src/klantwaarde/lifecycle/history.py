"""The stages at several dates: counts, who went where, and how often a stage only flickers."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from klantwaarde.calendar import read_day
from klantwaarde.engine.relation import Relation, query
from klantwaarde.errors import BadParameters
from klantwaarde.estimate.fit import fit
from klantwaarde.lifecycle.calibration import calibration
from klantwaarde.lifecycle.rules import STAGES, Cuts, Rules, rules_named
from klantwaarde.lifecycle.stages import Before, staged
from klantwaarde.models import ParetoNBD
from klantwaarde.purchases.customers import Customers, customers
from klantwaarde.wording.message import Message, message

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from klantwaarde.estimate.result import Fit
    from klantwaarde.purchases.orders import Orders

Manner = Literal["refit", "frozen"]


class Flow(NamedTuple):
    """Customers who went from one stage to another between two dates; `before` is None before the first order."""

    start: dt.date
    end: dt.date
    before: str | None
    after: str
    customers: int


class Flaps(NamedTuple):
    """Over all three dates in a row: customers seen at each, those who were A, B, A, and those without an order."""

    seen: int
    flapped: int
    flapped_quietly: int

    @property
    def rate(self) -> float:
        """Share that flapped; 0 where nobody was seen three times."""
        return self.flapped / self.seen if self.seen else 0.0


@dataclass(frozen=True)
class History:
    """Stages at each date; `tables` are in the engine, with customer_id, stage, stage_since and last_order."""

    rules: Rules
    dates: tuple[dt.date, ...]
    parameters: Manner
    tables: tuple[Relation, ...]
    counts: tuple[Mapping[str, int], ...]
    """Customers per stage at each date."""
    flows: tuple[Flow, ...]
    flaps: Flaps
    notes: tuple[Message, ...]

    def to_pandas(self) -> pd.DataFrame:
        """Customers per date (rows) and stage (columns)."""
        import pandas as pd  # noqa: PLC0415 - half a second that counts do without

        return pd.DataFrame(list(self.counts), index=list(self.dates))

    def net(self, start: dt.date, end: dt.date, stage: str) -> int:
        """Customers who entered a stage between two dates in a row, less those who left it."""
        part = [flow for flow in self.flows if (flow.start, flow.end) == (start, end)]
        came = sum(flow.customers for flow in part if flow.after == stage != flow.before)
        return came - sum(flow.customers for flow in part if flow.before == stage != flow.after)


def stage_history(
    orders: Orders,
    dates: Sequence[str | dt.date],
    parameters: Manner = "refit",
    *,
    rules: str = "default",
    Model: Any = ParetoNBD,
    unit: str = "week",
    cuts: Cuts | Literal["calibrated"] | None = None,
) -> History:
    """The stages at each date, which see orders up to it only; each date is told the stages of the one before.

    dates: two or more, rising. parameters: "refit" fits the model at each date, "frozen" at the first only. cuts:
    limits of LOST, "calibrated" at each date (at the first, where frozen), or the default constants.
    Raises BadParameters for dates that do not rise, and BadOrders for a date before the first order.
    """
    days = _rising(dates)
    if parameters not in get_args(Manner):
        raise BadParameters(f"parameters={parameters!r} is not one of {', '.join(get_args(Manner))}.")
    named, tables, counts, notes = rules_named(rules), [], [], []
    found: Fit[Any] | None = None
    limits, previous = cuts, None
    for day in days:
        base = customers(orders, day, unit)
        if found is None or parameters == "refit":
            found = fit(Model, base.cells())
            limits, said = _limits(orders, Model, day, unit, cuts)
            notes += said
        previous, counted = _placed(base, found, named, limits, previous)
        tables.append(previous.table)
        counts.append(counted)
    flows = [flow for (a, one), (b, two) in pairwise(zip(days, tables, strict=True)) for flow in _flows(a, b, one, two)]
    return History(
        named,
        days,
        parameters,
        tuple(tables),
        tuple(counts),
        tuple(flows),
        _flaps(tables),
        tuple(notes),
    )


def _rising(dates: Sequence[str | dt.date]) -> tuple[dt.date, ...]:
    days = tuple(read_day(day, "dates") for day in dates)
    if len(days) < 2 or any(later <= earlier for earlier, later in pairwise(days)):
        raise BadParameters("dates have to be two or more and to rise, for instance 2024-06-30 and 2024-12-31.")
    return days


def _limits(
    orders: Orders, Model: Any, day: dt.date, unit: str, cuts: Cuts | Literal["calibrated"] | None
) -> tuple[Cuts | None, list[Message]]:
    if cuts != "calibrated":
        return cuts, []
    found = calibration(orders, Model, as_of=day, unit=unit)
    return found.cuts, [message("on_day", day=day, said=found.told)]


def _placed(
    base: Customers, found: Fit[Any], rules: Rules, cuts: Any, previous: Before | None
) -> tuple[Before, dict[str, int]]:
    """The stages of a base as a slim table, and customers per stage."""
    placed = staged(base, found, rules, cuts, previous)
    table = query("stage_slim", staged=placed.rows, customers=base.table).kept("stages_at")
    found_counts = {row["stage"]: row["n"] for row in query("stage_counts", staged=table).rows()}
    return Before(table, base.as_of), {stage: int(found_counts.get(stage, 0)) for stage in STAGES}


def _flows(start: dt.date, end: dt.date, earlier: Relation, later: Relation) -> list[Flow]:
    rows = query("stage_flows", earlier=earlier, later=later).rows()
    return [Flow(start, end, row["before"], row["after"], int(row["n"])) for row in rows]


def _flaps(tables: Sequence[Relation]) -> Flaps:
    triples = zip(tables, tables[1:], tables[2:], strict=False)
    found = [
        query("stage_flaps", stages_one=one, stages_two=two, stages_three=three).one() for one, two, three in triples
    ]
    return Flaps(*(sum(int(row[name]) for row in found) for name in Flaps._fields))
