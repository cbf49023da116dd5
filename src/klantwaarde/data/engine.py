"""What is asked of an engine, and the statements that run on any."""

from __future__ import annotations

import contextlib
import re
from importlib import resources
from typing import TYPE_CHECKING, Any, Protocol

import sqlglot
from sqlglot import exp

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa

    from klantwaarde.data.guard import Input

SQL = resources.files("klantwaarde.data") / "sql"


class Engine(Protocol):
    """Tables by name, statements in DuckDB's dialect with $parameters. Tables live as long as the engine."""

    inputs: list[Input]
    """The files and folders that it has been given to read: nothing is written on them."""

    place: str | None
    """Where days begin for instants, if anybody said so."""

    def new_name(self, stem: str) -> str:
        """A table name that is not in use yet."""
        ...

    def set_timezone(self, timezone: str | None) -> None:
        """Where days begin, for instants; None: nobody said, so in UTC."""
        ...

    def register(self, name: str, table: pa.Table) -> None:
        """Make an Arrow table, small enough to be sent to every worker, known by a name."""
        ...

    def view(self, name: str, sql: str) -> None:
        """A name for a statement without parameters."""
        ...

    def create(
        self, name: str, sql: str, parameters: Mapping[str, Any] | None = None, *, on_disk: bool = False
    ) -> None:
        """A table with the statement's rows, computed once; on_disk where memory has better uses."""
        ...

    def scope(self) -> AbstractContextManager[None]:
        """Tables that are created within it are forgotten at its end."""
        ...

    def drop(self, name: str) -> None:
        """Forget a table that `create` made."""
        ...

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The statement's rows as dicts; for small results."""
        ...

    def one(self, sql: str, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The only row."""
        ...

    def arrow(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """The statement's rows as an Arrow table."""
        ...

    def batches(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.RecordBatchReader:
        """The statement's rows as Arrow, a batch at a time."""
        ...

    def pandas(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """The statement's rows as a data frame; DECIMAL becomes float."""
        ...

    def write_parquet(
        self,
        sql: str,
        path: Path,
        parameters: Mapping[str, Any] | None = None,
        metadata: Mapping[str, str] | None = None,
        partition_by: Sequence[str] = (),
    ) -> None:
        """The statement's rows as Parquet, whole or not at all; partition_by: a folder per value of these columns."""
        ...

    def progress(self) -> float | None:
        """Per cent done of what runs now, asked from another thread; None where nothing is known."""
        ...

    def open_parquet(self, name: str, path: Path) -> None:
        """Make a Parquet file, or a folder of them, known by a name."""
        ...

    def columns(self, table: str) -> dict[str, str]:
        """Names and types (as DuckDB calls them) of a table's columns."""
        ...

    def numbered(self, table: str) -> str:
        """SQL of the table with a column `line` that rises in the order of the source."""
        ...

    def ranked(self, sql: str, parameters: Mapping[str, Any] | None = None) -> str:
        """SQL of the rows of a statement that ends in `order by`, with a column `rank`: 1, 2, ... in that order."""
        ...

    def held(self, sql: str, parameters: Mapping[str, Any] | None = None) -> AbstractContextManager[str]:
        """As `ranked`, sorted once and kept while the context lasts: what is made of the rows runs on all cores."""
        ...

    def row_hash(self, columns: Sequence[str]) -> str:
        """SQL of a 64-bit hash of a row's columns."""
        ...

    def finite_day(self, column: str, kind: str) -> str:
        """SQL of the day of a date or timestamp column of this type; null where it is not finite."""
        ...


@contextlib.contextmanager
def forgetting(names: Collection[str], drop: Callable[[str], None]) -> Iterator[None]:
    """Drop at the end what has come to be among the names meanwhile: what an engine's `scope` does."""
    before = set(names)
    try:
        yield
    finally:
        for name in [name for name in names if name not in before]:
            drop(name)


def statement(name: str, dialect: str = "duckdb", absent: Sequence[str] = (), **tables: str) -> str:
    """The text of sql/<name>.sql in a dialect, with the table names it uses replaced as given.

    absent: columns that are empty in every row. Casts that rest on them become null, so that no engine sums nothing.
    """
    text = (SQL / f"{name}.sql").read_text(encoding="utf-8")
    if dialect == "duckdb" and not tables:
        return text
    tree = exp.replace_tables(sqlglot.parse_one(text, read="duckdb"), dict(tables), dialect="duckdb")
    for cast in [found for found in tree.find_all(exp.Cast) if _rests_on(found, absent)]:
        cast.set("this", exp.Null())
    return tree.sql(dialect=dialect, pretty=True)


def selecting(sql: str, *more: str) -> str:
    """A select with more columns of what it selects from."""
    return sqlglot.parse_one(sql, read="duckdb", into=exp.Select).select(*more).sql("duckdb", pretty=True)


def empty_columns(sql: str) -> tuple[str, str]:
    """A select without the columns that are null in every row, and the list of all its columns, these as nulls."""
    tree = sqlglot.parse_one(sql, read="duckdb", into=exp.Select)
    empty = [column for column in tree.selects if _is_empty(column)]
    names = [column if column in empty else exp.column(column.alias_or_name) for column in tree.selects]
    tree.set("expressions", [column for column in tree.selects if column not in empty])
    return tree.sql("duckdb"), ", ".join(name.sql("duckdb") for name in names)


def _is_empty(column: exp.Expr) -> bool:
    return isinstance(column.unalias(), exp.Cast) and isinstance(column.unalias().this, exp.Null)


def _rests_on(tree: exp.Expression, columns: Sequence[str]) -> bool:
    return any(column.name in columns for column in tree.find_all(exp.Column))


def identifier(name: str) -> str:
    """A column's name, quoted."""
    return exp.to_identifier(name, quoted=True).sql(dialect="duckdb")


def literal(text: str) -> str:
    """A text, quoted."""
    return exp.Literal.string(text).sql(dialect="duckdb")


def used(sql: str, parameters: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The parameters that the statement names: engines refuse others."""
    named = set(re.findall(r"\$(\w+)", sql))
    return {name: value for name, value in (parameters or {}).items() if name in named} or None
