"""What a column can be, by the type that an engine says it has: every question about types is asked here."""

from __future__ import annotations

from klantwaarde.errors import BadOrders

NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
           "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL")  # fmt: skip
WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
FLOATS = ("FLOAT", "DOUBLE")
IDS = {*WHOLE, *FLOATS, "UBIGINT", "VARCHAR", "JSON", "BOOLEAN", "UUID", "BLOB", "DATE", "TIME", "TIMESTAMP",
       "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"}  # fmt: skip
"""Types that come out of Arrow, Parquet, pandas and the state as they went in; and DECIMAL and ENUM."""


def word(kind: str) -> str:
    """A type as a word in a sentence: without its fields, digits or values."""
    return ("list" if kind.endswith("]") else kind.partition("(")[0].partition("<")[0].strip('"')).lower()


def is_text(kind: str) -> bool:
    """Whether a column holds text that dates and numbers can be read from."""
    return kind == "VARCHAR"


def is_number(kind: str) -> bool:
    """Whether a column holds numbers."""
    return kind.startswith(NUMBERS) and not kind.endswith("]")


def is_nothing(kind: str) -> bool:
    """Whether a column is empty in every line."""
    return kind.strip('"').upper() == "NULL"


def is_instant(kind: str) -> bool:
    """Whether a column holds moments that are the same everywhere: their day depends on the place."""
    return kind.startswith("TIMESTAMP") and (kind.endswith("WITH TIME ZONE") or kind.startswith("TIMESTAMPTZ"))


def is_clock(kind: str) -> bool:
    """Whether a column holds days with times that name no zone."""
    return kind.startswith("TIMESTAMP") and not kind.endswith("]") and not is_instant(kind)


def is_day(kind: str) -> bool:
    """Whether a column holds days, with or without times."""
    return kind == "DATE" or is_instant(kind) or is_clock(kind)


def refuse_ids(column: str, kind: str) -> None:
    """Raise BadOrders for ids of a type that would come out changed, in files or in frames."""
    if kind in IDS or (kind.startswith(("DECIMAL(", "ENUM(")) and not kind.endswith("]")):
        return
    if is_nothing(kind):
        raise BadOrders(f"Column {column!r} for the customer is empty in every line. Check the column.")
    advice = "Cast it to text" + (", or to bigint where the numbers are small enough" if is_number(kind) else "")
    raise BadOrders(
        f"Column {column!r} holds customer ids of type {word(kind)}, which cannot be kept exactly. {advice}."
    )
