"""Reading dates and numbers that came as text: one stated rule per column, or one clear error."""

from __future__ import annotations

from typing import NamedTuple

import duckdb

from klantwaarde.engine.duckdb import DuckDB
from klantwaarde.engine.statement import identifier, literal
from klantwaarde.errors import BadOrders, BadParameters, named
from klantwaarde.sources.currency import unmarked
from klantwaarde.sources.zones import day_in_place, form_without_zone, refuse_without_zone, without_zone, zone_of
from klantwaarde.wording.message import Message, message

DATE_FORMATS = (
    "%Y-%m-%d", "%d-%m-%Y", "%m-%d-%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d.%m.%Y", "%m.%d.%Y",
    "%Y.%m.%d", "%Y%m%d",
)  # fmt: skip
SWAPPED = {day: month for mark in "-/." for one in [(f"%d{mark}%m{mark}%Y", f"%m{mark}%d{mark}%Y")]
           for day, month in (one, one[::-1])}  # fmt: skip
"""The form with day and month in the other order."""
TIME = r"^\s*([0-9./-]+?)([ T]+[0-9:.]+\s*([AaPp][Mm])?\s*(Z|UTC|[+-][0-9]{2}(:?[0-9]{2})?)?)?\s*$"
POINT = r"^[+-]?([0-9]+|[0-9]{1,3}(,[0-9]{3})+)(\.[0-9]+)?([eE][+-]?[0-9]+)?$|^[+-]?\.[0-9]+$"
COMMA = r"^[+-]?([0-9]+|[0-9]{1,3}(\.[0-9]{3})+)(,[0-9]+)?$|^[+-]?,[0-9]+$"
EXAMPLES = 3
LOOKED_AT = 100_000
"""Lines that say whether texts repeat; only speed hangs on it."""
FOUND, LINES = "klantwaarde_found", "klantwaarde_lines"
"""Columns beside one of the user's."""


class Reading(NamedTuple):
    """How a column is read: an SQL expression, the rule, and what could not be read."""

    sql: str
    rule: Message | None = None
    unreadable: int = 0
    zones: int = 0
    currency: str | None = None
    without: int = 0
    """Numbers without a mark of a currency, beside those with one."""
    zoned: bool = False
    """Whether times in text name a zone."""


def read_dates(engine: DuckDB, source: str, column: str, fmt: str | None, *, strict: bool) -> Reading:
    """A text column as days. Day and month are never guessed: if both orders fit and differ, that is an error."""
    part = f"regexp_extract({identifier(column)}, {literal(TIME)}, 1)"
    if fmt is not None:
        check_format(fmt)
        fmt, whole = form_without_zone(fmt), without_zone(column)
        # A format of the user's own may hold words and the time; else the part before the time is read by it.
        part = f"case when try_strptime({whole}, {literal(fmt)}) is null then {part} else {whole} end"
    formats = (fmt,) if fmt is not None else DATE_FORMATS
    fits = _date_fits(engine, source, column, part, formats)
    filled, good = fits.pop("filled"), {form: fits[str(i)] for i, form in enumerate(formats)}
    best = max(good, key=lambda form: good[form])
    rivals = [form for form in formats if good[form] == good[best] and good[best] > 0]
    _refuse_rivals(engine, source, column, part, rivals)
    if fmt is None:
        _refuse_both_orders(engine, source, column, part, best)
    sql = _as_day(part, best)
    unreadable = filled - good[best]
    if unreadable and strict:
        known = good[best] or fmt is not None
        reason = f"no dates of the form {best}" if known else "no dates we know, with years of four digits"
        _refuse_unreadable(engine, source, column, sql, reason, f"say how they are written with {named('date_format')}")
    refuse_without_zone(engine, source, column, is_text=True)
    if engine.place is not None and fits["zoned"]:
        sql = day_in_place(column, sql)
    said = message("column_form", column=f"{column!r}", form=best)
    return Reading(sql, said, unreadable, fits["zones"], zoned=fits["zoned"] > 0)


def check_format(fmt: str) -> None:
    """Raise BadParameters for a form of dates that nobody can read."""
    fmt = form_without_zone(fmt)
    try:
        with duckdb.connect() as engine:
            engine.execute(f"select try_strptime('', {literal(fmt)}) as day")
    except (duckdb.Error, RuntimeError) as error:  # of half a character, which DuckDB cannot take
        told = named("date_format", fmt)
        raise BadParameters(f"{told} is not understood. Write it like '%d-%m-%Y' or '%d %b %y %H:%M'.") from error


def check_decimal(mark: str) -> None:
    """Raise BadParameters for another decimal mark than a point or a comma."""
    if mark not in {".", ","}:
        raise BadParameters(f"{named('decimal', mark)} is not understood. Choose from '.', ','.")


def _as_day(part: str, fmt: str) -> str:
    """A day, or null; %Y alone would take 24 for the year 24."""
    day = f"cast(try_strptime({part}, {literal(fmt)}) as date)"
    whole = f" and length({part}) = 8" if fmt == "%Y%m%d" else ""  # 202411 would be the first of some month
    return f"case when {day} >= date '1000-01-01'{whole} then {day} end"


def _date_fits(engine: DuckDB, source: str, column: str, part: str, formats: tuple[str, ...]) -> dict[str, int]:
    """How many lines each format reads, how many hold anything, and how many time zones are named.

    Formats are tried once per different day, not per line: millions of lines hold a few thousand days.
    """
    counts = ", ".join(
        f'coalesce(sum(lines) filter (where {_as_day("day", form)} is not null), 0) as "{i}"'
        for i, form in enumerate(formats)
    )
    zone = f"case when {FOUND}.time <> '' then replace({FOUND}.zone, 'UTC', 'Z') end as zone"
    split = f"regexp_extract({identifier(column)}, {literal(TIME)}, ['day', 'time', 'half', 'zone']) as {FOUND}"
    # With a format of the user's own, days may come with their times: as many as lines, and only one format to try.
    grouped = formats == DATE_FORMATS
    if not grouped:  # words may stand before the time
        text = identifier(column)
        zone = f"case when regexp_matches({text}, ':[0-9]') then replace({zone_of(column)}, 'UTC', 'Z') end as zone"
    days = (
        f"{FOUND}.day as day, {zone}, sum({LINES}) as lines" if grouped else f"{part} as day, {zone}, {LINES} as lines"
    )
    return engine.one(
        f"select {counts}, coalesce(sum(lines), 0) as filled, count(distinct zone) as zones, "
        "count(*) filter (where zone <> '') as zoned "
        f"from (select {days} from (select *, {split} from ({_texts(engine, source, column)}) as texts) as found "
        f"{'group by all' if grouped else ''}) as days"
    )


def _texts(engine: DuckDB, source: str, column: str) -> str:
    """SQL of the texts that hold anything, with how many lines each stands for: equal ones together where that pays."""
    name = identifier(column)
    first = f"select {name} as text from {source} limit {LOOKED_AT}"
    few = engine.one(f"select count(distinct text) < count(*) / 10 as few from ({first}) as first_lines")["few"]
    lines, grouped = ("count(*)", "group by all") if few else ("1", "")
    return f"select {name}, {lines} as {LINES} from {source} where trim({name}) <> '' {grouped}"


def _refuse_rivals(engine: DuckDB, source: str, column: str, part: str, rivals: list[str]) -> None:
    for rival in rivals[1:]:
        one, other = (_as_day(part, form) for form in (rivals[0], rival))
        differ = engine.rows(f"select {identifier(column)} as text from {source} where {one} <> {other} limit 1")
        if differ:
            either = f"{named('date_format', rivals[0])} or {named('date_format', rival)}"
            raise BadOrders(
                f"The dates in column {column!r} can be read as {rivals[0]} and as {rival} (for instance "
                f"{differ[0]['text']!r}). Say which: {either}."
            )


def _refuse_both_orders(engine: DuckDB, source: str, column: str, part: str, best: str) -> None:
    """Where some dates can only be day first and others only month first, nobody knows of the rest."""
    other = SWAPPED.get(best)
    if other is None:
        return
    one, two = (_as_day(part, form) for form in (best, other))
    rows = engine.rows(
        f"select {identifier(column)} as text from {source} where ({one}) is null and ({two}) is not null limit 1"
    )
    if rows:
        raise BadOrders(
            f"The dates in column {column!r} are written as {best} and, others, as {other} (for instance "
            f"{rows[0]['text']!r}): where both fit, nobody knows which is meant. Write them in one way, or read all by "
            f"{named('date_format', best)} or {named('date_format', other)}."
        )


def read_numbers(engine: DuckDB, source: str, column: str, decimal: str | None, *, strict: bool) -> Reading:
    """A text column as money or quantity, with a decimal point or, as the Dutch write, a decimal comma."""
    if decimal is not None:
        check_decimal(decimal)
    marks = unmarked(engine, source, column)
    text = marks.sql
    fits = engine.one(
        f"select count(*) filter (where trim({identifier(column)}) <> '') as filled, "
        f"count(*) filter (where regexp_matches({text}, {literal(POINT)})) as point, "
        f"count(*) filter (where regexp_matches({text}, {literal(COMMA)})) as comma, "
        f"count(*) filter (where regexp_matches({text}, '[.,]')) as marked from {source}"
    )
    mark = decimal or _decimal_mark(column, fits)
    plain = f"replace({text}, ',', '')" if mark == "." else f"replace(replace({text}, '.', ''), ',', '.')"
    pattern = POINT if mark == "." else COMMA
    sql = f"case when regexp_matches({text}, {literal(pattern)}) then {plain} end"
    unreadable = fits["filled"] - fits["point" if mark == "." else "comma"]
    word = "point" if mark == "." else "comma"
    if unreadable and strict:
        _refuse_unreadable(
            engine, source, column, sql, f"no numbers with a decimal {word}", f"name the mark with {named('decimal')}"
        )
    said = message("column_decimal", column=f"{column!r}", mark=message(f"decimal_{word}"))
    return Reading(sql, said, unreadable, currency=marks.currency, without=marks.without)


def _decimal_mark(column: str, fits: dict[str, int]) -> str:
    if fits["marked"] and fits["point"] == fits["comma"] == fits["filled"]:
        raise BadOrders(
            f"The numbers in column {column!r} can be read with a decimal point and with a decimal comma. "
            f"Say which: {named('decimal', '.')} or {named('decimal', ',')}."
        )
    return "." if fits["point"] >= fits["comma"] else ","


def _refuse_unreadable(engine: DuckDB, source: str, column: str, sql: str, reason: str, remedy: str) -> None:
    read = f"select {identifier(column)} as text, ({sql}) is null as unread, row_number() over () as line from {source}"
    unread = f"from ({read}) as numbered where unread and trim(text) <> ''"
    count = engine.one(f"select count(*) as n {unread}")["n"]
    rows = engine.rows(f"select line, text {unread} order by line limit {EXAMPLES}")
    told = "; ".join(f"row {row['line']}: {row['text']!r}" for row in rows)
    raise BadOrders(
        f"Column {column!r} holds {count} value(s) that are {reason} ({told}). Mend them, {remedy}, or give "
        f"{named('unreadable', 'set_aside')} to leave these lines out, counted."
    )
