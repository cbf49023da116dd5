"""Opening what a user has: a path or glob, a data frame, an Arrow table, a DuckDB relation or file, a database."""

from __future__ import annotations

import datetime as dt
import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from klantwaarde.engine.duckdb import DuckDB
from klantwaarde.engine.statement import identifier, literal
from klantwaarde.errors import BadOrders, BadParameters, named
from klantwaarde.sources import fetch
from klantwaarde.sources.places import found_files, kind_of, partitioned
from klantwaarde.sources.text import check_encoding, open_text
from klantwaarde.sources.uri import as_address, is_database, refuse_unknown
from klantwaarde.sources.workbook import read_workbooks

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_DIGITS = 38
"""Of a decimal number."""
SQLITE = b"SQLite format 3\0"
"""How its files begin."""


def open_source(
    engine: DuckDB,
    name: str,
    source: Any,
    *,
    table: str | None,
    encoding: str,
    query: str | None = None,
    what: str = "orders",
) -> str:
    """Make the source known to the engine as `name`; what it is, in words. what: what its lines are, in messages."""
    source = as_address(source)
    check_encoding(encoding)
    if is_database(source):
        told = fetch.open_table(engine, name, source, table, query, what)
        _refuse_empty(engine, name, told, what)
        return told
    if query is not None:
        raise BadParameters("query goes with the address of a database: postgresql://user@host/database.")
    if isinstance(source, str | Path):
        refuse_unknown(as_address(str(source)) if isinstance(source, Path) else source)
        return _open_path(engine, name, str(source), table=table, encoding=encoding, what=what)
    arrow = _carried(_to_arrow(source, what))
    if not arrow.num_columns:
        raise BadOrders(f"The {type(source).__name__} has no columns. Give the {what} with a name for each column.")
    try:
        engine.register(f"{name}_arrow", arrow)
        engine.connection.execute(f"create or replace temp view {name} as select * from {name}_arrow")
    except duckdb.Error as error:
        raise _unreadable_table(source, error) from error
    _refuse_empty(engine, name, type(source).__name__, what)
    return f"a {type(source).__module__.split('.')[0]} {type(source).__name__}"


def _open_path(engine: DuckDB, name: str, path: str, *, table: str | None, encoding: str, what: str) -> str:
    files = found_files(path, what)
    kind = kind_of(files, path, what)
    told = path if len(files) == 1 else f"{path} ({len(files)} files)"
    try:
        if kind == "database":
            _open_database(engine, name, files[0], table)
        elif kind == "parquet":
            lines = _parquet_lines(files, in_folders=partitioned(path, files))
            engine.connection.execute(f"create or replace temp view {name} as {lines}")
        elif kind == "workbook":
            lines, sheet = read_workbooks(files, table, what)
            engine.register(f"{name}_arrow", lines)
            engine.connection.execute(f"create or replace temp view {name} as select * from {name}_arrow")
            told = f"{told} ({sheet})"
        else:
            below = open_text(engine, name, files, encoding, what)
            told = f"{told} ({below})" if below else told
    except duckdb.OutOfMemoryException as error:
        raise BadOrders(f"There is too little memory or disk space for {path} ({_told(error)}).") from error
    except duckdb.Error as error:
        raise BadOrders(f"{path} cannot be read: {_told(error)}") from error
    _refuse_empty(engine, name, path, what)
    return told


def _parquet_lines(files: list[str], *, in_folders: bool) -> str:
    # Folders named column=value are columns, as text: it is read by stated rules like any other.
    hive = ", hive_partitioning = true, hive_types_autocast = false" if in_folders else ", hive_partitioning = false"
    listed = ", ".join(literal(glob.escape(file)) for file in files)  # the engine takes names for patterns too
    return f"select * from read_parquet([{listed}], union_by_name = true{hive})"


def _open_database(engine: DuckDB, name: str, file: str, table: str | None) -> None:
    with Path(file).open("rb") as begun:
        if begun.read(len(SQLITE)) == SQLITE:
            raise BadOrders(f"{file} is a database of SQLite. Give its address: sqlite://{Path(file).absolute()}.")
    engine.connection.execute(f"attach {literal(file)} as {name}_file (read_only)")
    found = engine.rows(
        "select table_schema, table_name, table_type from information_schema.tables where table_catalog = $catalog "
        "order by all",
        {"catalog": f"{name}_file"},
    )
    # A view runs what whoever made the file wrote: it may read any file of whoever opens it.
    views = [row["table_name"] for row in found if row["table_type"] != "BASE TABLE"]
    found = [row for row in found if row["table_type"] == "BASE TABLE"]
    names = [row["table_name"] for row in found]
    if table is not None and table in views and table not in names:
        raise BadOrders(
            f"{table!r} in {file} is a view: it would run a statement of whoever made the file. If you trust it, "
            f"make a table of it: create table t as from {identifier(table)}."
        )
    if table is None and len(names) == 1:
        table = names[0]
    if table is None or table not in names:
        raise BadOrders(f"{file} holds the tables {', '.join(names) or 'none'}. Say which one with {named('table')}.")
    schema = next(row["table_schema"] for row in found if row["table_name"] == table)
    engine.run(f"create temp view {name} as select * from {name}_file.{identifier(schema)}.{identifier(table)}")


def _to_arrow(source: Any, what: str) -> pa.Table:
    try:
        if isinstance(source, pa.Table):
            return source
        if isinstance(source, pa.RecordBatchReader):
            return source.read_all()
        if isinstance(source, duckdb.DuckDBPyRelation):
            return source.to_arrow_table()
        if hasattr(source, "collect") and not hasattr(source, "__arrow_c_stream__"):
            source = source.collect()  # a lazy polars frame
        if type(source).__module__.startswith("pandas"):
            _refuse_mixed_zones(source)
            return pa.Table.from_pandas(source, preserve_index=False)
        if hasattr(source, "__arrow_c_stream__"):
            return pa.RecordBatchReader.from_stream(source).read_all()
    except BadOrders:
        raise
    except (pa.ArrowException, duckdb.Error, TypeError, ValueError, AttributeError) as error:
        raise _unreadable_table(source, error) from error
    raise BadOrders(
        f"The {what} cannot be read from a {type(source).__name__}. Give a path, a pandas, polars or Arrow table, "
        "or a DuckDB relation."
    )


def _carried(table: pa.Table) -> pa.Table:
    """The table with the types that the engine lacks in the next wider, or narrower where nothing is lost."""
    for number, field in enumerate(table.schema):
        kind = field.type
        wanted = pa.float32() if pa.types.is_float16(kind) else kind
        if pa.types.is_decimal256(kind) and kind.scale <= MOST_DIGITS:
            wanted = pa.decimal128(MOST_DIGITS, kind.scale)
        if wanted != kind:
            try:
                table = table.set_column(number, field.name, table.column(number).cast(wanted))
            except pa.ArrowException as error:
                raise BadOrders(f"Column {field.name!r} has numbers of more than {MOST_DIGITS} digits.") from error
    return table


def _unreadable_table(source: Any, error: Exception) -> BadOrders:
    return BadOrders(
        f"The {type(source).__name__} cannot be read: {_told(error)} Give each column one type: "
        "ids all text or all numbers, dates as dates in one time zone, amounts as numbers."
    )


def _refuse_mixed_zones(frame: Any) -> None:
    """Arrow would silently take a time without a zone for one in UTC."""
    for name in (name for name, kind in frame.dtypes.items() if kind == "object"):
        zones: dict[str, int] = {}
        for row, value in enumerate(frame[name]):
            if not isinstance(value, dt.datetime):
                if value is None or value != value:  # noqa: PLR0124 - a missing value differs from itself
                    continue
                break
            zones.setdefault(str(value.tzinfo or "none"), row + 1)
        if len(zones) > 1:
            told = ", ".join(f"{zone} from row {row}" for zone, row in zones.items())
            raise BadOrders(
                f"Column {name!r} mixes time zones ({told}). Bring them to one, for instance with "
                f"pandas.to_datetime(frame[{name!r}], utc=True)."
            )


def _refuse_empty(engine: DuckDB, name: str, told: str, what: str) -> None:
    if not engine.rows(f"select 1 as one from {name} limit 1"):
        raise BadOrders(
            f"{told} holds no lines, only the columns {_listed(engine.columns(name))}. "
            f"Give the {what}, at least one line."
        )


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(columns)


def _told(error: Exception) -> str:
    """What a reader said, without its advice: that is about settings which are not ours."""
    text = " ".join(str(error).partition("Possible ")[0].split())[:300]
    return text if text.endswith(".") else f"{text}."
