"""Everything a report says, collected in one dict of plain values before a word is written."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from klantwaarde.data.engine import Engine, statement
from klantwaarde.report.total import total_facts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from klantwaarde.asset.pyramid import Band
    from klantwaarde.data.customers import Customers
    from klantwaarde.data.doctor import Sheet
    from klantwaarde.estimate.result import Fit
    from klantwaarde.validate.choose import Choice
    from klantwaarde.validate.tracking import Tracking
    from klantwaarde.value.score import Terms
    from klantwaarde.value.totals import Totals

TOP = 20
AT_RISK = 0.5
RISK_EDGES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
EVERYONE = 2.0  # above any chance


def facts(
    base: Customers,
    table: str,
    terms: Terms,
    bands: Sequence[Band],
    sheet: Sheet,
    timing: Fit[Any],
    spend: Fit[Any] | None,
    choice: Choice | None,
    tracked: Tracking | None,
    words: Mapping[str, str | None],
    total: Totals | None = None,
) -> dict[str, Any]:
    """The facts of a run. table: the scored customers in the engine; words: language, title, currency, version.

    total: what rests on links, peers and categories; without it nothing is said of total value.
    """
    engine, money = base.engine, base.orders.has_money
    totals = engine.one(statement("scored_totals", scored=table))
    told: dict[str, Any] = plain(
        {
            **words,
            "generated_at": dt.datetime.now(tz=dt.UTC).replace(microsecond=0, tzinfo=None).isoformat(),
            "money": money,
            "as_of": base.as_of,
            "first_order": base.totals["first_order"],
            "unit": terms.unit,
            "horizon": terms.horizon,
            "rank_by": terms.rank_by,
            "base": _base(base, totals),
            "pyramid": [band._asdict() for band in bands],
            "total": total_facts(base, table, terms, total),
            "value_risk": _value_risk(engine, table, totals) if money else None,
            "tracking": _tracking(tracked),
            "top_customers": _top(engine, table, EVERYONE),
            "top_at_risk": _top(engine, table, AT_RISK),
            "at_risk_rule": f"P(alive) below {AT_RISK:g}, by residual value",
            "model": _model(timing) | _choice(choice),
            "spend": None if spend is None else _model(spend),
            "assumptions": assumptions(base, terms),
            "doctor": sheet.as_dict(),
        }
    )
    return told


def plain(value: Any) -> Any:
    """The value in JSON's types: dates as text, DECIMAL as float, what is not finite as None, other things as text."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (Decimal, np.floating)):
        value = float(value)
    if isinstance(value, float):
        return value + 0.0 if math.isfinite(value) else None  # -0.0 becomes 0.0
    if isinstance(value, np.integer):
        return int(value)
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def assumptions(base: Customers, terms: Terms) -> list[dict[str, str]]:
    """What the numbers take for granted."""
    margin = "margins on the order lines" if base.orders.has_margin else "the same for every order"
    rows = (
        ("end of observation", f"{base.as_of}", "orders after this day are ignored"),
        ("horizon", terms.horizon, "of expected orders and of the chance to order"),
        (
            "annual discount rate",
            f"{terms.annual_discount_rate:.2%}",
            "money a year from now is worth this much less",
        ),
        ("margin rate", f"{terms.margin_rate:.1%}", f"margin per unit of revenue, {margin}"),
        (
            "residual value",
            f"without end, discounted at {terms.annual_discount_rate:.2%}, at a margin of {terms.margin_rate:.1%}",
            "what is still to come from today's customers; the horizon does not cut it off",
        ),
        ("last year", f"{base.year_ago} to {base.as_of}", "who brought no revenue in it is inactive"),
        (
            "pyramid ranked by",
            terms.rank_by.replace("_", " "),
            "top 1 %, large 4 %, medium 15 %, small 80 % of the active",
        ),
        ("one occasion", "customer and day", "lines of one day are netted; below zero is no purchase"),
        ("stationarity", "no trend, no season", "customers keep their own rate as long as they stay"),
    )
    return [
        {"name": name, "value": value, "meaning": meaning}
        for name, value, meaning in rows
        if name != "residual value" or base.orders.has_money
    ]


def _base(base: Customers, totals: Mapping[str, Any]) -> dict[str, Any]:
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
    return own | scored | {"inactive": totals["customers"] - totals["active"]}


def _value_risk(engine: Engine, table: str, totals: Mapping[str, Any]) -> dict[str, Any] | None:
    mean = totals["value_realised_mean"]
    if not mean or mean <= 0:
        return None
    edges = _edges(float(mean), float(totals["value_realised_max"]))
    bands = engine.new_name("value_bands")
    low, high = [-math.inf, *edges[1:-1]], [*edges[1:-1], math.inf]
    engine.register(bands, pa.table({"band": range(len(low)), "low": low, "high": high}))
    grid = {name: np.zeros((len(RISK_EDGES) - 1, len(low))) for name in ("customers", "rlv")}
    for row in engine.rows(statement("value_risk", scored=table, value_bands=bands)):
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


def _tracking(tracked: Tracking | None) -> dict[str, Any] | None:
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


def _top(engine: Engine, table: str, below: float) -> list[dict[str, Any]]:
    return engine.rows(statement("top_customers", scored=table), {"below": below, "most": TOP})


def _model(fit: Fit[Any]) -> dict[str, Any]:
    return {
        "name": fit.name,
        "parameters": fit.model._asdict(),
        "standard_errors": dict(fit.standard_errors),
        "log_likelihood": fit.log_likelihood,
        "status": fit.status,
        "reason": fit.reason,
        "notes": list(fit.notes),
    }


def _choice(choice: Choice | None) -> dict[str, Any]:
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
