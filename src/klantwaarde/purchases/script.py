"""The statements as a script for someone's own system: complete, in order, with literal values."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb
import sqlglot
from sqlglot import exp

from klantwaarde.engine.duckdb import DuckDB
from klantwaarde.engine.statement import identifier, literal, statement
from klantwaarde.errors import BadOrders
from klantwaarde.purchases.lines import Columns, amount_of, day_of, money_of, number_of
from klantwaarde.sources.parse import Reading
from klantwaarde.sources.uri import name_parts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pyarrow as pa

PREFIX = "klantwaarde_"
LINES = "-- The usable lines: customer, day, money. Instants count on their day in the session's time zone."
CELL_SCORES = (
    "-- The scores, one row per distinct history, and expected spend as a line in zbar, one row per x: load these."
)
TIERS = "-- Sizes of the tiers, by ceiling, of the active customers."
VALUED = "-- One join: every customer with the scores of the customer's history, and value."
TOTALLED = "-- With headroom; what rests on links needs the links."
RANKED = "-- And the rank among all."


class View(NamedTuple):
    """A statement that makes a view; `sql` is in DuckDB's dialect, with $parameters."""

    name: str
    comment: str
    sql: str


def base_views(table: str, columns: Columns, *, distinct: bool) -> list[View]:
    """Lines, occasions, what stood of them, customers and cells of an order table with typed columns."""
    lines, customers = (
        View("lines", LINES, _lines(table, columns, distinct=distinct)),
        (_view("customers"), _view("cells")),
    )
    if columns.amount is None and columns.price is None:
        return [lines, _view("occasions"), View("stood", "", "select * from occasions"), *customers]
    tied = "tied" if columns.order_id is not None else "untied"
    netted = (View("tied", _comment(tied), _text(tied)), _view("netted"))
    return [lines, _view("occasions"), *netted, _view("stood"), *customers]


def scoring_views(cell_scores: Path, spend_lines: Path, percent: Mapping[str, int]) -> list[View]:
    """The loaded scores, the sizes of the tiers, the ranked and the scored customers."""
    load = "select * from read_parquet({})"
    sizes = ", ".join(
        f"cast(floor(({part} * customers + 99) / 100) as bigint) as {name}" for name, part in percent.items()
    )
    return [
        View("cell_scores", CELL_SCORES, load.format(literal(str(cell_scores)))),
        View("spend_lines", "", load.format(literal(str(spend_lines)))),
        View("tiers", TIERS, f"select {sizes} from ({_text('active')}) as active"),
        View("valued", VALUED, _text("valued")),
        View("in_order", RANKED, _numbered(_text("scored"))),
        View("ranked", TOTALLED, statement("untotalled", valued="in_order")),
        View("scored", _comment("placed"), _text("placed")),
    ]


def script(views: list[View], dialect: str, values: Mapping[str, Any]) -> str:
    """The views as statements in a dialect, with the values in place of the parameters."""
    return "\n".join(_create(view, {view.name for view in views}, dialect, values) for view in views)


def sub_select(sql: str) -> exp.Expression:
    """A single value that the system itself finds, for `values`."""
    return exp.Subquery(this=sqlglot.parse_one(sql, read="duckdb"))


def read_cells(path: Path) -> pa.Table:
    """The rows of the cells statement, from a Parquet or CSV file or a folder of Parquet files."""
    source = literal(str(path / "*.parquet" if path.is_dir() else path))
    try:
        return DuckDB().arrow(
            f"select cast(x as bigint) as x, cast(t_x_days as bigint) as t_x_days, "
            f"cast(t_days as bigint) as t_days from {source} order by x, t_x_days, t_days"
        )
    except duckdb.Error as error:
        raise BadOrders(
            f"{path} cannot be read as cells ({str(error).splitlines()[0]}). Give the rows of {PREFIX}cells, with x, "
            "t_x_days and t_days, as Parquet or CSV."
        ) from error


def _view(stem: str) -> View:
    return View(stem, _comment(stem), _text(stem))


def _text(stem: str) -> str:
    return re.sub(r"^(--.*\n)+", "", statement(stem))


def _comment(stem: str) -> str:
    found = re.match(r"(--.*\n)+", statement(stem))
    return found[0].rstrip() if found else ""


def _lines(table: str, columns: Columns, *, distinct: bool) -> str:
    customer, day = identifier(columns.customer_id), day_of(f"cast({identifier(columns.date)} as date)")
    names = (columns.amount, columns.quantity, columns.price, columns.margin)
    readings = {name: Reading(identifier(name)) for name in names if name is not None}
    source = ".".join(map(identifier, name_parts(table)))
    has_money = columns.amount is not None or columns.price is not None
    return (
        f"select * from (select case when trim(cast({customer} as varchar)) <> '' then {customer} end as customer_id, "
        f"{day} as day, {amount_of(columns, readings)} as amount, {money_of(columns.margin, readings)} as margin, "
        f"{number_of(columns.order_id)} as order_id, {number_of(columns.return_of)} as return_of, 1 as lines from "
        f" {f'(select distinct * from {source}) as distinct_lines' if distinct else source}) as lines_read "
        f"where customer_id is not null and day is not null{' and amount is not null' if has_money else ''}"
    )


def _numbered(sql: str) -> str:
    """The statement with the place in its order as a column, in place of the order."""
    tree = sqlglot.parse_one(sql, read="duckdb", into=exp.Select)
    place = exp.Window(this=exp.RowNumber(), order=tree.args["order"].pop())
    return str(tree.select(exp.alias_(place, "rank")).sql("duckdb"))


def _create(view: View, names: set[str], dialect: str, values: Mapping[str, Any]) -> str:
    tree = sqlglot.parse_one(view.sql, read="duckdb").transform(_filled, values)
    own = {cte.alias for cte in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        # The user's own table is quoted, and may have any name.
        if table.name in names - own and not table.this.quoted:
            table.set("this", exp.to_identifier(PREFIX + table.name))
    temporary = exp.Properties(expressions=[exp.TemporaryProperty()])
    made = exp.Create(
        this=exp.to_table(PREFIX + view.name), kind="VIEW", replace=True, expression=tree, properties=temporary
    )
    comment = f"{view.comment}\n" if view.comment else ""
    return f"{comment}{made.sql(dialect=dialect, pretty=True, comments=False)};\n"


def _filled(node: exp.Expression, values: Mapping[str, Any]) -> Any:
    return _value(values[node.name]) if isinstance(node, exp.Placeholder) else node


def _value(value: Any) -> Any:
    if isinstance(value, exp.Expression):
        return value.copy()
    if isinstance(value, dt.date):
        return exp.cast(exp.Literal.string(value.isoformat()), "date")
    if isinstance(value, float):  # with an exponent it is a double in every dialect
        return exp.Literal.number(repr(value) if "e" in repr(value) else f"{value!r}e0")
    return exp.Literal.number(str(value)) if isinstance(value, Decimal) else exp.convert(value)
