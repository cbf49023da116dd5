"""Spark as the engine: the same statements, transpiled; no user-defined functions, no customer ever collected."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import sqlglot

from klantwaarde.engine.protocol import Input, forgetting
from klantwaarde.engine.statement import identifier, used
from klantwaarde.errors import BadParameters, MissingExtra, named
from klantwaarde.files import whole_file
from klantwaarde.marks import MARKED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    from pyspark.sql import DataFrame, SparkSession

TYPES = {
    "string": "VARCHAR",
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "int": "INTEGER",
    "bigint": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "binary": "BLOB",
    "date": "DATE",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "timestamp_ntz": "TIMESTAMP",
    "void": "NULL",
}
"""Spark's names of types, as DuckDB calls them."""


class Spark:
    """A session that the user hands in, or one of our own."""

    def __init__(self, session: SparkSession) -> None:
        self.session = session
        self._prefix = f"kw{os.getpid()}_{next(_COUNTER)}"
        self._made = 0
        self.place: str | None = None
        self._kept: dict[str, DataFrame] = {}
        self.inputs: list[Input] = []

    def new_name(self, stem: str) -> str:
        """A view name that is not in use yet; the session may be shared."""
        self._made += 1
        return f"{self._prefix}_{stem}_{self._made}"

    def set_timezone(self, timezone: str | None) -> None:
        """Where days begin, for instants; None: nobody said, so in UTC."""
        self.place = timezone
        self.session.conf.set("spark.sql.session.timeZone", timezone or "UTC")

    def register(self, name: str, table: pa.Table) -> None:
        """Make an Arrow table known by a name; joins send it whole to every worker."""
        from pyspark.sql.functions import broadcast  # noqa: PLC0415 - optional

        broadcast(self.session.createDataFrame(table)).createOrReplaceTempView(name)

    def view(self, name: str, sql: str) -> None:
        """A name for a statement without parameters."""
        self._frame(sql).createOrReplaceTempView(name)

    def create(
        self,
        name: str,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        on_disk: bool = False,  # noqa: ARG002 - Spark knows best
    ) -> None:
        """A table with the statement's rows, computed once, in memory and on the workers' disks."""
        self._kept[name] = self._frame(sql, parameters).persist()
        self._kept[name].createOrReplaceTempView(name)

    def drop(self, name: str) -> None:
        """Forget a table that `create` made."""
        self.session.catalog.dropTempView(name)
        self._kept.pop(name).unpersist()

    def scope(self) -> contextlib.AbstractContextManager[None]:
        """Tables that are created within it are forgotten at its end; what reads them later fails."""
        return forgetting(self._kept, self.drop)

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The statement's rows as dicts; for small results."""
        return [row.asDict() for row in self._frame(sql, parameters).collect()]

    def one(self, sql: str, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The only row."""
        return self.rows(sql, parameters)[0]

    def arrow(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """The statement's rows as an Arrow table."""
        return self._frame(sql, parameters).toArrow()

    def batches(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.RecordBatchReader:
        """The statement's rows as Arrow; all of them come at once."""
        return self.arrow(sql, parameters).to_reader()

    def pandas(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """The statement's rows as a data frame; DECIMAL becomes float."""
        frame: pd.DataFrame = _plain(self.arrow(sql, parameters)).to_pandas()
        return frame

    def write_parquet(
        self,
        sql: str,
        path: Path,
        parameters: Mapping[str, Any] | None = None,
        metadata: Mapping[str, str] | None = None,  # noqa: ARG002 - Spark writes no footer of ours; run.json holds it
        partition_by: Sequence[str] = (),
    ) -> None:
        """The statement's rows as a folder of Parquet files, which appears whole or not at all.

        partition_by: with a folder in it per value of these columns.
        """
        with whole_file(path) as unfinished:
            written = self._frame(sql, parameters).write.partitionBy(*partition_by)
            written.parquet(unfinished.absolute().as_uri(), compression="zstd")
            (unfinished / MARKED).touch()

    def open_parquet(self, name: str, path: Path) -> None:
        """Make a Parquet file, or a folder of them, known by a name."""
        self.session.read.parquet(path.absolute().as_uri()).createOrReplaceTempView(name)

    def progress(self) -> float | None:
        """Per cent done of the stages that run now, asked from another thread; None where nothing runs."""
        tracker = self.session.sparkContext.statusTracker()
        stages = [tracker.getStageInfo(number) for number in tracker.getActiveStageIds()]
        tasks = sum(stage.numTasks for stage in stages if stage)
        return 100 * sum(stage.numCompletedTasks for stage in stages if stage) / tasks if tasks else None

    def columns(self, table: str) -> dict[str, str]:
        """Names and types (as DuckDB calls them) of a table's columns."""
        return {name: TYPES.get(kind, kind.upper()) for name, kind in self.session.table(table).dtypes}

    def numbered(self, table: str) -> str:
        """SQL of the table with a column `line`: rising in the order of the source, with gaps between its parts."""
        return f"select *, monotonically_increasing_id() + 1 as line from {table}"

    def ranked(self, sql: str, parameters: Mapping[str, Any] | None = None) -> str:
        """SQL of the rows of a statement that ends in `order by`, with a column `rank`: 1, 2, ... in that order.

        A window over everything would bring all rows to one worker. A sort leaves them in parts that follow each
        other: a row's rank is its place in its part plus the rows of the parts before it.
        """
        from pyspark.sql import functions as f  # noqa: PLC0415 - optional

        frame = self._frame(sql, parameters).select(
            "*", f.spark_partition_id().alias("part_"), f.monotonically_increasing_id().alias("id_")
        )
        frame = frame.persist()
        counts = sorted((row["part_"], row["count"]) for row in frame.groupBy("part_").count().collect())
        before = itertools.accumulate((count for _, count in counts), initial=0)
        offsets = pa.table(
            {
                "part_": pa.array([part for part, _ in counts], pa.int32()),
                "before_": pa.array([n for n, _ in zip(before, counts, strict=False)], pa.int64()),
            }
        )
        name = self.new_name("ranked")
        self._kept[name] = frame  # forgotten at the end of a scope, or of `held`
        joined = frame.join(f.broadcast(self.session.createDataFrame(offsets)), "part_")
        place = f.col("id_") - f.shiftleft(f.col("part_").cast("long"), 33) + 1
        joined.withColumn("rank", place + f.col("before_")).drop("part_", "id_", "before_").createOrReplaceTempView(
            name
        )
        return f"select * from {name}"

    @contextlib.contextmanager
    def held(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Iterator[str]:
        """As `ranked`, which keeps the sorted rows: here no longer than the context lasts."""
        with self.scope():
            yield self.ranked(sql, parameters)

    def row_hash(self, columns: Sequence[str]) -> str:
        """SQL of a 64-bit hash of a row's columns."""
        return f"xxhash64({', '.join(map(identifier, columns))})"

    def finite_day(self, column: str, kind: str) -> str:  # noqa: ARG002 - as Engine
        """SQL of the day of a date or timestamp column; Spark's are always finite."""
        return f"cast({identifier(column)} as date)"

    def _frame(self, sql: str, parameters: Mapping[str, Any] | None = None) -> DataFrame:
        text = sqlglot.transpile(sql, read="duckdb", write="spark")[0]
        return self.session.sql(text, args=used(sql, parameters))


_COUNTER = itertools.count(1)


def start(master: str) -> Spark:
    """An engine on a session of our own. Raises MissingExtra without pyspark, BadParameters without Java."""
    try:
        from pyspark.errors import PySparkException  # noqa: PLC0415 - optional
        from pyspark.sql import SparkSession  # noqa: PLC0415 - optional
    except ImportError as error:
        raise MissingExtra("The Spark engine needs pyspark: pip install 'klantwaarde[spark]'.") from error
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        raise BadParameters("The Spark engine needs a Java runtime (17 or newer). Install one, or set JAVA_HOME.")
    try:
        builder = SparkSession.builder.master(master).appName("klantwaarde").config("spark.ui.enabled", "false")
        session = builder.config("spark.log.level", "ERROR").getOrCreate()
    except (PySparkException, RuntimeError) as error:
        raise BadParameters(
            f"Spark does not start with {named('master', master)}: {str(error).splitlines()[0]}"
        ) from error
    return Spark(session)


def _plain(table: pa.Table) -> pa.Table:
    amounts = {f.name for f in table.schema if pa.types.is_decimal(f.type) and f.name != "customer_id"}
    fields = [f.with_type(pa.float64()) if f.name in amounts else f for f in table.schema]
    return table.cast(pa.schema(fields))
