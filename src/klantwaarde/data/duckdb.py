"""The embedded engine: registers tables, runs statements, hands back Arrow, writes Parquet."""

from __future__ import annotations

import contextlib
import glob
import re
from importlib import resources
from typing import TYPE_CHECKING, Any

import duckdb
import sqlglot
from sqlglot import exp

from klantwaarde.errors import BadOrders, BadParameters
from klantwaarde.files import whole_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa

SQL = resources.files("klantwaarde.data") / "sql"


def statement(name: str, dialect: str = "duckdb", **tables: str) -> str:
    """The text of sql/<name>.sql in a dialect, with the table names it uses replaced as given."""
    text = (SQL / f"{name}.sql").read_text(encoding="utf-8")
    if dialect == "duckdb" and not tables:
        return text
    tree = exp.replace_tables(sqlglot.parse_one(text, read="duckdb"), dict(tables), dialect="duckdb")
    return tree.sql(dialect=dialect, pretty=True)


def identifier(name: str) -> str:
    """A column's name, quoted."""
    return exp.to_identifier(name, quoted=True).sql(dialect="duckdb")


def literal(text: str) -> str:
    """A text, quoted."""
    return exp.Literal.string(text).sql(dialect="duckdb")


class DuckDB:
    """One connection of its own; tables live as long as it does."""

    def __init__(self, memory_limit: str | None = None, threads: int | None = None) -> None:
        self.connection = duckdb.connect()
        if memory_limit is not None:
            self._set("memory_limit", memory_limit)
        if threads is not None:
            self._set("threads", str(threads))
        self._made = 0

    def _set(self, name: str, value: str) -> None:
        try:
            self.connection.execute(f"set {name} = {literal(value)}")
        except duckdb.Error as error:
            raise BadParameters(f"{name}={value!r} is not understood ({_first_line(error)}).") from error

    def new_name(self, stem: str) -> str:
        """A table name that is not in use yet."""
        self._made += 1
        return f"{stem}_{self._made}"

    def register(self, name: str, table: Any) -> None:
        """Make an Arrow table known by a name."""
        self.connection.register(name, table)

    def create(self, name: str, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        """A table with the statement's rows."""
        self.run(f"create or replace temp table {name} as {sql}", parameters)

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
            return self.connection.sql(sql, params=_used(sql, parameters)).to_arrow_table()

    def pandas(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """The statement's rows as a data frame; DECIMAL becomes float."""
        with _mendable():
            frame: pd.DataFrame = self.connection.sql(sql, params=_used(sql, parameters)).df()
            return frame

    def write_parquet(
        self,
        sql: str,
        path: Path,
        parameters: Mapping[str, Any] | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """The statement's rows in a Parquet file, which appears whole or not at all; metadata goes into its footer."""
        said = ", ".join(f"{name}: {literal(value)}" for name, value in (metadata or {}).items())
        options = "format parquet, compression zstd" + (f", kv_metadata {{{said}}}" if said else "")
        with whole_file(path) as unfinished:
            self.run(f"copy ({sql}) to {literal(str(unfinished))} ({options})", parameters)

    def open_parquet(self, name: str, path: Path) -> None:
        """Make a Parquet file known by a name."""
        self.connection.read_parquet(glob.escape(str(path))).create_view(name)

    def columns(self, table: str) -> dict[str, str]:
        """Names and types of a table's columns."""
        described = self._execute(f"describe select * from {table}", None).fetchall()
        return {row[0]: row[1] for row in described}

    def _execute(self, sql: str, parameters: Mapping[str, Any] | None) -> duckdb.DuckDBPyConnection:
        with _mendable():
            return self.connection.execute(sql, _used(sql, parameters))


def _used(sql: str, parameters: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The parameters that the statement names: it refuses others."""
    named = set(re.findall(r"\$(\w+)", sql))
    return {name: value for name, value in (parameters or {}).items() if name in named} or None


@contextlib.contextmanager
def _mendable() -> Iterator[None]:
    """Faults of the data, the disk or the memory as errors of ours; faults of a statement stay what they are."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise BadOrders(
            f"There is too little memory ({_first_line(error)}). Give more with memory_limit, or free some disk space."
        ) from error
    except (duckdb.IOException, duckdb.DataError, duckdb.InvalidInputException) as error:
        raise BadOrders(f"The orders cannot be read or written to the end: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
