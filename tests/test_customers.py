"""Customers and cells: the engine's counts against a recomputation in plain Python, and the rules one by one."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import klantwaarde as kw
from klantwaarde.calendar import year_before
from klantwaarde.purchases.split import holdout, observed, sample, three_quarters

START = dt.date(2022, 12, 1)
LINES = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", "d", None]),
        st.one_of(st.none(), st.integers(0, 12), st.integers(0, 800)),
        st.one_of(st.none(), st.integers(-3000, 3000), st.just(0)),
    ),
    min_size=1,
    max_size=40,
)
Line = tuple[str | None, int | None, int | None]


def frame(lines: list[Line]) -> pd.DataFrame:
    days = [None if day is None else START + dt.timedelta(days=day) for _, day, _ in lines]
    return pd.DataFrame(
        {
            "customer_id": pd.Series([who for who, _, _ in lines], dtype="str"),
            "date": pd.to_datetime(pd.Series(days, dtype=object)),
            "amount": pd.Series([np.nan if cents is None else cents / 100 for _, _, cents in lines], dtype=float),
        }
    )


def by_hand(lines: list[Line], as_of: dt.date) -> dict[str, dict[str, Any]]:
    """One dict per customer, by loops over the lines: the rules as the documentation words them."""
    nets: dict[str, Counter[dt.date]] = defaultdict(Counter)
    given_back = set()
    for who, day, cents in lines:
        if who is not None and day is not None and cents is not None:
            date = START + dt.timedelta(days=day)
            if date <= as_of:
                nets[who][date] += cents
                if cents < 0:
                    given_back.add((who, date))
    year_ago = as_of.replace(year=as_of.year - 1)
    told = {}
    for who, days in nets.items():
        stood = _stood(days, {date for one, date in given_back if one == who})
        bought = sorted(stood)
        told[who] = {
            "occasions": len(days),
            "first_order": bought[0] if bought else None,
            "last_order": bought[-1] if bought else None,
            "orders": len(bought),
            "orders_last_year": sum(date > year_ago for date in bought),
            "repeat_amount": sum(stood[date] for date in bought[1:]) if bought else None,
            "revenue": sum(days.values()),
            "revenue_last_year": _some(net for date, net in days.items() if date > year_ago),
            "returned": _some(net for net in days.values() if net < 0),
        }
    return told


def _stood(days: Counter[dt.date], given_back: set[dt.date]) -> dict[dt.date, int]:
    """What is left of each purchase: a day below zero takes from those before it, the latest first."""
    left: dict[dt.date, int] = {}
    for date, net in sorted(days.items()):
        if net > 0 or (net == 0 and date not in given_back):
            left[date] = net
        owed = max(-net, 0)
        for earlier in sorted(left, reverse=True) if owed else ():
            taken = min(left[earlier], owed)
            owed -= taken
            if taken and left[earlier] == taken:
                del left[earlier]
            elif taken:
                left[earlier] -= taken
    return left


def _some(values: Any) -> int | None:
    found = list(values)
    return sum(found) if found else None


def usable(lines: list[Line]) -> list[int]:
    return [day for who, day, cents in lines if who is not None and day is not None and cents is not None]


@settings(max_examples=60, deadline=None)
@given(lines=LINES, early=st.integers(0, 400))
def test_customers_equal_a_recomputation(lines: list[Line], early: int) -> None:
    days = usable(lines)
    if not days:
        with pytest.raises(kw.BadOrders, match=r"can be used|is empty in every line"):
            kw.orders(frame(lines))
        return
    as_of = START + dt.timedelta(days=max(min(days), max(days) - early))
    if as_of == dt.date(2024, 2, 29):
        as_of += dt.timedelta(days=1)
    base = kw.customers(kw.orders(frame(lines)), as_of, "day")
    expected = by_hand(lines, as_of)
    found = {row.pop("customer_id"): row for row in base.to_arrow().to_pylist()}
    assert found.keys() == expected.keys()
    for who, row in expected.items():
        for name, value in row.items():
            money = name in {"repeat_amount", "revenue", "revenue_last_year", "returned"} and value is not None
            assert found[who][name] == (Decimal(value) / 100 if money else value), (who, name)
    _check_cells(base, expected, as_of)
    _check_money(base, lines)


def _check_cells(base: kw.Customers, expected: dict[str, dict[str, Any]], as_of: dt.date) -> None:
    bought = [row for row in expected.values() if row["orders"]]
    if not bought:
        with pytest.raises(kw.BadOrders, match="nothing is left"):
            base.cells()
        return
    histories = Counter(
        (row["orders"] - 1, (row["last_order"] - row["first_order"]).days, (as_of - row["first_order"]).days)
        for row in bought
    )
    cells = base.cells()
    assert Counter(dict(zip(zip(cells.x, cells.t_x, cells.T, strict=True), cells.n, strict=True))) == histories
    spend = Counter(
        (row["orders"] - 1, row["repeat_amount"]) for row in bought if row["orders"] > 1 and row["repeat_amount"] > 0
    )
    if any(row["orders"] > 1 for row in bought):
        found = base.spend()
        kept = zip(found.x, np.round(found.x * found.zbar * 100), strict=True)
        assert Counter(dict(zip(kept, found.n, strict=True))) == spend
        assert found.left_out == sum(row["orders"] > 1 and row["repeat_amount"] == 0 for row in bought)


def _check_money(base: kw.Customers, lines: list[Line]) -> None:
    given_in = Decimal(sum(cents for _, _, cents in lines if cents is not None)) / 100
    aside = base.orders.profile["set_aside_amount"] or 0
    assert given_in == base.totals["revenue"] + aside + (base.after["amount"] or 0)


def one(lines: list[Line], as_of: str = "2022-12-31", **how: Any) -> dict[str, Any]:
    base = kw.customers(kw.orders(frame(lines), **how), as_of, "day")
    row: dict[str, Any] = base.to_arrow().to_pylist()[0]
    return row


@pytest.mark.parametrize(
    ("rule", "lines", "expected"),
    [
        ("one day is one occasion", [("a", 0, 500), ("a", 0, 700)], (1, 1, "12.00", "0")),
        ("returns are netted", [("a", 0, 500), ("a", 3, 900), ("a", 3, -200)], (2, 2, "12.00", "7.00")),
        ("below zero is no purchase", [("a", 0, 500), ("a", 3, -200)], (1, 2, "3.00", "0")),
        ("nor on the first day", [("a", 0, -500), ("a", 3, 200), ("a", 5, 300)], (2, 3, "0.00", "3.00")),
        ("zero is a purchase", [("a", 0, 500), ("a", 3, 0), ("a", 4, 800)], (3, 3, "13.00", "8.00")),
        ("netting to zero is none", [("a", 0, 500), ("a", 3, 200), ("a", 3, -200)], (1, 2, "5.00", "0")),
        ("returns only", [("a", 0, -500)], (0, 1, "-5.00", None)),
    ],
)
def test_rules(rule: str, lines: list[Line], expected: tuple[int, int, str, str | None]) -> None:
    row = one(lines)
    repeat = None if expected[3] is None else Decimal(expected[3])
    found = (row["orders"], row["occasions"], row["revenue"], row["repeat_amount"])
    assert found == (expected[0], expected[1], Decimal(expected[2]), repeat), rule


def test_times_of_one_day_are_one_occasion() -> None:
    stamps = pd.to_datetime(["2024-01-05 00:00:00", "2024-01-05 23:59:59", "2024-01-06 00:00:00"])
    base = kw.customers(kw.orders(pd.DataFrame({"customer_id": 1, "date": stamps})))
    assert base.totals["orders"] == 2


@pytest.mark.parametrize(
    ("day", "before"),
    [
        ("2024-03-01", "2023-03-01"),
        ("2024-02-29", "2023-02-28"),
        ("2023-02-28", "2022-02-28"),
        ("2024-12-31", "2023-12-31"),
    ],
)
def test_a_year_before(day: str, before: str) -> None:
    assert year_before(dt.date.fromisoformat(day)) == dt.date.fromisoformat(before)


@pytest.mark.parametrize(("unit", "days"), [("day", 1), ("week", 7), ("month", 365.25 / 12), ("year", 365.25)])
def test_units_only_scale(unit: str, days: float) -> None:
    cells = kw.customers(kw.orders(frame([("a", 0, 1), ("a", 21, 1)])), "2023-01-26", unit).cells()
    assert (cells.x[0], cells.t_x[0], cells.T[0], cells.unit) == (1, 21 / days, 56 / days, unit)


def test_cdnow_sample_as_published() -> None:
    """Fader, Hardie & Lee (2005): of 2,357 customers 946 came back in 39 weeks. The sums are recomputed with pandas."""
    base = kw.customers(kw.orders(kw.datasets.cdnow_sample()), "1997-09-30")
    log = pd.read_parquet(kw.datasets.cdnow_sample())
    log = log[pd.to_datetime(log.date) <= "1997-09-30"].groupby(["customer_id", "date"], as_index=False).amount.sum()
    by = log.groupby("customer_id")
    first, last, count = pd.to_datetime(by.date.min()), pd.to_datetime(by.date.max()), by.size()
    cells = base.cells()
    assert cells.customers == 2357
    assert (cells.n * cells.x).sum() == (count - 1).sum()
    assert cells.n[cells.x > 0].sum() == (count > 1).sum() == 946
    assert (cells.n * cells.t_x).sum() == pytest.approx((last - first).dt.days.sum() / 7, abs=1e-6)
    assert (cells.n * cells.T).sum() == pytest.approx((pd.Timestamp("1997-09-30") - first).dt.days.sum() / 7, abs=1e-6)
    repeat = log[log.date.astype(str) != log.customer_id.map(by.date.min()).astype(str)]
    spend = base.spend()
    assert (spend.n * spend.x * spend.zbar).sum() == pytest.approx(float(repeat.amount.sum()), abs=1e-6)


class TestCells:
    """A user's own arrays."""

    def test_frames_as_other_packages_make_them(self) -> None:
        frame = pd.DataFrame(
            {"frequency": [0, 2], "recency": [0, 5.5], "T": [10, 12.0], "monetary_value": [0, 20], "weights": [3, 1]}
        )
        cells = kw.Cells.from_summary(frame, unit="day")
        assert cells.x.tolist() == [0, 2]
        assert cells.t_x.tolist() == [0, 5.5]
        assert (cells.customers, cells.unit, len(cells)) == (4, "day", 2)
        spend = kw.SpendCells.from_summary(frame)
        assert (spend.x.tolist(), spend.zbar.tolist(), spend.left_out) == ([2], [20], 3)

    @pytest.mark.parametrize(
        ("x", "t_x", "T", "words"),
        [
            ([1.5], [1], [2], "x is not a whole number"),
            ([-1], [1], [2], "x is not a whole number"),
            ([1], [3], [2], "t_x lies outside"),
            ([1], [-1], [2], "t_x lies outside"),
            ([0], [1], [2], "exactly where x is 0"),
            ([1], [0], [2], "exactly where x is 0"),
            ([1], [np.nan], [2], "not finite"),
            ([1], [1], [np.inf], "not finite"),
            ([1, 2], [1], [2, 3], "differ in length: x 2, t_x 1, T 2"),
            ([], [], [], "no histories"),
            (["one"], [1], [2], "no numbers"),
        ],
    )
    def test_wrong_histories(self, x: Any, t_x: Any, T: Any, words: str) -> None:
        with pytest.raises(kw.BadOrders, match=words):
            kw.Cells(x, t_x, T)

    def test_the_rows_are_named(self) -> None:
        with pytest.raises(kw.BadOrders, match=r"2 row\(s\) \[1, 3\].*row 1: x=1, t_x=9, T=2, n=1"):
            kw.Cells([0, 1, 1, 1], [0, 9, 1, 8], [2, 2, 2, 2])

    def test_wrong_weights_units_and_columns(self) -> None:
        with pytest.raises(kw.BadOrders, match="n is not a positive number"):
            kw.Cells([0], [0], [1], [0])
        with pytest.raises(kw.BadParameters, match="day, week, month, year"):
            kw.Cells([0], [0], [1], unit="fortnight")
        with pytest.raises(kw.BadOrders, match="no column for x; it has T, recency"):
            kw.Cells.from_summary({"recency": [0], "T": [1]}, unit="day")

    def test_the_arrays_are_copies(self) -> None:
        mine = np.array([0.0])
        cells = kw.Cells(mine, mine, np.array([1.0]))
        mine[0] = 7
        assert cells.x[0] == 0


class TestParts:
    """A sample of customers, and what came before and after a date."""

    def base(self) -> kw.Customers:
        return kw.customers(kw.orders(kw.datasets.cdnow_sample()))

    def test_a_sample_is_whole_customers_and_the_same_every_time(self) -> None:
        one, two = (kw.customers(sample(self.base(), 100)).to_pandas() for _ in range(2))
        pd.testing.assert_frame_equal(one, two)
        every = self.base().to_pandas()
        pd.testing.assert_frame_equal(one, every[every.customer_id.isin(one.customer_id)].reset_index(drop=True))
        assert len(one) == 100

    def test_a_small_base_is_taken_whole(self) -> None:
        base = self.base()
        assert sample(base, 2357) is base.orders

    def test_before_and_after(self) -> None:
        lines: list[Line] = [("a", 0, 100), ("a", 5, 200), ("a", 9, -50), ("a", 10, 300), ("b", 9, 100), ("c", 1, 100)]
        before, table = holdout(kw.orders(frame(lines)), START + dt.timedelta(days=6), START + dt.timedelta(days=9))
        assert before.as_of == START + dt.timedelta(days=6)
        assert table.to_pylist() == [
            {"x": 0, "t_x_days": 0, "t_days": 5, "zbar": 0, "revenue": 1, "actual_orders": 0, "actual_amount": 0},
            {"x": 1, "t_x_days": 5, "t_days": 6, "zbar": 2, "revenue": 3, "actual_orders": 0, "actual_amount": 0},
        ]
        later = holdout(kw.orders(frame(lines)), START + dt.timedelta(days=6), START + dt.timedelta(days=10))[1]
        assert later.to_pylist()[1]["actual_orders"] == 1
        assert later.to_pylist()[1]["actual_amount"] == 3

    def test_three_quarters(self) -> None:
        assert three_quarters(*observed(self.base())) == dt.date(1997, 1, 1) + dt.timedelta(days=545 * 3 // 4)
