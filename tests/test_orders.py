"""Orders as they come in: every kind of source, every rule, and every line and cent accounted for."""

from __future__ import annotations

import datetime as dt
import gzip
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import klantwaarde as kw
from klantwaarde.doctor.doctor import reconciliation
from klantwaarde.purchases.duplicates import equal_lines
from klantwaarde.wording.message import message

DAYS = ["2024-01-05", "2024-01-06", "2024-02-07", "2024-03-01"]
FRAME = pd.DataFrame(
    {"customer_id": [1, 2, 1, 3], "date": pd.to_datetime(DAYS), "amount": [1234.5, 2.0, -3.1, 4.0]},
)
ROWS = [
    (1, dt.date(2024, 1, 5), 1, Decimal("1231.4000")),
    (2, dt.date(2024, 1, 6), 1, Decimal("2.0000")),
    (3, dt.date(2024, 3, 1), 1, Decimal("4.0000")),
]
"""By hand: the -3.10 of 7 February is no purchase, but its money counts."""


def rows(base: kw.Customers, *names: str) -> list[tuple[Any, ...]]:
    table = base.to_arrow()
    return list(zip(*(table.column(name).to_pylist() for name in names), strict=True))


def seen(source: Any, **how: Any) -> list[tuple[Any, ...]]:
    return rows(kw.customers(kw.orders(source, **how)), "customer_id", "first_order", "orders", "revenue")


class TestSources:
    """The same four orders in every form."""

    def frame(self) -> pd.DataFrame:
        return FRAME.copy()

    @pytest.mark.parametrize(
        "form",
        [
            lambda f: f,
            lambda f: f.assign(date=f.date.astype("datetime64[ns]")),
            lambda f: f.assign(date=f.date.astype("datetime64[s]")),
            lambda f: f.assign(date=f.date.dt.date),
            lambda f: f.assign(date=pd.Categorical(DAYS)),
            lambda f: f.assign(amount=[Decimal("1234.5"), Decimal("2.0"), Decimal("-3.1"), Decimal("4.0")]),
            pl.from_pandas,
            lambda f: pl.from_pandas(f).lazy(),
            lambda f: pa.Table.from_pandas(f, preserve_index=False),
            lambda f: pa.Table.from_pandas(f, preserve_index=False).to_reader(),
            lambda f: duckdb.connect().from_df(f),
        ],
        ids=["pandas", "ns", "s", "dates", "categories", "decimal", "polars", "lazy", "arrow", "reader", "relation"],
    )
    def test_tables(self, form: Any) -> None:
        assert seen(form(self.frame())) == ROWS

    @pytest.mark.parametrize("name", ["o.parquet", "o.PARQUET", "o.pq"])
    def test_parquet(self, tmp_path: Path, name: str) -> None:
        self.frame().to_parquet(tmp_path / name)
        assert seen(tmp_path / name) == ROWS
        assert seen(str(tmp_path / name)) == ROWS

    def test_parquet_patterns_and_folders(self, tmp_path: Path) -> None:
        folder = tmp_path / "it's [here]"
        folder.mkdir()
        self.frame().head(2).to_parquet(folder / "a.parquet")
        # Another order of columns, and one more: columns are matched by name.
        self.frame().tail(2).assign(extra=1)[["extra", "amount", "date", "customer_id"]].to_parquet(
            folder / "b.parquet"
        )
        assert seen(folder) == ROWS
        plain = folder.rename(tmp_path / "plain")
        assert seen(str(plain / "*.parquet")) == ROWS
        assert kw.orders(str(plain / "*.parquet")).told.endswith("(2 files)")

    @pytest.mark.parametrize(
        ("name", "separator", "decimal", "date"),
        [
            ("o.csv", ",", ".", "%Y-%m-%d"),
            ("o.csv", ";", ",", "%d-%m-%Y"),
            ("o.csv", ";", ",", "%d/%m/%Y %H:%M"),
            ("o.tsv", "\t", ".", "%Y%m%d"),
            ("o.txt", "|", ".", "%Y-%m-%dT%H:%M:%S"),
            ("o.csv.gz", ",", ".", "%m/%d/%Y"),
        ],
    )
    def test_text(self, tmp_path: Path, name: str, separator: str, decimal: str, date: str) -> None:
        frame = self.frame().assign(date=lambda f: (f.date + pd.Timedelta(days=12)).dt.strftime(date))
        frame.to_csv(tmp_path / name, sep=separator, decimal=decimal, index=False)
        assert seen(tmp_path / name) == [(str(a), b + dt.timedelta(days=12), c, d) for a, b, c, d in ROWS]

    def test_dutch_numbers_with_points_for_thousands(self, tmp_path: Path) -> None:
        lines = [
            "klant;datum;bedrag",
            "1;5-1-2024;€ 1.234,50",
            "2;06-01-2024;2",
            "1;07-02-2024;-3,10",
            "3;31-3-2024;4,0",
        ]
        (tmp_path / "o.csv").write_text("\r\n".join(lines) + "\r\n", encoding="utf-8-sig")
        orders = kw.orders(tmp_path / "o.csv", "klant", "datum", "bedrag")
        assert [row[3] for row in rows(kw.customers(orders), "customer_id", "orders", "occasions", "revenue")] == [
            row[3] for row in ROWS
        ]
        assert [str(note) for note in orders.notes] == [
            "Column 'datum' is text, read as %d-%m-%Y.",
            "Column 'bedrag' is text, read with a decimal comma.",
            "Column 'bedrag' is in EUR; 3 numbers without that mark are taken for the same.",
        ]

    def test_several_text_files_with_columns_in_another_order(self, tmp_path: Path) -> None:
        (tmp_path / "1.csv").write_text("customer_id,date,amount\n1,2024-01-05,1234.5\n2,2024-01-06,2\n")
        (tmp_path / "2.csv").write_text("amount;customer_id;date\n-3.1;1;2024-02-07\n4;3;2024-03-01\n")
        assert seen(str(tmp_path / "*.csv")) == [(str(a), *rest) for a, *rest in ROWS]

    def test_other_encodings(self, tmp_path: Path) -> None:
        text = "customer_id,date,amount\nJosé,2024-01-05,€5\nZoë,2024-01-06,6\n"
        for encoding, name in (("cp1252", "a.csv"), ("utf-16", "b.csv"), ("utf-8-sig", "c.csv")):
            (tmp_path / name).write_bytes(text.encode(encoding))
            assert [row[0] for row in seen(tmp_path / name, encoding=encoding)] == ["José", "Zoë"], encoding
        with gzip.open(tmp_path / "d.csv.gz", "wt", encoding="cp1252") as file:
            file.write(text)
        assert [row[3] for row in seen(tmp_path / "d.csv.gz", encoding="cp1252")] == [5, 6]

    def test_text_with_quotes_and_breaks(self, tmp_path: Path) -> None:
        (tmp_path / "o.csv").write_text(
            '"customer, id",date,amount,note\n1,2024-01-05,"1,234.50","two\nlines"\n2,2024-01-06,2,"say ""hi"""\n'
        )
        assert [row[3] for row in seen(tmp_path / "o.csv", customer_id="customer, id")] == [Decimal("1234.5"), 2]

    def test_duckdb_files(self, tmp_path: Path) -> None:
        path = tmp_path / "shop.duckdb"
        with duckdb.connect(str(path)) as engine:
            engine.register("frame", FRAME)
            engine.execute('create table "my orders" as select * from frame')
            assert_alone = "create table other as select 1 as one"
            engine.execute("create schema s; create table s.more as select * from frame")
            engine.execute(assert_alone)
        assert seen(path, table="my orders") == ROWS
        assert seen(path, table="more") == ROWS
        with pytest.raises(kw.BadOrders, match=r"holds the tables.*my orders.*table="):
            kw.orders(path)

    def test_a_user_table_is_left_as_it_was(self) -> None:
        frame = self.frame()
        kw.score(*_fitted(frame)).to_arrow()
        pd.testing.assert_frame_equal(frame, FRAME)


def _fitted(frame: pd.DataFrame) -> tuple[kw.Customers, kw.Fits]:
    base = kw.customers(kw.orders(frame))
    return base, kw.Fits(kw.fit(kw.NBD, base.cells()))


UUIDS = [str(uuid.UUID(int=10**30 + i)) for i in range(3)]


@pytest.mark.parametrize(
    ("ids", "back"),
    [
        ([1, 2, 1, 3], [1, 2, 3]),
        (np.array([1, 2, 1, 3], dtype="uint8"), [1, 2, 3]),
        ([2**62, -(2**62), 2**62, 0], [-(2**62), 0, 2**62]),
        ([1.0, np.nan, 1.0, 3.5], [1.0, 3.5]),
        (["007", "7", "007", " 7"], [" 7", "007", "7"]),
        (["a", "", "a", None], ["a"]),
        (pd.array([1, None, 1, 3], dtype="Int64"), [1, 3]),
        (pd.Categorical(["b", "a", "b", "c"]), ["a", "b", "c"]),
        ([UUIDS[0], UUIDS[1], UUIDS[0], UUIDS[2]], UUIDS),
        ([True, False, True, False], [False, True]),
        (
            ["'; drop table lines; --", '"x"', "'; drop table lines; --", "$as_of"],
            ['"x"', "$as_of", "'; drop table lines; --"],
        ),
    ],
    ids=["int", "uint8", "big", "float", "text", "blank", "Int64", "category", "uuid", "bool", "hostile"],
)
def test_ids_come_back_as_they_went_in(ids: Any, back: list[Any]) -> None:
    found = kw.customers(kw.orders(FRAME.assign(customer_id=ids))).to_arrow().column("customer_id").to_pylist()
    assert sorted(found) == sorted(back)
    assert {type(one) for one in found} == {type(one) for one in back}


def test_ids_in_text_keep_their_zeros(tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text("customer_id,date\n00123,2024-01-05\n123,2024-01-06\n1e5,2024-01-07\n")
    assert [row[0] for row in seen(tmp_path / "o.csv")] == ["00123", "123", "1e5"]


def test_names_that_are_sql_simply_work() -> None:
    names = {"customer_id": "'; drop table x --", "date": 'da"te', "amount": "am'ount"}
    frame = FRAME.rename(columns=names).assign(**{"select": 1, "$as_of": 2})
    assert seen(frame, **names) == ROWS
    frame = FRAME.rename(columns={"customer_id": "$today", "date": "$as_of", "amount": "$has_money"})
    assert seen(frame, customer_id="$today", date="$as_of", amount="$has_money") == ROWS


class TestDays:
    def test_instants_count_on_their_day_in_the_zone(self) -> None:
        stamps = pd.to_datetime(["2024-01-05 23:30"] * 4).tz_localize("UTC")
        for zone, day in (("UTC", 5), ("Europe/Amsterdam", 6), ("America/New_York", 5)):
            orders = kw.orders(FRAME.assign(date=stamps), timezone=zone)
            assert orders.profile["last_day"] == dt.date(2024, 1, day)
            assert f"instants; each counts on its day in {zone}" in orders.notes[0]

    @pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M:%S", "%d/%m/%Y %I:%M %p", None])
    def test_times_without_zone_count_as_written(self, form: str | None) -> None:
        stamps = pd.to_datetime(["2024-01-05 23:59:59", "2024-01-25 23:59:59"] * 2)
        frame = FRAME.assign(date=stamps if form is None else stamps.strftime(form))
        assert kw.orders(frame).profile["last_day"] == dt.date(2024, 1, 25)
        with pytest.raises(kw.BadOrders, match=r"name no time zone .*timezone='Asia/Tokyo'.*as written"):
            kw.orders(frame, timezone="Asia/Tokyo")
        midnight = stamps.normalize()
        plain = FRAME.assign(date=midnight if form is None else midnight.strftime("%Y-%m-%d 00:00:00"))
        assert kw.orders(plain, timezone="Asia/Tokyo").profile["last_day"] == dt.date(2024, 1, 25)

    @pytest.mark.parametrize(
        ("form", "fmt"),
        [
            ("%Y-%m-%d %H:%M:%S{}", None),
            ("%Y-%m-%dT%H:%M:%S.250 {}", None),
            ("%d-%m-%Y %I:%M:%S %p{}", None),
            ("%Y-%m-%d %H:%M:%S {}", "%Y-%m-%d %H:%M:%S %z"),
            ("%d %b %y %H:%M{}", "%d %b %y %H:%M%z"),
            ("%d %b %y %H:%M{}", "%d %b %y %H:%M"),
        ],
    )
    def test_times_in_text_with_a_zone_are_those_of_pandas(self, form: str, fmt: str | None) -> None:
        zones = {"Z": 0, "+0530": 330, "-05:00": -300, "-05": -300, "+14:00": 840}
        written = [
            (pd.Timestamp(f"2024-01-{day:02d} {hour}:00"), zone)
            for day, hour, zone in zip(range(15, 31), [0, 1, 4, 11, 12, 13, 18, 23] * 2, list(zones) * 4, strict=False)
        ]
        texts = [moment.strftime(form).format(zone) for moment, zone in written]
        frame = pd.DataFrame({"customer_id": range(len(texts)), "date": texts})
        for place in (None, "America/New_York", "Asia/Tokyo", "UTC"):
            orders = kw.orders(frame, date_format=fmt, **({} if place is None else {"timezone": place}))
            found = {row["customer_id"]: row["day"] for row in orders.engine.rows(f"select * from {orders.lines}")}
            utc = [(moment - pd.Timedelta(minutes=zones[zone])).tz_localize("UTC") for moment, zone in written]
            days = [m.date() for m, _ in written] if place is None else [m.tz_convert(place).date() for m in utc]
            assert found == dict(enumerate(days))
            code = "column_zoned" if place is None else "column_instants"
            assert code in [note.code for note in orders.notes]

    def test_zones_in_the_middle_of_a_form(self) -> None:
        for form in ("%z %Y-%m-%d", "%Y-%m-%d %H:%M %Z"):
            with pytest.raises(kw.BadParameters, match="time zone where it cannot be read"):
                kw.orders(FRAME, date_format=form)

    @pytest.mark.parametrize(
        ("texts", "form", "first"),
        [
            (["1/31/2024 8:26", "2/1/2024", "12/9/2023", "1/1/2024"], None, dt.date(2023, 12, 9)),
            (["31.1.2024", "01.02.2024", "", " "], None, dt.date(2024, 1, 31)),
            (["05 Jan 2024", "06 Jan 2024", "07 Jan 2024", "08 Jan 2024"], "%d %b %Y", dt.date(2024, 1, 5)),
            (["05-01-24", "06-01-24", "07-01-24", "08-01-24"], "%d-%m-%y", dt.date(2024, 1, 5)),
            (["05-01-2024 23:10"] * 4, "%d-%m-%Y %H:%M", dt.date(2024, 1, 5)),
            (["05-01-2024 23:10"] * 4, "%d-%m-%Y", dt.date(2024, 1, 5)),
            (["01-02-2024", "03-04-2024", "01-01-2024", "05-05-2024"], "%m-%d-%Y", dt.date(2024, 1, 1)),
            (["05-05-2024"] * 4, None, dt.date(2024, 5, 5)),
            (["2024-01-05T23:59:59.999Z"] * 4, None, dt.date(2024, 1, 5)),
        ],
    )
    def test_dates_in_text(self, texts: list[str], form: str | None, first: dt.date) -> None:
        assert kw.orders(FRAME.assign(date=texts), date_format=form).profile["first_day"] == first

    def test_day_zero_of_computers_is_no_date(self) -> None:
        orders = kw.orders(FRAME.assign(date=pd.to_datetime([0, 1e15, 1e15, 1e15], unit="us")))
        assert (orders.profile["no_date"], orders.profile["set_aside"]) == (1, 1)


class TestMoney:
    def test_quantity_times_price_is_exact(self) -> None:
        frame = FRAME.drop(columns="amount").assign(quantity=[3, -1, 80995, 1000], price=[0.1, 2.55, 2.08, 0.00005])
        assert [row[3] for row in seen(frame, quantity="quantity", price="price")] == [
            Decimal("0.3") + Decimal("168469.60"),
            Decimal("-2.55"),
            Decimal("0.05"),
        ]

    def test_sums_are_exact(self) -> None:
        frame = pd.DataFrame({"customer_id": 1, "date": pd.Timestamp("2024-01-05"), "amount": [0.1] * 100_000})
        assert seen(frame)[0][3] == 10_000

    def test_amount_is_taken_by_itself_only_where_so_called(self) -> None:
        assert kw.orders(FRAME).has_money
        assert not kw.orders(FRAME.rename(columns={"amount": "spend"})).has_money
        assert not kw.orders(FRAME, amount=None).has_money
        both = FRAME.assign(quantity=1, price=2.0)
        assert kw.orders(both, quantity="quantity", price="price").profile["amount"] == 8

    def test_without_amounts_all_timing_works(self) -> None:
        base = kw.customers(kw.orders(FRAME, amount=None), "2024-03-01")
        assert rows(base, "customer_id", "orders", "revenue") == [(1, 2, None), (2, 1, None), (3, 1, None)]
        scored = kw.score(base, kw.Fits(kw.fit(kw.NBD, base.cells()))).to_pandas()
        for column in ("zbar", "revenue", "value_realised", "value_last_year", "expected_spend", "rlv"):
            assert scored[column].isna().all(), column
        for column in ("p_alive", "p_active", "expected_orders", "dert", "t_x", "T", "rank"):
            assert scored[column].notna().all(), column
        assert set(scored.tier) == {"top", "large", "medium"}, "with purchases in the last year they are active"
        assert kw.orders(FRAME.drop(columns="amount")).notes == (message("no_amounts"),)

    def test_margin_per_line(self) -> None:
        base = kw.customers(kw.orders(FRAME.assign(m=[100.0, 1, -1, np.nan]), margin="m"))
        assert rows(base, "customer_id", "margin") == [(1, 99), (2, 1), (3, None)]


class TestCounting:
    """Nothing goes missing without a word."""

    def orders(self, **how: Any) -> kw.Orders:
        day = pd.Timestamp("2024-01-05")
        table = [
            ("a", day, 10.10),
            ("a", day, 10.10),
            ("a", day, 10.10),
            ("b", day + pd.Timedelta(days=1), 5.05),
            ("b", day + pd.Timedelta(days=9), 7.77),
            (None, day, 100.0),
            ("c", pd.NaT, 50.0),
            (None, pd.NaT, 25.0),
            ("d", day, np.nan),
            ("e", day, np.inf),
        ]
        return kw.orders(pd.DataFrame(table, columns=["customer_id", "date", "amount"]), **how)

    def test_lines_set_aside(self) -> None:
        profile = self.orders().profile
        counted = {name: profile[name] for name in ("lines", "no_customer", "no_date", "no_amount", "set_aside")}
        assert counted == {"lines": 10, "no_customer": 2, "no_date": 2, "no_amount": 2, "set_aside": 5}
        money = [profile[f"{name}_amount"] for name in ("no_customer", "no_date", "set_aside")]
        assert money == [125, 75, 175]

    def test_equal_lines(self) -> None:
        kept, dropped = self.orders(), self.orders(duplicates="drop")
        found = [equal_lines(kw.customers(orders)) for orders in (kept, dropped)]
        assert [equal.lines for equal in found] == [2, 2]
        assert found[0].examples[0] == "row 3 equals row 1"
        assert (kept.read, kept.profile["lines"], kept.profile["dropped"]) == (10, 10, 0)
        assert (dropped.read, dropped.profile["lines"], dropped.profile["dropped"]) == (10, 8, 2)
        assert dropped.profile["dropped_amount"] == Decimal("20.20")

    def test_examples_name_rows_of_the_source(self) -> None:
        for duplicates in ("keep", "drop"):
            assert self.orders(duplicates=duplicates).examples("day is null") == [
                "row 7: customer c, none, amount 50",
                "row 8: customer none, none, amount 25",
            ]

    @pytest.mark.parametrize("duplicates", ["keep", "drop"])
    @pytest.mark.parametrize(("as_of", "after"), [(None, "0"), ("2024-01-07", "7.77"), ("2024-01-05", "12.82")])
    def test_money_adds_up_to_the_cent(self, duplicates: str, as_of: str | None, after: str) -> None:
        parts = reconciliation(kw.customers(self.orders(duplicates=duplicates), as_of))
        assert parts["input"] == Decimal("218.12"), "3 x 10.10 + 5.05 + 7.77 + 175"
        assert parts["after"] == Decimal(after)
        assert parts["dropped"] == (Decimal("20.20") if duplicates == "drop" else 0)
        assert parts["input"] == sum(parts[name] for name in ("scored", "set_aside", "after", "dropped"))

    def test_after_the_end_is_ignored_and_counted(self) -> None:
        base = kw.customers(self.orders(), "2024-01-05")
        assert (base.after["lines"], base.after["customers"], base.totals["customers"]) == (2, 1, 1)
        assert base.notes == ()

    def test_the_default_end_is_said_aloud(self) -> None:
        base = kw.customers(self.orders())
        assert base.as_of == dt.date(2024, 1, 14)
        assert str(base.notes[0]).startswith("The observation ends on 2024-01-14, the last day with an order")

    def test_the_default_end_is_not_in_the_future(self) -> None:
        ahead = [*map(dt.date.fromisoformat, [*DAYS[:3], "2999-01-01"])]
        assert kw.customers(kw.orders(FRAME.assign(date=ahead, amount=1.0))).as_of == dt.date(2024, 2, 7)

    def test_a_return_moves_no_end(self) -> None:
        """The last line is one of a return: who gives back is not seen to live longer, and nor is anyone else."""
        assert kw.customers(kw.orders(FRAME.head(3))).as_of == dt.date(2024, 1, 6)
        assert kw.customers(kw.orders(FRAME.assign(amount=-1.0))).as_of == dt.date(2024, 3, 1)

    def test_unreadable_values_set_aside_are_counted(self) -> None:
        frame = FRAME.assign(
            amount=["1", "twelve", "3", "n/a"], date=["2024-01-05", "2024-01-06", "soon", "2024-01-08"]
        )
        orders = kw.orders(frame, unreadable="set_aside")
        assert (orders.profile["no_amount"], orders.profile["no_date"], orders.profile["set_aside"]) == (2, 1, 3)
        assert message("column_unreadable", column="'amount'", n=2) in orders.notes


@pytest.mark.parametrize(("name", "lines", "customers"), [("cdnow", 69_659, 23_570), ("cdnow_sample", 6_919, 2_357)])
def test_the_data_that_ship(name: str, lines: int, customers: int) -> None:
    orders = kw.orders(getattr(kw.datasets, name)())
    assert orders.read == lines
    assert kw.customers(orders).totals["customers"] == customers
