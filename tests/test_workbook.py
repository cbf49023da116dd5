"""Workbooks of Excel: the cells as they were typed, whichever sheet, titles and gaps or not."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

import klantwaarde as kw

HEAD = ("customer_id", "date", "amount")
ROWS = [
    (17850, dt.datetime(2024, 1, 5), 12.5),
    (17850, dt.datetime(2024, 2, 5), 7),
    (123, dt.datetime(2024, 2, 29, 23, 59), -0.1),
]


def book(path: Path, rows: list[Any], title: str = "Orders", **others: list[Any]) -> Path:
    made = openpyxl.Workbook()
    made.active.title = title
    for name, content in {title: rows, **others}.items():
        sheet = made[name] if name in made.sheetnames else made.create_sheet(name)
        for row in content:
            sheet.append(row)
    made.save(path)
    return path


def lines(source: Any, **how: Any) -> list[tuple[Any, ...]]:
    orders = kw.orders(source, **how)
    table = orders.engine.arrow(f"select customer_id, day, amount from {orders.all_lines}").to_pylist()
    return [tuple(row.values()) for row in table]


SEEN = [
    (17850, dt.date(2024, 1, 5), Decimal("12.5")),
    (17850, dt.date(2024, 2, 5), Decimal(7)),
    (123, dt.date(2024, 2, 29), Decimal("-0.1")),
]


@pytest.mark.parametrize("above", [[], [("Sales 2024",)], [("Sales 2024",), (), (None, None)]])
def test_cells_are_taken_as_they_are_kept(above: list[Any], tmp_path: Path) -> None:
    path = book(tmp_path / "o.xlsx", [*above, HEAD, ROWS[0], (), *ROWS[1:], (), ()])
    assert lines(path) == SEEN
    assert kw.orders(path).told.endswith("o.xlsx (sheet 'Orders')")


def test_ids_of_both_kinds_are_text_as_written(tmp_path: Path) -> None:
    path = book(tmp_path / "o.xlsx", [HEAD, ("00123", dt.date(2024, 1, 5), 1), (17850, dt.date(2024, 1, 6), 2)])
    assert [row[0] for row in lines(path)] == ["00123", "17850"]


def test_days_without_times_and_days_in_text(tmp_path: Path) -> None:
    days = [dt.date(2024, 1, 31), dt.datetime(2024, 2, 1, 10, 11)]
    path = book(tmp_path / "o.xlsx", [HEAD, *(("a", day, 1) for day in days)])
    assert [row[1] for row in lines(path)] == [dt.date(2024, 1, 31), dt.date(2024, 2, 1)]
    path = book(tmp_path / "t.xlsx", [HEAD, ("a", "31-01-2024", "1.234,50"), ("b", "14-02-2024", "€ 2,00")])
    assert [row[1:] for row in lines(path)] == [
        (dt.date(2024, 1, 31), Decimal("1234.5")),
        (dt.date(2024, 2, 14), Decimal(2)),
    ]
    mixed = book(tmp_path / "m.xlsx", [HEAD, ("a", dt.date(2024, 1, 31), 1), ("b", "14-02-2024", 2)])
    with pytest.raises(kw.BadOrders, match=r"'date' holds 1 value.*14-02-2024"):
        kw.orders(mixed)


def test_a_date_that_is_a_number_is_refused(tmp_path: Path) -> None:
    path = book(tmp_path / "o.xlsx", [HEAD, ("a", 45322, 1)])
    with pytest.raises(kw.BadOrders, match="'date' is of type bigint, not a date"):
        kw.orders(path)


def test_merged_cells_leave_gaps_that_are_counted(tmp_path: Path) -> None:
    path = book(tmp_path / "o.xlsx", [HEAD, ROWS[0], (None, dt.date(2024, 1, 6), 3), ROWS[2]])
    made = openpyxl.load_workbook(path)
    made.active.merge_cells("A2:A3")
    made.save(path)
    profile = kw.orders(path).profile
    assert (profile["lines"], profile["no_customer"], profile["no_customer_amount"]) == (3, 1, 3)


def test_which_sheet(tmp_path: Path) -> None:
    other = [HEAD, (1, dt.date(2020, 1, 1), 1)]
    path = book(tmp_path / "o.xlsx", [HEAD, *ROWS], "This year", **{"Last year": other, "Hidden": other})
    made = openpyxl.load_workbook(path)
    made.move_sheet("Hidden", -2)
    made["Hidden"].sheet_state = "hidden"
    made.save(path)
    assert lines(path) == SEEN
    assert kw.orders(path).told.endswith("(sheet 'This year', the first of 2)")
    assert len(lines(path, table="Last year")) == 1
    with pytest.raises(kw.BadOrders, match=r"has no sheet .Next.\. Its sheets are Hidden, This year, Last year"):
        kw.orders(path, table="Next")


def test_several_workbooks(tmp_path: Path) -> None:
    book(tmp_path / "1.xlsx", [HEAD, ROWS[0]])
    book(tmp_path / "2.xlsx", [HEAD[::-1], *(row[::-1] for row in ROWS[1:])])
    assert lines(str(tmp_path / "*.xlsx")) == SEEN
    book(tmp_path / "3.xlsx", [("customer_id", "date", "euro"), ROWS[0]])
    with pytest.raises(kw.BadOrders, match=r"3.xlsx has the columns customer_id, date, euro, but"):
        kw.orders(str(tmp_path / "*.xlsx"))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "has no row of column names"),
        ([HEAD], "holds no lines"),
        ([HEAD, (*ROWS[0], "x")], "row 2 has cells to the right of the last column name"),
        ([("customer_id", "date", "Date"), ROWS[0]], "more than one column called Date, date"),
    ],
)
def test_sheets_without_orders(rows: list[Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(kw.BadOrders, match=words):
        kw.orders(book(tmp_path / "o.xlsx", rows))


def test_a_password_and_a_foreign_file(tmp_path: Path) -> None:
    (tmp_path / "o.xlsx").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    with pytest.raises(kw.BadOrders, match="closed with a password"):
        kw.orders(tmp_path / "o.xlsx")
    (tmp_path / "o.xlsx").write_bytes(b"PK\x03\x04 no workbook")
    with pytest.raises(kw.BadOrders, match="cannot be read as a workbook of Excel"):
        kw.orders(tmp_path / "o.xlsx")


def test_a_sheet_that_is_damaged(tmp_path: Path) -> None:
    """The list of sheets can be read, the sheet cannot: it is unpacked when its rows are asked for."""
    whole = book(tmp_path / "o.xlsx", [HEAD, *ROWS]).read_bytes()
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        sheet = next(one for one in archive.infolist() if one.filename.endswith("sheet1.xml"))
    body = sheet.header_offset + 30 + len(sheet.filename)
    at = body + sheet.compress_size // 2
    (tmp_path / "o.xlsx").write_bytes(whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :])
    with pytest.raises(kw.BadOrders, match="cannot be read as a workbook of Excel"):
        kw.orders(tmp_path / "o.xlsx")


def test_links_and_attributes_come_from_workbooks_too(tmp_path: Path) -> None:
    base = kw.customers(kw.orders(book(tmp_path / "o.xlsx", [HEAD, *ROWS])), "2024-12-31")
    links = book(tmp_path / "l.xlsx", [("referrer_id", "referred_id"), (17850, 123)])
    assert len(kw.referrals(links, base)) == 1
    known = book(tmp_path / "a.xlsx", [("customer_id", "city"), (17850, "Delft")])
    assert kw.attributes(known, base).levels("city") == {"Delft": 1, "unknown": 1}
