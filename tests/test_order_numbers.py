"""Order numbers: totals on every line, orders exported twice, exports that overlap in a state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import klantwaarde as kw
from klantwaarde.doctor.finding import Check
from klantwaarde.job.pipeline import run
from klantwaarde.job.settings import read_settings

TOTALS = [(1001, "A", "2023-01-05", 55), (1001, "A", "2023-01-05", 55), (1001, "A", "2023-01-05", 55),
          (1002, "A", "2023-03-05", 45), (1003, "B", "2023-02-01", 10), (1003, "B", "2023-02-03", 10)]  # fmt: skip
"""As exported: 1001 has its total on each line, 1003 came as pending and as paid."""
DIFFERENT = [(1, "A", "2023-01-05", 30), (1, "A", "2023-01-05", 20), (2, "A", "2023-02-05", 5)]


def orders(rows: list[tuple[int, str, str, int]], **how: Any) -> kw.Orders:
    frame = pd.DataFrame(rows, columns=["order_id", "customer_id", "date", "amount"])
    return kw.orders(frame.assign(date=pd.to_datetime(frame.date)), order_id="order_id", **how)


def revenue(base: kw.Customers) -> dict[str, float]:
    return {row["customer_id"]: float(row["revenue"]) for row in base.to_arrow().to_pylist()}


def findings(base: kw.Customers) -> dict[str, Check]:
    return {check.check: check for check in kw.doctor(base).checks}


def test_they_are_found_with_the_money_at_stake() -> None:
    found = findings(kw.customers(orders(TOTALS)))
    totals, again = found["order totals on every line"], found["orders on several days"]
    assert (totals.level, totals.count, totals.money) == ("warning", 2, 120.0)
    assert (again.level, again.count, again.money) == ("warning", 1, 10.0)
    assert totals.setting
    assert again.setting
    assert (totals.setting.name, again.setting.name) == ("one_total_per_order", "latest_per_order")


def test_lines_that_differ_are_no_finding() -> None:
    assert not {"order totals on every line", "orders on several days"} & set(findings(kw.customers(orders(DIFFERENT))))


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({}, {"A": 210, "B": 20}),
        ({"one_total_per_order": True}, {"A": 100, "B": 10}),
        ({"latest_per_order": True}, {"A": 210, "B": 10}),
        ({"one_total_per_order": True, "latest_per_order": True}, {"A": 100, "B": 10}),
    ],
)
def test_they_count_once_where_asked(how: dict[str, bool], expected: dict[str, float]) -> None:
    base = kw.customers(orders(TOTALS, **how))
    assert revenue(base) == expected
    adds_up = findings(base)["money adds up"]
    assert adds_up.level == "info"
    assert base.orders.profile["dropped_amount"] in ({None, 230 - sum(expected.values())} if how else {None})


def test_lines_that_differ_are_kept() -> None:
    how = {"one_total_per_order": True, "latest_per_order": True}
    assert revenue(kw.customers(orders(DIFFERENT, **how))) == {"A": 55}


def test_the_latest_day_has_the_order_and_its_returns_stay() -> None:
    rows = [(1, "A", "2023-01-05", 30), (1, "A", "2023-01-08", 40), (1, "A", "2023-01-20", -10)]
    base = kw.customers(orders(rows, latest_per_order=True), "2023-02-01")
    row = base.to_arrow().to_pylist()[0]
    assert (row["revenue"], row["orders"], str(row["first_order"])) == (30, 1, "2023-01-08")


@pytest.mark.parametrize("name", ["one_total_per_order", "latest_per_order"])
def test_without_an_order_number_there_is_nothing_to_go_by(name: str) -> None:
    frame = pd.DataFrame({"customer_id": ["a"], "date": pd.to_datetime(["2023-01-01"]), "amount": [1]})
    how: dict[str, Any] = {name: True}
    with pytest.raises(kw.BadParameters, match=f"{name}.*order_id"):
        kw.orders(frame, **how)


def test_a_column_that_looks_like_a_number_is_pointed_at() -> None:
    frame = pd.DataFrame({"customer_id": ["a"], "date": pd.to_datetime(["2023-01-01"]), "amount": [1], "Invoice": [1]})
    hint = findings(kw.customers(kw.orders(frame)))["order numbers"]
    assert hint.setting
    assert (hint.level, hint.setting.name, hint.setting.value) == ("info", "order_id", "Invoice")


JANUARY = [
    (1, "A", "2023-01-05", 50),
    (2, "A", "2023-01-28", 40),
    (3, "B", "2023-01-20", 10),
    (4, "B", "2023-01-27", 10),
]
FROM_25 = [
    (2, "A", "2023-01-28", 40),
    (4, "B", "2023-01-27", 10),
    (5, "C", "2023-02-10", 15),
    (6, "A", "2023-02-20", 40),
]


def overlapping(folder: Path, **how: Any) -> tuple[dict[str, float], str]:
    """Two exports that overlap, in a state: revenue by customer, and what the second run says."""
    for name, rows in {"january": JANUARY, "later": FROM_25}.items():
        path = folder / f"{name}.csv"
        pd.DataFrame(rows, columns=["order_id", "customer_id", "date", "amount"]).to_csv(path, index=False)
        told = {"orders": str(path), "order_id": "order_id", "state": str(folder / "s"), "out": str(folder / "r")}
        run(read_settings(None, told | {"model": "mbg_nbd"} | how), lambda _: None)
    scored = pd.read_parquet(folder / "r" / "customers.parquet").set_index("customer_id")
    return scored.revenue.astype(float).to_dict(), (folder / "r" / "run.json").read_text()


def test_exports_that_overlap_are_found(tmp_path: Path) -> None:
    revenue_of, record = overlapping(tmp_path)
    assert revenue_of == {"A": 170, "B": 30, "C": 15}
    assert "2 orders of this batch are in earlier batches too: 50.00 counts twice" in record


def test_the_later_export_replaces_where_asked(tmp_path: Path) -> None:
    """As pandas' drop_duplicates("order_id") has it: A 130, B 20."""
    revenue_of, record = overlapping(tmp_path, latest_per_order=True)
    assert revenue_of == {"A": 130, "B": 20, "C": 15}
    assert "2 orders of this batch replace those in earlier batches (50.00)" in record
