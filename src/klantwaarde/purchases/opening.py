"""Where orders come from: the engine that reads a source, and manners of reading, checked before anything is read."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

from klantwaarde.engine import spark
from klantwaarde.engine.duckdb import DuckDB
from klantwaarde.engine.protocol import Engine
from klantwaarde.engine.relation import named as table_rows
from klantwaarde.engine.statement import identifier
from klantwaarde.errors import BadOrders, BadParameters, kind_of, named
from klantwaarde.sources import spark_source
from klantwaarde.sources.parse import check_decimal, check_format
from klantwaarde.sources.source import open_source
from klantwaarde.sources.text import check_encoding
from klantwaarde.sources.uri import as_address, is_database

if TYPE_CHECKING:
    from collections.abc import Mapping


def opened(
    source: Any,
    engine: str | Engine,
    master: str,
    memory_limit: str | None,
    timezone: str | None,
    where: Mapping[str, Any],
) -> tuple[Engine, str, str]:
    """The engine, the name of the source in it, and what the source is, in words."""
    if not isinstance(engine, str):
        return _known_table(engine, source, timezone)
    source = as_address(source)
    refuse_words(engine=(engine, ("duckdb", "spark")))
    if engine == "spark" or spark_source.is_frame(source):
        if is_database(source):
            raise BadOrders(
                f"Orders from a database are read by {named('engine', 'duckdb')}; on Spark, hand in a Spark DataFrame."
            )
        cluster = spark.Spark(source.sparkSession) if spark_source.is_frame(source) else spark.start(master)
        cluster.set_timezone(timezone)
        name = cluster.new_name("source")
        return cluster, name, spark_source.open_source(cluster, name, source)
    embedded = DuckDB(memory_limit)
    embedded.set_timezone(timezone)
    return embedded, "source", open_source(embedded, "source", source, **where)


def _known_table(engine: Engine, table: Any, timezone: str | None) -> tuple[Engine, str, str]:
    """A table of an engine that was handed in, as the source."""
    if not isinstance(table, str):
        raise BadOrders(f"With an engine of your own the source is the name of a table in it, not {kind_of(table)}.")
    engine.set_timezone(timezone)
    return engine, str(table_rows(engine, identifier(table)).view("source")), f"table {table}"


def check_reading(encoding: str, timezone: str | None, date_format: str | None, decimal: str | None) -> None:
    """Raise BadParameters for a manner of reading that there is not: before anything is read."""
    check_encoding(encoding)
    if timezone is not None and timezone not in available_timezones():
        close = difflib.get_close_matches(timezone, available_timezones(), n=1)
        hint = f" Did you mean {close[0]}?" if close else " Give a name such as 'Europe/Amsterdam'."
        raise BadParameters(f"{named('timezone', timezone)} is not known.{hint}")
    if date_format is not None:
        check_format(date_format)
    if decimal is not None:
        check_decimal(decimal)


def check_money(
    amount: str | None, quantity: str | None, price: str | None, margin: str | None, refunded: str | None = None
) -> None:
    """Raise BadParameters for columns of money that do not go together."""
    both = f"{named('quantity')} and {named('price')}"
    if (quantity is None) != (price is None):
        raise BadParameters(f"{both} go together: give both, or give {named('amount')}.")
    if amount not in {None, "", "auto"} and price is not None:
        raise BadParameters(f"Give either {named('amount')}, or {both}, not all of them.")
    for name, column in (("margin", margin), ("refunded", refunded)):
        if column is not None and amount in {None, ""} and price is None:
            raise BadParameters(f"{named(name)} goes with amounts: give {named('amount')} too, or {both}.")


def refuse_words(**given: tuple[str, tuple[str, ...]]) -> None:
    """Raise BadParameters for a word that is none of those allowed."""
    for name, (value, allowed) in given.items():
        if value not in allowed:
            raise BadParameters(f"{named(name, value)} is not understood. Choose from {', '.join(map(repr, allowed))}.")
