"""The lines of the orders as views: how each column is read, and which lines count."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

from klantwaarde.engine import types as of_type
from klantwaarde.engine.duckdb import DuckDB
from klantwaarde.engine.protocol import Engine
from klantwaarde.engine.relation import Relation, query
from klantwaarde.engine.statement import identifier
from klantwaarde.errors import BadOrders
from klantwaarde.purchases.mends import Mends
from klantwaarde.purchases.schema import MONEY, PRICE
from klantwaarde.sources.parse import Reading, read_dates, read_numbers
from klantwaarde.sources.zones import refuse_without_zone

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

EPOCH = dt.date(1970, 1, 1)
CALENDAR = (dt.date(1000, 1, 1), dt.date(9999, 12, 31))
"""Days that can be dates: those of years that are written with four digits."""


class Columns(NamedTuple):
    """Which column of the source plays which part."""

    customer_id: str
    date: str
    amount: str | None
    quantity: str | None
    price: str | None
    margin: str | None
    order_id: str | None
    return_of: str | None = None
    refunded: str | None = None

    @property
    def absent(self) -> tuple[str, ...]:
        """Which kinds of money the source does not have."""
        has_amount = self.amount is not None or self.price is not None
        has = {"amount": has_amount, "net": has_amount, "margin": self.margin is not None}
        return tuple(name for name, is_there in has.items() if not is_there)


def readings_of(
    engine: Engine,
    source: str,
    columns: Columns,
    types: Mapping[str, str],
    fmt: str | None,
    decimal: str | None,
    *,
    strict: bool,
) -> dict[str, Reading]:
    """How each column of a date or a number is read: "date", and the others by name."""
    readings = {"date": _date(engine, source, columns.date, types[columns.date], fmt, strict=strict)}
    for name in (columns.amount, columns.quantity, columns.price, columns.margin, columns.refunded):
        if name is not None:
            readings[name] = _number(engine, source, name, types[name], decimal, strict=strict)
    _refuse_two_currencies(columns, readings)
    return readings


def _refuse_two_currencies(columns: Columns, readings: Mapping[str, Reading]) -> None:
    """Margins are of the same currency as amounts."""
    parts = [name for name in (columns.amount, columns.price, columns.margin, columns.refunded) if name is not None]
    named = {readings[name].currency: name for name in parts if readings[name].currency is not None}
    if len(named) > 1:
        said = " and ".join(f"{name!r} in {currency}" for currency, name in named.items())
        raise BadOrders(f"Column {said} cannot be put together. Convert them to one currency first.")


def _date(engine: Engine, source: str, column: str, kind: str, fmt: str | None, *, strict: bool) -> Reading:
    _refuse_null(column, kind)
    if of_type.is_text(kind):
        return read_dates(_parsing(engine, column), source, column, fmt, strict=strict)
    return typed_day(engine, source, column, kind)


def typed_day(engine: Engine, source: str, column: str, kind: str) -> Reading:
    """How a column of dates or timestamps is read. Raises BadOrders for one of another type."""
    if of_type.is_clock(kind):
        refuse_without_zone(engine, source, column, is_text=False)
    if of_type.is_day(kind):
        return Reading(engine.finite_day(column, kind))
    raise BadOrders(
        f"Column {column!r} is of type {of_type.word(kind)}, not a date. Give dates or timestamps; numbers such as "
        "20240131 must be turned into dates first."
    )


def _number(engine: Engine, source: str, column: str, kind: str, decimal: str | None, *, strict: bool) -> Reading:
    _refuse_null(column, kind)
    if of_type.is_text(kind):
        return read_numbers(_parsing(engine, column), source, column, decimal, strict=strict)
    return typed_number(column, kind)


def typed_number(column: str, kind: str) -> Reading:
    """How a column of numbers is read. Raises BadOrders for one of another type."""
    if of_type.is_number(kind):
        return Reading(identifier(column))
    raise BadOrders(f"Column {column!r} is of type {of_type.word(kind)}, not a number. Give numbers.")


def _refuse_null(column: str, kind: str) -> None:
    if of_type.is_nothing(kind):
        raise BadOrders(f"Column {column!r} is empty in every line. Check the column, or leave it out.")


def _parsing(engine: Engine, column: str) -> DuckDB:
    """The engine that reads text. Others are handed typed columns."""
    if isinstance(engine, DuckDB):
        return engine
    raise BadOrders(
        f"Column {column!r} is text. Outside DuckDB, give dates as dates and amounts as numbers: cast it first."
    )


class Views(NamedTuple):
    """The views of the lines."""

    read_lines: Relation
    all_lines: Relation
    lines: Relation


def create_lines(
    engine: Engine,
    source: str,
    columns: Columns,
    types: Mapping[str, str],
    readings: Mapping[str, Reading],
    mends: Mends,
) -> tuple[Views, tuple[str, str, str]]:
    """Views read_lines, all_lines (without those that come again, where asked) and lines (what can be used).

    And the SQL of customer, day and amount of a line of the source.
    """
    customer, day = _customer(columns.customer_id, types), day_of(readings["date"].sql)
    amount = amount_of(columns, readings)
    who = f"{customer} as customer_id, {day} as day"
    selected = (
        f"select {who}, {amount} as amount, "
        f"{money_of(columns.margin, readings)} as margin, 1 as lines, {number_of(columns.order_id)} as order_id, "
        f"{number_of(columns.return_of)} as return_of, 0 as came from "
    )
    kept = f"(select distinct * from {source}) as {source}" if mends.distinct else source
    read, kept = (f"{selected}{lines}{_refunds(columns, readings, who, lines)}" for lines in (source, kept))
    read_lines = Relation(engine, read).view("read_lines")
    unmended = Relation(engine, kept)
    all_lines = (mends.mended(unmended.view("unmended")) if mends.by_number else unmended).view("all_lines")
    usable = all_lines.where_known("customer_id", "day", *(() if "amount" in columns.absent else ("amount",)))
    return Views(read_lines, all_lines, usable.view("lines")), (customer, day, net_of(columns, readings))


def _refunds(columns: Columns, readings: Mapping[str, Reading], who: str, lines: str) -> str:
    """SQL that adds what the refunded column says was given back, as returns on the day of their order; no lines."""
    if columns.refunded is None:
        return ""
    money, number = money_of(columns.refunded, readings), number_of(columns.order_id)
    return (
        f" union all select {who}, cast(-abs({money}) as {MONEY}) as amount, cast(null as {MONEY}) as margin, "
        f"0 as lines, {number} as order_id, {number} as return_of, 0 as came from {lines} "
        f"where {money} <> 0 and {amount_of(columns, readings)} is not null"
    )


def net_of(columns: Columns, readings: Mapping[str, Reading]) -> str:
    """SQL of a line's amount without what the line says was given back."""
    amount = amount_of(columns, readings)
    if columns.refunded is None:
        return amount
    return f"({amount} - coalesce(abs({money_of(columns.refunded, readings)}), 0))"


def occasions_of(lines: Relation, absent: Sequence[str], rule: str = "occasions") -> Relation:
    """The occasions in these lines; rule="merged" where a row stands for several lines."""
    return query(rule, absent=absent, lines=lines).view("occasions")


def _customer(column: str, types: Mapping[str, str]) -> str:
    name = identifier(column)
    if of_type.is_text(types[column]):
        return f"case when trim({name}) <> '' then {name} end"
    return f"case when not isnan({name}) then {name} end" if types[column] in of_type.FLOATS else name


def number_of(column: str | None) -> str:
    """SQL of an order number, null where there is none. As text, so that two columns of them can be compared."""
    return f"nullif(trim(cast({identifier(column)} as varchar)), '')" if column else "cast(null as varchar)"


def day_of(sql: str) -> str:
    """SQL of a day, null where it is none."""
    # A missing date that went through a computer's clock comes out as its day zero; other slips leave the calendar.
    first, last = CALENDAR
    return f"case when {sql} between date '{first}' and date '{last}' then nullif({sql}, date '{EPOCH}') end"


def money_of(column: str | None, readings: Mapping[str, Reading], kind: str = MONEY) -> str:
    """SQL of a column as money."""
    return f"try_cast({readings[column].sql} as {kind})" if column is not None else f"cast(null as {MONEY})"


def amount_of(columns: Columns, readings: Mapping[str, Reading]) -> str:
    """SQL of a line's amount, or of its quantity times its price."""
    if columns.price is None or columns.quantity is None:
        return money_of(columns.amount, readings)
    quantity, price = money_of(columns.quantity, readings), money_of(columns.price, readings, PRICE)
    return f"try_cast({quantity} * {price} as {MONEY})"
