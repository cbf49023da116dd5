"""What is asked of an engine."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa


class Input(NamedTuple):
    """A file or a folder that is read, and what it is called."""

    what: str
    path: Path
    pattern: str | None = None
    """The pattern that it was found by."""


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
