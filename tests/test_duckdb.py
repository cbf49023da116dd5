"""What the embedded engine does with rows in order."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

import klantwaarde as kw
from klantwaarde.engine.duckdb import DuckDB, _scratch
from klantwaarde.engine.relation import query
from klantwaarde.engine.statement import empty_columns, files, known, statement

ROWS = 400_000
"""More than three of the engine's row groups, so that its cores write at the same time."""


def kept_tables(engine: DuckDB) -> int:
    return int(engine.one("select count(*) as n from duckdb_tables() where database_name = 'on_disk'")["n"])


def test_a_held_order_is_the_order_of_the_file(tmp_path: Path) -> None:
    engine = DuckDB(threads=4)
    by_hash = f"select range as id, hash(range) as key from range({ROWS}) order by hash(range)"
    with engine.held(by_hash) as ranked:
        engine.write_parquet(ranked, tmp_path / "out.parquet")
        assert kept_tables(engine) == 1
    assert kept_tables(engine) == 0, "the sorted rows are kept no longer than needed"
    table = pq.read_table(tmp_path / "out.parquet").to_pandas()
    assert table["rank"].tolist() == list(range(1, ROWS + 1))
    assert table["key"].is_monotonic_increasing
    assert sorted(table["id"]) == list(range(ROWS))


def test_a_held_order_goes_with_a_fault_too() -> None:
    engine = DuckDB()
    with pytest.raises(ZeroDivisionError), engine.held("select 1 as one order by one"):
        assert 1 / 0
    assert kept_tables(engine) == 0


def test_ranked_and_held_number_alike() -> None:
    engine = DuckDB()
    by_name = "select * from (values ('b'), ('c'), ('a')) as t(name) order by name"
    with engine.held(by_name) as ranked:
        assert engine.rows(ranked) == engine.rows(engine.ranked(by_name))
        assert engine.rows(ranked) == [{"name": name, "rank": 1 + i} for i, name in enumerate("abc")]


def test_columns_that_are_always_null_are_not_kept() -> None:
    filled, columns = empty_columns(statement("customers", absent=("margin",), stood="occasions"))
    engine = DuckDB()
    engine.run(
        "create temp table occasions "
        "(customer_id int, day date, amount decimal(18, 4), net decimal(18, 4), lines int, is_purchase bool)"
    )
    engine.create("kept", filled, {"as_of": "2024-01-01", "year_ago": "2023-01-01"})
    kept = engine.columns("kept")
    engine.view("customers", f"select {columns} from kept")
    whole = engine.columns("customers")
    assert whole.keys() - kept.keys() == {"margin", "margin_last_year"}
    assert whole["margin"] == "DECIMAL(18,4)"
    assert {name: kind for name, kind in whole.items() if name in kept} == kept


def test_tables_on_disk_are_known_by_their_names_and_go_with_the_engine() -> None:
    engine, before = DuckDB(), set(_scratch().glob("tables_*"))
    engine.create("far", "select 7 as seven", on_disk=True)
    engine.create("near", "select seven + 1 as eight from far")
    assert engine.one("select seven, eight from far, near") == {"seven": 7, "eight": 8}
    assert engine.columns("far") == {"seven": "INTEGER"}
    assert set(_scratch().glob("tables_*")) > before
    engine.drop("far")
    assert kept_tables(engine) == 0
    engine.connection.close()
    del engine
    gc.collect()
    assert set(_scratch().glob("tables_*")) <= before


def test_a_scope_forgets_what_was_made_in_it() -> None:
    engine = DuckDB()
    engine.create("outer_table", "select 1 as one")
    with engine.scope():
        engine.create("inner_table", "select 2 as two")
        engine.create("inner_on_disk", "select 3 as three", on_disk=True)
        engine.create("dropped", "select 4 as four")
        engine.drop("dropped")
    assert engine.one("select count(*) as n from duckdb_tables()") == {"n": 1}
    assert engine.one("select one from outer_table") == {"one": 1}


STOPPED = """
import os, signal, sys, threading, time
from klantwaarde.cli import faults
from klantwaarde.engine.duckdb import DuckDB

def slow(**_):
    threading.Thread(target=lambda: (time.sleep(1), os.kill(os.getpid(), int(sys.argv[1]))), daemon=True).start()
    DuckDB().rows("select count(*) as n from range(100000000) a, range(100000) b where a.range * b.range % 7 = 3")

faults.told(slow)
"""


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_within_a_statement_stops_in_order(stop: int, code: int) -> None:
    """DuckDB makes a fault of its own of a signal: it is no bug of ours."""
    command = [sys.executable, "-c", STOPPED, str(int(stop))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == code, done.stderr
    assert "bug" not in done.stderr


def test_an_engine_of_ones_own_reads_its_tables() -> None:
    engine = DuckDB()
    engine.run(f"create table sales as from '{kw.datasets.cdnow_sample()}'")
    theirs, ours = (
        kw.customers(read) for read in (kw.orders("sales", engine=engine), kw.orders(kw.datasets.cdnow_sample()))
    )
    assert theirs.to_arrow().equals(ours.to_arrow())
    with pytest.raises(kw.BadOrders, match="the source is the name of a table in it, not DataFrame"):
        kw.orders(pd.DataFrame(), engine=engine)


def test_statements_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "cells.sql").write_text("select 1 as one from customers")
    with pytest.raises(kw.BadParameters, match="a statement called cells already"):
        known(tmp_path)
    (tmp_path / "cells.sql").rename(tmp_path / "of_ones_own.sql")
    known(tmp_path)
    try:
        base = kw.customers(kw.orders(kw.datasets.cdnow_sample()))
        assert len(query("of_ones_own", customers=base.table).rows()) == 2_357
    finally:
        del files()["of_ones_own"]
