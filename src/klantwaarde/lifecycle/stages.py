"""The stage of every customer's relation: one of nine, why, since when, and what is due next."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from klantwaarde.calendar import read_day
from klantwaarde.data.attributes import Attributes
from klantwaarde.data.customers import Customers
from klantwaarde.data.orders import Orders, with_lines
from klantwaarde.data.returns import create_stood
from klantwaarde.data.written import write_rows
from klantwaarde.engine.protocol import Engine
from klantwaarde.engine.statement import identifier, statement
from klantwaarde.errors import BadOrders, BadParameters, expect, named
from klantwaarde.lifecycle.rules import HYSTERESIS, NEVER, STAGES, Cuts, Rules, Scores, check_cuts, rules_named
from klantwaarde.lifecycle.stage_cells import Judge, median_gap, scores_of, stage_cells
from klantwaarde.value.score import Scored

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from klantwaarde.estimate.result import Fit

COLUMNS = (
    ("customer_id", "id as it came in", "The customer."),
    ("stage", "name", "The stage of the relation."),
    ("stage_since", "date", "The day from which the stage holds; of new, core, growing and declining the first known."),
    ("stage_reason", "text", "Which rule applied, with its numbers."),
    ("clause", "name", "The same rule as one word."),
    ("p_alive", "chance", "That the customer is still a customer."),
    ("p_active", "chance", "Of an order within the horizon of the rules, 26 weeks."),
    ("overdue", "chance", "Of a silence as long as this one, were the customer still there."),
    ("next_order_expected", "date", "Day by which half of those like this one who stay order again; none of the lost."),
    ("at_risk_from", "date", "Day from which the customer is at risk, or worse, without a further order."),
    ("previous_stage", "name", "The stage at the date before, where known."),
)
"""(column, unit, meaning) of the staged customers."""


class Before(NamedTuple):
    """Stages found before, as a table in the engine with customer_id, stage and stage_since, and their day."""

    table: str
    as_of: dt.date

    def days_in_stage(self, engine: Engine) -> dict[str, float]:
        """Per stage with customers, the median of the days for which they have been in it."""
        rows = engine.rows(statement("stage_ages", staged=self.table), {"as_of": self.as_of})
        found = {}
        for stage in [stage for stage in STAGES if any(row["stage"] == stage for row in rows)]:
            days, n = zip(*((row["days"], row["n"]) for row in rows if row["stage"] == stage), strict=True)
            found[stage] = _weighted_median(np.array(days), np.array(n))
        return found


@dataclass(frozen=True)
class Stages:
    """The staged customers, lazy in the engine until asked for; one row per customer, COLUMNS says which columns."""

    engine: Engine
    sql: str
    parameters: Mapping[str, Any]
    rules: Rules
    cuts: Cuts
    as_of: dt.date
    customers: Customers
    scored: Scored | None = None

    def to_arrow(self) -> pa.Table:
        """An Arrow table."""
        return self.engine.arrow(self.sql, self.parameters)

    def to_pandas(self) -> pd.DataFrame:
        """A data frame."""
        return self.engine.pandas(self.sql, self.parameters)

    def write(self, path: str | Path) -> Path:
        """A file, whole or not at all: .parquet (its footer holds the rules), .csv or .xlsx.

        Raises BadParameters for another ending, and for a path that holds what is read here, or is not ours.
        """
        self.write_counted(path)
        return Path(path)

    def write_counted(self, path: str | Path) -> int:
        """As `write`; how many cells of text got an apostrophe, so that no spreadsheet takes them for a formula."""
        told = {"as_of": str(self.as_of), "rules": self.rules.version, "cuts": str(self.cuts)}
        return write_rows(self.engine, self.sql, Path(path), self.parameters, told)

    def counts(self) -> dict[str, int]:
        """Customers per stage, all nine, in the order of STAGES."""
        sql = f"with staged as ({self.sql}) {statement('stage_counts')}"
        found = {row["stage"]: row["n"] for row in self.engine.rows(sql, self.parameters)}
        return {stage: int(found.get(stage, 0)) for stage in STAGES}

    def kept(self, path: str | Path | None = None) -> Before:
        """The stages as a table of the engine, to be handed in as `previous` at a later date.

        path: of the file that `write` made, if it did: it is read, and nobody is staged again, unless such ids are not
        kept exactly in files.
        """
        table = self.engine.new_name("stages")
        if path is not None:
            self.engine.open_parquet(table, Path(path))
            if self.engine.columns(table)["customer_id"] == self.engine.columns(self.customers.table)["customer_id"]:
                return Before(table, self.as_of)
            table = self.engine.new_name("stages")
        sql = f"with staged as ({self.sql}) select customer_id, stage, stage_since from staged"
        self.engine.create(table, sql, self.parameters)
        return Before(table, self.as_of)


def _weighted_median(values: np.ndarray[Any, Any], n: np.ndarray[Any, Any]) -> float:
    """The median of values, rising, that occur n times each; the mean of the two in the middle of an even number."""
    up_to = np.cumsum(n)
    low, high = np.searchsorted(up_to, [(up_to[-1] + 1) // 2, up_to[-1] // 2 + 1])
    return float(values[low] + values[high]) / 2


class Crossed(NamedTuple):
    """The customers of one stage and one level of an attribute; value and potential are None where not known."""

    stage: str
    level: str
    customers: int
    value: float | None
    potential: float | None


def stages(
    scored: Scored,
    orders: Orders,
    *,
    as_of: str | dt.date | None = None,
    rules: str = "default",
    cuts: Cuts | None = None,
    previous: Before | None = None,
    prospects: str | None = None,
) -> Stages:
    """The stage of every scored customer, by a named set of rules; the first that matches counts.

    orders: those that were scored. as_of: the day of the scores, or nothing. rules: default, days or rfm. cuts: limits
    of LOST, as `calibration` finds them (default: constants). previous: stages at an earlier date; without an order
    since, a customer then only gets better by passing a limit by more than 0.05. prospects: a table of the engine with
    the customer_id of leads; those who are no customers are added. Customers with nothing left after returns have
    made no purchase and are prospects, too.
    """
    expect(scored, Scored, "scored", "give what kw.score made first, then the orders")
    expect(orders, Orders, "orders", "give the orders that were scored, as kw.orders made them")
    base = scored.customers
    if orders.engine is not base.engine:
        raise BadParameters(
            "These orders are not those that were scored. Hand in the ones that the scores were made of."
        )
    if as_of is not None and read_day(as_of, "as_of") != base.as_of:
        raise BadParameters(
            f"{named('as_of', str(as_of))} is not the day of the scores, {base.as_of}. Score as of that day first."
        )
    found = staged(replace(base, orders=orders), scored.fit, rules_named(rules), cuts, previous, prospects)
    return replace(found, scored=scored)


def staged(
    base: Customers,
    fit: Fit[Any],
    rules: Rules,
    cuts: Cuts | None = None,
    previous: Before | None = None,
    prospects: str | None = None,
) -> Stages:
    """The stages of a base under a fit of a timing model; as `stages`, without scores."""
    if fit.unit is None:
        raise BadParameters(f"{fit.name} is a spend model. Stages need a timing model.")
    engine, limits_of_lost = base.engine, check_cuts(cuts or Cuts())
    cells = base.day_cells()
    scores = scores_of(base, cells) if rules.name == "rfm" else None
    since = _since(base, rules, cells)
    gaps = _gaps(base, since["recent_from"])
    judged = Judge(fit, rules, limits_of_lost, scores)
    recent = _recent(base, gaps, judged, since)
    table = engine.new_name("stage_cells")
    engine.register(table, stage_cells(cells, judged, held=previous is not None))
    before = previous.table if previous is not None else _nothing(base)
    sql = statement("stage_staged", customers=base.table, stage_cells=table, recent=recent, previous=before)
    if prospects is not None:
        sql = _with_leads(base, sql, prospects, before)
    day = previous.as_of if previous is not None else base.as_of
    told = _parameters(base, rules, scores) | since | {"as_of": base.as_of, "previous_day": day}
    return Stages(engine, sql, told, rules, limits_of_lost, base.as_of, base)


def _since(base: Customers, rules: Rules, cells: pa.Table) -> dict[str, Any]:
    """The days after which orders are recent, count for the trend, and win a customer back."""
    back = max(rules.back_days, int(2 * median_gap(cells)) if rules.name == "default" else 0)
    return {
        "back_days": back,
        "back_from": _ago(base, back),
        "trend_from": _ago(base, rules.trend_days),
        "recent_from": _ago(base, max(back, rules.trend_days)),
    }


def _ago(base: Customers, days: int) -> dt.date:
    return base.as_of - dt.timedelta(days=days)


def _gaps(base: Customers, recent_from: dt.date) -> str:
    """A table of the repeat purchases since a day, with the history before each; reads only who bought since."""
    engine, orders = base.engine, base.orders
    lines, bought, gaps = (engine.new_name(name) for name in ("lines", "bought", "gaps"))
    who = f"select customer_id from {base.table} where last_order > date '{recent_from}' and orders > 1"
    engine.view(lines, f"select * from {orders.lines} where customer_id in ({who})")
    stood = create_stood(engine, with_lines(orders, lines).occasions, base.netted)
    engine.create(bought, statement("stage_bought", stood=stood), {"as_of": base.as_of})
    engine.create(gaps, statement("stage_gaps", bought=bought, customers=base.table), {"recent_from": recent_from})
    engine.drop(bought)
    return gaps


def _recent(base: Customers, gaps: str, judged: Judge, since: Mapping[str, Any]) -> str:
    """A table of customers with recent repeat orders: how many, and the last that won one back."""
    engine = base.engine
    pairs = engine.arrow(statement("stage_pairs", gaps=gaps))
    x, t_x = (np.asarray(pairs.column(name)).astype(np.int64) for name in ("x", "t_x_days"))
    marks, recent = engine.new_name("marks"), engine.new_name("recent")
    gone = judged.marks(x, t_x).gone if len(x) else x
    engine.register(marks, pa.table({"x": x, "t_x_days": t_x, "gone_days": gone.astype(np.int64)}))
    engine.create(recent, statement("stage_recent", gaps=gaps, marks=marks), since)
    engine.drop(gaps)
    return recent


def _parameters(base: Customers, rules: Rules, scores: Scores | None) -> dict[str, Any]:
    never = (float(NEVER),) * 4
    told = {
        "has_money": base.orders.has_money and scores is not None,
        "scored": scores is not None,
        "slack": str(HYSTERESIS),
        "trend_days": str(rules.trend_days),
        "active_days": str(rules.active_days),
    }
    for name, values in (("f", scores.frequency if scores else never), ("m", scores.money if scores else never)):
        told |= {f"{name}_{place}": value for place, value in enumerate(values, 1)}
    return told


def _nothing(base: Customers) -> str:
    """A name for no previous stages."""
    name = base.engine.new_name("previous")
    columns = "customer_id, cast(null as varchar) as stage, cast(null as date) as stage_since"
    base.engine.view(name, f"select {columns} from {base.table} where 1 = 0")
    return name


def _with_leads(base: Customers, sql: str, leads: str, before: str) -> str:
    types = base.engine.columns(leads)
    if "customer_id" not in types:
        raise BadOrders(f"The prospects have no column customer_id; they have {', '.join(types)}.")
    wanted = base.engine.columns(base.table)["customer_id"]
    if types["customer_id"] != wanted:
        raise BadOrders(
            f"The prospects' customer_id is {types['customer_id']}, that of the orders {wanted}. Cast it before."
        )
    view = base.engine.new_name("staged")
    union = statement("stage_leads", staged=view, leads=leads, customers=base.table, previous=before)
    return f"with {view} as (\n{sql}\n)\n{union}"


def cross(found: Stages, attributes: Attributes | str, column: str, *, potential: str | None = None) -> list[Crossed]:
    """Relation stages crossed with the levels of an attribute, such as the life stage: customers, value, potential.

    attributes: of `attributes`, or a table of the engine with customer_id and the column, one row per customer.
    potential: a table of the engine with customer_id and potential. Value is the residual value, where there are
    scores with money. Customers of whom nothing is known have the level 'unknown'. Counts add up to all customers.
    """
    engine = found.engine
    table = attributes.view if isinstance(attributes, Attributes) else attributes
    has = engine.columns(table)
    missing = [name for name in ("customer_id", column) if name not in has]
    if missing:
        raise BadOrders(f"The attributes have no column {', '.join(missing)}; they have {', '.join(has)}.")
    levels = engine.new_name("levels")
    engine.view(levels, f"select customer_id, {identifier(column)} as level from {table}")
    amounts, extra = _amounts(found, potential)
    crossed = statement("stage_crossed", staged="staged_now", levels=levels, amounts="amounts_now")
    sql = f"with staged_now as (\n{found.sql}\n), amounts_now as (\n{amounts}\n)\n{crossed}"
    rows = engine.rows(sql, {**extra, **found.parameters})
    return [Crossed(**{name: row[name] for name in Crossed._fields}) for row in rows]


def _amounts(found: Stages, potential: str | None) -> tuple[str, Mapping[str, Any]]:
    """SQL of value and potential per customer, and its parameters."""
    base, scored = found.customers, found.scored
    values = f"({scored.valued})" if scored is not None else f"(select customer_id, null as rlv from {base.table})"
    if potential is None:
        sql = f"select v.customer_id, v.rlv as value, cast(null as double) as potential from {values} as v"
    else:
        joined = f"left join {potential} as p on p.customer_id = v.customer_id"
        sql = f"select v.customer_id, v.rlv as value, p.potential as potential from {values} as v {joined}"
    return sql, scored.parameters if scored is not None else {}
