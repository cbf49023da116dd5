"""Scored customers into a table of a database: the whole table, or the one that was there."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from klantwaarde.engine.statement import identifier, literal
from klantwaarde.errors import BadParameters, named
from klantwaarde.sources.adbc import connected, quoted, refuse_missing
from klantwaarde.sources.uri import DRIVERS, SQLITE, as_address, driver_of, file_of, name_parts

if TYPE_CHECKING:
    from pathlib import Path

MARK = "Scored customers, written by klantwaarde"
"""How the comment of a table of ours begins: no other table is replaced."""

TOLD = f"{MARK}: one row each, replaced as a whole."
SQLITE_TYPES = {"int64": "integer", "double": "real", "bool": "boolean", "date32[day]": "date"}

FOUND = (
    "select c.relkind::text, obj_description(c.oid, 'pg_class') from pg_class as c where c.oid = to_regclass({name})"
)
GRANTS = (
    "select format('grant %s on {fresh} to %s', a.privilege_type, "
    "case when a.grantee = 0 then 'public' else a.grantee::regrole::text end) "
    "from pg_class as c, aclexplode(c.relacl) as a where c.oid = to_regclass({name}) and a.grantee <> c.relowner"
)


def check_target(uri: str, table: str) -> None:
    """Raise what `publish` would raise later: before anything is read."""
    if not driver_of(uri).writes:
        known = " or ".join(dict.fromkeys(driver.example for driver in DRIVERS.values() if driver.writes))
        raise BadParameters(f"{named('to', as_address(uri))} can only be read from. Write to {known}.")
    name_parts(table)
    if driver_of(uri) is SQLITE and not file_of(uri).exists():
        refuse_missing(uri, writes=True)
        _sqlite_name(table)
        return
    with connected(uri) as cursor:
        _sqlite_place(cursor, uri, table) if driver_of(uri) is SQLITE else _place(cursor, uri, table)


def publish(uri: str, table: str, parquet: Path) -> int:
    """The rows of a Parquet file or folder as the table's rows, in one transaction; how many there are.

    Readers see the old table or the new one. Rights that were granted on the old one are granted on the new one.
    """
    replace = _into_sqlite if driver_of(uri) is SQLITE else _into_postgresql
    with connected(uri, writes=True) as cursor:
        rows = replace(cursor, uri, table, _batches(parquet))
        cursor.connection.commit()
    return rows


def _into_postgresql(cursor: Any, uri: str, table: str, batches: pa.RecordBatchReader) -> int:
    schema, name = _place(cursor, uri, table)
    old, fresh = quoted((schema, name)), f"klantwaarde_{secrets.token_hex(8)}"
    rows: int = cursor.adbc_ingest(fresh, batches, mode="create", db_schema_name=schema)
    made = quoted((schema, fresh))
    cursor.execute(GRANTS.format(fresh=made, name=literal(old)))
    granted = [row[0] for row in cursor.fetchall()]
    swap = (f"drop table if exists {old}", f"alter table {made} rename to {quoted((name,))}")
    comment = f"comment on table {old} is {literal(TOLD)}"
    for statement in (*granted, *swap, comment):
        cursor.execute(statement)
    return rows


def _into_sqlite(cursor: Any, uri: str, table: str, batches: pa.RecordBatchReader) -> int:
    name = _sqlite_place(cursor, uri, table)
    kept = pa.schema([pa.field(field.name, _sqlite_type(field.type)) for field in batches.schema])
    columns = ", ".join(f"{identifier(field.name)} {SQLITE_TYPES.get(str(field.type), 'text')}" for field in kept)
    cursor.execute(f"drop table if exists {quoted((name,))}")
    cursor.execute(f"create table {quoted((name,))} (/* {TOLD} */ {columns})")
    told = pa.RecordBatchReader.from_batches(kept, (_as_kept(batch, kept) for batch in batches))
    rows: int = cursor.adbc_ingest(name, told, mode="append")
    return rows


def _as_kept(batch: pa.RecordBatch, kept: pa.Schema) -> pa.RecordBatch:
    # By way of text: Arrow's own way from decimals to doubles is off by the last bit.
    texts = [column.cast(pa.string()) if pa.types.is_decimal(column.type) else column for column in batch.columns]
    return pa.record_batch([text.cast(kind) for text, kind in zip(texts, kept.types, strict=True)], schema=kept)


def _sqlite_type(kind: pa.DataType) -> pa.DataType:
    """What SQLite's driver keeps of a type: it has no decimals, and ids must stay what they are."""
    if pa.types.is_decimal(kind):
        if kind.scale:
            return pa.float64()
        return pa.int64() if kind.precision <= 18 else pa.string()
    if pa.types.is_integer(kind) and kind != pa.uint64():
        return pa.int64()
    if pa.types.is_floating(kind):
        return pa.float64()
    return kind if pa.types.is_boolean(kind) or pa.types.is_date32(kind) else pa.string()


def _batches(parquet: Path) -> pa.RecordBatchReader:
    """The rows of a file, or of the files in a folder (partitioned or not), a batch at a time."""
    files = sorted(parquet.glob("*.parquet")) if parquet.is_dir() else [parquet]
    if not files:
        return _partitions(parquet)
    batches = (batch for file in files for batch in pq.ParquetFile(file).iter_batches(batch_size=2**16))
    return pa.RecordBatchReader.from_batches(pq.read_schema(files[0]), batches)


def _partitions(folder: Path) -> pa.RecordBatchReader:
    """The rows in folders named column=value, with these columns, as text, at the end."""
    import pyarrow.dataset as ds  # noqa: PLC0415 - loaded where it is used

    named = ds.HivePartitioning.discover(infer_dictionary=False)
    found = ds.dataset(folder, format="parquet", partitioning=named)
    return found.scanner(batch_size=2**16, batch_readahead=1, fragment_readahead=1).to_reader()


def _place(cursor: Any, uri: str, table: str) -> tuple[str, str]:
    """Schema and name of the table. Raises BadParameters where something else has its name."""
    *schema, name = name_parts(table)
    if not schema:
        cursor.execute("select current_schema()")
        schema = [cursor.fetchall()[0][0] or "public"]
    cursor.execute(FOUND.format(name=literal(quoted((schema[0], name)))))
    found = cursor.fetchall()
    if found and (found[0][0] != "r" or not str(found[0][1]).startswith(MARK)):
        raise _taken(f"{schema[0]}.{name}", uri)
    return schema[0], name


def _taken(name: str, uri: str) -> BadParameters:
    return BadParameters(
        f"{name} in {as_address(uri)} was not written by klantwaarde and would be lost. "
        f"Give another name with {named('to_table')}, or drop it first."
    )


def _sqlite_place(cursor: Any, uri: str, table: str) -> str:
    """The table's name. Raises BadParameters where something else has it."""
    name = _sqlite_name(table)
    cursor.execute(f"select type, sql from sqlite_master where name = {literal(name)} collate nocase")
    found = cursor.fetchall()
    if found and (found[0][0] != "table" or f"(/* {MARK}" not in str(found[0][1])):
        raise _taken(name, uri)
    return name


def _sqlite_name(table: str) -> str:
    *schema, name = name_parts(table)
    if schema not in ([], ["main"]) or name.lower().startswith("sqlite_"):
        raise BadParameters(
            f"{named('to_table', table)}: a file of SQLite has no schemas. Give the table's name alone."
        )
    return name
