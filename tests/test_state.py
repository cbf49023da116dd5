"""A run on a state: the same as one run on all orders ever, however the batches came and wherever a run was killed."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from hashlib import md5, sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import klantwaarde as kw
from klantwaarde.job.pipeline import Run, run
from klantwaarde.job.settings import read_settings
from klantwaarde.state import state as states
from klantwaarde.state.batch import batch_id
from klantwaarde.state.state import open_state

DAYS = 10
HALVES = (slice(8, 16), slice(0, 8))


def hard_orders(n: int = 3_000, margins: bool = True) -> pa.Table:
    """Orders with all that the rules speak of; rows of one customer and day lie in several batches."""
    rng = np.random.default_rng(11)
    amount = np.round(rng.gamma(2.0, 20.0, n), 2)
    amount[rng.random(n) < 0.15] *= -1
    amount[rng.random(n) < 0.03] = 0.0
    customer = np.array([f"c{i:03d}" for i in rng.integers(0, 300, n)], dtype=object)
    customer[rng.random(n) < 0.02] = None
    day = np.datetime64("2023-01-01") + rng.integers(0, 600, n)
    columns = {
        "customer_id": pa.array(customer, pa.string()),
        "date": pa.array(day.astype("datetime64[D]"), pa.date32(), mask=rng.random(n) < 0.01),
        "amount": pa.array(np.where(rng.random(n) < 0.01, np.nan, amount), pa.float64()),
        "margin": pa.array(np.round(amount * 0.3, 4), pa.float64(), mask=rng.random(n) < 0.05),
    }
    table = pa.table(columns if margins else {name: columns[name] for name in ("customer_id", "date", "amount")})
    # Equal lines; a future one; and for some days a return next day's batch that turns the day below zero.
    back = table.slice(50, 40)
    back = back.set_column(2, "amount", pc.multiply(back["amount"], -1.5))
    future = table.slice(0, 3).set_column(1, "date", pa.array([pd.Timestamp("2100-01-01").date()] * 3, pa.date32()))
    return pa.concat_tables([table, table.slice(10, 25), back, future])


def in_batches(table: pa.Table, seed: int = 3) -> list[pa.Table]:
    """Ten batches by time of arrival: mostly by day, a fifth of the lines late, at random."""
    rng = np.random.default_rng(seed)
    place = np.argsort(np.argsort(table["date"].fill_null(pd.Timestamp("2023-06-01").date()).cast("int32").to_numpy()))
    which = place * DAYS // len(place)
    late = rng.random(len(place)) < 0.2
    which[late] = np.minimum(which[late] + rng.integers(1, DAYS, late.sum()), DAYS - 1)
    return [table.filter(pa.array(which == day)).take(rng.permutation((which == day).sum())) for day in range(DAYS)]


def go(folder: Path, table: pa.Table, out: str = "out", **given: Any) -> Run:
    """One run on a table, with the state beside the results."""
    path = folder / f"{out}.orders.parquet"
    pq.write_table(table, path)
    told = {"orders": str(path), "out": str(folder / out), "model": "mbg_nbd", "title": "all"} | given
    told = {name: value for name, value in told.items() if value is not None}
    return run(read_settings(None, told), lambda _: None)


def equal(one: Path, other: Path) -> None:
    """Exact in ids, days, money and counts, 1e-12 in scores."""
    left, right = (pq.read_table(folder / "customers.parquet") for folder in (one, other))
    assert left.schema.names == right.schema.names
    assert left.schema.types == right.schema.types
    for name in left.schema.names:
        if pa.types.is_floating(left.schema.field(name).type) and name not in {"t_x", "T", "zbar"}:
            a, b = (table[name].to_numpy(zero_copy_only=False).astype(float) for table in (left, right))
            np.testing.assert_allclose(a, b, rtol=1e-12, err_msg=name)
        else:
            assert left[name].to_pylist() == right[name].to_pylist(), name


def record(folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((folder / "run.json").read_text("utf-8"))
    return told


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def parts(folder: Path) -> list[dict[str, Any]]:
    told: dict[str, Any] = json.loads((folder / "state.json").read_text("utf-8"))
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == {
        "state.json",
        told["model"],
        *([told["before"]] if told["before"] else []),
        *(part["file"] for part in told["parts"]),
    }, "nothing is left lying"
    return list(told["parts"])


@pytest.fixture(scope="module", name="daily", params=["margins", "amounts", "no money"])
def _daily(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a state of ten batches and its results (out), and one run on all orders (full)."""
    folder = tmp_path_factory.mktemp("daily")
    table = hard_orders(margins=request.param == "margins")
    if request.param == "no money":
        table = table.select(["customer_id", "date"])
    given = {"margin": "margin"} if request.param == "margins" else {}
    for batch in in_batches(table):
        go(folder, batch, state=str(folder / "state"), **given)
    go(folder, table, "full", **given)
    return folder


class TestEqual:
    """Ten batches are one full run."""

    def test_customers(self, daily: Path) -> None:
        equal(daily / "out", daily / "full")
        assert len(parts(daily / "state")) == DAYS

    def test_pyramid_and_model(self, daily: Path) -> None:
        one, other = (pd.read_parquet(daily / name / "pyramid.parquet") for name in ("out", "full"))
        pd.testing.assert_frame_equal(one, other, rtol=1e-12)
        one, other = (kw.load_fit(daily / name / "model.json") for name in ("out", "full"))
        np.testing.assert_allclose(one.model, other.model, rtol=1e-12)

    def test_record_and_sheet(self, daily: Path) -> None:
        one, other = record(daily / "out"), record(daily / "full")
        assert one["money"] == other["money"]
        assert one["lines"] | {"equal": 0} == other["lines"] | {"equal": 0}
        assert one["lines"]["future"] == 3
        single = {"batches", "equal lines", "very large lines", "orders of two customers"}
        found = [
            [(c["check"], c["text"], c["money"]) for s in told["facts"]["doctor"]["sections"].values() for c in s]
            for told in (one, other)
        ]
        assert [c for c in found[0] if c[0] not in single] == [c for c in found[1] if c[0] not in single]
        assert any("of the new batch" in text for _, text, _ in found[0])
        assert one["state"]["batches"] == DAYS

    def test_money_adds_up(self, daily: Path) -> None:
        money = record(daily / "out")["money"]
        if money is not None:
            told = {name: Decimal(value) for name, value in money.items()}
            assert told["input"] == sum(told[name] for name in ("scored", "set_aside", "after", "dropped"))

    def test_a_state_that_is_compacted(self, daily: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        shutil.copytree(daily / "state", tmp_path / "state")
        monkeypatch.setattr(states, "MOST_PARTS", 4)
        orders = record(daily / "out")["settings"]
        late = pq.read_table(orders["orders"]).slice(0, 7)
        given = {"margin": orders["margin"]}
        go(tmp_path, late, state=str(tmp_path / "state"), **given)
        kept = parts(tmp_path / "state")
        assert [len(part["batches"]) for part in kept] == [DAYS, 1], "the last can be taken back"
        every = pa.concat_tables([pq.read_table(daily / "full.orders.parquet"), late])
        go(tmp_path, every, "full", **given)
        equal(tmp_path / "out", tmp_path / "full")
        go(tmp_path, late.take([3, 1, 2, 0, 6, 5, 4]), state=str(tmp_path / "state"), **given)
        assert record(tmp_path / "out")["state"]["already_merged"], "known after it was compacted, too"
        equal(tmp_path / "out", tmp_path / "full")


class TestBatches:
    """What makes a batch, and what is no batch of this state."""

    @pytest.fixture(name="one")
    def _one(self, tmp_path: Path) -> Path:
        go(tmp_path, in_batches(hard_orders())[0], state=str(tmp_path / "state"))
        return tmp_path

    def test_the_id_does_not_depend_on_the_order_of_rows(self) -> None:
        table = hard_orders(500)
        name = batch_id(kw.orders(table))
        assert batch_id(kw.orders(table.take(np.random.default_rng(1).permutation(len(table))))) == name
        assert batch_id(kw.orders(table.slice(1))) != name
        assert batch_id(kw.orders(pa.concat_tables([table, table.slice(0, 1)]))) != name
        changed = table.set_column(0, "customer_id", pc.replace_substring(table["customer_id"], "c001", "c0011"))
        assert batch_id(kw.orders(changed)) != name

    def test_the_id_is_the_same_forever(self) -> None:
        """A new version of the engine, or of ours, must know yesterday's batch: so it is made here by other means."""
        table = pa.table({"customer_id": ["a", None, "b|1"], "date": ["2024-01-31"] * 3, "amount": ["1.50", "2", "-3"]})
        lines = (b"1:a|2024-01-31|1.5000|-", b"-|2024-01-31|2.0000|-", b"3:b|1|2024-01-31|-3.0000|-")
        low, high = (sum(int.from_bytes(md5(line).digest()[part], "little") for line in lines) for part in HALVES)
        assert batch_id(kw.orders(table)) == sha256(f"3 {low} {high}".encode()).hexdigest()[:16] == "a162c37c076a3eb2"

    def test_the_same_batch_twice_changes_nothing(self, one: Path) -> None:
        state, scored = content(one / "state"), content(one / "out")["customers.parquet"]
        said: list[str] = []
        again = in_batches(hard_orders())[0]
        pq.write_table(again.take(list(range(len(again)))[::-1]), one / "again.parquet")
        told = {"orders": str(one / "again.parquet"), "out": str(one / "out"), "model": "mbg_nbd"}
        run(read_settings(None, told | {"state": str(one / "state")}), said.append)
        assert any("already merged" in line for line in said)
        assert content(one / "state") == state
        assert content(one / "out")["customers.parquet"] == scored

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"customer_id": pa.array([1, 2])}, "ids are BIGINT here and VARCHAR in the state"),
            ({"amount": None}, "amounts are not named here and named in the state"),
            ({"margin": pa.array([1.0, 2.0])}, "margins are named here and not named in the state"),
        ],
    )
    def test_other_orders_are_refused(self, one: Path, change: dict[str, Any], words: str) -> None:
        before = content(one / "state")
        columns = {"customer_id": ["a", "b"], "date": ["2024-01-31"] * 2, "amount": ["1.50", "2.25"]} | change
        table = pa.table({name: column for name, column in columns.items() if column is not None})
        with pytest.raises(kw.BadOrders, match=words):
            go(one, table, state=str(one / "state"), margin="margin" if "margin" in change else None)
        assert content(one / "state") == before

    def test_two_at_once(self, one: Path) -> None:
        with open_state(one / "state", one / "x"), pytest.raises(kw.OutputBusy, match="another state="):
            go(one, hard_orders(200), "other", state=str(one / "state"))
        assert not (one / "other").exists()

    def test_a_failed_run_merges_nothing(self, one: Path) -> None:
        before = content(one / "state")
        with pytest.raises(kw.BadParameters):
            go(one, in_batches(hard_orders())[1], state=str(one / "state"), horizon="a while")
        with open_state(one / "state", one / "x"):
            assert content(one / "state") == before

    def test_damage_is_told(self, one: Path) -> None:
        manifest = one / "state" / "state.json"
        told = json.loads(manifest.read_text())
        for text, words in (
            ("{", "is damaged"),
            (json.dumps(told | {"version": 99}), "version 99"),
            (json.dumps(told | {"parts": [{}]}), "is damaged"),
        ):
            manifest.write_text(text)
            with pytest.raises(kw.KlantwaardeError, match=words):
                go(one, hard_orders(200), state=str(one / "state"))
        assert list((one / "state" / "batches").glob("*.parquet")), "nothing is swept on a doubt"
        manifest.write_text(json.dumps(told))
        shutil.rmtree(one / "state" / "batches")
        with pytest.raises(kw.BadOrders, match="The state lacks"):
            go(one, hard_orders(200), state=str(one / "state"))

    def test_a_lost_manifest_loses_no_batch(self, one: Path) -> None:
        (one / "state" / "state.json").unlink()
        before = content(one / "state")
        with pytest.raises(kw.BadOrders, match=r"has lost its state\.json.*nothing was touched"):
            go(one, in_batches(hard_orders())[1], state=str(one / "state"))
        assert content(one / "state") == before

    def test_folders_of_others(self, tmp_path: Path) -> None:
        (tmp_path / "state").mkdir()
        (tmp_path / "state" / "thesis.doc").write_text("years of work")
        with pytest.raises(kw.BadParameters, match=r"not ours \(thesis\.doc\)"):
            go(tmp_path, hard_orders(200), state=str(tmp_path / "state"))
        mine = tmp_path / "mine" / "batches"
        mine.mkdir(parents=True)
        (mine / "orders.parquet").write_bytes(b"data of others")
        go(tmp_path, hard_orders(200), state=str(mine.parent))
        assert (mine / "orders.parquet").exists(), "what is not ours is not swept"
        (tmp_path / "file").write_text("")
        with pytest.raises(kw.BadParameters, match="not a folder"):
            go(tmp_path, hard_orders(200), state=str(tmp_path / "file"))

    @pytest.mark.parametrize("place", ["out", "out/state"])
    def test_no_state_in_the_results(self, tmp_path: Path, place: str) -> None:
        with pytest.raises(kw.BadParameters, match="a place of its own"):
            go(tmp_path, hard_orders(200), state=str(tmp_path / place))

    def test_one_engine_only(self) -> None:
        other: Any = object()
        with pytest.raises(kw.BadParameters, match="by engine='duckdb' only"):
            batch_id(replace(kw.orders(hard_orders(200)), engine=other))

    @pytest.mark.parametrize("name", ["keep_model", "fail_on_drift", "new_customers"])
    def test_settings_that_need_a_state(self, name: str) -> None:
        with pytest.raises(kw.BadParameters, match="needs a state"):
            read_settings(None, {name: True})


KILLED = """
import os, signal, sys
from klantwaarde import files
from klantwaarde.job import pipeline, settings
from klantwaarde.state import state
from klantwaarde.engine import duckdb
steps, at = 0, int(sys.argv[1])
state.MOST_PARTS = 1

def counted(call):
    def step(*given, **named):
        global steps
        steps += 1
        if steps == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*given, **named)
    return step

for name in ("replace", "rename", "unlink", "mkdir", "rmdir"):
    setattr(os, name, counted(getattr(os, name)))
files._exchange = counted(files._exchange)
duckdb.DuckDB.run = counted(duckdb.DuckDB.run)
shutil_copy = state.shutil.copyfile
state.shutil.copyfile = counted(shutil_copy)
told = {"orders": "new.parquet", "out": "out", "model": "mbg_nbd", "title": "all", "state": "state"}
pipeline.run(settings.read_settings(None, told), lambda _: None)
"""


STRIDE = 4  # every fourth of some forty steps; each is a run that is killed, and another one


@pytest.mark.slow
def test_killed_between_any_two_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGKILL before each step that touches the disk, the first to the last; then the same run again."""
    batches = in_batches(hard_orders(1_500))
    before, sure, work = (tmp_path / name for name in ("before", "sure", "work"))
    before.mkdir()
    go(before, pa.concat_tables(batches[:7]), state=str(before / "state"))
    go(before, batches[7], state=str(before / "state"))
    pq.write_table(batches[8], before / "new.parquet")
    monkeypatch.setattr(states, "MOST_PARTS", 1)
    shutil.copytree(before, sure)
    go(sure, batches[8], state=str(sure / "state"))
    code, at, tried = -signal.SIGKILL, 0, 0
    while code:
        at, tried = at + STRIDE, tried + 1
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(before, work)
        command = [sys.executable, "-c", KILLED, str(at)]
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
        code = done.returncode
        assert code in {0, -signal.SIGKILL}, done.stderr
        go(work, batches[8], state=str(work / "state"))
        equal(work / "out", sure / "out")
        kept, wanted = ([_timeless(part) for part in parts(folder / "state")] for folder in (work, sure))
        assert kept == wanted, f"killed before step {at}"
        assert record(work / "out")["drift"] == record(sure / "out")["drift"]
        assert sorted(path.name for path in work.iterdir()) == sorted(path.name for path in sure.iterdir())
    assert at > 20, "there were steps to die before"
    assert tried > 5


def _timeless(part: dict[str, Any]) -> dict[str, Any]:
    told = [
        {name: value for name, value in batch.items() if name not in {"merged", "source"}} for batch in part["batches"]
    ]
    return part | {"batches": told}
