"""Wrong input of many kinds: one clear message each, with rows, reason and remedy, and never a traceback."""

# ruff: noqa: E501, Q003 - a table of cases reads best with a case on a line

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import klantwaarde as kw
from conftest import Said
from klantwaarde.errors import KlantwaardeError

Cli = Callable[..., Said]
HEAD = "customer_id,date,amount\n"
GOOD = HEAD + "".join(
    f"{who},2024-{month:02d}-{day:02d},{month + who}.50\n"
    for who in range(1, 9)
    for month, day in ((1, who), (2 + who % 3, 9 + who), (7, 20))
)
NAMED = {
    "customer_id": [1, 2, 1],
    "date": pd.to_datetime(["2024-01-05", "2024-01-06", "2024-02-07"]),
    "amount": [1.0, 2, 3],
}


class Case(NamedTuple):
    """A file, the command on it, the exit code, and words that must be in the message."""

    what: str
    text: str | bytes
    words: tuple[str, ...]
    flags: str = ""
    code: int = 1
    command: str = "check"
    name: str = "o.csv"


CASES = [
    Case("empty file", "", ("o.csv is empty (0 bytes)", "line of column names")),
    Case("header only", HEAD, ("holds no lines, only the columns customer_id, date, amount",)),
    Case("blank lines only", "\n\n\n", ("first line of", "is empty")),
    Case("wrong column, alike", GOOD, ("no column 'customerid' for customer_id", "Did you mean 'customer_id'?"), "--customer-id customerid"),
    Case("wrong column, unlike", GOOD, ("no column 'zzz' for amount", "The columns are customer_id, date, amount"), "--amount zzz"),
    Case("two columns of one name", "customer_id,date,date\n1,2,3\n", ("more than one column called date",)),
    Case("lines of unequal length", HEAD + "1,2024-01-01,5\n2,2024-01-02\n", ("line 3 has 2 columns, but line 1 names 3", "2,2024-01-02")),
    Case("no CSV at all", b"\x00\x01\x02\xff\xfe" * 200, ("cannot be read",)),
    Case("no Parquet at all", GOOD, ("o.parquet cannot be read",), name="o.parquet"),
    Case("no DuckDB at all", GOOD, ("o.duckdb cannot be read",), name="o.duckdb"),
    Case("no spreadsheet at all", GOOD, ("o.xlsx cannot be read",), name="o.xlsx"),
    Case("an old spreadsheet", GOOD, ("not one kind of file that we read", "save it as .xlsx or CSV"), name="o.xls"),
    Case("JSON", "{}", ("not one kind of file that we read", "Turn it into Parquet or CSV"), name="o.jsonl"),
    Case("an archive", GOOD, ("not one kind of file that we read", "Unpack it"), name="o.zip"),
    Case("another kind of file", GOOD, ("not one kind of file that we read", "Save the orders as Parquet or CSV"), name="o.doc"),
    Case("an encoding of bytes, not of text", GOOD, ("rot13", "is no known encoding"), "--encoding rot13", 2),
    Case("an encoding of names", GOOD, ("punycode", "is no known encoding"), "--encoding punycode", 2),
    Case("an encoding of bytes for letters", GOOD, ("base64", "is no known encoding"), "--encoding base64", 2),
    Case("UTF-16 with its mark", GOOD.encode("utf-16"), ("is not utf-8 text, but utf-16", "encoding", "utf-16")),
    Case("UTF-16 without its mark", GOOD.encode("utf-16-be"), ("is not utf-8 text, but utf-16-be", "encoding", "utf-16-be")),
    Case("UTF-8 said to be UTF-16", GOOD, ("is not utf-16 text", "utf-8"), "--encoding utf-16"),
    Case("not packed as the name says", GOOD, ("o.csv.gz cannot be read", "not packed as .gz says"), name="o.csv.gz"),
    Case("not packed as the name says, zst", GOOD, ("o.csv.zst cannot be read", "not packed as .zst says"), name="o.csv.zst"),
    Case("not packed as the name says, xz", GOOD, ("o.csv.xz cannot be read", "not packed as .xz says"), name="o.csv.xz"),
    Case("packed and cut off", gzip.compress(GOOD.encode())[:-20], ("o.csv.gz cannot be read", "damaged"), name="o.csv.gz"),
    Case("more columns than anybody has", ",".join(f"c{n}" for n in range(200_000)) + "\n1\n", ("has 200,000 columns; at most 10,000 are read",)),
    Case("a first line without an end", gzip.compress(b"a" * 2**25), ("The first line of", "is longer than 16,777,216 characters"), name="o.csv.gz"),
    Case("a quote that is not closed", HEAD + '1,2024-01-01,5\n2,"2024-01-02,5\n3,2024-01-02,5\n', ("the double quote that opens on line 3 is not closed",)),
    Case("text after a closing quote", HEAD + '1,2024-01-01,"5"x\n', ("on line 2, text follows a closing double quote",)),
    Case("a title in several columns", "Report,January\n" + HEAD + "1,2024-01-01,5\n", ("line 2 has 3 columns, but line 1 names 2", "a title above the column names must go")),
    Case("unreadable encoding", "customer_id,date\nJos\xe9,2024-01-01\n".encode("latin-1"), ("line 2 is not utf-8 text", "encoding", "cp1252")),
    Case("unreadable names", "customer_id,date,plaats\xe9\n7,2024-01-01,a\n".encode("latin-1"), ("line 1 is not utf-8 text", "encoding", "cp1252")),
    Case("unreadable names below a title", "Orders\ncustomer_id,date,plaats\xe9\n7,2024-01-01,a\n".encode("latin-1"), ("line 2 is not utf-8 text", "encoding", "cp1252")),
    Case("unreadable names over two lines", 'sep=,\ncustomer_id,date,"my\nplaats\xe9"\n7,2024-01-01,a\n'.encode("latin-1"), ("line 3 is not utf-8 text", "encoding", "cp1252")),
    Case("unreadable title", "Bestellingen caf\xe9\ncustomer_id,date\n7,2024-01-01\n".encode("latin-1"), ("line 1 is not utf-8 text", "encoding", "cp1252")),
    Case("wrong encoding", "customer_id,date\nJosé,2024-01-01\n", ("not ascii text", "encoding", "utf-8"), "--encoding ascii"),
    Case("unknown encoding", GOOD, ("klingon", "is no known encoding"), "--encoding klingon", 2),
    Case("amounts that are text", HEAD + "1,2024-01-01,5\n2,2024-01-02,twelve\n3,2024-01-02,n/a\n", ("'amount' holds 2 value(s)", "row 2: 'twelve'", "row 3: 'n/a'", "--unreadable set_aside")),
    Case("amounts of two readings", HEAD + "1,2024-01-01,\"1,234\"\n2,2024-01-02,\"5,678\"\n", ("decimal point and with a decimal comma", "--decimal . or --decimal ,")),
    Case("dates that are none", HEAD + "1,yesterday,5\n2,2024-01-02,6\n", ("'date' holds 1 value(s)", "row 1: 'yesterday'", "--date-format")),
    Case("dates of two readings", HEAD + "1,01-02-2024,5\n2,03-04-2024,6\n", ("%d-%m-%Y and as %m-%d-%Y", "'01-02-2024'", "--date-format %d-%m-%Y")),
    Case("years of two digits", HEAD + "1,13-02-24,5\n2,14-04-24,6\n", ("years of four digits", "row 1: '13-02-24'")),
    Case("a date format that is none", GOOD, ("--date-format %Q is not understood",), "--date-format %Q", 2),
    Case("all on day zero", HEAD + "1,1970-01-01,5\n2,1970-01-01,6\n", ("None of the 2 lines", "1970-01-01, a computer's day zero")),
    Case("all dates in 1970", HEAD + "1,1970-01-20,5\n2,1970-01-21,6\n", ("All dates in column 'date' lie before 1971-01-01", "seconds taken for milliseconds")),
    Case("all dates in the future", HEAD + "1,2999-01-20,5\n2,2999-01-21,6\n", ("All dates in column 'date' lie in the future",)),
    Case("enormous amounts", HEAD + "1,2024-01-01,90000000000000\n2,2024-01-02,90000000000000\n", ("more than money here can hold", "in thousands")),
    Case("no customer anywhere", HEAD + ",2024-01-01,5\n,2024-01-02,6\n", ("None of the 2 lines", "2 without a customer (column 'customer_id')")),
    Case("amount and price", GOOD, ("either --amount, or --quantity and --price",), "--amount amount --quantity date --price customer_id", 2),
    Case("quantity without price", GOOD, ("--quantity and --price go together",), "--quantity amount", 2),
    Case("one column twice", GOOD, ("'amount' was named for two things",), "--margin amount", 2),
    Case("margin without amounts", GOOD.replace("amount", "spend"), ("--margin goes with amounts",), "--margin spend", 2),
    Case("unknown word for duplicates", GOOD, ("--duplicates burn is not understood", "keep, drop"), "--duplicates burn", 2),
    Case("unknown decimal mark", GOOD, ("--decimal x is not understood",), "--decimal x", 2),
    Case("unknown time zone", GOOD, ("--timezone Mars/Phobos is not known",), "--timezone Mars/Phobos", 2),
    Case("as_of before the first order", GOOD, ("--as-of 1990-01-01 lies before the first order",), "--as-of 1990-01-01"),
    Case("as_of that is no day", GOOD, ("--as-of 31-12-2024 is not a day", "YYYY-MM-DD"), "--as-of 31-12-2024", 2),
    Case("unknown unit", GOOD, ("--unit fortnight is not one of", "day, week, month, year"), "--unit fortnight", 2, "run"),
    Case("unknown model", GOOD, ("--model oracle is not understood", "pareto_nbd"), "--model oracle", 2, "run"),
    Case("unknown ranking", GOOD, ("--rank-by height is not understood", "last_year, rlv, realised"), "--rank-by height", 2, "run"),
    Case("unknown language", GOOD, ("--language fr is not understood", "en, nl"), "--language fr", 2, "run"),
    Case("unknown horizon", GOOD, ("--horizon soon is neither a duration", "12 months"), "--horizon soon --model nbd", 2, "run"),
    Case("horizon that has been", GOOD, ("does not lie after the end of observation",), "--horizon 1990-01-01 --model nbd", 2, "run"),
    Case("discount rate in per cent", GOOD, ("1000% a year", "0.10 is ten per cent"), "--annual-discount-rate 10 --model nbd", 2, "run"),
    Case("margin rate in per cent", GOOD, ("--margin-rate 30 must", "thirty cents on the euro"), "--margin-rate 30 --model nbd", 2, "run"),
    Case("a word for a number", GOOD, ("--margin-rate much is no rate", "'30%'"), "--margin-rate much", 2, "run"),
    Case("a memory limit that is none", GOOD, ("--memory-limit banana is not understood",), "--memory-limit banana", 2, "run"),
    Case("all customers on one day", HEAD + "1,2024-01-01,5\n2,2024-01-01,6\n", ("all first purchases fall on the last day",), "", 1, "run"),
    Case("returns only", HEAD + "1,2024-01-01,-5\n2,2024-01-02,-6\n1,2024-01-05,-1\n", ("nothing is left after returns",), "", 1, "run"),
    Case("an unknown flag", GOOD, ("No such option",), "--nosuch", 2),
    Case("split that is no day", GOOD, ("--split noon is not a day",), "--split noon", 2, "backtest"),
    Case("split outside the data", GOOD, ("must lie between the first order (2024-01-01) and the end of observation (2024-07-20)",), "--split 2030-01-01", 1, "backtest"),
    Case("no split", GOOD, ("--split",), "", 2, "backtest"),
    Case("unknown model to test", GOOD, ("oracle is no timing model",), "--split 2024-04-01 --models oracle", 2, "backtest"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case.what for case in CASES])
def test_files_and_flags(case: Case, klantwaarde: Cli, tmp_path: Path) -> None:
    path = tmp_path / case.name
    path.write_bytes(case.text if isinstance(case.text, bytes) else case.text.encode())
    said = klantwaarde(case.command, path, *case.flags.split())
    assert said.code == case.code, said.err
    for words in case.words:
        assert words in said.err
    assert "Traceback" not in said.err
    assert said.out == ""
    assert not (tmp_path / "results").exists()


NOT_A_TIME = [dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 1, tzinfo=dt.UTC), dt.datetime(2024, 1, 2)]
FRAMES: list[tuple[str, Any, type[KlantwaardeError], str]] = [
    ("ids of two types", NAMED | {"customer_id": pd.Series([1, "a", 2], dtype=object)}, kw.BadOrders, "ids all text or all numbers"),
    ("mixed time zones", NAMED | {"date": pd.Series(NOT_A_TIME, dtype=object)}, kw.BadOrders, r"mixes time zones \(none from row 1, UTC from row 2\)"),
    ("numbers for dates", NAMED | {"date": [20240131, 20240201, 20240202]}, kw.BadOrders, "is of type bigint, not a date"),
    ("clock times for dates", NAMED | {"date": [dt.time(1)] * 3}, kw.BadOrders, "is of type time, not a date"),
    ("truth for amounts", NAMED | {"amount": [True, False, True]}, kw.BadOrders, "is of type boolean, not a number"),
    ("no amount at all", NAMED | {"amount": [np.nan] * 3}, kw.BadOrders, "3 without a usable amount"),
    ("a column of nothing", NAMED | {"amount": [None] * 3}, kw.BadOrders, "'amount' is empty in every line"),
    ("infinite amounts", NAMED | {"amount": [np.inf, -np.inf, np.nan]}, kw.BadOrders, "3 without a usable amount"),
    ("no rows", {"customer_id": [], "date": [], "amount": []}, kw.BadOrders, "holds no lines"),
    ("no columns", {}, kw.BadOrders, "has no columns"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "columns", "kind", "words"), FRAMES, ids=[frame[0] for frame in FRAMES])
def test_frames(what: str, columns: Any, kind: type[KlantwaardeError], words: str) -> None:
    assert what
    with pytest.raises(kind, match=words):
        kw.orders(pd.DataFrame(columns))


@pytest.mark.parametrize("source", [None, 7, [1, 2], {"customer_id": [1]}, pd.Series([1]), np.array([1])])
def test_things_that_are_no_orders(source: Any) -> None:
    with pytest.raises(kw.BadOrders, match="cannot be read"):
        kw.orders(source)


def test_two_columns_of_one_name() -> None:
    with pytest.raises(kw.BadOrders, match="Duplicate column names"):
        kw.orders(pd.DataFrame([[1, 2, 3]], columns=["customer_id", "date", "date"]))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nosuch.parquet", "There is no file nosuch.parquet (looked in"),
        ("nosuch/*.parquet", "There is no file nosuch/*.parquet"),
        ("folder", "The folder folder holds no Parquet files"),
    ],
)
def test_places_without_orders(source: str, words: str, klantwaarde: Cli, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    said = klantwaarde("run", source)
    assert said.code == 1
    assert words in said.err


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (os.mkfifo, "is a pipe, which can be read once only"),
        (Path.mkdir, "The folder o.csv holds no Parquet files"),
        (lambda path: path.symlink_to("gone"), "o.csv is a link to gone, which is not there"),
        (lambda path: path.symlink_to("/dev/zero"), "o.csv is a device, no file"),
    ],
)
def test_places_that_are_no_files(make: Callable[[Path], Any], words: str, klantwaarde: Cli, tmp_path: Path) -> None:
    make(tmp_path / "o.csv")
    said = klantwaarde("check", "o.csv")
    assert (said.code, said.out) == (1, "")
    assert words in said.err


def test_a_file_that_may_not_be_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "o.csv").write_text(GOOD)
    monkeypatch.setattr("builtins.open", refuse)  # the tests may run as a user who may read everything
    with pytest.raises(kw.BadOrders, match=r"o.csv cannot be opened: Permission denied"):
        kw.orders(tmp_path / "o.csv")


def test_a_file_name_that_is_no_text(klantwaarde: Cli, tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.csv")
    (tmp_path / name).write_text(GOOD)
    for source in (name, "*.csv"):
        with pytest.raises(kw.BadOrders, match=r"name of the file .*caf\\xe9.csv is no UTF-8 text. Rename"):
            kw.orders(tmp_path / source)


def test_no_room_for_a_copy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "o.csv").write_bytes(GOOD.encode("utf-16"))
    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(kw.BadOrders, match=r"There is no room in .* for a readable copy of .*o.csv.*TMPDIR"):
        kw.orders(tmp_path / "o.csv", encoding="utf-16")


def test_links_and_attributes_are_refused_in_the_same_words(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_bytes(b'referrer_id,referred_id\n1,"2\n')
    base = kw.customers(kw.orders(pd.DataFrame(NAMED)))
    for read in (kw.referrals, kw.influence, kw.attributes):
        with pytest.raises(
            kw.BadOrders, match=r"cannot be used. .*the double quote that opens on line 2 is not closed"
        ):
            read(tmp_path / "l.csv", base)


def test_a_view_of_a_stranger_is_not_run(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("hush")
    with duckdb.connect(str(tmp_path / "o.duckdb")) as made:
        made.execute(
            f"create view v as select content as customer_id, date '2024-01-01' as date from read_text('{secret}')"
        )
    with pytest.raises(kw.BadOrders, match="holds the tables none"):
        kw.orders(tmp_path / "o.duckdb")
    with pytest.raises(kw.BadOrders, match=r"'v' in .* is a view.*make a table of it"):
        kw.orders(tmp_path / "o.duckdb", table="v")
    with duckdb.connect(str(tmp_path / "o.duckdb")) as made:
        made.execute("create table t as select 1 as customer_id, date '2024-01-01' as date")
    assert kw.orders(tmp_path / "o.duckdb").read == 1


def test_no_orders_named(klantwaarde: Cli) -> None:
    said = klantwaarde("run")
    assert (said.code, "No orders were named" in said.err) == (2, True)


def test_files_unlike_each_other(klantwaarde: Cli, tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text(GOOD)
    (tmp_path / "2.csv").write_text(GOOD.replace("amount", "euro"))
    said = klantwaarde("check", tmp_path / "*.csv")
    assert said.code == 1
    assert "2.csv has the columns customer_id, date, euro, but" in said.err


def test_a_damaged_parquet_file(klantwaarde: Cli, tmp_path: Path) -> None:
    whole = kw.datasets.cdnow_sample().read_bytes()
    (tmp_path / "o.parquet").write_bytes(whole[:2000] + b"X" * 3000 + whole[5000:])
    said = klantwaarde("check", "o.parquet")
    assert said.code == 1
    assert "cannot be read" in said.err


SETTINGS = [
    ("unknown key", 'unti = "week"', "unti. Did you mean unit?"),
    ("unknown table", "[deep]\na = 1", "Unknown setting in s.toml: deep"),
    ("wrong type", "unit = 5", "unit = 5 (in s.toml) should be text"),
    ("truth for a number", "margin_rate = true", "margin_rate = true (in s.toml) should be a number"),
    ("broken TOML", "unit = ", "is not a TOML file"),
    ("no text", b"\xff\xfe\x00", "is not a TOML file"),
]


@pytest.mark.parametrize(("what", "text", "words"), SETTINGS, ids=[row[0] for row in SETTINGS])
def test_settings(what: str, text: str | bytes, words: str, klantwaarde: Cli, tmp_path: Path) -> None:
    assert what
    (tmp_path / "s.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    said = klantwaarde("run", kw.datasets.cdnow_sample(), "--config", "s.toml")
    assert (said.code, said.out) == (2, "")
    assert words in said.err


def test_settings_that_are_not_there(klantwaarde: Cli) -> None:
    said = klantwaarde("run", "--config", "nosuch.toml")
    assert (said.code, "nosuch.toml cannot be read: No such file" in said.err) == (2, True)


def _model(tmp_path: Path, **changes: Any) -> Path:
    cells = kw.Cells([0, 1, 2, 3], [0, 2, 9, 11], [12, 12, 12, 12])
    kw.estimate.save_fits(
        tmp_path / "m.json", kw.fit(kw.NBD, cells), kw.fit(kw.GammaGamma, kw.SpendCells([1, 2, 3], [5, 9, 12]))
    )
    content = json.loads((tmp_path / "m.json").read_text())
    for role, change in changes.items():
        content[role] = None if change is None else content[role] | change
    (tmp_path / "m.json").write_text(json.dumps(content))
    return tmp_path / "m.json"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"timing": None}, "holds no timing fit; it holds: spend"),
        ({"timing": {"model": "oracle"}}, "unknown model 'oracle'"),
        ({"timing": {"parameters": {"r": -1, "alpha": 2}}}, "r = -1.0 is not positive"),
        ({"timing": {"parameters": {"r": 1}}}, "is damaged: its timing fit cannot be read"),
        ({"spend": {"parameters": {"p": None, "q": 1, "gamma": 2}}}, "is damaged: its spend fit cannot be read"),
    ],
)
def test_damaged_models(changes: dict[str, Any], words: str, klantwaarde: Cli, tmp_path: Path) -> None:
    said = klantwaarde("score", kw.datasets.cdnow_sample(), "--fit", _model(tmp_path, **changes))
    assert (said.code, words in said.err) == (2, True), said.err
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "is no JSON file"), ("{}", "is no klantwaarde-model file"), ("[1]", "is no klantwaarde-model")],
)
def test_files_that_are_no_models(text: str, words: str, klantwaarde: Cli, tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(text)
    said = klantwaarde("score", kw.datasets.cdnow_sample(), "--fit", "m.json")
    assert (said.code, words in said.err) == (2, True), said.err


def test_a_model_that_is_not_there(klantwaarde: Cli, tmp_path: Path) -> None:
    said = klantwaarde("score", kw.datasets.cdnow_sample(), "--fit", "nosuch.json")
    assert (said.code, said.err.strip()) == (2, "Error: nosuch.json cannot be read: No such file or directory.")
    assert not (tmp_path / "results").exists()


def test_a_damaged_model_of_an_earlier_run(klantwaarde: Cli, tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    (tmp_path / "before" / "model.json").write_text("{")
    said = klantwaarde("run", kw.datasets.cdnow_sample(), "--model", "nbd", "--since", "before")
    assert (said.code, "before/model.json is no JSON file" in said.err) == (2, True), said.err
    assert not (tmp_path / "results").exists()


def test_a_spend_fit_is_no_timing_fit() -> None:
    base = kw.customers(kw.orders(kw.datasets.cdnow_sample()))
    with pytest.raises(kw.BadParameters, match="is a spend model"):
        kw.score(base, kw.Fits(kw.fit(kw.GammaGamma, base.spend())))


def test_places_that_cannot_take_results(klantwaarde: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine.txt").write_text("mine")
    for out, words in (
        ("file", "is not a folder"),
        ("file/below", "cannot be made"),
        ("folder", "holds files that are not ours (mine.txt)"),
    ):
        said = klantwaarde("run", kw.datasets.cdnow_sample(), "--out", out)
        assert (said.code, words in said.err) == (2, True), said.err
    assert (tmp_path / "file").read_text() == (tmp_path / "folder" / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "holds no results"),
        ("{", "holds no results"),
        ("[]", "holds no results"),
        ('{"facts": 3}', "holds no results"),
        ('{"facts": {}}', "run.json is damaged: facts.language is missing"),
        ('{"facts": {"title": NaN}}', "holds no results"),
    ],
)
def test_no_results_to_report(text: str | None, words: str, klantwaarde: Cli, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    if text is not None:
        (tmp_path / "results" / "run.json").write_text(text)
    said = klantwaarde("report", "results")
    assert (said.code, words in said.err) == (1, True), said.err


HARMLESS = [
    ("nobody ordered twice", HEAD + "".join(f"{k},2024-01-{k + 1:02d},{k}\n" for k in range(1, 30)), "No customer ordered on two days"),
    ("one customer", HEAD + "".join(f"7,2024-{m:02d}-01,5\n" for m in range(1, 9)), "Only 1 customer ordered on two days"),
    ("some dates in 1970", GOOD + "9,1970-01-20,5\n", "1 line is dated before 1971"),
    ("some dates in the future", GOOD + "9,2999-01-20,5\n", "1 line is dated after today (up to 2999-01-20)"),
    ("some amounts that are none", GOOD.replace("9.50", "") + "9,2024-01-01,1e20\n", "without a usable amount"),
    ("some ids that look alike", GOOD.replace("\n8,", "\nab,").replace("\n7,", "\nAB,"), "1 customer id differs"),
    ("a zone here and there", HEAD + "1,2024-01-01T10:00:00Z,5\n1,2024-02-01T10:00:00+02:00,5\n2,2024-01-05T09:00:00,6\n", "mixes 3 ways of writing the time zone"),
    ("zeros only", HEAD + "".join(f"{k},2024-0{m}-01,0\n" for k in range(9) for m in range(1, 1 + k % 4 + 1)), "ordered on two days"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "text", "warning"), HARMLESS, ids=[row[0] for row in HARMLESS])
def test_odd_input_works_with_a_warning(what: str, text: str, warning: str, klantwaarde: Cli, tmp_path: Path) -> None:
    assert what
    (tmp_path / "o.csv").write_text(text)
    sheet = klantwaarde("check", "o.csv")
    assert (sheet.code, sheet.err) == (0, "")
    assert warning in sheet.out
    said = klantwaarde("run", "o.csv", "--model", "nbd")
    assert said.code == 0, said.err
    assert warning in " ".join(said.err.split())
    assert len(pd.read_parquet(tmp_path / "results" / "customers.parquet")) > 0


@pytest.mark.parametrize("command", ["run", "check"])
def test_hostile_names_simply_work(command: str, klantwaarde: Cli, tmp_path: Path) -> None:
    name = "'; drop table lines; --"
    frame = pd.DataFrame(
        {
            name: [name, '"', "<script>alert(1)</script>", name, '"', "[bold]"] * 2,
            'da"te': pd.to_datetime([f"2024-{month:02d}-01" for month in range(1, 13)]),
            "$as_of": 1.5,
        }
    )
    frame.to_parquet(tmp_path / "it's; --.parquet")
    said = klantwaarde(command, "it's; --.parquet", "--customer-id", name, "--date", 'da"te', "--amount", "$as_of")
    assert said.code == 0, said.err
    if command == "run":
        assert set(pd.read_parquet("results/customers.parquet").customer_id) == set(frame[name])
        assert "<script>alert" not in Path("results/report.html").read_text()


@pytest.mark.parametrize("days", [-800_000, 4_000_000, 2**31 - 1])
def test_a_day_outside_the_calendar_is_no_date(days: int) -> None:
    """A slip of the hand leads there: 24 for 2024, a date in milliseconds. Text was read so, columns of dates were not."""
    day = pa.array([19_000, 19_040, 19_060, days, 19_090, 19_100], pa.int32()).cast(pa.date32())
    read = kw.orders(pa.table({"customer_id": [1, 2, 1, 3, 2, 4], "date": day, "amount": [1.0, 2, 3, 4, 5, 6]}))
    assert (read.profile["no_date"], read.profile["first_day"]) == (1, dt.date(2022, 1, 8))
