"""Orders as they come in: which columns, what is usable, what is set aside and why."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

from klantwaarde.engine import types as of_type
from klantwaarde.engine.protocol import Engine
from klantwaarde.engine.relation import Relation, query
from klantwaarde.errors import BadOrders, BadParameters, named
from klantwaarde.purchases.chosen import Chosen, Cleaning, chosen, left_out
from klantwaarde.purchases.lines import EPOCH, Columns, Views, amount_of, create_lines, occasions_of, readings_of
from klantwaarde.purchases.mends import NO_MENDS, Mends, dropped
from klantwaarde.purchases.opening import check_money, check_reading, opened, refuse_words
from klantwaarde.purchases.returns import ties_of
from klantwaarde.purchases.window import Window, window
from klantwaarde.shown import shown
from klantwaarde.sources.asked import hint, like_amounts
from klantwaarde.sources.guard import inputs
from klantwaarde.sources.parse import EXAMPLES, Reading
from klantwaarde.wording.message import Message, message

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LONG_AGO = dt.date(1971, 1, 1)
MOST_MONEY = 10**14


@dataclass(frozen=True, repr=False)
class Orders:
    """Order lines in an engine: `read_lines` as they came, `all_lines` without dropped ones, `lines` those that count.

    `occasions` are the days of buying in `lines`; `tied` are the lines of those who gave something back, each on the
    day that it is netted on.

    Made by `orders`.
    """

    engine: Engine
    told: str
    columns: Columns
    source: str
    read_lines: Relation
    all_lines: Relation
    lines: Relation
    occasions: Relation
    tied: Relation
    profile: Mapping[str, Any]
    notes: tuple[Message, ...]
    duplicates: str
    expressions: tuple[str, str, str]
    """SQL of the customer, the day and the amount of a line of the source."""
    window: Window | None
    """The days that the pace of orders supports, none of them in the future; None where nothing was bought."""
    chosen: Chosen
    """Which lines of the source count, and how their ids are folded."""
    batches: int | None = None
    """Batches in the state that these orders were merged into; None without a state."""
    numbered: bool = False
    """Whether lines carry order numbers."""
    mends: Mends = NO_MENDS
    """Which lines that come again were dropped."""
    overlap: Mapping[str, Any] | None = None
    """Orders of the new batch that earlier ones have too: how many (n), and their money."""

    def __repr__(self) -> str:
        """Short: what is read, and from where."""
        first, last = self.profile["first_day"], self.profile["last_day"]
        return f"<Orders of {shown(self.told)}: {self.read:,} lines, {first} to {last}>"

    @property
    def read(self) -> int:
        """Lines in the source."""
        return int(self.profile["lines"] + self.profile["dropped"] + self.profile["left_out"])

    @property
    def has_money(self) -> bool:
        """Whether the lines carry amounts."""
        return self.columns.amount is not None or self.columns.price is not None

    @property
    def has_margin(self) -> bool:
        """Whether the lines carry margins of their own."""
        return self.columns.margin is not None

    def examples(self, condition: str, limit: int = EXAMPLES) -> list[Message]:
        """A few lines of the source for which a condition on (customer_id, day, amount) holds, with their row."""
        customer, day, amount = self.expressions
        read = f"{customer} as customer_id, {day} as day, {amount} as amount, line"
        numbered = f"select {read} from ({self.chosen.numbered(self.engine)}) as s"
        rows = self.engine.rows(f"select * from ({numbered}) as n where {condition} order by line limit {limit}")
        return [_line_told(row, money=self.has_money) for row in rows]

    def default_as_of(self) -> dt.date:
        """The last day, not in the future, that the pace of orders supports."""
        last: dt.date = self.profile["last_past_day"] if self.window is None else self.window.last
        return last


def orders(
    source: Any,
    customer_id: str = "customer_id",
    date: str = "date",
    amount: str | None = "auto",
    *,
    quantity: str | None = None,
    price: str | None = None,
    margin: str | None = None,
    order_id: str | None = None,
    return_of: str | None = None,
    one_total_per_order: bool = False,
    latest_per_order: bool = False,
    refunded: str | None = None,
    duplicates: Literal["keep", "drop"] = "keep",
    unreadable: Literal["error", "set_aside"] = "error",
    decimal: Literal[".", ","] | None = None,
    date_format: str | None = None,
    timezone: str | None = None,
    encoding: str = "utf-8",
    table: str | None = None,
    query: str | None = None,
    where: str | Sequence[str] | None = None,
    status_column: str | None = None,
    status_counts: str | Sequence[str] | None = None,
    fold_ids: bool = False,
    placeholder_ids: Literal["keep", "set_aside"] = "keep",
    memory_limit: str | None = None,
    engine: Literal["duckdb", "spark"] | Engine = "duckdb",
    master: str = "local[*]",
) -> Orders:
    """Orders, one line each, ready to be counted.

    source: a Parquet or CSV path or pattern, a pandas, polars or Arrow table, a DuckDB relation or file (with
    `table`), or a database, "postgresql://user@host/database" (with `table` or a `query` that reads). The columns:
    customer_id; date (dates or timestamps; days are taken in `timezone` where instants carry one); amount, or quantity
    and price, or none of these (`amount=None`), when only timing is modelled; "auto" takes a column named amount where
    there is one. margin: money earned on the line, where it is known per line. Lines that are equal in every
    column are kept and reported, or dropped with duplicates="drop". order_id: the order number, by which a return on a
    later day is netted with its order; return_of: the number of the order that a return reverses, where the return has
    a number of its own; refunded: money given back of the line, where a column says it, which is taken off on the
    line's own day. one_total_per_order, latest_per_order: an order counts once, by its number. where: conditions
    that lines must meet to count, such as "total > 0" or "status in (paid, 'part paid')"; status_column with
    status_counts: the statuses that count. fold_ids: ids in several spellings are one customer;
    placeholder_ids="set_aside": lines of guest, n/a and the like are set aside. docs/orders.md has the rules.
    A Spark DataFrame is counted and scored on its own session; engine="spark" starts one (at `master`) for a Parquet
    path. An engine of your own is handed in itself, `source` being a table's name in it (docs/add_an_engine.md).
    Raises BadOrders naming the rows, the reason and the remedy.
    """
    refuse_words(duplicates=(duplicates, ("keep", "drop")), unreadable=(unreadable, ("error", "set_aside")))
    refuse_words(placeholder_ids=(placeholder_ids, ("keep", "set_aside")))
    check_reading(encoding, timezone, date_format, decimal)
    check_money(amount, quantity, price, margin, refunded)
    place = {"table": table, "query": query, "encoding": encoding}
    runs, name, told = opened(source, engine, master, memory_limit, timezone, place)
    runs.inputs += inputs("orders", source)
    types = runs.columns(name)
    columns = _columns(types, customer_id, date, amount, quantity, price, margin, order_id, return_of, refunded)
    of_type.refuse_ids(columns.customer_id, types[columns.customer_id])
    asked = Cleaning(where, status_column, status_counts, fold_ids, placeholder_ids)
    mends = Mends(duplicates == "drop", one_total_per_order, latest_per_order)
    mends.check(order_id, refunded)
    picked = chosen(runs, name, types, columns.customer_id, asked)
    name = picked.name
    readings = readings_of(runs, name, columns, types, date_format, decimal, strict=unreadable == "error")
    views, expressions = create_lines(runs, name, columns, types, readings, mends)
    profiled = _per_day(views, has_money="amount" not in columns.absent)
    profile = _profile(views, timezone or "UTC", mends, profiled)
    zones = readings["date"].zones if timezone is None else 0  # else every time counts on its day in one of them
    profile |= {"zones": zones, "rounded": _rounded(runs, name, columns, readings)}
    profile |= left_out(runs, picked, expressions[2])
    _refuse_unusable(profile, columns, told)
    notes = _notes(readings, columns, amount, timezone, types[columns.date])
    occasions = occasions_of(views.lines, columns.absent)
    tied = ties_of(views.lines, numbered=columns.order_id is not None)
    first = (runs, told, columns, name, *views, occasions, tied)
    seen = window(views.lines, profile["today"], profiled)
    return Orders(
        *first, profile, notes, duplicates, expressions, seen, picked, numbered=order_id is not None, mends=mends
    )


def with_lines(orders: Orders, lines: Relation) -> Orders:
    """These orders, with only some of their lines in what is counted."""
    rule = "occasions" if orders.batches is None else "merged"
    occasions = occasions_of(lines, orders.columns.absent, rule)
    tied = ties_of(lines, numbered=orders.numbered)
    return replace(orders, lines=lines, occasions=occasions, tied=tied)


def _columns(
    types: Mapping[str, str],
    customer_id: str,
    date: str,
    amount: str | None,
    quantity: str | None,
    price: str | None,
    margin: str | None,
    order_id: str | None,
    return_of: str | None,
    refunded: str | None = None,
) -> Columns:
    if amount == "auto":
        amount = _usual_amount(types, [customer_id, date, quantity, price, margin, order_id, refunded])
    amount = amount or None
    check_money(amount, quantity, price, margin, refunded)
    columns = Columns(customer_id, date, amount, quantity, price, margin, order_id, return_of, refunded)
    if return_of is not None and order_id is None:
        raise BadParameters(f"{named('return_of')} names orders by number: give {named('order_id')} too.")
    missing = [(part, name) for part, name in columns._asdict().items() if name is not None and name not in types]
    if missing:
        raise BadOrders("\n".join(_missing(part, name, types) for part, name in missing))
    taken = [name for name in columns if name is not None]
    twice = sorted({name for name in taken if taken.count(name) > 1})
    if twice:
        raise BadParameters(f"Column {', '.join(map(repr, twice))} was named for two things. Name each column once.")
    return columns


def _usual_amount(types: Mapping[str, str], others: Sequence[str | None]) -> str | None:
    """The column called amount; what may be one is asked for, lest the money be passed over without a word."""
    if others[2] is not None or others[3] is not None:  # quantity and price are the amount
        return None
    like = like_amounts(name for name in types if name not in others)
    if "amount" not in types and like:
        raise BadOrders(
            f"There is no column 'amount'. Did you mean {' or '.join(map(repr, like[:3]))}? Name it with "
            f"{named('amount', like[0])}, or give {named('amount', '')} to model timing only."
        )
    return "amount" if "amount" in types else None


def _missing(part: str, name: str, types: Mapping[str, str]) -> str:
    told = f"There is no column {name!r} for {part}.{hint(name, types)} The columns are {', '.join(types)}."
    return f"{told} Name it with {named(part)}."


def _per_day(views: Views, *, has_money: bool) -> Relation:
    """All lines per day, kept."""
    return query("profile_days", all_lines=views.all_lines, has_money=has_money).kept("profiled")


def _profile(views: Views, timezone: str, mends: Mends, profiled: Relation) -> dict[str, Any]:
    """The look at all lines, and how many lines and how much money were dropped because they come again.

    profiled: the lines per day.
    """
    today = dt.datetime.now(tz=ZoneInfo(timezone)).date()
    seen = query("profile", profiled=profiled, today=today).one() | {"today": today}
    if not any(mends):
        return seen | {"dropped": 0, "dropped_amount": None}
    return seen | dropped(views.read_lines, views.all_lines)


def _rounded(engine: Engine, source: str, columns: Columns, readings: Mapping[str, Reading]) -> int:
    """Lines whose amount has more than the four decimals that are kept."""
    parts = [name for name in (columns.amount, columns.quantity, columns.price) if name is not None]
    if not parts:
        return 0
    given = " * ".join(f"try_cast({readings[name].sql} as double)" for name in parts)
    off = f"abs({given} - cast({amount_of(columns, readings)} as double)) > 1e-9 * greatest(1, abs({given}))"
    return int(engine.one(f"select count(*) as n from {source} where {off}")["n"])


def _refuse_unusable(profile: Mapping[str, Any], columns: Columns, told: str) -> None:
    refuse_too_much(profile)
    if profile["lines"] > profile["set_aside"]:
        _refuse_dates(profile, columns.date)
        return
    reasons = [
        f"{profile[count]} without {what}"
        for count, what in (
            ("no_customer", f"a customer (column {columns.customer_id!r})"),
            ("no_date", f"a date (column {columns.date!r}; {EPOCH}, a computer's day zero, counts as none)"),
            ("no_amount", "a usable amount"),
        )
        if profile[count]
    ]
    raise BadOrders(
        f"None of the {profile['lines']} lines of {told} can be used: {', '.join(reasons)}. Check the columns."
    )


def refuse_too_much(profile: Mapping[str, Any]) -> None:
    """Raise BadOrders for sums that DECIMAL cannot hold."""
    if profile["gross_amount"] is not None and profile["gross_amount"] >= MOST_MONEY:
        raise BadOrders(
            f"The amounts add up to {float(profile['gross_amount']):.3g}, more than money here can hold "
            f"({MOST_MONEY:.0e}). Check them, or give them in thousands."
        )


def _refuse_dates(profile: Mapping[str, Any], column: str) -> None:
    if profile["last_past_day"] is None:
        raise BadOrders(
            f"All dates in column {column!r} lie in the future (from {profile['first_day']}). Correct them."
        )
    if profile["last_day"] < LONG_AGO:
        raise BadOrders(
            f"All dates in column {column!r} lie before {LONG_AGO} (the last is {profile['last_day']}): were seconds "
            "taken for milliseconds, or years written with two digits? Turn them into dates first."
        )


def _notes(
    readings: Mapping[str, Reading], columns: Columns, amount: str | None, timezone: str | None, kind: str
) -> tuple[Message, ...]:
    notes = [reading.rule for reading in readings.values() if reading.rule is not None]
    notes += [
        message("column_unreadable", column=f"{name!r}", n=reading.unreadable)
        for name, reading in readings.items()
        if reading.unreadable
    ]
    notes += [
        message("column_currency", column=f"{name!r}", currency=reading.currency, without=reading.without)
        if reading.without
        else message("column_currency_all", column=f"{name!r}", currency=reading.currency)
        for name, reading in readings.items()
        if reading.currency is not None
    ]
    if of_type.is_instant(kind) or (readings["date"].zoned and timezone is not None):
        notes.append(message("column_instants", column=f"{columns.date!r}", timezone=timezone or "UTC"))
    elif readings["date"].zoned:
        notes.append(message("column_zoned", column=f"{columns.date!r}"))
    if amount == "auto" and columns.amount is None and columns.price is None:
        notes.append(message("no_amounts"))
    return tuple(notes)


def _line_told(row: Mapping[str, Any], *, money: bool) -> Message:
    known = {"row": row["line"], "customer": row["customer_id"], "day": row["day"]}
    if not money:
        return message("example_line", **known)
    if row["amount"] is None:
        return message("example_line_no_amount", **known)
    return message("example_line_amount", **known, amount=float(row["amount"]))
