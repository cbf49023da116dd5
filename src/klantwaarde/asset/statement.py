"""The customer equity statement: how the value of the base at one date became that at the next.

    opening + unwind - released + spend + frequency + retention + new customers + model change = closing

In the spirit of Wiesel, Skiera & Villanueva (2008), "Customer equity: an integral part of financial reporting", Journal
of Marketing 72(2), as actuaries roll a value forward. For someone known at the first date, with that date's parameters,
D(t0) is expected to become e^(delta H) (D(t0) - PV): unwind is the interest on the opening value, released the margin
that was expected in the period. What he is worth beyond that, still by those parameters, is experience; its mean is
zero where the model is true. Experience is split over the factors of D = margin per order x orders per unit of time x
discounted lifetime. Model change is what new parameters and terms alone make of the same customers.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from klantwaarde.asset.decomposition import Method, check_method
from klantwaarde.asset.ledger import LINES, NONE, Ledger
from klantwaarde.asset.standing import FACTORS as STANDING_FACTORS
from klantwaarde.asset.standing import (
    Factored,
    Standing,
    arrow_table,
    both_stages,
    both_standings,
    is_priced,
    known_table,
    moved,
    of_source,
    pair_engine,
    standing,
)
from klantwaarde.calendar import check_unit
from klantwaarde.engine.relation import Relation, query, registered
from klantwaarde.errors import BadOrders, BadParameters
from klantwaarde.estimate.fit import spend_line
from klantwaarde.lifecycle.stages import Before
from klantwaarde.models.quantities import expected_purchases
from klantwaarde.purchases.schema import MONEY
from klantwaarde.shown import html_table
from klantwaarde.value.horizon_value import ahead
from klantwaarde.value.score import Scored, cell_scores, value_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klantwaarde.purchases.orders import Orders

FACTORS = ("margin", "rate", "lifetime")
PARTS = ("opening", "unwind", "released", "spend", "frequency", "retention", "new_customers", "model_change", "closing")


class Memo(NamedTuple):
    """Margin of the period beside what was expected of it; no part of the equity."""

    realised: Decimal
    expected: Decimal


@dataclass(frozen=True, repr=False)
class Statement:
    """The statement of a period; amounts are exact sums of the customers' parts."""

    opening: Decimal
    unwind: Decimal
    released: Decimal
    """Margin expected in the period, at its end's worth; to be subtracted."""
    spend: Decimal
    frequency: Decimal
    retention: Decimal
    new_customers: Decimal
    model_change: Decimal
    closing: Decimal
    by_line: Mapping[str, Decimal]
    """Experience by the ledger's line (won_back, lost, up, down, ...): subtotals, not further lines."""
    known: Memo
    """Margin of the period of those who were customers at the first date."""
    new: Memo
    """The same of those who came; the first purchase is expected, being known to have happened."""
    rows: Relation
    """One row per customer, all of PARTS."""

    def __repr__(self) -> str:
        """Short: the value at both dates."""
        return f"<Statement: {self.opening:,.2f} becomes {self.closing:,.2f}>"

    def _repr_html_(self) -> str:
        return html_table(("part", "amount"), [(name, f"{getattr(self, name):,.2f}") for name in PARTS])

    @property
    def expected_closing(self) -> Decimal:
        """What the opening customers were expected to be worth."""
        return self.opening + self.unwind - self.released

    @property
    def experience(self) -> Decimal:
        """What they are worth beyond that: spend + frequency + retention."""
        return self.spend + self.frequency + self.retention

    def customers(self, line: str | None = None, most: int | None = None) -> pa.Table:
        """The statement customer by customer, of one line of the ledger or of all; largest experience first."""
        if line is not None and line not in LINES:
            raise BadParameters(f"line={line!r} is not one of {', '.join(LINES)}.")
        return query("statement_behind", parts=self.rows, line=line or "").first(most).arrow()


def statement(
    before: Scored | Any,
    after: Scored | Any,
    orders: Orders | None = None,
    *,
    stages: tuple[Any, Any] | Ledger | None = None,
    method: Method = "shapley",
    growth: float | None = None,
) -> Statement:
    """The statement between two dates.

    before, after: scored customers of the same orders, or plain tables with customer_id, stage, margin, rate and
    lifetime, whose product is the value by the parameters of the first date. A plain `after` may have a column value
    (by its own parameters); a plain `before` released (purchases expected in the period, discounted to its start);
    both expected and realised (margin of the period; margin up to the date). growth: e^(delta H), for plain tables
    only (default 1). method: how experience is split, see `factor_effects`.
    stages: as `ledger` takes them, or a ledger of the same dates, or its standings: what it made is not made again.
    Raises BadOrders for rows that cannot be, BadParameters for arguments.
    """
    check_method(method)
    compared, grown = _inputs(before, after, orders, stages, growth)
    parts = query("statement_parts", compared=compared, growth=grown, method=method)
    rows = query("statement_lines", parts=parts).rows()
    negative = sum(row["negative"] for row in rows)
    if method == "lmdi" and negative:
        raise BadParameters(f"lmdi takes no negative factors, but {negative} customer(s) have one: take shapley.")
    return _told(parts, rows)


def _told(parts: Relation, rows: list[dict[str, Any]]) -> Statement:
    def total(name: str, **where: Any) -> Decimal:
        return sum((row[name] for row in rows if all(row[k] == v for k, v in where.items())), NONE)

    by_line = {line: total("experience", line=line, was_known=True) for line in LINES}
    known, new = (Memo(total("realised", was_known=was), total("expected", was_known=was)) for was in (True, False))
    return Statement(
        **{name: total(name) for name in PARTS},
        by_line=by_line,
        known=known,
        new=new,
        rows=parts,
    )


def _inputs(
    before: Any, after: Any, orders: Orders | None, stages: tuple[Any, Any] | Ledger | None, growth: float | None
) -> tuple[Relation, float]:
    """The customers with their factors at both dates, and e^(delta H)."""
    if isinstance(before, Scored) != isinstance(after, Scored):
        raise BadParameters("before and after must both be scored customers, or both plain tables.")
    if isinstance(before, Scored):
        if growth is not None:
            raise BadParameters("growth follows from the scored customers' dates and discount rate; leave it out.")
        H = _horizon(before, after)
        met, factors = _met(before, after, stages, orders), _factors_after(before, after, H)
        return _compared(met, factors), float(np.exp(before.terms.delta * H))
    if isinstance(stages, Ledger):
        stages = stages.before, stages.after
    first, second = both_standings(_with_value(before), _with_value(after), stages, None)
    tables = _plain_factors(first), _plain_factors(second)
    _refuse_other_value(first, tables[0])
    factors_before = [f"b.{factor} as {factor}_before" for factor in STANDING_FACTORS]
    opened = query("statement_opened", moved=moved(first, second), factors_before=tables[0], more=factors_before)
    return _compared(opened, tables[1]), _checked_growth(growth)


def _met(before: Scored, after: Scored, stages: Any, orders: Orders | None) -> Relation:
    """The customers of both dates with their factors at the first: those of a ledger, where it has them."""
    if isinstance(stages, Ledger):
        if stages.before.factored_to == after.terms.as_of and of_source(stages.before, before):
            return stages.moved
        stages = stages.before, stages.after
    return moved(*opening_and_closing(before, after, both_stages(before, after, stages, orders)))


def opening_and_closing(before: Scored, after: Scored, stages: tuple[Any, Any]) -> tuple[Standing, Standing]:
    """The standings of both dates, the first with its factors: what ledger, statement and migration all rest on.

    stages: as `ledger` takes them; standings that are that already are handed back.
    """
    engine = pair_engine(before, after)
    opened, closed = stages
    if isinstance(opened, Standing) and of_source(opened, before).factored_to != after.terms.as_of:
        opened = Before(opened.table, before.terms.as_of)
    first = opened if isinstance(opened, Standing) else _opening(before, after, opened)
    return first, standing(engine, after, closed)


def _opening(before: Scored, after: Scored, stages: Any) -> Standing:
    factored = Factored(_with_factors(before, before, "before", _horizon(before, after)), after.terms.as_of)
    return standing(before.engine, before, stages, factored)


def _horizon(before: Scored, after: Scored) -> float:
    """Length of the period in the unit of the first date's fit."""
    return (after.terms.as_of - before.terms.as_of).days / check_unit(before.terms.unit)


def _with_factors(before: Scored, at: Scored, when: str, H: float) -> Relation:
    """The customers of `at`, valued and with factors by the parameters and terms of `before`."""
    cells = at.customers.day_cells
    days = check_unit(before.terms.unit)
    x, t_x, T = (np.asarray(cells.column(name), dtype=float) for name in ("x", "t_x_days", "t_days"))
    told = ahead(before.fit.model, H, before.terms.delta, x, t_x / days, T / days)
    scores = told._asdict()
    if when == "after":  # what is expected of a newcomer who came T ago, the first purchase among it
        scores = {"rate": told.rate, "released": 0 * told.rate, "expected": 1 + _newcomers(before, T / days)}
    histories = pa.table({name: cells.column(name) for name in cells.column_names[:3]} | scores)
    return query(
        "statement_factors",
        valued=before.valued if at is before else revalued(before, at),
        ahead=registered(before.engine, "ahead", histories),
        newcomer_margin=None if when == "before" else _newcomer_margin(before),
        priced=is_priced(before),
        expected_margin_rate=before.terms.margin_rate,
    )


def _factors_after(before: Scored, after: Scored, H: float) -> Relation:
    """The factors of the later date's customers, by the earlier one's parameters; kept."""
    named = {name: f"factor_{name}" for name in STANDING_FACTORS}
    return _with_factors(before, after, "after", H).select("customer_id", **named).kept("factors", on_disk=True)


def _compared(moved_: Relation, factors_after: Relation) -> Relation:
    """The moved customers, who have their factors at the first date, with those at the second."""
    return query("statement_compared", moved=moved_, factors_after=factors_after)


def revalued(before: Scored, after: Scored) -> Relation:
    """The later date's customers by the earlier one's parameters and terms."""
    scores = cell_scores(after.customers.day_cells, before.fit, before.terms)
    return value_of(after.customers, before.terms, scores, before.spend)


def _newcomers(before: Scored, T: Any) -> Any:
    """Repeat purchases expected of a newcomer by age, once per distinct age."""
    ages, which = np.unique(T, return_inverse=True)
    return expected_purchases(before.fit.model, ages)[which]


def _newcomer_margin(before: Scored) -> float:
    if before.spend is None or not is_priced(before):
        return 1.0
    intercept, _ = spend_line(before.spend, np.array([0]))
    return float(intercept[0]) * before.terms.margin_rate


def _with_value(source: Any) -> Any:
    """A plain table with a column value: that of its factors, where it has none."""
    table = arrow_table(source, "customers")
    missing = [name for name in FACTORS if name not in table.column_names]
    if missing:
        raise BadOrders(f"The customers need columns {', '.join(FACTORS)}; missing are {', '.join(missing)}.")
    factors = [np.asarray(table.column(name).cast("float64").to_numpy(zero_copy_only=False)) for name in FACTORS]
    if not all(np.isfinite(factor).all() for factor in factors):
        raise BadOrders(f"The columns {', '.join(FACTORS)} must be finite in every row.")
    if "value" in table.column_names:
        return table
    return table.append_column("value", pa.array(np.prod(factors, axis=0)))


def _plain_factors(given: Standing) -> Relation:
    """The factors of a plain table."""
    source = known_table(given.engine, given.source, "customers", FACTORS)
    known = {f"has_{name}": name in source.columns() for name in ("released", "expected", "realised")}
    padded = source.padded(released="double", expected="double", realised=MONEY)
    return query("statement_plain", customers=padded, **known).kept("factors")


def _refuse_other_value(first: Standing, factors: Relation) -> None:
    found = query("statement_faults", standing=first.table, factors=factors).one()
    if found["n"]:
        raise BadOrders(
            f"{found['n']} row(s) before have a value that is not margin x rate x lifetime: leave the column value out."
        )
    if found["more"]:
        raise BadOrders(
            f"{found['more']} row(s) before have a released below 0 or above rate x lifetime: a period cannot bring "
            "more purchases than all time to come."
        )


def _checked_growth(growth: float | None) -> float:
    if growth is None:
        return 1.0
    if not (np.isfinite(growth) and growth > 0):
        raise BadParameters(f"growth={growth!r} must be finite and above 0: e^(delta H), 1 without interest.")
    return float(growth)
