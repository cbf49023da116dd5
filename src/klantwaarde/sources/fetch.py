"""Orders from a database: streamed as Arrow batches into a table of the engine, which spills to disk."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb

from klantwaarde.engine.duckdb import DuckDB
from klantwaarde.engine.statement import identifier
from klantwaarde.errors import BadOrders, BadParameters, named
from klantwaarde.shown import masked
from klantwaarde.sources.adbc import connected, quoted, said
from klantwaarde.sources.uri import POSTGRESQL, SQLITE, as_address, driver_of, name_parts, scrub

if TYPE_CHECKING:
    import pyarrow as pa

FEW_DIGITS, MOST_DIGITS = 18, 38
"""That fit in 64 and in 128 bits."""
TABLES = (
    "select table_schema, table_name from information_schema.tables "
    "where table_schema not in ('pg_catalog', 'information_schema') order by 1, 2"
)
NO_TABLE = re.compile("no such table|(relation|table|object) .* does not exist", re.IGNORECASE)
BATCH = {"adbc.sqlite.query.batch_rows": "65536"}
EMPTY = {"integer": "0", "real": "0.0", "text": "''", "blob": "x''"}
"""A value of each type that SQLite keeps."""
MOST_EXACT = 2**53
"""Whole numbers up to here are exact as doubles."""
SHOWN = "klantwaarde_shown"
"""The column that tells the row of such values from the others."""


class Column(NamedTuple):
    """A column of the source: its type in the database, and digits and decimals where these are stated."""

    name: str
    kind: str
    digits: tuple[int, int] | None


def open_table(engine: DuckDB, name: str, uri: str, table: str | None, query: str | None, what: str = "orders") -> str:
    """Copy a table, or the rows of a query, into the engine as `name`; what it is, in words.

    Nothing is written there, and the engine pulls one batch at a time: the rows are never all in memory.
    """
    if table is not None and query is not None:
        raise BadParameters("Give either table or query, not both.")
    uri = as_address(uri)
    read = {POSTGRESQL: _from_postgresql, SQLITE: _from_sqlite}.get(driver_of(uri), _from_other)
    with connected(uri) as cursor:
        statement, told = _statement(cursor, uri, table, query)
        # Wrapped, so that only something that can be selected from runs.
        columns, rows = read(cursor, f"({statement}\n) as q", uri)
        try:
            _load(engine, f"{name}_read", rows, columns)
        except duckdb.OutOfMemoryException as error:
            text = said(error, uri)
            raise BadOrders(f"There is too little memory or disk space for the {what} ({text}).") from scrub(error, uri)
        except duckdb.Error as error:
            raise BadOrders(f"{uri} cannot be read to the end: {said(error, uri)}") from scrub(error, uri)
    kinds = _decimals(engine, f"{name}_read", columns)
    selected = ", ".join(_cast(column.name, kinds.get(column.name)) for column in columns)
    engine.view(name, f"select {selected} from {name}_read")
    return told


def _statement(cursor: Any, uri: str, table: str | None, query: str | None) -> tuple[str, str]:
    if query is not None:
        return query.strip().rstrip(";"), f"{uri} (query: {masked(' '.join(query.split()))[:200]})"
    chosen = name_parts(table) if table is not None else _only_table(cursor, uri)
    return f"select * from {quoted(chosen)}", f"{uri} (table {'.'.join(chosen)})"


def _only_table(cursor: Any, uri: str) -> tuple[str, ...]:
    found = _tables(cursor, uri)
    if len(found) != 1:
        names = ", ".join(map(".".join, found[:20])) or "none"
        raise BadOrders(
            f"{uri} holds the tables {names}. Say which one with {named('table')}, or give a {named('query')}."
        )
    return found[0]


def _tables(cursor: Any, uri: str) -> list[tuple[str, ...]]:
    """Schema, where there is one, and name of every table and view, in order."""
    if driver_of(uri) is POSTGRESQL:  # only those that may be read
        cursor.execute(TABLES)
        return [tuple(row) for row in cursor.fetchall()]
    return sorted(
        tuple(part for part in (schema["db_schema_name"], table["table_name"]) if part)
        for catalog in cursor.connection.adbc_get_objects(depth="tables").read_all().to_pylist()
        for schema in catalog["catalog_db_schemas"] or ()
        for table in schema["db_schema_tables"] or ()
        if str(schema["db_schema_name"]).lower() != "information_schema"
        and "SYSTEM" not in str(table["table_type"]).upper()
        and not (driver_of(uri) is SQLITE and str(table["table_name"]).startswith("sqlite_"))
    )


def _from_postgresql(cursor: Any, lines: str, uri: str) -> tuple[list[Column], pa.RecordBatchReader]:
    try:
        schema = cursor.adbc_execute_schema(f"select * from {lines}")
    except cursor.connection.ProgrammingError as error:
        raise _no_such(error, uri, lines) from scrub(error, uri)
    columns = [_column(field) for field in _distinct(schema)]
    cursor.execute(f"select {', '.join(map(_asked, columns))} from {lines}")
    return columns, cursor.fetch_record_batch()


def _from_other(cursor: Any, lines: str, uri: str) -> tuple[list[Column], pa.RecordBatchReader]:
    rows = _begun(cursor, f"select * from {lines}", lines, uri)
    return [Column(field.name, str(field.type), None) for field in _distinct(rows.schema)], rows


def _from_sqlite(cursor: Any, lines: str, uri: str) -> tuple[list[Column], pa.RecordBatchReader]:
    """SQLite keeps a type per value, and its driver takes the types of the first batch for those of all.

    So the types are looked at first, in the same transaction; then a row that shows them goes before the rows.
    """
    names = [field.name for field in _distinct(_begun(cursor, f"select * from {lines} limit 0", lines, uri).schema)]
    looks = (f"group_concat(distinct typeof({name})), {_far(name)}" for name in map(identifier, names))
    cursor.execute(f"select {', '.join(looks)} from {lines}")
    found = cursor.fetchone()
    kinds = [_kind(str(told or ""), far=bool(far)) for told, far in zip(found[::2], found[1::2], strict=True)]
    shown = ", ".join(f"{EMPTY[kind]} as {identifier(name)}" for name, kind in zip(names, kinds, strict=True))
    asked = ", ".join(f"cast({identifier(name)} as {kind})" for name, kind in zip(names, kinds, strict=True))
    cursor.adbc_statement.set_options(**BATCH)
    cursor.execute(f"select 0 as {SHOWN}, {shown} union all select 1, {asked} from {lines}")
    return [Column(name, kind, None) for name, kind in zip(names, kinds, strict=True)], cursor.fetch_record_batch()


def _far(name: str) -> str:
    """SQL: whether a column has whole numbers that no real holds exactly."""
    return f"max(typeof({name}) = 'integer' and {name} not between -{MOST_EXACT} and {MOST_EXACT})"


def _kind(found: str, *, far: bool) -> str:
    """The one type that holds all values of a column; far: whether it has whole numbers that no real holds."""
    kinds = set(found.split(",")) - {"null", ""}
    if len(kinds) == 1:
        return kinds.pop()
    return "real" if kinds == {"integer", "real"} and not far else "text"


def _begun(cursor: Any, statement: str, lines: str, uri: str) -> pa.RecordBatchReader:
    try:
        cursor.execute(statement)
        return cursor.fetch_record_batch()
    except cursor.connection.Error as error:
        raise _no_such(error, uri, lines) from scrub(error, uri)


def _distinct(schema: pa.Schema) -> pa.Schema:
    lowered = [field.name.lower() for field in schema]
    twice = sorted({field.name for field in schema if lowered.count(field.name.lower()) > 1})
    if twice:
        raise BadOrders(f"{', '.join(twice)}: more than one column has this name. Give each its own in the query.")
    return schema


def _no_such(error: Exception, uri: str, lines: str) -> BadOrders:
    text = said(error, uri)
    if not NO_TABLE.search(text):
        return BadOrders(f"{uri}: {text} Check the table or the query.")
    try:
        with connected(uri) as cursor:  # the transaction of the fault is over
            tables = _tables(cursor, uri)
    except BadOrders:  # a driver that lists no tables: what it said first is what to mend
        return BadOrders(f"{uri}: {text} Check the table.")
    names = [row[-1] if row[0] == "public" else ".".join(row) for row in tables]
    wanted = lines.rpartition("from ")[2].partition("\n")[0].replace('"', "")
    close = difflib.get_close_matches(wanted, names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return BadOrders(f"{uri}: {text}{hint} The tables are {', '.join(names[:20]) or 'none'}.")


def _column(field: pa.Field) -> Column:
    told = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
    kind, modifier = told.get("POSTGRESQL:type", str(field.type)), int(told.get("POSTGRESQL:typmod", "-1"))
    # PostgreSQL packs numeric(digits, decimals) into one number, four more than digits * 2^16 + decimals.
    digits, decimals = divmod(modifier - 4, 2**16)
    stated = kind == "numeric" and modifier >= 4 and 0 <= decimals <= digits <= MOST_DIGITS
    return Column(field.name, kind, (digits, decimals) if stated else None)


def _asked(column: Column) -> str:
    """The column as it is asked for: what the driver would hand over changed is mended by the server."""
    name = identifier(column.name)
    if column.kind == "money":  # would come as cents
        return f"cast({name} as numeric(19, 2)) as {name}"
    if column.kind in {"date", "timestamp", "timestamptz"}:  # infinity would come as a day long ago
        return f"case when isfinite({name}) then {name} end as {name}"
    return name


def _load(engine: DuckDB, into: str, reader: pa.RecordBatchReader, columns: list[Column]) -> None:
    kinds = {column.name: f"decimal({column.digits[0]}, {column.digits[1]})" for column in columns if column.digits}
    kinds |= {column.name: "decimal(19, 2)" for column in columns if column.kind == "money"}
    selected = ", ".join(_cast(column.name, kinds.get(column.name)) for column in columns)
    rows = f"{into}_stream" + (f" where {SHOWN} = 1" if SHOWN in reader.schema.names else "")
    engine.connection.register(f"{into}_stream", reader)
    try:
        engine.connection.execute(f"create temp table {into} as select {selected} from {rows}")
    finally:
        engine.connection.unregister(f"{into}_stream")


def _decimals(engine: DuckDB, table: str, columns: list[Column]) -> dict[str, str]:
    """Types wide enough to hold each numeric column without stated digits exactly: it comes as text."""
    kinds = {}
    for column in columns:
        if column.kind == "numeric" and column.digits is None:
            name = identifier(column.name)
            most_whole, most_places = (f"max(length(split_part(ltrim({name}, '-'), '.', {part})))" for part in (1, 2))
            plain = f"regexp_matches({name}, '^-?[0-9]')"  # not NaN, not infinity
            row = engine.one(f"select {most_whole} as whole, {most_places} as places from {table} where {plain}")
            whole, places = row["whole"] or 1, row["places"] or 0
            if whole <= MOST_DIGITS:  # a longer one can only be an id, and stays as it is written
                digits = FEW_DIGITS if whole + places <= FEW_DIGITS else MOST_DIGITS
                kinds[column.name] = f"decimal({digits}, {min(places, digits - whole)})"
    return kinds


def _cast(column: str, kind: str | None) -> str:
    name = identifier(column)
    return f"try_cast({name} as {kind}) as {name}" if kind else name
