"""Partitioned Parquet in and out, and how far a run is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.conftest import Said

import klantwaarde as kw
from klantwaarde.engine.duckdb import DuckDB
from klantwaarde.files import whole_file
from klantwaarde.job import progress

Cli = Callable[..., Said]


def parted(folder: Path, *by: str) -> Path:
    """The sample's orders in folders per value of these columns."""
    out = folder / "parted"
    with duckdb.connect() as engine:
        columns = "*, year(date) as year, 'shop ' || (customer_id % 2) as shop"
        engine.execute(
            f"copy (select {columns} from '{kw.datasets.cdnow_sample()}') to '{out}' "
            f"(format parquet, partition_by ({', '.join(by)}))"
        )
    return out


def customers_of(source: Any, **columns: str) -> pd.DataFrame:
    return kw.customers(kw.orders(source, **columns), "1998-03-31").to_pandas()


class TestIn:
    @pytest.mark.parametrize("by", [("year",), ("shop", "year"), ("date",)])
    def test_equal_to_one_file(self, tmp_path: Path, by: tuple[str, ...]) -> None:
        pd.testing.assert_frame_equal(customers_of(parted(tmp_path, *by)), customers_of(kw.datasets.cdnow_sample()))

    def test_customers_that_are_folders_keep_their_zeros(self, tmp_path: Path) -> None:
        for name in ("007", "7"):
            (tmp_path / "in" / f"customer_id={name}").mkdir(parents=True)
            dates = pa.array(["2024-01-01", "2024-02-01"]).cast(pa.date32())
            pq.write_table(pa.table({"date": dates}), tmp_path / "in" / f"customer_id={name}" / "a.parquet")
        found = kw.customers(kw.orders(tmp_path / "in"), "2024-03-01").to_pandas()
        assert list(found.customer_id) == ["007", "7"]

    def test_a_folder_above_is_no_column(self, tmp_path: Path) -> None:
        (tmp_path / "amount=3").mkdir()
        path = tmp_path / "amount=3" / "orders.parquet"
        dates = pa.array(["2024-01-01", "2024-02-01"]).cast(pa.date32())
        pq.write_table(pa.table({"customer_id": [1, 1], "date": dates}), path)
        assert not kw.orders(path).has_money


class TestOut:
    def test_the_same_customers(self, klantwaarde: Cli) -> None:
        told = ("run", kw.datasets.cdnow_sample(), "--as-of", "1998-03-31", "--model", "pareto_nbd")
        assert klantwaarde(*told, "--out", "one").code == 0
        assert klantwaarde(*told, "--out", "parts", "--partition-by", "tier").code == 0
        folders = {path.name for path in Path("parts/customers.parquet").iterdir()}
        assert folders == {f"tier={tier}" for tier in ("top", "large", "medium", "small", "inactive")}
        one, parts = (pd.read_parquet(f"{name}/customers.parquet") for name in ("one", "parts"))
        parts["tier"] = parts["tier"].astype("str")
        pd.testing.assert_frame_equal(parts[one.columns].sort_values("rank", ignore_index=True), one)
        pyramids = [pd.read_parquet(f"{name}/pyramid.parquet") for name in ("one", "parts")]
        pd.testing.assert_frame_equal(*pyramids, rtol=1e-12)  # sums of floats, in another order

    def test_a_column_of_values_is_refused(self, klantwaarde: Cli) -> None:
        said = klantwaarde("run", kw.datasets.cdnow_sample(), "--partition-by", "rlv")
        assert said.code == 2
        assert "--partition-by rlv is no column of groups. Choose from profile, tier" in said.err

    def test_a_folder_of_other_things_is_not_replaced(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.txt").write_text("years of work")
        with pytest.raises(kw.BadParameters, match=r"thesis\.txt"), whole_file(tmp_path):
            pass
        assert (tmp_path / "thesis.txt").read_text() == "years of work"

    def test_one_file_takes_the_place_of_a_folder_and_back(self, tmp_path: Path) -> None:
        engine, path = DuckDB(), tmp_path / "out.parquet"
        for partition_by in ((), ("g",), ("g",), ()):
            engine.write_parquet("select 1 as g, 2 as v", path, partition_by=partition_by)
            assert path.is_dir() == bool(partition_by)
            engine.open_parquet(name := engine.new_name("read"), path)
            assert engine.rows(f"select g, v from {name}") == [{"g": 1, "v": 2}]
        assert [found.name for found in tmp_path.iterdir()] == ["out.parquet"]


class TestProgress:
    def test_words(self) -> None:
        assert progress.progress("aggregate", "9 lines", 12.0, 25.0, 10.0) == (
            "aggregate (9 lines): 12 s, current query 25% done, about 30 s left"
        )
        assert progress.progress("fit", "", 12.0, 0.0, 10.0) == "fit: 12 s"

    def test_a_step_that_takes_long_tells_how_far_it_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(progress, "PATIENCE", 0.02)
        monkeypatch.setattr(progress, "LOOK", 0.01)
        said: list[str] = []
        told = threading.Event()

        def say(words: str) -> None:
            said.append(words)
            if "%" in words:
                told.set()

        class Halfway:
            def progress(self) -> float:
                return 50.0

        with progress.Clock(say) as clock:
            clock.engine, clock.rows = Halfway(), "9 lines"  # type: ignore[assignment]
            clock.step("write", "writing")
            assert told.wait(10)
        assert said[0].endswith("s  writing")
        assert "write (9 lines)" in said[-1]
        assert list(clock.seconds) == ["write"]

    def test_it_falls_silent_after_a_fault(self) -> None:
        before = threading.active_count()
        with pytest.raises(ValueError, match="broken"), progress.Clock(lambda _: None) as clock:  # noqa: PT012
            clock.step("read", "reading")
            raise ValueError("broken")
        assert clock._ended.is_set()
        assert threading.active_count() <= before + 1
