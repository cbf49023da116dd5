"""Orders on Spark: a data frame of the user's, or Parquet that Spark reads."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any

from klantwaarde.errors import BadOrders
from klantwaarde.sources.uri import as_address, revealed, scrub, scrubbed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from klantwaarde.engine.spark import Spark


def is_frame(source: object) -> bool:
    """Whether the source is a Spark data frame."""
    return type(source).__module__.startswith("pyspark.sql") and hasattr(source, "sparkSession")


def open_source(engine: Spark, name: str, source: Any) -> str:
    """Make a Spark data frame or a Parquet path known to the engine as `name`; what it is, in words."""
    from py4j.protocol import Py4JJavaError  # noqa: PLC0415 - optional
    from pyspark.errors import PySparkException  # noqa: PLC0415 - optional

    try:
        return _open_source(engine, name, source)
    except (PySparkException, Py4JJavaError) as error:
        # What Spark says may hold the address that it was given.
        path = as_address("a Spark DataFrame" if is_frame(source) else os.fspath(source))
        text = scrubbed(_reason(error), path)
        raise BadOrders(f"{path} cannot be read by Spark: {text}") from scrub(error, path)


def _reason(error: Exception) -> str:
    """What went wrong, from the deepest cause that says so."""
    causes = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = [line.removeprefix("Caused by: ") for line in causes if line.startswith("Caused by: ")]
    return (said or causes or [type(error).__name__])[-1 if said else 0][:300]


def _open_source(engine: Spark, name: str, source: Any) -> str:
    if is_frame(source):
        _refuse_twice(source.columns)
        source.createOrReplaceTempView(name)
        told = "a Spark DataFrame"
    elif isinstance(source, str) or hasattr(source, "__fspath__"):
        path = as_address(os.fspath(source))
        told = str(path)
        read = engine.session.read.parquet(revealed(path))
        _refuse_twice(read.columns)
        read.createOrReplaceTempView(name)
    else:
        raise BadOrders("On Spark, orders come as a Spark DataFrame or as a Parquet path.")
    if not engine.rows(f"select 1 as one from {name} limit 1"):
        raise BadOrders(f"{told} holds no lines. Give at least one order.")
    return told


def _refuse_twice(columns: Sequence[str]) -> None:
    counts = Counter(name.lower() for name in columns)
    twice = sorted({name for name in columns if counts[name.lower()] > 1})
    if twice:
        raise BadOrders(f"There is more than one column called {', '.join(twice)}. Give each column its own name.")
