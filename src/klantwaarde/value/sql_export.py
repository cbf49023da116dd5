"""Scoring inside someone's own system: the statements, and the scores as tables to load."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa

from klantwaarde.calendar import check_unit, read_day, year_before
from klantwaarde.errors import BadParameters, named
from klantwaarde.estimate.load import load_fit, load_roles
from klantwaarde.purchases.cells import Cells
from klantwaarde.purchases.lines import Columns
from klantwaarde.purchases.script import base_views, read_cells, scoring_views, script, sub_select
from klantwaarde.sources.written import write_table
from klantwaarde.value.score import cell_scores, spend_lines
from klantwaarde.value.terms import Basis, Terms, basis_on, check_margin_rate
from klantwaarde.value.tiers import PERCENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klantwaarde.estimate.result import Fit
    from klantwaarde.models import ParetoNBD

DIALECTS = ("duckdb", "spark")
TABLES = ("cell_scores.parquet", "spend_lines.parquet")
MARGIN = (
    "select coalesce(cast(sum(margin) as double) / nullif(cast(sum(amount) as double), 0), 1) from lines "
    "where margin is not null and day <= date '{}'"
)


@dataclass(frozen=True)
class Base:
    """The order table in the other system, and the day up to which it is counted."""

    table: str
    columns: Columns
    as_of: dt.date
    dialect: str
    distinct: bool = False

    def __post_init__(self) -> None:
        """Refuse a dialect in which the statements are not tried."""
        if self.dialect not in DIALECTS:
            raise BadParameters(
                f"{named('dialect', self.dialect)} is not understood. Choose from {', '.join(DIALECTS)}."
            )

    @property
    def has_money(self) -> bool:
        """Whether the lines carry amounts."""
        return self.columns.amount is not None or self.columns.price is not None


def base_of(told: Mapping[str, Any], dialect: str) -> Base:
    """The order table as settings name it: nothing is read."""
    for name in ("one_total_per_order", "latest_per_order"):
        if told[name]:
            raise BadParameters(f"{named(name)} is not made by sql: mend the table first, or use run.")
    amount = told["amount"] or None
    if amount == "auto":
        amount = None if told["quantity"] is not None else "amount"
    parts = {name: told[name] for name in Columns._fields}
    day = read_day(told["as_of"], "as_of")
    return Base(
        told["table"] or "orders", Columns(**parts | {"amount": amount}), day, dialect, told["duplicates"] == "drop"
    )


def terms_of(told: Mapping[str, Any]) -> Terms:
    """How customers are valued, as settings name it."""
    return Terms(**{name: told[name] for name in ("annual_discount_rate", "margin_rate", "horizon", "rank_by")})


def counting_script(base: Base) -> str:
    """Statements for lines, occasions, customers and cells."""
    return script(base_views(base.table, base.columns, distinct=base.distinct), base.dialect, _days(base))


def scoring_script(base: Base, terms: Terms, fitted: Path, cells: Path, out: Path) -> str:
    """The same and the scoring statements; the scores of these cells are written to Parquet files in `out`."""
    timing = load_fit(fitted, "timing")
    spend = load_fit(fitted, "spend") if "spend" in load_roles(fitted) and base.has_money else None
    rate = check_margin_rate(terms.margin_rate, has_margin=base.columns.margin is not None)
    valued_by = basis_on(base.as_of, timing.unit or "", terms, rate)
    _write(read_cells(cells), timing, spend, valued_by, out, _pareto(fitted, timing))
    views = base_views(base.table, base.columns, distinct=base.distinct)
    scores, spends = (out.absolute() / name for name in TABLES)
    views += scoring_views(scores, spends, PERCENT)
    return script(views, base.dialect, _days(base) | _values(base, valued_by))


def _pareto(fitted: Path, timing: Fit[Any]) -> ParetoNBD | None:
    """The model that headroom rests on; none in a file of an earlier version."""
    if timing.name == "pareto_nbd":
        return cast("ParetoNBD", timing.model)
    if "potential" not in load_roles(fitted):
        return None
    return cast("ParetoNBD", load_fit(fitted, "potential").model_in(timing.unit or ""))


def _write(
    cells: pa.Table,
    timing: Fit[Any],
    spend: Fit[Any] | None,
    terms: Basis,
    out: Path,
    pareto: ParetoNBD | None,
) -> None:
    x, t_x, T = (np.asarray(cells.column(name), dtype=float) for name in ("x", "t_x_days", "t_days"))
    Cells(x, t_x, T, unit="day")  # says what is wrong with them
    out.mkdir(parents=True, exist_ok=True)
    tables = (cell_scores(cells, timing, terms, pareto), spend_lines(int(x.max()), spend))
    for name, table in zip(TABLES, tables, strict=True):
        write_table(table, out / name)


def _days(base: Base) -> dict[str, Any]:
    return {"as_of": base.as_of, "year_ago": year_before(base.as_of)}


def _values(base: Base, terms: Basis) -> dict[str, Any]:
    """What stands in place of the parameters; what depends on all customers is found by the system itself."""
    has_margin = base.columns.margin is not None
    return {
        "has_money": base.has_money,
        "has_margin": has_margin,
        "margin_rate": Decimal(str(terms.margin_rate)).quantize(Decimal("0.000001")),
        "expected_margin_rate": sub_select(MARGIN.format(base.as_of)) if has_margin else terms.margin_rate,
        "days_per_unit": check_unit(terms.unit),
        "rank_by": terms.rank_by,
    } | {name: sub_select(f"select {name} from tiers") for name in PERCENT}
