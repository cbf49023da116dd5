"""Scored customers into a table of a database: the whole table, or the one that was there."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from klantwaarde.data.adbc import connected, quoted
from klantwaarde.data.engine import literal
from klantwaarde.data.uri import is_database, masked, name_parts
from klantwaarde.errors import BadParameters

if TYPE_CHECKING:
    from pathlib import Path

MARK = "Scored customers, written by klantwaarde"
"""How the comment of a table of ours begins: no other table is replaced."""

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
    if not is_database(uri):
        raise BadParameters(f"to={uri!r} is no address of a database. Write it as postgresql://user@host/database.")
    name_parts(table)
    with connected(uri) as cursor:
        _place(cursor, uri, table)


def publish(uri: str, table: str, parquet: Path) -> int:
    """The rows of a Parquet file or folder as the table's rows, in one transaction; how many there are.

    Readers see the old table or the new one. Rights that were granted on the old one are granted on the new one.
    """
    with connected(uri) as cursor:
        schema, name = _place(cursor, uri, table)
        old, fresh = quoted((schema, name)), f"klantwaarde_{secrets.token_hex(8)}"
        rows: int = cursor.adbc_ingest(fresh, _batches(parquet), mode="create", db_schema_name=schema)
        made = quoted((schema, fresh))
        cursor.execute(GRANTS.format(fresh=made, name=literal(old)))
        granted = [row[0] for row in cursor.fetchall()]
        swap = (f"drop table if exists {old}", f"alter table {made} rename to {quoted((name,))}")
        comment = f"comment on table {old} is {literal(f'{MARK}: one row each, replaced as a whole.')}"
        for statement in (*granted, *swap, comment):
            cursor.execute(statement)
        cursor.connection.commit()
    return rows


def _batches(parquet: Path) -> pa.RecordBatchReader:
    """The rows of a file, or of the files in a folder (partitioned or not), a batch at a time."""
    files = sorted(parquet.glob("*.parquet")) if parquet.is_dir() else [parquet]
    if not files:
        return _partitions(parquet)
    batches = (batch for file in files for batch in pq.ParquetFile(file).iter_batches(batch_size=2**16))
    return pa.RecordBatchReader.from_batches(pq.read_schema(files[0]), batches)


def _partitions(folder: Path) -> pa.RecordBatchReader:
    """The rows in folders named column=value, with these columns, as text, at the end."""
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
        raise BadParameters(
            f"{schema[0]}.{name} in {masked(uri)} was not written by klantwaarde and would be lost. "
            "Give another name with --to-table, or drop it first."
        )
    return schema[0], name
