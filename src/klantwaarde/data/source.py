"""Opening what a user has: a path or glob, a data frame, an Arrow table, a DuckDB relation or file, a database."""

from __future__ import annotations

import codecs
import csv
import datetime as dt
import glob
import gzip
import itertools
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import duckdb
import pyarrow as pa

from klantwaarde.data import fetch
from klantwaarde.data.duckdb import DuckDB
from klantwaarde.data.engine import identifier, literal
from klantwaarde.data.uri import as_address, is_database, refuse_unknown
from klantwaarde.errors import BadOrders, BadParameters, named

if TYPE_CHECKING:
    from collections.abc import Iterable

PARQUET = (".parquet", ".pq", ".parq")
TEXT = (".csv", ".txt", ".tsv", ".csv.gz", ".txt.gz", ".tsv.gz")
SEPARATORS = (",", ";", "\t", "|")
DATABASE = (".duckdb", ".db", ".ddb", ".sqlite", ".sqlite3")
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
    files = _files(path, what)
    kind = _kind(files, path, what)
    try:
        if kind == "database":
            _open_database(engine, name, files[0], table)
        elif kind == "parquet":
            lines = _parquet_lines(files, partitioned=_partitioned(path, files))
            engine.connection.execute(f"create or replace temp view {name} as {lines}")
        else:
            _open_text(engine, name, files, encoding, what)
    except (duckdb.Error, UnicodeError) as error:
        raise BadOrders(f"{path} cannot be read: {_told(error, encoding)}") from error
    _refuse_empty(engine, name, path, what)
    return path if len(files) == 1 else f"{path} ({len(files)} files)"


def _files(path: str, what: str) -> list[str]:
    found = [path]
    if glob.has_magic(path) and not Path(path).exists():
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
            f"{empty[0]} is empty (0 bytes). Give a file with a line of column names and the {what} below it."
        )
    return found


def _parquet_lines(files: list[str], *, partitioned: bool) -> str:
    # Folders named column=value are columns, as text: it is read by stated rules like any other.
    hive = ", hive_partitioning = true, hive_types_autocast = false" if partitioned else ", hive_partitioning = false"
    return f"select * from read_parquet([{_listed_files(files)}], union_by_name = true{hive})"


def _listed_files(files: list[str]) -> str:
    """The files as SQL literals; the engine takes names for patterns too."""
    return ", ".join(literal(glob.escape(file)) for file in files)


def _partitioned(path: str, files: list[str]) -> bool:
    """Whether the files lie in folders named column=value below the folder, or the fixed part of the pattern."""
    fixed = list(itertools.takewhile(lambda part: not glob.has_magic(part), Path(path).parts))
    return any("=" in part for file in files for part in Path(file).parts[len(fixed) : -1])


def _kind(files: list[str], path: str, what: str) -> str:
    kinds = {"parquet": PARQUET, "text": TEXT, "database": DATABASE}
    found = {kind for file in files for kind, ends in kinds.items() if file.lower().endswith(ends)}
    if len(found) != 1:
        known = ", ".join(end for ends in kinds.values() for end in ends)
        raise BadOrders(f"{path} is not one kind of file that we read ({known}). Save the {what} as Parquet or CSV.")
    return found.pop()


def _open_text(engine: DuckDB, name: str, files: list[str], encoding: str, what: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        readable = files if _is_utf8(encoding) else _in_utf8(files, encoding, Path(folder))
        heads = [_head(file, what) for file in readable]
        unlike = next((number for number, head in enumerate(heads) if sorted(head[1]) != sorted(heads[0][1])), None)
        if unlike is not None:
            raise BadOrders(
                f"{files[unlike]} has the columns {_listed(heads[unlike][1])}, but {files[0]} has "
                f"{_listed(heads[0][1])}. Give files with the same columns."
            )
        parts = [readable] if len({(mark, *names) for mark, names in heads}) == 1 else [[file] for file in readable]
        # Read once into a table: the lines are looked at several times, and parsing costs more than all of that.
        for number, (part, (mark, names)) in enumerate(zip(parts, heads, strict=False)):
            into = f"insert into {name} by name" if number else f"create temp table {name} as"
            engine.connection.execute(f"{into} {_text_lines(part, mark, names)}")


def _text_lines(files: list[str], mark: str, names: list[str]) -> str:
    # Everything as text: customer 00123 stays 00123, and dates and decimals are read by stated rules, not guesses.
    # Nothing is left to the engine to find out: it would pass over lines that do not fit its guess.
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    return (
        f"select * from read_csv([{_listed_files(files)}], auto_detect = false, header = true, "
        f"delim = {literal(mark)}, quote = '\"', escape = '\"', nullstr = '', columns = {{{columns}}})"
    )


def _head(file: str, what: str) -> tuple[str, list[str]]:
    """The mark between columns, and their names, from the first line."""
    with _opened(file, "utf-8-sig") as text:
        first = text.readline()
    if "\0" in first:
        raise BadOrders(f"{file} cannot be read: it is no text file. Save the {what} as Parquet or CSV.")
    plain = re.sub('"[^"]*"', "", first)
    mark = max(SEPARATORS, key=plain.count)
    names = next(csv.reader([first.rstrip("\r\n")], delimiter=mark), [])
    named = [name.strip() or f"column{number}" for number, name in enumerate(names, start=1)]
    twice = sorted({name for name in named if [other.lower() for other in named].count(name.lower()) > 1})
    if twice:
        raise BadOrders(f"{file} has more than one column called {_listed(twice)}. Give each column its own name.")
    if not named:
        raise BadOrders(f"The first line of {file} is empty. Give a line of column names and the {what} below it.")
    return mark, named


def _opened(file: str, encoding: str) -> TextIO:
    errors = "replace" if _is_utf8(encoding) else "strict"
    if file.lower().endswith(".gz"):
        return gzip.open(file, "rt", encoding=encoding, errors=errors, newline="")
    return Path(file).open(encoding=encoding, errors=errors, newline="")


def _is_utf8(encoding: str) -> bool:
    try:
        return codecs.lookup(encoding).name in {"utf-8", "utf-8-sig"}
    except (LookupError, ValueError) as error:
        told = named("encoding", encoding)
        raise BadParameters(f"{told} is not known. Give 'utf-8', 'latin-1', 'cp1252', ...") from error


def check_encoding(encoding: str) -> None:
    """Raise BadParameters for an encoding that is not known, or is none of text: rot13, base64."""
    if not _is_utf8(encoding):
        try:
            "".encode(encoding)
        except LookupError as error:
            told = named("encoding", encoding)
            raise BadParameters(f"{told} is no encoding of text. Give 'utf-8', 'latin-1', 'cp1252', ...") from error


def _in_utf8(files: list[str], encoding: str, folder: Path) -> list[str]:
    """Copies of text files in UTF-8: the engine reads few other encodings, Python all of them."""
    copies = [folder / f"{number}.csv" for number in range(len(files))]
    for file, copy in zip(files, copies, strict=True):
        with _opened(file, encoding) as text, copy.open("w", encoding="utf-8", newline="") as to:
            shutil.copyfileobj(text, to)
    return [str(copy) for copy in copies]


def _open_database(engine: DuckDB, name: str, file: str, table: str | None) -> None:
    with Path(file).open("rb") as begun:
        if begun.read(len(SQLITE)) == SQLITE:
            raise BadOrders(f"{file} is a database of SQLite. Give its address: sqlite://{Path(file).absolute()}.")
    engine.connection.execute(f"attach {literal(file)} as {name}_file (read_only)")
    found = engine.rows(
        "select table_schema, table_name from information_schema.tables where table_catalog = $catalog order by all",
        {"catalog": f"{name}_file"},
    )
    names = [row["table_name"] for row in found]
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
        f"The {type(source).__name__} cannot be read: {_told(error, '')} Give each column one type: "
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


def _told(error: Exception, encoding: str) -> str:
    text = " ".join(str(error).split())
    line = re.search(r"CSV Error on Line: (\d+) Original Line: (.*?) Expected Number of Columns", text)
    if line:
        return (
            f"line {line[1]} has more or fewer columns than the first line names ({line[2].strip()[:60]!r}). Mend it; "
            "texts that hold the separator stand between double quotes."
        )
    text = text[:300]
    if "unicode" in text.lower() or "utf-8" in text.lower() or isinstance(error, UnicodeError):
        other = "cp1252" if codecs.lookup(encoding or "utf-8").name.startswith("utf-8") else "utf-8"
        return f"it is not {encoding} text. Pass encoding={other!r} (Excel on Windows often writes cp1252). ({text})"
    return text if text.endswith(".") else f"{text}."
