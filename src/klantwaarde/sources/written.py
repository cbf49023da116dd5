"""Rows as a file that people open: Parquet, CSV or Excel, as its suffix says; marked as ours, and never on an input."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from klantwaarde.errors import BadOrders, BadParameters, named
from klantwaarde.files import check_place, whole_file
from klantwaarde.marks import MARK, refuse_strangers
from klantwaarde.sources.guard import refuse_inputs

if TYPE_CHECKING:
    from klantwaarde.engine.relation import Relation

SUFFIXES = (".parquet", ".csv", ".xlsx")
FORMULA = r"^[=+\-@\t\r]"
"""How a cell begins that a spreadsheet would compute."""

MOST_ROWS = 2**20 - 1
"""Of a sheet of Excel, below the header."""
LONGEST = 32_767
"""Characters that a cell of Excel holds."""
EXACT: int = 10**15
"""Beyond it Excel rounds whole numbers: ids become text."""


def check_target_file(
    path: Path, setting: str = "out", header: Sequence[str] = (), *, parted: bool = False, placed: bool = True
) -> None:
    """Raise BadParameters for a file that `write_rows` or `write_table` would not write: before anything is read."""
    kinds = SUFFIXES[:1] if parted else SUFFIXES
    if path.suffix.lower() not in kinds:
        raise BadParameters(
            f"{named(setting, str(path))} ends in none of {', '.join(kinds)}, and the ending says what is written."
        )
    if placed:
        check_place(path, setting)
    refuse_strangers(path, setting, header)


def write_rows(
    rows: Relation, path: Path, metadata: Mapping[str, str] | None = None, partition_by: Sequence[str] = ()
) -> int:
    """Rows of an engine in a file, whole or not at all; how many cells got an apostrophe (of CSV only).

    Raises BadParameters for a path that the engine reads, or that holds what is not ours.
    """
    refuse_inputs(path, "path", rows.engine.inputs)
    if path.suffix.lower() == ".parquet":
        check_target_file(path, "path", parted=bool(partition_by))
        rows.write_parquet(path, metadata, partition_by)
        return 0
    check_target_file(path, "path", list(rows.first(0).arrow().column_names), parted=bool(partition_by))
    batches = rows.batches()
    return _write(batches.schema, batches, path)


def write_table(table: pa.Table, path: Path) -> int:
    """The rows of a table, as `write_rows`."""
    check_target_file(path, "path", table.column_names)
    return _write(table.schema, table.to_batches(), path)


def _write(schema: pa.Schema, batches: Iterable[pa.RecordBatch], path: Path) -> int:
    writers = {".parquet": _write_parquet, ".csv": _write_csv, ".xlsx": _write_excel}
    with whole_file(path) as unfinished:
        return writers[path.suffix.lower()](schema, batches, unfinished)


def _write_parquet(schema: pa.Schema, batches: Iterable[pa.RecordBatch], path: Path) -> int:
    with pq.ParquetWriter(path, schema.with_metadata({MARK: "rows"}), compression="zstd") as file:
        for batch in batches:
            file.write_batch(batch)
    return 0


def _write_csv(schema: pa.Schema, batches: Iterable[pa.RecordBatch], path: Path) -> int:
    changed = 0
    with pyarrow.csv.CSVWriter(path, schema) as file:
        for batch in batches:
            harmless = [_harmless(column) for column in batch.columns]
            changed += sum(n for _, n in harmless)
            file.write_batch(pa.record_batch([column for column, _ in harmless], schema=schema))
    return changed


def _harmless(column: pa.Array) -> tuple[pa.Array, int]:
    """Texts that a spreadsheet would take for a formula, with an apostrophe before them; how many there were."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column, 0
    formula = pc.fill_null(pc.match_substring_regex(column, FORMULA), False)
    empty, mark = (pa.scalar(text, column.type) for text in ("", "'"))
    return pc.if_else(formula, pc.binary_join_element_wise(mark, column, empty), column), pc.sum(formula).as_py() or 0


def _write_excel(schema: pa.Schema, batches: Iterable[pa.RecordBatch], path: Path) -> int:
    """Text is written as text: no cell is a formula or a link, and ids stay what they are."""
    import xlsxwriter  # noqa: PLC0415 - takes a moment to load, and few ask for it

    options = {"constant_memory": True, "remove_timezone": True, "nan_inf_to_errors": False}
    with xlsxwriter.Workbook(str(path), options) as book:
        book.set_custom_property(MARK, "rows")
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        sheet = book.add_worksheet()
        for place, name in enumerate(schema.names):
            sheet.write_string(0, place, name)
        row = 0
        for batch in batches:
            if row + batch.num_rows > MOST_ROWS:
                raise BadParameters(f"A sheet of Excel holds {MOST_ROWS:,} rows, and here are more. Write .csv.")
            columns: list[list[Any]] = [column.to_pylist() for column in batch.columns]
            for values in zip(*columns, strict=True):
                row += 1
                for place, value in enumerate(values):
                    _cell(sheet, row, place, value, day)
    return 0


def _cell(sheet: Any, row: int, place: int, value: Any, day: Any) -> None:
    if value is None or value != value:  # noqa: PLR0124 - a missing number differs from itself
        return
    if isinstance(value, bool):
        sheet.write_boolean(row, place, value)
    elif isinstance(value, int | float | Decimal) and -EXACT < value < EXACT:
        sheet.write_number(row, place, value)
    elif hasattr(value, "isoformat"):
        sheet.write_datetime(row, place, value, day)
    elif len(str(value)) > LONGEST:
        raise BadOrders(
            f"A cell of Excel holds {LONGEST:,} characters, and {str(value)[:40]!r}... has more. Write .csv."
        )
    else:
        sheet.write_string(row, place, str(value))
