"""No output falls on what a command reads, into it or around it; nothing is replaced that is not ours."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import klantwaarde as kw
from conftest import Said
from klantwaarde import files
from klantwaarde.cli import app as cli
from klantwaarde.estimate.result import FORMAT, SCHEMA
from klantwaarde.job import pipeline
from klantwaarde.job.seeding import COLUMNS as SEEDS
from klantwaarde.marks import is_ours
from klantwaarde.sources.written import write_table

Cli = Callable[..., Said]
REFUSED = "of its own"


def hashes(folder: Path) -> dict[str, str]:
    """All that lies in a folder, links by where they lead."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_symlink() or path.is_file())
    return {str(path.relative_to(folder)): _hash(path) for path in files}


def _hash(path: Path) -> str:
    return str(path.readlink()) if path.is_symlink() else sha256(path.read_bytes()).hexdigest()


INPUTS = {
    "orders": "orders/orders.parquet",
    "folder": "store",
    "pattern": "many/*.csv",
    "duckdb": "base/orders.duckdb",
    "sqlite": "lite/orders.db",
    "referrals": "links/referrals.csv",
    "influence": "links2/influence.csv",
    "attributes": "known/attributes.csv",
    "config": "told/settings.toml",
    "fit": "before/model.json",
    "since": "earlier",
    "state": "kept/state",
    "cells": "counted/cells.parquet",
    "results": "made/results",
}
"""What may be read, each in a folder of its own."""


@pytest.fixture(name="place")
def _place(tmp_path: Path) -> Path:
    """Files and folders that could be read: all are of the user, and named as ours might be."""
    table = pa.table({"customer_id": ["a", "b"], "date": ["2024-01-31", "2024-02-29"], "amount": ["1.50", "2.25"]})
    for name in ("orders/orders.parquet", "store/customers.parquet", "counted/cells.parquet"):
        (tmp_path / name).parent.mkdir(parents=True)
        pq.write_table(table, tmp_path / name)
    for name in ("many/a.csv", "many/b.csv", "links/referrals.csv", "links2/influence.csv", "known/attributes.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        pyarrow.csv.write_csv(table, tmp_path / name)
    for name, text in {
        "told/settings.toml": 'currency = "EUR"\n',
        "before/model.json": json.dumps({"format": FORMAT, "version": SCHEMA, "klantwaarde": "0.1.0", "settings": {}}),
        "earlier/run.json": '{"klantwaarde": "0.1.0"}',
        "earlier/model.json": "{}",
        "kept/state/state.json": "{}",
        "made/results/run.json": '{"klantwaarde": "0.1.0", "facts": {}}',
        "base/orders.duckdb": "never opened",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "lite").mkdir()
    with sqlite3.connect(tmp_path / "lite/orders.db") as made:
        made.execute("create table orders (customer_id, date, amount)")
    made.close()
    return tmp_path


ORDERS = ("orders", "folder", "pattern", "duckdb", "sqlite")
READS = {
    "run": (*ORDERS, "referrals", "influence", "attributes", "config", "since", "state"),
    "score": (*ORDERS, "referrals", "influence", "attributes", "config", "since", "fit"),
    "stages": (*ORDERS, "attributes", "config"),
    "ledger": (*ORDERS, "attributes", "config"),
    "seeds": (*ORDERS, "referrals", "influence", "config"),
    "sql": ("config", "fit", "cells"),
    "report": ("results",),
}
"""What each command that writes may be told to read."""
CASES = [(command, role) for command, roles in READS.items() for role in roles]


def words_of(command: str, role: str) -> list[str]:
    """The command with this input among what it reads."""
    path = f"sqlite://{INPUTS[role]}" if role == "sqlite" else INPUTS[role]
    if command == "report":
        return [command, path]
    told = ["sql", "--as-of", "2024-03-31"] if command == "sql" else [command, "--as-of", "2024-03-31"]
    if command == "sql":
        told += ["--fit", INPUTS["fit"], "--cells", INPUTS["cells"]]
    elif role not in ORDERS:
        told.insert(1, INPUTS["orders"])
    else:
        told.insert(1, path)
    needs = {"score": ["--fit", INPUTS["fit"]], "ledger": ["--customers", "lost"], "seeds": ["--k", "1"]}
    told += needs.get(command, [])
    return told if role in ORDERS or f"--{role}" in told else [*told, f"--{role}", path]


def onto(role: str, how: str, place: Path) -> str:
    """An output on the input, within it, or around it."""
    path = place / INPUTS[role]
    file = path.parent / "a.csv" if role == "pattern" else path
    if how == "on":
        return str(file)
    if how == "in":
        return str(path.parent / "new.csv" if role == "pattern" else file / "new.csv")
    if how == "around":
        return str(file.parent)
    if how == "above":
        return str(place)
    link = place / "linked"
    if how == "link":
        link.symlink_to(file)
        return str(link)
    link.symlink_to(file.parent)
    return str(link / file.name)


@pytest.mark.parametrize("how", ["on", "in", "around", "above", "link", "linked folder"])
@pytest.mark.parametrize(("command", "role"), CASES)
def test_no_output_costs_an_input(klantwaarde: Cli, place: Path, command: str, role: str, how: str) -> None:
    out = onto(role, how, place)
    if command == "sql":
        # It writes two files of given names into a folder: the input is given such a name.
        if how != "on":
            pytest.skip("a file replaces nothing around it")
        named = place / INPUTS[role]
        named.rename(named.with_name("spend_lines.parquet"))
        words = [w.replace(INPUTS[role], str(named.with_name("spend_lines.parquet"))) for w in words_of(command, role)]
        out = str(named.parent)
    else:
        words = words_of(command, role)
    before = hashes(place)
    said = klantwaarde(*words, "--out", out)
    assert said.code == 2, said.err
    assert hashes(place) == before
    assert REFUSED in said.err
    assert "reading the orders" not in said.err


@pytest.mark.parametrize("command", ["run", "stages"])
def test_a_hard_link_is_the_input_itself(klantwaarde: Cli, place: Path, command: str) -> None:
    os.link(place / INPUTS["orders"], place / "other.parquet")
    before = hashes(place)
    said = klantwaarde(command, INPUTS["orders"], "--out", "other.parquet")
    assert said.code == 2
    assert REFUSED in said.err
    assert hashes(place) == before


@pytest.mark.parametrize("end", ["new", "old", "lock"])
def test_what_a_run_sweeps_is_no_place_for_orders(klantwaarde: Cli, place: Path, end: str) -> None:
    (place / f".out.{end}").mkdir()
    orders = place / f".out.{end}" / "orders.parquet"
    (place / INPUTS["orders"]).rename(orders)
    before = hashes(place)
    said = klantwaarde("run", orders, "--out", "out")
    assert said.code == 2
    assert REFUSED in said.err
    assert hashes(place) == before


STATES = [role for role in READS["run"] if role != "state"]


@pytest.mark.parametrize("how", ["on", "in", "around", "link"])
@pytest.mark.parametrize("role", [*STATES, "results"])
def test_no_state_costs_an_input(klantwaarde: Cli, place: Path, role: str, how: str) -> None:
    state = onto(role, how, place)
    words = words_of("run", role) if role != "results" else ["run", INPUTS["orders"]]
    out = INPUTS["results"] if role == "results" else "out"
    before = hashes(place)
    said = klantwaarde(*words, "--state", state, "--out", out)
    assert said.code == 2
    assert REFUSED in said.err
    assert hashes(place) == before


@pytest.mark.parametrize("how", ["on", "in", "link"])
@pytest.mark.parametrize("role", [*STATES, "state"])
def test_no_database_costs_an_input(klantwaarde: Cli, place: Path, role: str, how: str) -> None:
    if (role, how) in {("sqlite", "on"), ("sqlite", "link")}:
        pytest.skip("a table beside the orders is no harm")
    to = onto(role, how, place)
    before = hashes(place)
    said = klantwaarde(*words_of("run", role), "--to", f"sqlite://{to}", "--out", "out")
    assert said.code == 2
    assert REFUSED in said.err
    assert hashes(place) == before


class TestOneDatabase:
    """Orders and scored customers in one database."""

    @pytest.mark.parametrize(
        "told",
        [
            ("--table", "orders", "--to-table", "orders"),
            ("--table", "orders", "--to-table", '"ORDERS"'),
            ("--query", "select * from Orders o", "--to-table", "orders"),
        ],
    )
    def test_not_the_same_table(self, klantwaarde: Cli, place: Path, told: tuple[str, ...]) -> None:
        address = f"sqlite://{place}/lite/orders.db"
        before = hashes(place)
        said = klantwaarde("run", "sqlite://lite/orders.db", "--to", address, *told, "--out", "out")
        assert said.code == 2
        assert "that the orders are read from" in said.err
        assert hashes(place) == before

    @pytest.mark.usefixtures("place")
    def test_not_within_the_results(self, klantwaarde: Cli) -> None:
        said = klantwaarde("run", INPUTS["orders"], "--to", "sqlite://out/scored.db", "--out", "out")
        assert said.code == 2
        assert REFUSED in said.err


@pytest.mark.parametrize("how", ["on", "around"])
def test_the_demonstration_spares_what_it_reads(
    klantwaarde: Cli, place: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(cli, "cdnow", lambda: place / INPUTS["orders"])
    before = hashes(place)
    said = klantwaarde("demo", "--out", onto("orders", how, place))
    assert said.code == 2
    assert REFUSED in said.err
    assert hashes(place) == before


@pytest.fixture(name="scored", scope="module")
def _scored() -> kw.Scored:
    base = kw.customers(kw.orders(kw.datasets.cdnow_sample()))
    return kw.score(base, kw.Fits(kw.fit(kw.MBGNBD, base.cells())))


class TestPython:
    """The same where no command line is in between."""

    @pytest.fixture(name="read")
    def _read(self, scored: kw.Scored, tmp_path: Path) -> Path:
        """A copy of the orders, known to the engine as what it reads."""
        from klantwaarde.sources.guard import inputs

        path = tmp_path / "store" / "orders.parquet"
        path.parent.mkdir()
        path.write_bytes(Path(kw.datasets.cdnow_sample()).read_bytes())
        scored.engine.inputs = [*inputs("orders", kw.datasets.cdnow_sample()), *inputs("orders", path)]
        return path

    @pytest.mark.parametrize("what", ["scored", "stages"])
    def test_not_on_the_orders(self, scored: kw.Scored, read: Path, what: str) -> None:
        write = scored.write if what == "scored" else kw.stages(scored, scored.customers.orders).write
        before = hashes(read.parent)
        for path in (read, read.parent, read / "new.parquet"):
            with pytest.raises(kw.BadParameters, match=REFUSED):
                write(path)
        assert hashes(read.parent) == before

    def test_the_engine_knows_what_it_reads(self, tmp_path: Path) -> None:
        orders = kw.orders(kw.datasets.cdnow_sample())
        assert [one.path for one in orders.engine.inputs] == [Path(kw.datasets.cdnow_sample())]
        known = tmp_path / "known.csv"
        known.write_text("customer_id,region\n1,north\n")
        base = kw.customers(orders)
        kw.attributes(known, base)
        assert [one.path for one in orders.engine.inputs][1:] == [known]
        assert kw.orders(pd.read_parquet(kw.datasets.cdnow_sample())).engine.inputs == []

    @pytest.mark.parametrize("end", [".parquet", ".csv", ".xlsx"])
    def test_the_ending_says_what_is_written(self, scored: kw.Scored, tmp_path: Path, end: str) -> None:
        path = scored.write(tmp_path / f"w{end}")
        assert is_ours(path, [name for name, _, _ in _columns()])
        assert scored.write(path) == path, "what is ours is replaced"
        readers: dict[str, Callable[[Path], pd.DataFrame]] = {".parquet": pd.read_parquet, ".csv": pd.read_csv}
        found = readers[end](path) if end in readers else read_excel(path)
        wanted = scored.to_pandas()
        assert list(found) == list(wanted)
        assert found["customer_id"].astype(str).tolist() == wanted["customer_id"].astype(str).tolist()
        assert found["rlv"].astype(float).fillna(0).tolist() == pytest.approx(wanted["rlv"].fillna(0).tolist())
        days = pd.to_datetime(found["last_order"]) if end != ".xlsx" else from_excel(found["last_order"])
        assert days.dt.date.tolist() == pd.to_datetime(wanted["last_order"]).dt.date.tolist()

    @pytest.mark.parametrize("name", ["w.txt", "w", "w.xls", "w.csv.gz"])
    def test_other_endings_are_refused(self, scored: kw.Scored, tmp_path: Path, name: str) -> None:
        with pytest.raises(kw.BadParameters, match="ends in none of"):
            scored.write(tmp_path / name)
        assert not (tmp_path / name).exists()


def _columns() -> Any:
    from klantwaarde.purchases.schema import SCORED

    return SCORED


def read_excel(path: Path) -> pd.DataFrame:
    """The cells of the only sheet, read without a library for it."""
    import re
    import zipfile
    from html import unescape

    with zipfile.ZipFile(path) as book:
        assert not any("sharedStrings" in name and book.read(name).count(b"<f>") for name in book.namelist())
        text = book.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in text, "no cell is computed"
    rows = []
    for row in re.findall(r"<row [^>]*>(.*?)</row>", text, re.DOTALL):
        cells = re.findall(
            r'<c r="([A-Z]+)\d+"[^>]*?(?: t="(\w+)")?>(?:<is><t[^>]*>(.*?)</t></is>|<v>(.*?)</v>)</c>', row
        )
        rows.append(
            {column: unescape(said) if kind == "inlineStr" else _number(value) for column, kind, said, value in cells}
        )
    head = rows[0]
    return pd.DataFrame([{head[column]: row.get(column) for column in head} for row in rows[1:]])


def _number(text: str) -> float:
    return int(text) if text.lstrip("-").isdigit() else float(text)


def from_excel(days: pd.Series) -> pd.Series:
    """Excel counts days from the last of 1899."""
    return pd.to_datetime(days, unit="D", origin="1899-12-30")


class TestMarks:
    """What may be replaced."""

    @pytest.mark.parametrize("command", ["stages", "ledger", "seeds"])
    @pytest.mark.parametrize("end", [".parquet", ".csv", ".xlsx"])
    def test_a_file_of_others_stays(self, klantwaarde: Cli, place: Path, command: str, end: str) -> None:
        path = place / f"mine{end}"
        if end == ".parquet":
            pq.write_table(pa.table({"a": [1]}), path)
        else:
            path.write_text("a,b\n1,2\n")
        before = hashes(place)
        told = words_of(command, "influence" if command == "seeds" else "orders")
        said = klantwaarde(*told, "--out", path)
        assert said.code == 2
        assert "was not written by klantwaarde" in said.err
        assert hashes(place) == before

    @pytest.mark.parametrize("command", ["stages", "ledger", "seeds"])
    @pytest.mark.usefixtures("place")
    def test_other_endings_are_refused_before_reading(self, klantwaarde: Cli, command: str) -> None:
        told = words_of(command, "influence" if command == "seeds" else "orders")
        for name in ("st.txt", "st", "st.xls"):
            said = klantwaarde(*told, "--out", name)
            assert said.code == 2
            assert "ends in none of .parquet, .csv, .xlsx" in said.err

    @pytest.mark.parametrize("name", ["customers.parquet", "report.html", "model.json"])
    def test_a_folder_with_names_like_ours_stays(self, klantwaarde: Cli, place: Path, name: str) -> None:
        (place / "mine").mkdir()
        (place / "mine" / name).write_text("years of work")
        before = hashes(place)
        said = klantwaarde("run", INPUTS["orders"], "--out", "mine")
        assert said.code == 2
        assert "no run of klantwaarde wrote" in " ".join(said.err.split())
        assert hashes(place) == before

    @pytest.mark.parametrize("name", ["orders.parquet", "page.html", "page"])
    def test_a_report_replaces_reports_only(self, klantwaarde: Cli, place: Path, name: str) -> None:
        (place / name).write_text("years of work")
        said = klantwaarde("report", INPUTS["results"], "--out", name)
        assert said.code == 2
        assert (place / name).read_text() == "years of work"

    @pytest.mark.usefixtures("place")
    def test_a_folder_that_is_not_there(self, klantwaarde: Cli) -> None:
        said = klantwaarde("report", INPUTS["results"], "--out", "nowhere/a.html")
        assert said.code == 2
        assert "There is no folder nowhere" in said.err
        assert "part" not in said.err

    def test_a_folder_of_parquet_is_ours_by_its_footers(self, tmp_path: Path) -> None:
        (tmp_path / "store.parquet").mkdir()
        write_table(pa.table({"a": [1]}), tmp_path / "store.parquet" / "a.parquet")
        assert is_ours(tmp_path / "store.parquet")
        pq.write_table(pa.table({"a": [1]}), tmp_path / "store.parquet" / "b.parquet")
        assert not is_ours(tmp_path / "store.parquet")
        with pytest.raises(kw.BadParameters, match="would be lost"):
            write_table(pa.table({"a": [1]}), tmp_path / "store.parquet")

    def test_a_list_is_ours_by_its_header(self, tmp_path: Path) -> None:
        table = pa.table({name: ["x"] for name in SEEDS})
        write_table(table, tmp_path / "a.csv")
        write_table(table, tmp_path / "a.csv")
        with pytest.raises(kw.BadParameters, match="would be lost"):
            write_table(table.drop_columns(["adds"]), tmp_path / "a.csv")

    def test_an_empty_file_is_no_loss(self, tmp_path: Path) -> None:
        for end in ("csv", "parquet", "xlsx"):
            (tmp_path / f"a.{end}").touch()
            write_table(pa.table({"a": [1]}), tmp_path / f"a.{end}")
            assert (tmp_path / f"a.{end}").stat().st_size > 0


class TestCells:
    """What a spreadsheet would take for a formula."""

    IDS = ("=1+1", "+31612345678", "-5", "@x", "\tx", "\rx", "plain", "a=b", None)

    def test_csv(self, tmp_path: Path) -> None:
        table = pa.table({"customer_id": self.IDS, "change": [-1.5] * len(self.IDS)})
        assert write_table(table, tmp_path / "a.csv") == 6
        found = pyarrow.csv.read_csv(
            tmp_path / "a.csv", convert_options=pyarrow.csv.ConvertOptions(column_types={"customer_id": pa.string()}),
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        )  # fmt: skip
        told = ["'" + one if one is not None and one[0] in "=+-@\t\r" else one or "" for one in self.IDS]
        assert [one or "" for one in found["customer_id"].to_pylist()] == told
        assert found["change"].to_pylist() == [-1.5] * len(self.IDS), "numbers stay numbers"

    def test_excel(self, tmp_path: Path) -> None:
        ids = ("=1+1", "+31612345678", "@x", "http://x.nl", "007", "plain")
        assert (
            write_table(pa.table({"id": ids, "n": [1, -2, 3, 4, 5, 6], "big": [10**17 + 1] * 6}), tmp_path / "a.xlsx")
            == 0
        )
        found = read_excel(tmp_path / "a.xlsx")
        assert found["id"].tolist() == list(ids)
        assert found["n"].tolist() == [1, -2, 3, 4, 5, 6]
        assert found["big"].tolist() == ["100000000000000001"] * 6, "ids stay exact"

    def test_what_excel_cannot_hold_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from klantwaarde.sources import written

        with pytest.raises(kw.BadOrders, match="32,767 characters"):
            write_table(pa.table({"id": ["x" * 40_000]}), tmp_path / "a.xlsx")
        monkeypatch.setattr(written, "MOST_ROWS", 2)
        with pytest.raises(kw.BadParameters, match="holds 2 rows"):
            write_table(pa.table({"id": [1, 2, 3]}), tmp_path / "a.xlsx")
        assert not (tmp_path / "a.xlsx").exists()


def test_a_list_that_nobody_asked_for_is_told(klantwaarde: Cli, place: Path) -> None:
    said = klantwaarde("ledger", INPUTS["orders"], "--out", "x.csv")
    assert said.code == 2
    assert "x.csv would not be written" in said.err


class TestWhatWasDone:
    """What ends a run early tells what it had done by then."""

    @pytest.mark.parametrize("fault", [KeyboardInterrupt, kw.BadOrders("late"), OSError(28, "No space left on device")])
    @pytest.mark.parametrize("where", ["_write_rest", "whole_folder"])
    def test_a_table_that_was_replaced(
        self, klantwaarde: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: Any, where: str
    ) -> None:
        pytest.importorskip("adbc_driver_sqlite")

        def fails(*_: Any) -> None:
            raise fault

        if where == "_write_rest":
            monkeypatch.setattr(pipeline, where, fails)
        else:
            monkeypatch.setattr(files, "_take_place", fails)
        address = f"sqlite://{tmp_path}/scored.db"
        told = ("--model", "mbg_nbd", "--to", address, "--out", "out", "--state", "kept")
        said = klantwaarde("run", kw.datasets.cdnow_sample(), *told)
        assert said.code == (130 if fault is KeyboardInterrupt else 1)
        words = " ".join(said.err.split())
        assert f"The table klantwaarde_customers in {address} was replaced." in words
        assert "as they were" not in words
        assert ("The batch is merged into" in words) == (where == "whole_folder")
        with sqlite3.connect(tmp_path / "scored.db") as made:
            assert made.execute("select count(*) from klantwaarde_customers").fetchone() == (2357,)
        made.close()
        assert not Path("out").exists()

    def test_a_stop_before_anything(self, klantwaarde: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        def stopped(*_: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(pipeline, "read_orders", stopped)
        said = klantwaarde("run", kw.datasets.cdnow_sample(), "--out", "out")
        assert said.code == 130
        assert "as they were" in said.err
        assert list(Path().iterdir()) == [], "no hidden remains"
