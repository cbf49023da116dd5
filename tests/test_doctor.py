"""The doctor's sheet: every check fires where its fault was planted, and is silent where it was not."""

# ruff: noqa: E501 - a table of cases reads best with a case on a line

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

import klantwaarde as kw
from klantwaarde.doctor.finding import Check

WARNINGS = {
    "equal lines",
    "very large lines",
    "customers without a purchase",
    "customer ids that look alike",
    "orders of two customers",
    "dates in the future",
    "dates long ago",
    "mixed time zones",
    "silence before the end",
    "ids in several spellings",
    "ids that lost digits",
    "ids that stand for no customer",
    "one customer on many more days",
    "several currencies",
    "lines that stand apart at the end",
    "lines that stand apart at the start",
    "lines without customer",
    "lines without date",
    "lines without amount",
    "less than a year of data",
    "few repeat customers",
    "the window ends in a peak",
    "one customer with a large share",
}


def healthy() -> pd.DataFrame:
    """Two years of 150 customers who buy every ten weeks or so, evenly; nothing wrong."""
    rng = np.random.default_rng(5)
    rows = [(f"k{who:03d}", (who * 3 + 70 * turn) % 730, f"o{who}-{turn}") for who in range(150) for turn in range(10)]
    frame = pd.DataFrame(rows, columns=["customer_id", "day", "order"])
    frame["date"] = (pd.Timestamp("2022-01-01") + pd.to_timedelta(frame.pop("day"), unit="D")).astype("datetime64[us]")
    return frame.assign(amount=rng.integers(1000, 2000, len(frame)) / 100)


def line(frame: pd.DataFrame, row: int, **values: Any) -> pd.DataFrame:
    """The frame with other values in one row, counted from 1 as the sheet does."""
    frame = frame.copy()
    for name, value in values.items():
        frame.loc[row - 1, name] = value
    return frame


def plus(frame: pd.DataFrame, **values: Any) -> pd.DataFrame:
    """The frame with one more line, the first with other values in it."""
    return pd.concat([frame, frame.head(1).assign(**values)], ignore_index=True)


def findings(frame: pd.DataFrame, as_of: str | None = "2024-01-05", **how: Any) -> dict[str, Check]:
    sheet = kw.doctor(kw.customers(kw.orders(frame, order_id="order", **how), as_of))
    json.dumps(sheet.as_dict(), allow_nan=False)
    return {check.check: check for check in sheet.checks}


def warned(found: dict[str, Check]) -> set[str]:
    return {name for name, check in found.items() if check.level == "warning"}


def test_a_healthy_shop_has_nothing_to_look_at() -> None:
    found = findings(healthy())
    assert warned(found) == set()
    sheet = kw.doctor(kw.customers(kw.orders(healthy()), "2024-01-05"))
    assert sheet.verdict == ("1,500 lines read, 0 set aside (0.0%), 150 customers up to 2024-01-05; no warnings.")
    assert sheet.warnings == ()
    assert list(sheet.as_dict()["sections"]) == ["correct", "timely", "complete", "ground"]


Planted = Callable[[pd.DataFrame], pd.DataFrame]
CASES: list[tuple[str, Planted, int, tuple[str, ...]]] = [
    ("equal lines", plus, 1, ("row 1501 equals row 1",)),
    ("very large lines", lambda f: line(f, 7, amount=900.0), 1, ("row 7: customer k000, 2023-02-25, amount 900",)),
    ("customers without a purchase", lambda f: plus(f, customer_id="lost", amount=-3.0, order="back"), 1, ("customer lost",)),
    ("customer ids that look alike", lambda f: line(f, 12, customer_id=" K001"), 1, ("' K001' and 'k001'",)),
    ("orders of two customers", lambda f: line(f, 12, order="o0-1"), 1, ("order o0-1",)),
    ("dates in the future", lambda f: line(f, 3, date=pd.Timestamp("2999-01-01")), 1, ("row 3: customer k000, 2999-01-01, amount",)),
    ("dates long ago", lambda f: line(f, 3, date=pd.Timestamp("1970-01-20")), 1, ("row 3: customer k000, 1970-01-20, amount",)),
    ("ids in several spellings", lambda f: line(f, 12, customer_id="k001\u200b"), 2, ("'k001' and 'k001\\u200b'",)),
    ("ids that lost digits", lambda f: line(f, 12, customer_id="1.23E+12"), 1, ("customer 1.23E+12: 1 line with",)),
    ("ids that stand for no customer", lambda f: line(f, 12, customer_id="NaN"), 1, ("customer NaN: 1 line with",)),
    ("one customer on many more days", lambda f: pd.concat([f, f[::30].assign(customer_id="k004", order="desk")]), 1, ("customer k004: 60 lines with",)),
    ("several currencies", lambda f: line(f.assign(currency="EUR"), 3, currency="USD"), 2, ()),
    ("lines that stand apart at the end", lambda f: line(f, 3, date=pd.Timestamp("2025-12-30")), 1, ("row 3: customer k000, 2025-12-30, amount",)),
    ("lines that stand apart at the start", lambda f: line(f, 3, date=pd.Timestamp("2005-12-30")), 1, ("row 3: customer k000, 2005-12-30, amount",)),
    ("lines without customer", lambda f: line(f, 2, customer_id=None), 1, ("row 2: customer none, 2022-03-12, amount",)),
    ("lines without date", lambda f: line(f, 2, date=pd.NaT), 1, ("row 2: customer k000, none, amount",)),
    ("lines without amount", lambda f: line(f, 2, amount=np.nan), 1, ("row 2: customer k000, 2022-03-12, amount none",)),
    ("silence before the end", lambda f: f[f.date < "2023-11-01"], 66, ()),
    ("less than a year of data", lambda f: f[f.date > "2023-02-01"], 337, ()),
    ("few repeat customers", lambda f: f[f.customer_id < "k099"], 99, ()),
    ("the window ends in a peak", lambda f: pd.concat([f, *[f[f.date > "2023-11-10"].assign(amount=9 + n) for n in range(2)]]), 0, ()),
    ("one customer with a large share", lambda f: f.assign(amount=f.amount * np.where(f.customer_id == "k004", 40, 1)), 1, ("customer k004",)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "plant", "count", "examples"), CASES, ids=[case[0] for case in CASES])
def test_a_planted_fault_is_found(name: str, plant: Planted, count: int, examples: tuple[str, ...]) -> None:
    found = findings(plant(healthy()), None if name.endswith("at the end") else "2024-01-05")
    assert name in warned(found)
    check = found[name]
    assert check.remedy
    assert count in {0, check.count}
    for shown, expected in zip(check.examples, examples, strict=True):
        assert shown.startswith(expected)
    also = warned(found) - {name}
    # A large line or customer is both, and who buys for decades without a word has a short year.
    # A line that is there twice, or a copied customer, has its order number twice too.
    allowed = {"very large lines", "one customer with a large share", "order totals on every line"}
    allowed |= {"orders on several days"}
    assert also <= (allowed | {"lines that stand apart at the start"} if name == "dates long ago" else allowed), also


def test_every_warning_has_its_case() -> None:
    assert {case[0] for case in CASES} | {"mixed time zones"} == WARNINGS


def test_mixed_time_zones() -> None:
    frame = healthy().astype({"date": str})
    frame["date"] += "T10:00:00Z"
    assert "mixed time zones" not in warned(findings(frame))
    assert findings(line(frame, 2, date="2022-03-12T10:00:00+01:00"))["mixed time zones"].count == 2


def test_equal_lines_that_are_dropped_are_no_warning() -> None:
    found = findings(plus(healthy()), duplicates="drop")
    check = found["equal lines"]
    assert (check.level, check.count, check.remedy) == ("info", 1, None)
    assert check.money == pytest.approx(healthy().amount[0])
    assert "dropped" in found["money adds up"].text


def test_returns_are_told_with_their_money() -> None:
    frame = line(plus(healthy(), amount=-2.5, order="back"), 4, amount=0.0)
    found = findings(frame)
    assert (found["returns"].count, found["returns"].money) == (1, -2.5)
    assert found["returns"].examples == ("row 1501: customer k000, 2022-01-01, amount -2.5",)
    assert found["zero amounts"].count == 1
    assert found["lines merged"].count == 1, "the return falls on a day with a purchase"
    assert found["days below zero"].count == 0
    assert findings(plus(healthy(), amount=-2.5, date=pd.Timestamp("2023-12-30")))["days below zero"].money == -2.5


def test_after_the_end() -> None:
    found = findings(healthy(), "2023-06-30")
    after = healthy()[healthy().date > "2023-06-30"]
    check = found["orders after the end"]
    assert (check.count, check.level) == (len(after), "info")
    assert check.money == pytest.approx(after.amount.sum())
    assert f"({after.customer_id.nunique()} customers)" in check.text


def test_the_default_end_is_said() -> None:
    assert "The observation ends on 2023-12-31" in findings(healthy(), None)["end of observation"].text


def test_shares_of_money() -> None:
    frame = healthy().assign(amount=10.0)
    assert (
        "(0.1% of all, 0.1% of the money)" in findings(line(frame, 2, customer_id=None))["lines without customer"].text
    )
    # Where what is set aside is a return, it is no share of the money.
    back = line(line(frame, 2, customer_id=None), 2, amount=-5.0)
    assert "(0.1% of all)" in findings(back)["lines without customer"].text


def test_without_amounts_money_is_not_spoken_of() -> None:
    found = findings(healthy(), amount=None)
    assert warned(found) == set()
    assert not {"returns", "zero amounts", "days below zero", "money adds up", "lines without amount"} & set(found)


def test_singular_and_plural() -> None:
    found = findings(plus(healthy()))
    assert found["equal lines"].text.startswith("1 line repeats an earlier line in every column and is kept.")
    assert findings(healthy())["orders after the end"].text == "No line is dated after 2024-01-05."


@pytest.mark.slow
def test_online_retail() -> None:
    """Counted in the raw file with pandas; the published description names the same numbers."""
    from test_cli import RETAIL, retail_columns

    orders = kw.orders(RETAIL, **retail_columns())
    found = {check.check: check for check in kw.doctor(kw.customers(orders)).checks}
    raw = pd.read_parquet(RETAIL)
    cents = (raw.Quantity * (raw.UnitPrice * 1000).round().astype("int64")).astype("int64")
    nobody = raw.CustomerID.isna()
    assert found["lines without customer"].count == nobody.sum() == 135_080
    assert found["equal lines"].count == raw.duplicated().sum() == 5_268
    assert found["returns"].count == (cents < 0).sum()
    assert found["zero amounts"].count == (cents == 0).sum()
    profile = orders.profile
    assert profile["amount"] == Decimal(int(cents.sum())) / 1000
    assert profile["no_customer_amount"] == Decimal(int(cents[nobody].sum())) / 1000
    assert {"the window ends in a peak", "customers without a purchase", "very large lines"} <= warned(found)
    assert found["money adds up"].level == "info"


def test_rounded_amounts_are_said() -> None:
    days = pd.date_range("2024-01-01", periods=4, freq="D")
    frame = pd.DataFrame({"customer_id": list("abcd"), "date": days, "amount": [0.00001, 0.12345, 0.1234, 19.99]})
    check = next(c for c in kw.doctor(kw.customers(kw.orders(frame))).checks if c.check == "rounded amounts")
    assert (check.level, check.count) == ("warning", 2)
    assert not [c for c in kw.doctor(kw.customers(kw.orders(frame.iloc[2:]))).checks if c.check == "rounded amounts"]


def test_lines_set_aside_do_not_move_the_end() -> None:
    days = ["2024-01-01", "2024-02-01", "2024-12-31"]
    frame = pd.DataFrame({"customer_id": ["a", "a", None], "date": pd.to_datetime(days), "amount": 5.0})
    assert str(kw.customers(kw.orders(frame)).as_of) == "2024-02-01"
