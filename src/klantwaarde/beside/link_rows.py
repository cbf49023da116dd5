"""Lines that name customers, as they come in: opened, their columns found and read, their ids made comparable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from klantwaarde.engine import types as of_type
from klantwaarde.engine.duckdb import DuckDB
from klantwaarde.engine.protocol import Engine
from klantwaarde.engine.spark import Spark
from klantwaarde.engine.statement import identifier, literal
from klantwaarde.errors import BadOrders, BadParameters, named
from klantwaarde.purchases.identity import key
from klantwaarde.purchases.lines import day_of, typed_day, typed_number
from klantwaarde.sources import spark_source
from klantwaarde.sources.asked import hint, refuse_confused
from klantwaarde.sources.guard import inputs
from klantwaarde.sources.parse import Reading, read_dates, read_numbers
from klantwaarde.sources.places import PARQUET
from klantwaarde.sources.source import open_source

if TYPE_CHECKING:
    from collections.abc import Mapping

MISSING = ("", "nan", "none", "null", "n/a", "<na>")
"""Texts, in any case, that other programs write for an id that is not there."""

LARGEST = "1e100"
"""Numbers beyond it are no numbers of this world; sums of those within stay finite."""

_WRITTEN_WHOLE = "'^([+-]?[0-9]{1,18})([.]0*)?$'"


class Opened(NamedTuple):
    """A source in the engine that reads it, with its columns and their types."""

    engine: Engine
    name: str
    told: str
    types: Mapping[str, str]
    empty: bool


class Manner(NamedTuple):
    """How a source is opened and its text read."""

    date_format: str | None = None
    decimal: str | None = None
    encoding: str = "utf-8"
    table: str | None = None
    query: str | None = None


def opened(base: Engine, source: Any, what: str, manner: Manner) -> Opened:
    """A source, open: in the base's engine where that can read it, else in one of its own.

    A source with columns and no lines is none of our faults: `empty`. Raises BadOrders for what cannot be read.
    """
    engine = base if isinstance(base, DuckDB) or _for_spark(source) else _reader(base)
    name = engine.new_name(what)
    base.inputs += inputs(what, source)
    try:
        if isinstance(engine, Spark):
            return Opened(engine, name, spark_source.open_source(engine, name, source), engine.columns(name), False)
        given = {"table": manner.table, "encoding": manner.encoding, "query": manner.query, "what": what}
        told = open_source(engine, name, source, **given)  # type: ignore[arg-type]
    except BadOrders as error:
        # Lines that are lacking are told after the source has been given its name; all else before.
        if error.__cause__ is not None or "holds no lines" not in str(error):
            raise BadOrders(f"The {what} cannot be used. {error}") from error
        return Opened(engine, name, str(error).split(" holds no lines")[0], engine.columns(name), True)
    return Opened(engine, name, told, engine.columns(name), False)


def closed(source: Opened) -> None:
    """Let go of the copy of a text file; views cost nothing."""
    engine, like = source.engine, "table_name = $name"
    if isinstance(engine, DuckDB) and engine.rows(
        f"select 1 as one from duckdb_tables() where {like}", {"name": source.name}
    ):
        engine.drop(source.name)


def _for_spark(source: Any) -> bool:
    is_path = isinstance(source, str) or hasattr(source, "__fspath__")
    return spark_source.is_frame(source) or (is_path and str(source).lower().endswith(PARQUET))


def _reader(base: Engine) -> DuckDB:
    """An embedded engine beside another: it reads text, data frames and databases."""
    reader = DuckDB()
    if isinstance(base, Spark):
        reader.set_timezone(base.place)
    return reader


def found_columns(
    types: Mapping[str, str], what: str, needed: Mapping[str, str], wished: Mapping[str, tuple[str | None, str]]
) -> dict[str, str | None]:
    """The column of each part; None for a wished one that was not named and is not there under its standard name.

    needed: part to column; wished: part to (column that was named, standard name). Raises BadOrders for a missing
    column, BadParameters for a column named for two parts.
    """
    given = dict(needed) | {part: name for part, (name, _) in wished.items() if name is not None}
    missing = [_missing(part, name, what, types) for part, name in given.items() if name not in types]
    if missing:
        raise BadOrders("\n".join(missing))
    taken = list(given.values())
    twice = sorted({name for name in taken if taken.count(name) > 1})
    if twice:
        raise BadParameters(f"Column {', '.join(map(repr, twice))} was named for two things. Name each column once.")
    for part, (name, usual) in wished.items():
        if name is None and usual not in types:
            refuse_confused(part, usual, [column for column in types if column not in taken], what)
    free = {part: usual for part, (_, usual) in wished.items() if usual in types and usual not in taken}
    return {part: given.get(part) or free.get(part) for part in (*needed, *wished)}


def _missing(part: str, name: str, what: str, types: Mapping[str, str]) -> str:
    told = f"The {what} have no column {name!r}.{hint(name, types)} Their columns are {', '.join(types)}."
    return f"{told} Name it with {named(part)}, or rename it."


def filled(column: str, kind: str) -> str:
    """SQL of whether a cell holds anything."""
    name = identifier(column)
    return f"coalesce(trim({name}) <> '', false)" if of_type.is_text(kind) else f"({name} is not null)"


def day_reading(source: Opened, column: str, manner: Manner) -> Reading:
    """How a column of days is read. Raises BadOrders for a column of another type, and where two readings fit."""
    kind = source.types[column]
    if of_type.is_nothing(kind):
        return Reading("cast(null as date)")
    if of_type.is_text(kind):
        reading = read_dates(_parsing(source, column), source.name, column, manner.date_format, strict=False)
        return reading._replace(sql=day_of(reading.sql))
    return Reading(day_of(typed_day(source.engine, source.name, column, kind).sql))


def number_reading(source: Opened, column: str, manner: Manner) -> Reading:
    """How a column of numbers is read: a double, null where it is none. Raises BadOrders for another type."""
    kind = source.types[column]
    if of_type.is_nothing(kind):
        return Reading("cast(null as double)")
    if of_type.is_text(kind):
        reading = read_numbers(_parsing(source, column), source.name, column, manner.decimal, strict=False)
    else:
        reading = typed_number(column, kind)
    number = f"try_cast({reading.sql} as double)"
    return reading._replace(sql=f"case when {number} between -{LARGEST} and {LARGEST} then {number} end")


def _parsing(source: Opened, column: str) -> DuckDB:
    if isinstance(source.engine, DuckDB):
        return source.engine
    raise BadOrders(f"Column {column!r} is text. On Spark, give dates as dates and numbers as numbers: cast it first.")


class Ids(NamedTuple):
    """How the ids of a source and of the customers are made comparable."""

    rule: str
    """whole: both are whole numbers; text: both are text; numbers: one is numbers, the other text."""

    folds: bool = False
    """Whether spellings are folded, as those of the orders were."""

    def key(self, engine: Engine, relation: str, column: str, kind: str) -> str:
        """SQL of the key of a column of ids in a relation of an engine; null where there is none."""
        name = identifier(column)
        if self.folds and of_type.is_text(kind):
            return f"case when {_is_missing(name)} then null else {key(engine, relation, name)} end"
        if self.rule == "whole":
            return f"cast({name} as bigint)"
        if of_type.is_text(kind):
            return self._text(name)
        if kind in of_type.FLOATS or kind.startswith("DECIMAL"):
            whole = f"{name} = floor({name}) and abs({name}) < 1e18"
            other = f"when not isnan({name}) then " if kind in of_type.FLOATS else "else "
            return f"case when {whole} then cast(cast({name} as bigint) as varchar) {other}cast({name} as varchar) end"
        return f"cast({name} as varchar)"

    def _text(self, name: str) -> str:
        plain = f"trim({name})"
        if self.rule == "numbers":
            # Patterns cost most of all, so only what can need them is held against one.
            odd = " or ".join(f"{plain} like {literal(like)}" for like in ("0%", "+%", "-%", "%.%"))
            number = f"cast(try_cast(regexp_extract({plain}, {_WRITTEN_WHOLE}, 1) as bigint) as varchar)"
            other = f"coalesce({number}, {plain})"
        else:
            # A column of whole numbers with gaps leaves many programs as 12.0.
            odd = f"{plain} like '%.0' and regexp_matches({plain}, '^[0-9]+[.]0$')"
            other = f"left({plain}, length({plain}) - 2)"
        return f"case when {_is_missing(name)} then null when {odd} then {other} else {plain} end"


def _is_missing(name: str) -> str:
    """SQL of whether a text says that there is no id."""
    plain, missing = f"trim({name})", ", ".join(map(literal, MISSING))
    return f"length({plain}) <= {max(map(len, MISSING))} and lower({plain}) in ({missing})"


def ids(kinds: list[str], *, folds: bool = False) -> Ids:
    """How columns of ids of these types are compared."""
    if all(kind in of_type.WHOLE for kind in kinds):
        return Ids("whole")
    numbers = [of_type.is_number(kind) for kind in kinds]
    return Ids("numbers" if any(numbers) else "text", folds)
