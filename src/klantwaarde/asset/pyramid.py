"""The value pyramid: who carries the base, in customers and in money."""

from __future__ import annotations

from typing import Any, NamedTuple

from klantwaarde.engine.relation import Relation, query
from klantwaarde.errors import expect
from klantwaarde.purchases.schema import TIERS
from klantwaarde.value.score import Scored


class Band(NamedTuple):
    """One tier. Shares of customers are of the active for the four tiers and of all for the inactive."""

    tier: str
    customers: int
    customers_share: float
    orders: int
    revenue: float | None
    """Of all time, as in the orders; the values below are margin."""
    revenue_share: float | None
    value_last_year: float | None
    value_last_year_share: float | None
    value_realised: float | None
    rlv: float | None
    rlv_share: float | None
    p_alive_mean: float | None
    threshold: float | None
    """The lowest value in the tier, of the measure that ranks."""


def pyramid(scored: Scored) -> tuple[Band, ...]:
    """The five tiers from the top down; empty ones too. Sums equal those of the scored customers."""
    expect(scored, Scored, "scored", "kw.score(customers, fits) gives it; kw.pyramid needs all that it holds")
    table = scored.rows.kept("scored")
    bands = pyramid_of(table, scored.terms.rank_by)
    table.drop()
    return bands


def pyramid_of(scored: Relation, rank_by: str) -> tuple[Band, ...]:
    """The pyramid of scored customers in the engine."""
    found = {row["tier"]: row for row in query("pyramid", scored=scored, rank_by=rank_by).rows()}
    totals = _totals(list(found.values()))
    active = sum(row["customers"] for tier, row in found.items() if tier != "inactive")
    return tuple(_band(tier, found.get(tier), totals, active) for tier in TIERS)


def _totals(rows: list[dict[str, Any]]) -> dict[str, float]:
    return {
        name: sum(float(row[name] or 0) for row in rows) for name in ("customers", "revenue", "value_last_year", "rlv")
    }


def _band(tier: str, row: dict[str, Any] | None, totals: dict[str, float], active: int) -> Band:
    if row is None:
        return Band(tier, 0, 0.0, 0, None, None, None, None, None, None, None, None, None)
    return Band(
        tier,
        row["customers"],
        _share(row["customers"], totals["customers"] if tier == "inactive" else active) or 0.0,
        row["orders"] or 0,
        _float(row["revenue"]),
        _share(row["revenue"], totals["revenue"]),
        _float(row["value_last_year"]),
        _share(row["value_last_year"], totals["value_last_year"]),
        _float(row["value_realised"]),
        _float(row["rlv"]),
        _share(row["rlv"], totals["rlv"]),
        row["p_alive_mean"],
        None if tier == "inactive" else row["threshold"],
    )


def _share(part: Any, whole: float) -> float | None:
    return float(part) / whole if part is not None and whole else None


def _float(value: Any) -> float | None:
    return None if value is None else float(value)
