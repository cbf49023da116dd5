"""Sheets of Excel as tables: the cells as they are kept, numbers whole where they are whole, days as days."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from klantwaarde.errors import BadOrders, named
from klantwaarde.sources.text import LOOKED_AT, column_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from python_calamine import CalamineWorkbook

MOST_EXACT = 2**53
"""Whole numbers up to here are exact as Excel keeps them."""


def read_workbooks(files: Sequence[str], sheet: str | None, what: str) -> tuple[pa.Table, str]:
    """The lines of one sheet of each file, and which sheets these are, in words. Raises BadOrders."""
    tables: list[pa.Table] = []
    told = ""
    for file in files:
        table, told = _read(file, sheet, what)
        if tables and sorted(table.column_names) != sorted(tables[0].column_names):
            raise BadOrders(
                f"{file} has the columns {', '.join(table.column_names)}, but {files[0]} has "
                f"{', '.join(tables[0].column_names)}. Give files with the same columns."
            )
        tables.append(table)
    try:
        return pa.concat_tables([table.select(tables[0].column_names) for table in tables],
                                promote_options="permissive"), told  # fmt: skip
    except pa.ArrowException as error:
        raise BadOrders(
            f"The files {', '.join(files)} do not go together: {error}. Write each column in one way."
        ) from error


def _read(file: str, sheet: str | None, what: str) -> tuple[pa.Table, str]:
    from python_calamine import CalamineError  # noqa: PLC0415 - few need it

    try:
        return _table(file, _opened(file), sheet, what)
    except CalamineError as error:  # sheets are unpacked and read when asked for
        raise BadOrders(_unreadable(file, error)) from error


def _table(file: str, book: CalamineWorkbook, sheet: str | None, what: str) -> tuple[pa.Table, str]:
    names = [one.name for one in book.sheets_metadata if str(one.typ).endswith("WorkSheet")]
    visible = [one.name for one in book.sheets_metadata if one.name in names and str(one.visible).endswith("Visible")]
    if sheet is not None and sheet not in names:
        raise BadOrders(
            f"{file} has no sheet {sheet!r}. Its sheets are {', '.join(names)}. Say which with {named('table')}."
        )
    chosen = sheet or next(iter(visible or names), None)
    if chosen is None:
        raise BadOrders(
            f"{file} has no sheet with cells. Give a file with a line of column names and the {what} below it."
        )
    columns, rows = _lines(file, book.get_sheet_by_name(chosen).iter_rows(), what)
    values: dict[str, list[Any]] = {name: [] for name in columns}
    for row in rows:
        for name, cell in zip(columns, [*row, *[""] * len(columns)], strict=False):
            values[name].append(None if cell == "" else cell)
    told = f"sheet {chosen!r}" + (f", the first of {len(visible)}" if sheet is None and len(visible) > 1 else "")
    return pa.table({name: _column(cells) for name, cells in values.items()}), told


def _opened(file: str) -> CalamineWorkbook:
    from python_calamine import CalamineError, CalamineWorkbook  # noqa: PLC0415 - few need it

    with Path(file).open("rb") as begun:
        if begun.read(4) == b"\xd0\xcf\x11\xe0":
            raise BadOrders(f"{file} is closed with a password, or an old .xls. Save it as .xlsx without a password.")
    try:
        return CalamineWorkbook.from_path(file)
    except (CalamineError, OSError) as error:
        raise BadOrders(_unreadable(file, error)) from error


def _unreadable(file: str, error: Exception) -> str:
    return f"{file} cannot be read as a workbook of Excel ({error}). Save it as .xlsx or CSV again."


def _lines(file: str, rows: Iterable[list[Any]], what: str) -> tuple[list[str], Iterable[list[Any]]]:
    """The column names, from the first row that has several, and the rows below that hold anything."""
    rows = iter(rows)
    for above, row in enumerate(rows, start=1):
        filled = [cell for cell in row if str(cell).strip()]
        if len(filled) > 1:
            width = max(number for number, cell in enumerate(row, start=1) if str(cell).strip())
            return column_names(file, [_text(cell) for cell in row[:width]]), _below(file, rows, width, above)
        if above == LOOKED_AT:
            break
    raise BadOrders(f"{file} has no row of column names. Give a row of column names and the {what} below it.")


def _below(file: str, rows: Iterable[list[Any]], width: int, line: int) -> Iterable[list[Any]]:
    for row in rows:
        line += 1
        if any(str(cell).strip() for cell in row[width:]):
            raise BadOrders(
                f"{file}: row {line} has cells to the right of the last column name. Name that column, or clear it."
            )
        if any(str(cell).strip() for cell in row):
            yield row


def _column(cells: list[Any]) -> pa.Array:
    """The cells as one type: numbers, days or truths where all are; else text."""
    kinds = {_kind(cell) for cell in cells if cell is not None}
    if kinds <= {float}:
        whole = all(cell is None or (float(cell).is_integer() and abs(cell) <= MOST_EXACT) for cell in cells)
        return pa.array([cell if cell is None else int(cell) if whole else float(cell) for cell in cells],
                        pa.int64() if whole else pa.float64())  # fmt: skip
    if kinds == {dt.datetime}:
        times = [dt.datetime.combine(cell, dt.time()) if type(cell) is dt.date else cell for cell in cells]
        return pa.array(times, pa.timestamp("us"))
    if kinds == {bool}:
        return pa.array(cells, pa.bool_())
    return pa.array([cell if cell is None else _text(cell) for cell in cells], pa.string())


def _kind(cell: Any) -> type:
    if isinstance(cell, bool):
        return bool
    if isinstance(cell, (int, float)):
        return float
    return dt.datetime if isinstance(cell, dt.date) else str


def _text(cell: Any) -> str:
    """A cell as it would be written: 17850, not 17850.0."""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) <= MOST_EXACT:
        return str(int(cell))
    if isinstance(cell, dt.datetime):
        return cell.isoformat(sep=" ")
    return cell.isoformat() if isinstance(cell, dt.date) else str(cell)
