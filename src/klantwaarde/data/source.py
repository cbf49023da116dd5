"""Opening what a user has: a path or glob, a data frame, an Arrow table, a DuckDB relation or file."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from klantwaarde.data.duckdb import DuckDB, identifier, literal
from klantwaarde.errors import BadOrders

if TYPE_CHECKING:
    from collections.abc import Iterable

PARQUET = (".parquet", ".pq", ".parq")
TEXT = (".csv", ".txt", ".tsv", ".csv.gz", ".txt.gz", ".tsv.gz")
DATABASE = (".duckdb", ".db", ".ddb")


def open_source(engine: DuckDB, name: str, source: Any, *, table: str | None, encoding: str) -> str:
    """Make the source known to the engine as `name`; what it is, in words."""
    if isinstance(source, str | Path):
        return _open_path(engine, name, str(source), table=table, encoding=encoding)
    arrow = _to_arrow(source)
    engine.register(f"{name}_arrow", arrow)
    engine.run(f"create or replace temp view {name} as select * from {name}_arrow")
    _refuse_empty(engine, name, type(source).__name__)
    return f"a {type(source).__module__.split('.')[0]} {type(source).__name__}"


def _open_path(engine: DuckDB, name: str, path: str, *, table: str | None, encoding: str) -> str:
    files = _files(path)
    kind = _kind(files, path)
    try:
        if kind == "database":
            _open_database(engine, name, files[0], table)
        elif kind == "parquet":
            engine.connection.read_parquet(files, union_by_name=True).create_view(name)
        else:
            _open_text(engine, name, files, encoding)
    except (duckdb.Error, UnicodeError) as error:
        raise BadOrders(f"{path} cannot be read: {_told(error, encoding)}") from error
    _refuse_empty(engine, name, path)
    return path if len(files) == 1 else f"{path} ({len(files)} files)"


def _files(path: str) -> list[str]:
    found = [path]
    if glob.has_magic(path):
        found = sorted(glob.glob(path, recursive=True))  # noqa: PTH207 - a pattern may be absolute
    if len(found) == 1 and Path(found[0]).is_dir():
        found = sorted(str(file) for file in Path(found[0]).rglob("*.parquet"))
        if not found:
            raise BadOrders(
                f"The folder {path} holds no Parquet files. Give a file, or a pattern such as '{path}/*.csv'."
            )
    if not found or not Path(found[0]).exists():
        raise BadOrders(f"There is no file {path} (looked in {Path.cwd()}). Check the name, or give a full path.")
    empty = [file for file in found if Path(file).stat().st_size == 0]
    if empty:
        raise BadOrders(
            f"{empty[0]} is empty (0 bytes). Give a file with a line of column names and the orders below it."
        )
    return found


def _kind(files: list[str], path: str) -> str:
    kinds = {"parquet": PARQUET, "text": TEXT, "database": DATABASE}
    found = {kind for file in files for kind, ends in kinds.items() if file.lower().endswith(ends)}
    if len(found) != 1:
        known = ", ".join(end for ends in kinds.values() for end in ends)
        raise BadOrders(f"{path} is not one kind of file that we read ({known}). Save the orders as Parquet or CSV.")
    return found.pop()


def _open_text(engine: DuckDB, name: str, files: list[str], encoding: str) -> None:
    # Everything as text: customer 00123 stays 00123, and dates and decimals are read by stated rules, not guesses.
    relation = engine.connection.read_csv(
        files,  # type: ignore[arg-type] # lists of files are read too, whatever the stub says
        all_varchar=True,
        header=True,
        encoding=encoding,
    )
    # Read once into a table: the lines are looked at several times, and parsing costs more than all of that.
    relation.create(name)


def _open_database(engine: DuckDB, name: str, file: str, table: str | None) -> None:
    engine.run(f"attach {literal(file)} as {name}_file (read_only)")
    found = engine.rows(
        "select table_schema, table_name from information_schema.tables where table_catalog = $catalog order by all",
        {"catalog": f"{name}_file"},
    )
    names = [row["table_name"] for row in found]
    if table is None and len(names) == 1:
        table = names[0]
    if table is None or table not in names:
        raise BadOrders(f"{file} holds the tables {', '.join(names) or 'none'}. Say which one with table=.")
    schema = next(row["table_schema"] for row in found if row["table_name"] == table)
    engine.run(f"create temp view {name} as select * from {name}_file.{identifier(schema)}.{identifier(table)}")


def _to_arrow(source: Any) -> pa.Table:
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
            return pa.Table.from_pandas(source, preserve_index=False)
        if hasattr(source, "__arrow_c_stream__"):
            return pa.RecordBatchReader.from_stream(source).read_all()
    except (pa.ArrowException, duckdb.Error, TypeError, ValueError, AttributeError) as error:
        raise BadOrders(
            f"The {type(source).__name__} cannot be read: {_told(error, '')} Give each column one type: "
            "ids all text or all numbers, dates as dates in one time zone, amounts as numbers."
        ) from error
    raise BadOrders(
        f"Orders cannot be read from a {type(source).__name__}. Give a path, a pandas, polars or Arrow table, "
        "or a DuckDB relation."
    )


def _refuse_empty(engine: DuckDB, name: str, told: str) -> None:
    if not engine.rows(f"select 1 as one from {name} limit 1"):
        raise BadOrders(
            f"{told} holds no lines, only the columns {_listed(engine.columns(name))}. Give at least one order."
        )


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(columns)


def _told(error: Exception, encoding: str) -> str:
    text = " ".join(str(error).split())[:300]
    if "unicode" in text.lower() or "utf-8" in text.lower() or isinstance(error, UnicodeError):
        return f"it is not {encoding} text. Pass encoding='latin-1' (Excel on Windows often writes that). ({text})"
    return text if text.endswith(".") else f"{text}."
