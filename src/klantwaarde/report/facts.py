"""Everything a report says, collected in one dict of plain values before a word is written."""

from __future__ import annotations

import datetime as dt
import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from klantwaarde.engine.relation import Relation, query, registered
from klantwaarde.lifecycle.rules import STAGES
from klantwaarde.outcome.kinds import Plain
from klantwaarde.outcome.schema import FACTS_VERSION, Facts
from klantwaarde.report.total import total_facts
from klantwaarde.wording.message import Message, as_kept, message

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from klantwaarde.asset.pyramid import Band
    from klantwaarde.doctor.doctor import Sheet
    from klantwaarde.estimate.result import Fit
    from klantwaarde.purchases.customers import Customers
    from klantwaarde.validate.choose import Choice
    from klantwaarde.validate.tracking import Tracking
    from klantwaarde.value.terms import Basis
    from klantwaarde.value.total_value import Totals

TOP = 20
SEASON = 92  # days before the last year: who bought then, and not since, is not taken for new
RISK_EDGES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
LENGTHS = {"day": "days", "week": "weeks", "month": "months", "year": "years"}
"""How a stretch of time is said, as a code."""


def facts(
    base: Customers,
    table: Relation,
    terms: Basis,
    bands: Sequence[Band],
    sheet: Sheet,
    timing: Fit[Any],
    spend: Fit[Any] | None,
    choice: Choice | None,
    tracked: Tracking | None,
    words: Mapping[str, str | None],
    total: Totals | None = None,
    staged: Relation | None = None,
) -> Facts:
    """The facts of a run. table: the scored customers in the engine; words: language, title, currency, version.

    staged: their stages in the engine; without them nobody is said to be at risk. total: what rests on links, peers
    and categories; without it nothing is said of total value.
    """
    money = base.orders.has_money
    totals = query("scored_totals", scored=table).one()
    told: Facts = plain(
        {
            "facts_version": FACTS_VERSION,
            **words,
            "generated_at": dt.datetime.now(tz=dt.UTC).replace(microsecond=0, tzinfo=None).isoformat(),
            "money": money,
            "money_is": "margin" if terms.margin_known else "revenue",
            "as_of": base.as_of,
            "first_order": base.totals["first_order"],
            "unit": terms.unit,
            "horizon": terms.horizon,
            "rank_by": terms.rank_by,
            "base": _base(base, totals),
            "pyramid": [band._asdict() for band in bands],
            "total": total_facts(base, table, terms, total),
            "value_risk": _value_risk(table, totals) if money else None,
            "tracking": _tracking(tracked),
            "stages": _stages(table, staged) if staged else None,
            "top_customers": _top(table, staged, at_risk=False),
            "top_at_risk": _top(table, staged, at_risk=True),
            "at_risk_rule": message("at_risk_stages"),
            "model": _model(timing) | _choice(choice),
            "spend": None if spend is None else _model(spend),
            "assumptions": assumptions(base, terms),
            "doctor": sheet.as_dict(),
        }
    )
    return told


def plain(value: Any, said: Callable[[Message], Any] = as_kept) -> Any:
    """The value in JSON's types: dates as text, DECIMAL as float, what is not finite as None, other things as text.

    A message is what `said` makes of it: its English text with code and fields beside it, or the text alone (str).
    """
    if isinstance(value, Message):
        return said(value)
    if isinstance(value, dict):
        return {str(key): plain(item, said) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, said) for item in value]
    if isinstance(value, (Decimal, np.floating)):
        value = float(value)
    if isinstance(value, float):
        return value + 0.0 if math.isfinite(value) else None  # -0.0 becomes 0.0
    if isinstance(value, np.integer):
        return int(value)
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def assumptions(base: Customers, terms: Basis) -> list[dict[str, Message]]:
    """What the numbers take for granted."""
    rate, margin = 100 * terms.annual_discount_rate, 100 * terms.margin_rate
    later = message("assumed_discount_means", later=1 + terms.annual_discount_rate, now=1.0)
    rows = (
        ("end", message("day", day=base.as_of), None),
        ("horizon", _stretch(terms.horizon), None),
        ("discount", message("assumed_rate", rate=rate), later),
        ("margin", *_margin(base, terms, margin)),
        ("residual", _residual(terms, rate, margin), None),
        ("last_year", message("day_to_day", first=base.year_ago + dt.timedelta(days=1), last=base.as_of), None),
        ("rank", message(f"assumed_rank_{terms.rank_by}"), None),
        ("occasion", message("assumed_occasion_value"), None),
        ("stationary", message("assumed_stationary_value"), None),
    )
    return [
        {
            "name": message(f"assumed_{code}"),
            "value": value,
            "meaning": message(f"assumed_{code}_means") if meaning is None else meaning,
        }
        for code, value, meaning in rows
        if code != "residual" or base.orders.has_money
    ]


def _margin(base: Customers, terms: Basis, rate: float) -> tuple[Message, Message]:
    """The margin rate and what it means; where none is known, that money is revenue."""
    if not terms.margin_known:
        return message("assumed_margin_unknown"), message("assumed_margin_revenue")
    means = message("assumed_margin_lines" if base.orders.has_margin else "assumed_margin_same")
    return message("assumed_rate", rate=rate), means


def _residual(terms: Basis, rate: float, margin: float) -> Message:
    if not terms.margin_known:
        return message("assumed_residual_revenue", rate=rate)
    return message("assumed_residual_value", rate=rate, margin=margin)


def _stretch(horizon: str) -> Message:
    """A horizon: a duration, a day, or as it was written."""
    length = re.fullmatch(r"\s*(\d+)\s*(day|week|month|year)s?\s*", str(horizon))
    if length:
        return message(LENGTHS[length[2]], n=int(length[1]))
    try:
        return message("day", day=dt.date.fromisoformat(str(horizon)))
    except ValueError:
        return message("text", text=str(horizon))


def _base(base: Customers, totals: Mapping[str, Any]) -> Plain:
    own = {
        name: base.totals[name]
        for name in ("customers", "with_purchase", "new_last_year", "orders", "repeat_customers", "revenue")
    }
    scored = {
        name: totals[name]
        for name in (
            "active",
            "value_realised",
            "value_last_year",
            "rlv",
            "expected_orders",
            "expected_active",
        )
    }
    return own | scored | {"inactive": totals["customers"] - totals["active"]} | _habits(base)


def _habits(base: Customers) -> dict[str, float | None]:
    """What every shop looks at: the average order, orders per customer, days between orders.

    new_to_data: whether the data begin so shortly before the last year that who is new in it may be an old customer.
    """
    totals = base.totals
    buyers, orders = totals["with_purchase"], totals["orders"]
    again = orders - buyers
    paid = None if totals["revenue"] is None else float(totals["revenue"])
    first = totals["first_order"]
    return {
        "new_to_data": first is not None and (base.year_ago - first).days < SEASON,
        "order_value": paid / orders if paid is not None and orders else None,
        "orders_each": orders / buyers if buyers else None,
        "days_between": float(totals["span_days"]) / again if again else None,
    }


def _value_risk(table: Relation, totals: Mapping[str, Any]) -> Plain | None:
    mean = totals["value_realised_mean"]
    if not mean or mean <= 0:
        return None
    edges = _edges(float(mean), float(totals["value_realised_max"]))
    low, high = [-math.inf, *edges[1:-1]], [*edges[1:-1], math.inf]
    bands = registered(table.engine, "value_bands", pa.table({"band": range(len(low)), "low": low, "high": high}))
    grid = {name: np.zeros((len(RISK_EDGES) - 1, len(low))) for name in ("customers", "rlv")}
    for row in query("value_risk", scored=table, value_bands=bands).rows():
        for name, cells in grid.items():
            cells[row["risk"], row["band"]] = row[name] or 0
    return {
        "p_alive_edges": RISK_EDGES,
        "value_edges": edges,
        "value_measure": "realised",
        "customers": grid["customers"].astype(int).tolist(),
        "rlv": grid["rlv"].tolist(),
    }


def _edges(mean: float, most: float) -> list[float]:
    """Round edges around the mean: half, once, twice and five times it."""
    inner = sorted({_round_number(mean * factor) for factor in (0.5, 1, 2, 5)})
    return [0.0, *inner, max(most, inner[-1] * 2)]


def _round_number(value: float) -> float:
    """The nearest, in the logarithm, of 1, 2 and 5 times a power of ten, so that bands read well and differ."""
    power = 10.0 ** math.floor(math.log10(value))
    return float(min((step * power for step in (1, 2, 5, 10)), key=lambda near: abs(math.log(near / value))))


def _tracking(tracked: Tracking | None) -> Plain | None:
    if tracked is None:
        return None
    return {
        "period": tracked.period,
        "start": list(tracked.start),
        "actual": tracked.actual.tolist(),
        "expected": tracked.expected.tolist(),
        "customers": tracked.customers,
        "of": tracked.of,
    }


def _top(table: Relation, staged: Relation | None, *, at_risk: bool) -> list[Plain]:
    stages = staged or table.none("customer_id", stage="varchar")
    return query("top_customers", scored=table, staged=stages, at_risk=at_risk, most=TOP).rows()


def _stages(table: Relation, staged: Relation) -> Plain:
    """Customers per stage with what is still expected of them, all stages."""
    rows = {row["stage"]: row for row in query("stage_values", staged=staged, scored=table).rows()}
    names = ("customers", "rlv", "expected_orders")
    return {stage: {name: rows[stage][name] if stage in rows else 0 for name in names} for stage in STAGES}


def _model(fit: Fit[Any]) -> Plain:
    return {
        "name": fit.name,
        "parameters": fit.model._asdict(),
        "standard_errors": dict(fit.standard_errors),
        "log_likelihood": fit.log_likelihood,
        "status": fit.status,
        "reason": fit.reason,
        "doubt": _doubt(fit),
        "notes": list(fit.notes),
    }


def _doubt(fit: Fit[Any]) -> str | None:
    """What a reader has to know of the reason: of a fit that converged, not how nearly it did (the last clause)."""
    if fit.status != "converged":
        return fit.reason
    said = fit.reason
    return said.fields["first"] if isinstance(said, Message) and said.code == "clauses" else None


def _choice(choice: Choice | None) -> Plain:
    if choice is None:
        return {"choice": [], "choice_split": None}
    rows = [
        {
            "model": score.predictor,
            "wmae": score.wmae,
            "total_error": score.total_error,
            "chosen": score.predictor == choice.model,
        }
        for score in choice.scores
    ]
    return {"choice": rows, "choice_split": choice.split}
