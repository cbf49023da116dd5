"""The embedded engine: registers tables, runs statements, hands back Arrow, writes Parquet."""

from __future__ import annotations

import contextlib
import functools
import glob
import os
import weakref
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from klantwaarde.engine.protocol import Input, forgetting
from klantwaarde.engine.statement import identifier, literal, used
from klantwaarde.engine.types import is_instant
from klantwaarde.errors import BadOrders, BadParameters, named
from klantwaarde.files import scratch_folder, whole_file
from klantwaarde.marks import MARK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd
    import pyarrow as pa


ID = "customer_id"
MEMORY_SHARE = (
    0.5  # of the machine's memory, unless another limit is given; the rest is for the models and other programs
)


def memory() -> int:
    """Bytes of the machine's memory; some 8 GiB are taken for it where the system does not tell."""
    if not hasattr(os, "sysconf"):
        return 2**33
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@functools.cache
def _scratch() -> Path:
    return scratch_folder("klantwaarde-spill")


class DuckDB:
    """One connection of its own; tables live as long as it does."""

    def __init__(self, memory_limit: str | None = None, threads: int | None = None) -> None:
        self.connection = duckdb.connect()
        self._set("memory_limit", memory_limit or f"{round(memory() * MEMORY_SHARE / 2**20)}MiB")
        self._set("temp_directory", str(_scratch()))  # where it spills to beyond the limit
        with contextlib.suppress(duckdb.Error):  # a notebook without its widgets: nothing is known of progress there
            self.connection.execute("set enable_progress_bar = true; set enable_progress_bar_print = false")
        if threads is not None:
            self._set("threads", str(threads))
        self._made = 0
        self.place: str | None = None
        self._tables: dict[str, bool] = {}  # by name: whether it is on disk
        self._file: Path | None = None
        self.inputs: list[Input] = []

    def _set(self, name: str, value: str) -> None:
        try:
            self.connection.execute(f"set {name} = {literal(value)}")
        except duckdb.Error as error:
            raise BadParameters(f"{named(name, value)} is not understood ({_first_line(error)}).") from error

    def new_name(self, stem: str) -> str:
        """A table name that is not in use yet."""
        self._made += 1
        return f"{stem}_{self._made}"

    def register(self, name: str, table: Any) -> None:
        """Make an Arrow table known by a name."""
        self.connection.register(name, table)

    def create(
        self, name: str, sql: str, parameters: Mapping[str, Any] | None = None, *, on_disk: bool = False
    ) -> None:
        """A table with the statement's rows; on_disk: compressed, in a file that goes with the engine."""
        if on_disk:
            self.run(f"create table {self._on_disk(name)} as {sql}", parameters)
            self.view(name, f"select * from {self._on_disk(name)}")
        else:
            self.run(f"create or replace temp table {name} as {sql}", parameters)
        self._tables[name] = on_disk

    def _on_disk(self, name: str) -> str:
        """What the table is called in the file of this engine."""
        if self._file is None:
            self._file = _scratch() / f"tables_{os.getpid()}_{id(self)}.duckdb"
            self.run(f"attach {literal(str(self._file))} as on_disk")
            weakref.finalize(self, self._file.unlink, missing_ok=True)
        return f"on_disk.{name}"

    def view(self, name: str, sql: str) -> None:
        """A name for a statement without parameters."""
        self.run(f"create or replace temp view {name} as {sql}")

    def drop(self, name: str) -> None:
        """Forget a table."""
        if self._tables.pop(name, False):
            self.run(f"drop view {name}")
            self.run(f"drop table {self._on_disk(name)}")
        else:
            self.run(f"drop table {name}")

    def scope(self) -> contextlib.AbstractContextManager[None]:
        """Tables that are created within it are forgotten at its end; what reads them later fails."""
        return forgetting(self._tables, self.drop)

    def set_timezone(self, timezone: str | None) -> None:
        """Where days begin, for instants; None: nobody said, so in UTC."""
        self.place = timezone
        self._set("timezone", timezone or "UTC")

    def numbered(self, table: str) -> str:
        """SQL of the table with a column `line`: 1, 2, ... in the order of the source."""
        return f"select *, row_number() over () as line from {table}"

    def ranked(self, sql: str, parameters: Mapping[str, Any] | None = None) -> str:  # noqa: ARG002 - as Engine
        """SQL of the rows of a statement that ends in `order by`, with a column `rank`: 1, 2, ... in that order.

        Numbering rows that are sorted already costs one sort by all cores; a window with an order of its own sorts
        again, on one core.
        """
        return f"select *, row_number() over () as rank from ({sql}) as sorted"

    @contextlib.contextmanager
    def held(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Iterator[str]:
        """As `ranked`, sorted once and kept as long as the context lasts: what is made of the rows runs on all cores.

        Rows are numbered as they come on one core only; a table knows their places. It lies on disk: beside the sort,
        memory would hold all rows twice.
        """
        name = self.new_name("held")
        self.create(name, sql, parameters, on_disk=True)
        try:
            yield f"select *, rowid + 1 as rank from {self._on_disk(name)}"
        finally:
            self.drop(name)

    def row_hash(self, columns: Sequence[str]) -> str:
        """SQL of a 64-bit hash of a row's columns."""
        return f"hash({', '.join(map(identifier, columns))})"

    def finite_day(self, column: str, kind: str) -> str:
        """SQL of the day of a date or timestamp column; null where it is not finite."""
        name = identifier(column)
        if not kind.endswith("_NS"):
            return f"case when isfinite({name}) then cast({name} as date) end"
        # Casts of nanoseconds round: the last moment of a day would count on the next.
        micros = f"(epoch_ns({name}) - (epoch_ns({name}) % 1000 + 1000) % 1000) // 1000"
        moment = f"make_timestamp({micros})" + (" at time zone 'UTC'" if is_instant(kind) else "")
        finite = f"cast({name} as {'timestamptz' if is_instant(kind) else 'timestamp'})"
        return f"case when isfinite({finite}) then cast({moment} as date) end"

    def run(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Run a statement for its effect."""
        self._execute(sql, parameters)

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The statement's rows as dicts; for small results."""
        result = self._execute(sql, parameters)
        names = [column[0] for column in result.description or ()]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def one(self, sql: str, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The only row."""
        return self.rows(sql, parameters)[0]

    def arrow(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """The statement's rows as an Arrow table."""
        with _mendable():
            return self.connection.sql(sql, params=used(sql, parameters)).to_arrow_table()

    def batches(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.RecordBatchReader:
        """The statement's rows as Arrow, a batch at a time."""
        with _mendable():
            return self.connection.sql(sql, params=used(sql, parameters)).to_arrow_reader(2**16)

    def pandas(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """The statement's rows as a data frame; DECIMAL becomes float, but for ids."""
        with _mendable():
            relation = self.connection.sql(sql, params=used(sql, parameters))
            kinds = dict(zip(relation.columns, map(str, relation.types), strict=True))
            if not kinds.get(ID, "").startswith("DECIMAL"):
                frame: pd.DataFrame = relation.df()
                return frame
            # An id is no amount: as a float it would be another one beyond 2^53.
            frame = relation.project(f"* replace (cast({ID} as varchar) as {ID})").df()
            frame[ID] = frame[ID].map(Decimal)
            return frame

    def write_parquet(
        self,
        sql: str,
        path: Path,
        parameters: Mapping[str, Any] | None = None,
        metadata: Mapping[str, str] | None = None,
        partition_by: Sequence[str] = (),
    ) -> None:
        """The statement's rows in a Parquet file, which appears whole or not at all; metadata goes into its footer.

        partition_by: a folder instead, with a folder per value of these columns; rows of one come in any order.
        """
        said = ", ".join(f"{name}: {literal(value)}" for name, value in ({MARK: "rows"} | dict(metadata or {})).items())
        options = f"format parquet, compression zstd, kv_metadata {{{said}}}"
        if partition_by:
            options += f", partition_by ({', '.join(map(identifier, partition_by))})"
        with whole_file(path) as unfinished:
            self.run(f"copy ({sql}) to {literal(str(unfinished))} ({options})", parameters)

    def open_parquet(self, name: str, path: Path) -> None:
        """Make a Parquet file, or a folder of them, known by a name."""
        found = glob.escape(str(path)) + ("/**/*.parquet" if path.is_dir() else "")
        self.connection.read_parquet(found, hive_partitioning=path.is_dir()).create_view(name)

    def open_files(self, name: str, files: Sequence[str], optional: Sequence[str]) -> None:
        """Make several Parquet files known by one name; optional: columns that are empty where no file has them."""
        rows = self.connection.read_parquet([glob.escape(file) for file in files], union_by_name=True)
        absent = [f"cast(null as varchar) as {identifier(one)}" for one in optional if one not in rows.columns]
        rows.project(", ".join(["*", *absent])).create_view(name)

    def progress(self) -> float | None:
        """Per cent done of what runs now, asked from another thread; None where nothing is known."""
        done = float(self.connection.query_progress())
        return done if 0 <= done < 100 else None

    def columns(self, table: str) -> dict[str, str]:
        """Names and types of a table's columns."""
        described = self._execute(f"describe select * from {table}", None).fetchall()
        return {row[0]: row[1] for row in described}

    def _execute(self, sql: str, parameters: Mapping[str, Any] | None) -> duckdb.DuckDBPyConnection:
        with _mendable():
            return self.connection.execute(sql, used(sql, parameters))


@contextlib.contextmanager
def _mendable() -> Iterator[None]:
    """Faults of the data, the disk or the memory as errors of ours; faults of a statement stay what they are."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise BadOrders(
            f"There is too little memory ({_first_line(error)}). Give more with {named('memory_limit')}, or free some "
            "disk space."
        ) from error
    except duckdb.Error as error:
        # What is wrong with a statement is a fault of ours; all else is of the data: damaged pages have many names.
        ours = isinstance(error, duckdb.ProgrammingError) and not isinstance(error, duckdb.InvalidInputException)
        if ours or isinstance(error, duckdb.InterruptException):
            raise
        raise BadOrders(f"The orders cannot be read or written to the end: {_first_line(error)}") from error
    except RuntimeError as error:
        # What becomes of a signal while a statement runs: of being stopped by hand, or by a handler that ends it all.
        if "interrupted" in str(error).lower():
            raise KeyboardInterrupt from error
        raise


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
