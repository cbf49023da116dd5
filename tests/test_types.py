"""Types of columns: ids come back as they went in or are refused; days of timestamps are those of pandas."""

# ruff: noqa: E501 - a table of cases reads best with a case on a line

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import klantwaarde as kw
from klantwaarde.job.pipeline import run
from klantwaarde.job.settings import read_settings

BIG = 2**62
EXACT: dict[str, tuple[str, list[Any]]] = {
    "tinyint": ("{}::tinyint", [1, 2, 3]),
    "bigint": (f"{BIG} + {{}}", [BIG + 1, BIG + 2, BIG + 3]),
    "ubigint": ("18446744073709551615::ubigint - {}::ubigint", [2**64 - 4, 2**64 - 3, 2**64 - 2]),
    "double": ("{} + 0.1::double", [1.1, 2.1, 3.1]),
    "decimal of 18 digits": ("100000000000000000.0::decimal(18, 0) + {}", [Decimal(10**17 + n) for n in (1, 2, 3)]),
    "decimal of 38 digits": (f"{10**36}::decimal(38, 1) + {{}}", [Decimal(10**36 + n) for n in (1, 2, 3)]),
    "text": ("'00' || {}", ["001", "002", "003"]),
    "enum": ("('k' || {})::enum('k3', 'k1', 'k2')", ["k1", "k2", "k3"]),
    "json": ("('[' || {} || ']')::json", ["[1]", "[2]", "[3]"]),
    "boolean": ("{} = 1", [False, True]),
    "uuid": ("('00000000-0000-0000-0000-00000000000' || {})::uuid", [str(uuid.UUID(int=n)) for n in (1, 2, 3)]),
    "blob": ("('x' || {})::blob", [b"x1", b"x2", b"x3"]),
    "date": ("date '2020-01-01' + {}::int", [dt.date(2020, 1, n) for n in (2, 3, 4)]),
    "time": ("make_time({}, 0, 0.5)", [dt.time(n, 0, 0, 500_000) for n in (1, 2, 3)]),
    "timestamp": ("make_timestamp(2020, 1, {}, 1, 2, 3.5)", [dt.datetime(2020, 1, n, 1, 2, 3, 500_000) for n in (1, 2, 3)]),
    "timestamp_s": ("make_timestamp(2020, 1, {}, 1, 2, 3.0)::timestamp_s", [dt.datetime(2020, 1, n, 1, 2, 3) for n in (1, 2, 3)]),
    "timestamp_ns": ("make_timestamp_ns({})", [pd.Timestamp(n, unit="ns") for n in (1, 2, 3)]),
}  # fmt: skip
INEXACT = {
    "hugeint": "170141183460469231731687303715884105727::hugeint - {}",
    "small hugeint": "{}::hugeint",
    "uhugeint": "{}::uhugeint",
    "bignum": "{}::bignum",
    "union": "union_value(a := {})",
    "interval": "to_days({}::int)",
    "bit": "{}::int::bit",
    "list": "[{}]",
    "list of decimals": "[{}::decimal(9, 2)]",
    "array": "[{}]::int[1]",
    "struct": "{{'a': {}}}",
    "map": "map {{'k': {}}}",
    "variant": "{}::variant",
    "time with a zone": "'10:00:00+02'::timetz",
    "time in ns": "make_time({}, 0, 0.5)::time_ns",
    "instant": "timestamptz '2020-01-01' + to_days({}::int)",
    "instant in ns": "(timestamptz '2020-01-01' + to_days({}::int))::timestamptz_ns",
}


def shop(path: Path, sql: str) -> Path:
    """A DuckDB file of three customers with four orders each."""
    who = sql.format("(i % 3 + 1)")
    with duckdb.connect(str(path)) as made:
        made.execute(
            f"create table o as select {who} as customer_id, date '2023-01-01' + (i * i % 500)::int as date, "
            "5.0 + i as amount from range(12) as r(i)"
        )
    return path


def plain(found: Any) -> Any:
    """An id as Arrow has it, whichever table it was in."""
    if isinstance(found, uuid.UUID):
        return str(found)
    if isinstance(found, bytearray):
        return bytes(found)
    return found


@pytest.mark.parametrize("kind", EXACT)
def test_ids_come_back_as_they_went_in_from_everywhere(kind: str, tmp_path: Path) -> None:
    sql, ids = EXACT[kind]
    path = shop(tmp_path / "shop.duckdb", sql)
    told = {"orders": str(path), "out": str(tmp_path / "out"), "model": "nbd", "state": str(tmp_path / "state")}
    run(read_settings(None, told), lambda _: None)
    first = pq.read_table(tmp_path / "out" / "customers.parquet").column("customer_id").to_pylist()
    told["state"] = str(tmp_path / "state")  # again, from what the state kept
    run(read_settings(None, told), lambda _: None)
    kept = pq.read_table(tmp_path / "out" / "customers.parquet").column("customer_id").to_pylist()
    orders = kw.orders(path)
    base = kw.customers(orders)
    scored = kw.score(base, kw.Fits(kw.fit(kw.NBD, base.cells()), kw.fit(kw.GammaGamma, base.spend())))
    tables = [scored, kw.stages(scored, orders), base]
    back = [first, kept, *(list(table.to_arrow().column("customer_id").to_pylist()) for table in tables)]
    assert [sorted(map(plain, found)) for found in back] == [ids] * 5
    frames = [table.to_pandas()["customer_id"] for table in tables]
    for frame in frames:
        found = sorted(map(plain, frame))
        expected = [pd.Timestamp(one) for one in ids] if kind == "date" else ids  # pandas has no days
        assert found == expected
        assert frame.dtype != float or kind == "double"


@pytest.mark.parametrize("kind", INEXACT)
def test_ids_that_would_change_are_refused(kind: str, tmp_path: Path) -> None:
    path = shop(tmp_path / "shop.duckdb", INEXACT[kind])
    with pytest.raises(
        kw.BadOrders, match=r"'customer_id' holds customer ids of type [a-z_ ]+, which .*Cast it to text"
    ):
        kw.orders(path)


@pytest.mark.parametrize("ids", [pa.array(np.array([1, 2, 1], np.float16)), pa.array([1, 2, 1], pa.decimal256(50, 0))])
def test_types_that_the_engine_lacks(ids: pa.Array) -> None:
    table = pa.table({"customer_id": ids, "date": [dt.date(2024, 1, n) for n in (1, 2, 3)]})
    assert sorted(kw.customers(kw.orders(table)).to_arrow().column("customer_id").to_pylist()) == [1, 2]


def test_numbers_too_long_for_the_engine() -> None:
    ids = pa.array([Decimal(10**49)] * 2, pa.decimal256(50, 0))
    with pytest.raises(kw.BadOrders, match="'customer_id' has numbers of more than 38 digits"):
        kw.orders(pa.table({"customer_id": ids, "date": [dt.date(2024, 1, 1)] * 2}))


MOMENTS = pd.to_datetime(
    ["1969-12-31 23:30", "2024-01-31 23:30", "2024-02-01 00:15", "2024-03-31 02:30", "2024-07-01 00:00", None]
)
"""Hours at which the day depends on the place; one that Amsterdam has once only, at the start of summer."""


def as_frame(unit: str, tz: str | None) -> pd.DataFrame:
    times = MOMENTS.as_unit(unit)
    if unit == "ns":  # the last moment of a day
        times = times.append(pd.DatetimeIndex(["2024-05-31 23:59:59.999999999", "1969-12-30 23:59:59.999999999"]))
    if tz is not None:
        times = times.tz_localize("UTC").tz_convert(tz)
    return pd.DataFrame({"customer_id": range(len(times)), "date": times, "amount": 1.0})


@pytest.mark.parametrize("source", ["pandas", "parquet", "polars", "arrow", "relation", "duckdb"])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("tz", [None, "UTC", "Europe/Amsterdam"])
def test_days_of_timestamps_are_those_of_pandas(unit: str, tz: str | None, source: str, tmp_path: Path) -> None:
    frame = as_frame(unit, tz)
    place = "America/New_York" if tz else None
    days = (frame.date.dt.tz_convert(place) if tz else frame.date).dt.date
    wanted = {int(who): day for who, day in zip(frame.customer_id, days, strict=True) if not pd.isna(day)}
    orders = kw.orders(made(frame, source, tmp_path), **({"timezone": place} if place else {}))
    found = {row["customer_id"]: row["day"] for row in orders.engine.rows(f"select * from {orders.lines}")}
    assert found == wanted
    assert any("instants" in note for note in orders.notes) is (tz is not None)


def made(frame: pd.DataFrame, source: str, folder: Path) -> Any:
    """The frame as one of the sources."""
    if source == "pandas":
        return frame
    if source == "polars":
        return pl.from_pandas(frame)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    if source == "arrow":
        return table
    if source == "parquet":
        frame.to_parquet(folder / "o.parquet")
        return folder / "o.parquet"
    if source == "relation":
        return duckdb.connect().from_arrow(table)
    with duckdb.connect(str(folder / "o.duckdb")) as into:
        into.register("table_", table)
        into.execute("create table o as from table_")
    return folder / "o.duckdb"


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("tz", [None, "UTC"])
def test_days_of_links_are_read_by_the_same_rule(unit: str, tz: str | None) -> None:
    day = pd.DatetimeIndex(["2024-01-31 23:59:59"]).as_unit(unit).tz_localize(tz)
    base = kw.customers(kw.orders(pd.DataFrame({"customer_id": [1, 2], "date": pd.Timestamp("2024-06-01")})))
    links = kw.referrals(pd.DataFrame({"referrer_id": [1], "referred_id": [2], "date": day}), base)
    assert links.count("after the end") == 0
    assert len(links) == 1


def test_infinite_timestamps_are_no_dates(tmp_path: Path) -> None:
    for kind in ("timestamp", "timestamp_ns", "timestamptz", "timestamptz_ns", "timestamp_s", "date"):
        path = tmp_path / f"{kind}.duckdb"
        with duckdb.connect(str(path)) as made_:
            made_.execute(
                f"create table o as select x as customer_id, (case x when 1 then 'infinity' else '2024-01-05' end)::{kind} "
                "as date from range(3) as r(x)"
            )
        profile = kw.orders(path).profile
        assert (profile["no_date"], profile["last_day"]) == (1, dt.date(2024, 1, 5)), kind


def test_words_for_types_are_short() -> None:
    frame = pd.DataFrame({"customer_id": [1, 2], "date": [{"a": 1}, {"a": 2}], "amount": np.ones(2)})
    with pytest.raises(kw.BadOrders, match=r"'date' is of type struct, not a date"):
        kw.orders(frame)
