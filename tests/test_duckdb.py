"""What the embedded engine does with rows in order."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from klantwaarde.data.duckdb import DuckDB, _scratch
from klantwaarde.data.engine import empty_columns, statement

ROWS = 400_000
"""More than three of the engine's row groups, so that its cores write at the same time."""


def held_files() -> set[Path]:
    return set(_scratch().glob("held_*"))


def test_a_held_order_is_the_order_of_the_file(tmp_path: Path) -> None:
    engine, before = DuckDB(threads=4), held_files()
    by_hash = f"select range as id, hash(range) as key from range({ROWS}) order by hash(range)"
    with engine.held(by_hash) as ranked:
        engine.write_parquet(ranked, tmp_path / "out.parquet")
        assert held_files() > before
    assert held_files() == before, "the sorted rows are kept no longer than needed"
    table = pq.read_table(tmp_path / "out.parquet").to_pandas()
    assert table["rank"].tolist() == list(range(1, ROWS + 1))
    assert table["key"].is_monotonic_increasing
    assert sorted(table["id"]) == list(range(ROWS))


def test_a_held_order_goes_with_a_fault_too() -> None:
    engine, before = DuckDB(), held_files()
    with pytest.raises(ZeroDivisionError), engine.held("select 1 as one order by one"):
        assert 1 / 0
    assert held_files() == before


def test_ranked_and_held_number_alike() -> None:
    engine = DuckDB()
    by_name = "select * from (values ('b'), ('c'), ('a')) as t(name) order by name"
    with engine.held(by_name) as ranked:
        assert engine.rows(ranked) == engine.rows(engine.ranked(by_name))
        assert engine.rows(ranked) == [{"name": name, "rank": 1 + i} for i, name in enumerate("abc")]


def test_columns_that_are_always_null_are_not_kept() -> None:
    filled, columns = empty_columns(statement("customers", absent=("margin",), occasions="occasions"))
    engine = DuckDB()
    engine.run(
        "create temp table occasions (customer_id int, day date, amount decimal(18, 4), lines int, is_purchase bool)"
    )
    engine.create("kept", filled, {"as_of": "2024-01-01", "year_ago": "2023-01-01"})
    kept = engine.columns("kept")
    engine.view("customers", f"select {columns} from kept")
    whole = engine.columns("customers")
    assert whole.keys() - kept.keys() == {"margin", "margin_last_year"}
    assert whole["margin"] == "DECIMAL(18,4)"
    assert {name: kind for name, kind in whole.items() if name in kept} == kept
