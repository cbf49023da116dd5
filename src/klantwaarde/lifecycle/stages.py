"""The stage of every customer's relation: one of nine, why, since when, and what is due next."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from klantwaarde.beside.attributes import Attributes
from klantwaarde.calendar import read_day
from klantwaarde.engine.protocol import Engine
from klantwaarde.engine.relation import Relation, opened, query, registered
from klantwaarde.engine.relation import named as named_rows
from klantwaarde.errors import BadOrders, BadParameters, expect, named
from klantwaarde.lifecycle.rules import HYSTERESIS, NEVER, STAGES, Cuts, Rules, Scores, check_cuts, rules_named
from klantwaarde.lifecycle.stage_cells import Judge, median_gap, scores_of, stage_cells
from klantwaarde.purchases.customers import Customers
from klantwaarde.purchases.frames import grouped_in_order
from klantwaarde.purchases.orders import Orders, with_lines
from klantwaarde.purchases.returns import stood_of
from klantwaarde.sources.written import write_rows
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
    """Stages found before, kept in the engine, with customer_id, stage and stage_since, and their day."""

    table: Relation
    as_of: dt.date

    def days_in_stage(self) -> dict[str, float]:
        """Per stage with customers, the median of the days for which they have been in it."""
        rows = query("stage_ages", staged=self.table, as_of=self.as_of).rows()
        found = {}
        for stage in [stage for stage in STAGES if any(row["stage"] == stage for row in rows)]:
            days, n = zip(*((row["days"], row["n"]) for row in rows if row["stage"] == stage), strict=True)
            found[stage] = _weighted_median(np.array(days), np.array(n))
        return found


@dataclass(frozen=True, repr=False)
class Stages:
    """The staged customers, lazy in the engine until asked for; one row per customer, COLUMNS says which columns."""

    rows: Relation
    rules: Rules
    cuts: Cuts
    as_of: dt.date
    customers: Customers
    scored: Scored | None = None

    def __repr__(self) -> str:
        """Short: nobody is staged for it."""
        return f"<Stages as of {self.as_of}, by {self.rules.version}: counts(), to_pandas(), write(path)>"

    @property
    def engine(self) -> Engine:
        """Where they are staged."""
        return self.rows.engine

    @property
    def sql(self) -> str:
        """SQL of the staged customers."""
        return self.rows.sql

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters of that statement."""
        return self.rows.parameters

    def to_arrow(self) -> pa.Table:
        """An Arrow table."""
        return self.rows.arrow()

    def to_pandas(self) -> pd.DataFrame:
        """A data frame; days as timestamps, stages as ordered categories."""
        return grouped_in_order(self.rows.pandas(), {"stage": STAGES, "previous_stage": STAGES})

    def write(self, path: str | Path) -> Path:
        """A file, whole or not at all: .parquet (its footer holds the rules), .csv or .xlsx.

        Raises BadParameters for another ending, and for a path that holds what is read here, or is not ours.
        """
        self.write_counted(path)
        return Path(path)

    def write_counted(self, path: str | Path) -> int:
        """As `write`; how many cells of text got an apostrophe, so that no spreadsheet takes them for a formula."""
        told = {"as_of": str(self.as_of), "rules": self.rules.version, "cuts": str(self.cuts)}
        return write_rows(self.rows, Path(path), told)

    def counts(self) -> dict[str, int]:
        """Customers per stage, all nine, in the order of STAGES."""
        found = {row["stage"]: row["n"] for row in query("stage_counts", staged=self.rows).rows()}
        return {stage: int(found.get(stage, 0)) for stage in STAGES}

    def kept(self, path: str | Path | None = None) -> Before:
        """The stages as a table of the engine, to be handed in as `previous` at a later date.

        path: of the file that `write` made, if it did: it is read, and nobody is staged again, unless such ids are not
        kept exactly in files.
        """
        if path is not None:
            written = opened(self.engine, "stages", Path(path))
            if written.columns()["customer_id"] == self.customers.table.columns()["customer_id"]:
                return Before(written, self.as_of)
        return Before(self.rows.select("customer_id", "stage", "stage_since").kept("stages"), self.as_of)


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
    same = base if orders is base.orders else replace(base, orders=orders)  # which would count the histories anew
    found = staged(same, scored.fit, rules_named(rules), cuts, previous, prospects)
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
    limits_of_lost = check_cuts(cuts or Cuts())
    cells = base.day_cells
    scores = scores_of(base, cells) if rules.name == "rfm" else None
    since = _since(base, rules, cells)
    gaps = _gaps(base, since["recent_from"])
    judged = Judge(fit, rules, limits_of_lost, scores)
    recent = _recent(base, gaps, judged, since)
    table = registered(base.engine, "stage_cells", stage_cells(cells, judged, held=previous is not None))
    before = previous.table if previous is not None else _nothing(base)
    day = previous.as_of if previous is not None else base.as_of
    told = _parameters(base, rules, scores) | since | {"as_of": base.as_of, "previous_day": day}
    rows = query("stage_staged", customers=base.table, stage_cells=table, recent=recent, previous=before, **told)
    if prospects is not None:
        rows = _with_leads(base, rows, named_rows(base.engine, prospects), before)
    return Stages(rows, rules, limits_of_lost, base.as_of, base)


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


def _gaps(base: Customers, recent_from: dt.date) -> Relation:
    """The repeat purchases since a day, with the history before each, kept; reads only who bought since."""
    lines = query("stage_lines", lines=base.orders.lines, customers=base.table, recent_from=recent_from)
    stood = stood_of(with_lines(base.orders, lines).occasions, base.netted)
    bought = query("stage_bought", stood=stood, as_of=base.as_of).kept("bought")
    gaps = query("stage_gaps", bought=bought, customers=base.table, recent_from=recent_from).kept("gaps")
    bought.drop()
    return gaps


def _recent(base: Customers, gaps: Relation, judged: Judge, since: Mapping[str, Any]) -> Relation:
    """The customers with recent repeat orders, kept: how many, and the last that won one back."""
    pairs = query("stage_pairs", gaps=gaps).arrow()
    x, t_x = (np.asarray(pairs.column(name)).astype(np.int64) for name in ("x", "t_x_days"))
    gone = judged.marks(x, t_x).gone if len(x) else x
    marks = pa.table({"x": x, "t_x_days": t_x, "gone_days": gone.astype(np.int64)})
    recent = query("stage_recent", gaps=gaps, marks=registered(base.engine, "marks", marks), **since).kept("recent")
    gaps.drop()
    return recent


def _parameters(base: Customers, rules: Rules, scores: Scores | None) -> dict[str, Any]:
    never = (float(NEVER),) * 4
    told = {
        "by_money": base.orders.has_money and scores is not None,
        "scored": scores is not None,
        "slack": str(HYSTERESIS),
        "trend_days": str(rules.trend_days),
        "active_days": str(rules.active_days),
    }
    for name, values in (("f", scores.frequency if scores else never), ("m", scores.money if scores else never)):
        told |= {f"{name}_{place}": value for place, value in enumerate(values, 1)}
    return told


def _nothing(base: Customers) -> Relation:
    """No previous stages."""
    return base.table.none("customer_id", stage="varchar", stage_since="date").view("previous")


def _with_leads(base: Customers, rows: Relation, leads: Relation, before: Relation) -> Relation:
    types = leads.columns()
    if "customer_id" not in types:
        raise BadOrders(f"The prospects have no column customer_id; they have {', '.join(types)}.")
    wanted = base.table.columns()["customer_id"]
    if types["customer_id"] != wanted:
        raise BadOrders(
            f"The prospects' customer_id is {types['customer_id']}, that of the orders {wanted}. Cast it before."
        )
    return query("stage_leads", staged=rows, leads=leads, customers=base.table, previous=before)


def cross(found: Stages, attributes: Attributes | str, column: str, *, potential: str | None = None) -> list[Crossed]:
    """Relation stages crossed with the levels of an attribute, such as the life stage: customers, value, potential.

    attributes: of `attributes`, or a table of the engine with customer_id and the column, one row per customer.
    potential: a table of the engine with customer_id and potential. Value is the residual value, where there are
    scores with money. Customers of whom nothing is known have the level 'unknown'. Counts add up to all customers.
    """
    table = attributes.view if isinstance(attributes, Attributes) else named_rows(found.engine, attributes)
    has = table.columns()
    missing = [name for name in ("customer_id", column) if name not in has]
    if missing:
        raise BadOrders(f"The attributes have no column {', '.join(missing)}; they have {', '.join(has)}.")
    levels = table.select("customer_id", level=column)
    rows = query("stage_crossed", staged=found.rows, levels=levels, amounts=_amounts(found, potential)).rows()
    return [Crossed(**{name: row[name] for name in Crossed._fields}) for row in rows]


def _amounts(found: Stages, potential: str | None) -> Relation:
    """Value and potential per customer, null where not known."""
    base, scored = found.customers, found.scored
    if scored is None:
        value = base.table.select("customer_id").with_null(rlv="double")
    else:
        value = scored.valued.select("customer_id", "rlv")
    if potential is None:
        known = base.table.none("customer_id", potential="double")
    else:
        known = named_rows(base.engine, potential).select("customer_id", "potential")
    return query("stage_amounts", valued=value, potentials=known)
