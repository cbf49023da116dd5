"""Rows as a value: an engine, the statement that gives them, and its parameters."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from klantwaarde.engine.statement import empty_columns, identifier, over, selecting, statement
from klantwaarde.errors import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa

    from klantwaarde.engine.protocol import Engine


@dataclass(frozen=True)
class Relation:
    """Rows of an engine: nothing runs until they are asked for.

    sql: in DuckDB's dialect, on any engine. table: what the engine knows the rows by; None where they are computed
    whenever they are asked for.
    """

    engine: Engine
    sql: str = field(repr=False)
    parameters: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)
    table: str | None = None

    def __str__(self) -> str:
        """What stands for the rows after `from` in a statement without parameters."""
        return self.table or f"(\n{self.sql}\n)"

    def columns(self) -> dict[str, str]:
        """Names and types (as DuckDB calls them)."""
        return self.engine.columns(str(self if self.table else self.view("columns_of")))

    def rows(self) -> list[dict[str, Any]]:
        """As dicts; for small results."""
        return self.engine.rows(self.sql, self.parameters)

    def one(self) -> dict[str, Any]:
        """The only row."""
        return self.engine.one(self.sql, self.parameters)

    def arrow(self) -> pa.Table:
        """As an Arrow table; money as DECIMAL."""
        return self.engine.arrow(self.sql, self.parameters)

    def batches(self) -> pa.RecordBatchReader:
        """As Arrow, a batch at a time."""
        return self.engine.batches(self.sql, self.parameters)

    def pandas(self) -> pd.DataFrame:
        """As a data frame; DECIMAL becomes float."""
        return self.engine.pandas(self.sql, self.parameters)

    def polars(self) -> Any:
        """As a polars frame. Raises MissingExtra where polars is not installed."""
        try:
            import polars as pl  # noqa: PLC0415 - optional
        except ImportError as error:
            raise MissingExtra("to_polars needs polars: pip install 'klantwaarde[polars]'.") from error
        return pl.from_arrow(self.arrow())

    def kept(self, stem: str, *, on_disk: bool = False) -> Relation:
        """The same rows, computed now and once; on_disk where memory has better uses. `drop` forgets them."""
        name = self.engine.new_name(stem)
        self.engine.create(name, self.sql, self.parameters, on_disk=on_disk)
        return named(self.engine, name)

    def compact(self, stem: str) -> Relation:
        """As `kept`, without the columns that are null in every row, which would take eight bytes each."""
        filled, columns = empty_columns(self.sql)
        held = replace(self, sql=filled).kept(f"{stem}_kept")
        return replace(held, sql=f"select {columns} from {held.table}", table=None).view(stem)

    def view(self, stem: str) -> Relation:
        """The same rows under a name of their own, computed whenever they are asked for; as they are, with parameters.

        A statement over a name is shorter than one over the statement that it stands for.
        """
        if self.parameters:
            return self
        name = self.engine.new_name(stem)
        self.engine.view(name, self.sql)
        return named(self.engine, name)

    def write_parquet(
        self, path: Path, metadata: Mapping[str, str] | None = None, partition_by: Sequence[str] = ()
    ) -> None:
        """As Parquet, whole or not at all; partition_by: a folder per value of these columns."""
        self.engine.write_parquet(self.sql, path, self.parameters, metadata, partition_by)

    def drop(self) -> None:
        """Forget rows that were kept."""
        self.engine.drop(str(self))

    def ranked(self) -> Relation:
        """With a column `rank`: 1, 2, ... in the order in which the statement ends."""
        return replace(self, sql=self.engine.ranked(self.sql, self.parameters), table=None)

    @contextlib.contextmanager
    def held(self) -> Iterator[Relation]:
        """As `ranked`, sorted once and kept as long as the context lasts: what is made of them runs on all cores."""
        with self.engine.held(self.sql, self.parameters) as sql:
            yield replace(self, sql=sql, table=None)

    def select(self, *names: str, **renamed: str) -> Relation:
        """Some columns, in this order; renamed: new name = old one."""
        chosen = [identifier(name) for name in names]
        chosen += [f"{identifier(old)} as {identifier(new)}" for new, old in renamed.items()]
        return self._outside(f"select {', '.join(chosen)} from")

    def sorted(self, *names: str) -> Relation:
        """In the order of columns."""
        order = ", ".join(identifier(name) for name in names)
        return self._outside("select * from", f" order by {order}")

    def first(self, most: int | None) -> Relation:
        """The first rows in their order, or all of them where None."""
        if most is None:
            return self
        # Not from outside: some engines forget an order there.
        return replace(self, sql=f"{self.sql}\nlimit {int(most)}", table=None)

    def where(self, flag: str) -> Relation:
        """The rows in which a column is true."""
        return self._outside("select * from", f" where {identifier(flag)}")

    def where_known(self, *names: str) -> Relation:
        """The rows in which none of these columns is null."""
        return self._outside(
            "select * from", f" where {' and '.join(f'{identifier(name)} is not null' for name in names)}"
        )

    def with_null(self, **kinds: str) -> Relation:
        """With more columns, null in every row, by name and type."""
        return self._outside(f"select *, {', '.join(_nulls(kinds))} from")

    def padded(self, **kinds: str) -> Relation:
        """With columns by name and type, null in every row, unless there are such columns."""
        has = self.columns()
        lacking = {name: kind for name, kind in kinds.items() if name not in has}
        return self.with_null(**lacking) if lacking else self

    def none(self, *same: str, **kinds: str) -> Relation:
        """No rows: columns of the same type as these have, and others by name and type."""
        columns = [identifier(name) for name in same]
        return self._outside(f"select {', '.join([*columns, *_nulls(kinds)])} from", " where 1 = 0")

    def _outside(self, before: str, after: str = "") -> Relation:
        """A plain select over these rows."""
        if self.table is not None:
            return Relation(self.engine, f"{before} {self.table}{after}")
        return replace(self, sql=f"{before} (\n{self.sql}\n) as inner_rows{after}")


def _nulls(kinds: Mapping[str, str]) -> list[str]:
    return [f"cast(null as {kind}) as {identifier(name)}" for name, kind in kinds.items()]


def named(engine: Engine, table: str) -> Relation:
    """What an engine knows by a name."""
    return Relation(engine, f"select * from {table}", {}, table)


def registered(engine: Engine, stem: str, table: pa.Table) -> Relation:
    """An Arrow table, small enough to be sent to every worker."""
    name = engine.new_name(stem)
    engine.register(name, table)
    return named(engine, name)


def opened(engine: Engine, stem: str, path: Path) -> Relation:
    """A Parquet file, or a folder of them."""
    name = engine.new_name(stem)
    engine.open_parquet(name, path)
    return named(engine, name)


def query(statement_name: str, /, *, absent: Any = (), more: Any = (), **given: Any) -> Relation:
    """The rows of a statement in sql/: what it calls a table is a Relation, everything else a parameter.

    absent: columns that are empty in every row. more: columns of what the statement selects from that are wanted beside
    its own. Relations that the engine does not know by a name become parts of the
    statement, with their parameters. Raises ValueError for relations of two engines, or for two values of a parameter.
    """
    tables = {name: value for name, value in given.items() if isinstance(value, Relation)}
    engines = {id(table.engine): table.engine for table in tables.values()}
    if len(engines) != 1:
        raise ValueError(f"{statement_name} takes rows of one engine, not of {len(engines)}.")
    (engine,) = engines.values()
    parts = {name: engine.new_name(name) for name, table in tables.items() if table.table is None}
    places = {name: table.table or parts[name] for name, table in tables.items()}
    text = statement(statement_name, absent=absent, **places)
    text = over({part: tables[name].sql for name, part in parts.items()}, selecting(text, *more) if more else text)
    own = {name: value for name, value in given.items() if name not in tables}
    return Relation(engine, text, _together([own, *(tables[name].parameters for name in parts)]))


def _together(several: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for parameters in several:
        for name, value in parameters.items():
            if name in found and found[name] != value:
                raise ValueError(f"Parameter {name} is to be {found[name]!r} and {value!r}: keep one of the relations.")
            found[name] = value
    return found
