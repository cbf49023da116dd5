"""Drift: no alarm on orders of the model, an alarm on others, and what the command line makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import klantwaarde as kw
from conftest import Said
from klantwaarde.validate.drift import drift

Cli = Callable[..., Said]
MODEL = kw.MBGNBD(r=0.6, alpha=8.0, a=0.6, b=2.0)
SPLIT = "2024-03-31"


def record(folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((folder / "run.json").read_text("utf-8"))
    return told


def simulated(seed: int = 0, customers: int = 3_000) -> pa.Table:
    return kw.simulate(MODEL, customers, start="2023-01-01", end="2024-06-30", seed=seed)


def after(table: pa.Table) -> pa.Table:
    return table.filter(pc.greater(table["date"], pd.Timestamp(SPLIT).date()))


def until(table: pa.Table) -> pa.Table:
    return table.filter(pc.less_equal(table["date"], pd.Timestamp(SPLIT).date()))


def doubled() -> pa.Table:
    """After the split everyone's orders come twice over: those of a second, equal base as well."""
    return pa.concat_tables([simulated(), after(simulated(1))])


class TestDrift:
    """The old model against new orders."""

    @pytest.mark.parametrize("Model", [kw.MBGNBD, kw.ParetoNBD, kw.BGNBD])
    def test_no_alarm_on_orders_of_the_model(self, Model: Any) -> None:
        fit = kw.fit(Model, kw.customers(kw.orders(simulated()), SPLIT).cells())
        found = drift(kw.customers(kw.orders(simulated()), "2024-06-30"), _dated(fit))
        assert found is not None
        assert not found.alarm
        assert abs(found.z) < 3
        assert found.orders == pytest.approx(found.expected_orders, rel=0.15)

    def test_alarm_on_a_model_that_does_not_describe_the_customers(self) -> None:
        """NBD knows no leaving: it expects half as many orders again."""
        fit = kw.fit(kw.NBD, kw.customers(kw.orders(simulated()), SPLIT).cells())
        found = drift(kw.customers(kw.orders(simulated()), "2024-06-30"), _dated(fit))
        assert found is not None
        assert found.alarm
        assert found.z > 4
        assert found.expected_orders > 1.3 * found.orders

    def test_alarm_on_doubled_rates(self) -> None:
        fit = _dated(kw.fit(kw.MBGNBD, kw.customers(kw.orders(simulated()), SPLIT).cells()))
        found = drift(kw.customers(kw.orders(doubled()), "2024-06-30"), fit)
        assert found is not None
        assert found.alarm
        assert found.z < -4
        assert found.orders > 1.6 * found.expected_orders
        assert found == drift(kw.customers(kw.orders(doubled()), "2024-06-30"), fit), "the same every time"

    def test_the_unit_changes_nothing(self) -> None:
        base = kw.customers(kw.orders(simulated()), "2024-06-30")
        found = []
        for unit in ("day", "week", "year"):
            fit = kw.fit(kw.MBGNBD, kw.customers(kw.orders(simulated()), SPLIT, unit=unit).cells())
            found.append(drift(base, _dated(fit)))
        first = found[0]
        assert first is not None
        for other in found[1:]:
            assert other is not None
            assert other.log_likelihood == pytest.approx(first.log_likelihood, rel=1e-4)
            assert other.expected == pytest.approx(first.expected, rel=0.02)

    @pytest.mark.slow
    def test_z_is_standard_normal(self) -> None:
        """With the very model that drew the orders, by days as the model's own `draw` and rounding have it."""
        z = []
        for seed in range(40):
            base = kw.customers(kw.orders(_by_the_rule(seed)), "2024-06-30", unit="day")
            found = drift(base, _dated(_truth(base)), seed)
            assert found is not None
            z.append(found.z)
        assert abs(np.mean(z)) < 0.6
        assert 0.7 < np.std(z) < 1.4

    def test_no_day_since(self) -> None:
        base = kw.customers(kw.orders(simulated()), SPLIT)
        assert drift(base, _dated(kw.fit(kw.NBD, base.cells()))) is None


def _dated(fit: Any) -> Any:
    return replace(fit, as_of=SPLIT)


DAILY = kw.MBGNBD(r=0.6, alpha=300.0, a=0.6, b=2.0)


def _by_the_rule(seed: int) -> pa.Table:
    """Orders of DAILY (in days), times rounded up to days."""
    rng = np.random.default_rng(seed)
    born = rng.integers(0, 200, 1_000)
    customer, time = DAILY.draw(rng, (546.0 - born).astype(float))  # days from 2023-01-01 to 2024-06-30
    whose = np.append(np.arange(1_000), customer)
    day = np.append(born, born[customer] + np.ceil(time).astype(int))
    dates = (np.datetime64("2023-01-01") + day).astype("datetime64[D]")
    return pa.table({"customer_id": whose, "date": pa.array(dates, pa.date32())})


def _truth(base: kw.Customers) -> Any:
    return replace(kw.fit(kw.MBGNBD, base.cells()), model=DAILY, unit="day")


class TestModel:
    """The model between runs, on the command line."""

    @pytest.fixture(name="files")
    def _files(self, tmp_path: Path) -> Path:
        pq.write_table(until(simulated()), tmp_path / "a.parquet")
        pq.write_table(after(simulated()), tmp_path / "b.parquet")
        pq.write_table(after(doubled()), tmp_path / "c.parquet")
        return tmp_path

    def test_kept_and_told(self, klantwaarde: Cli, files: Path) -> None:
        given = ("--state", "state", "--model", "mbg_nbd")
        first = klantwaarde("run", "a.parquet", *given, "--keep-model")
        assert first.code == 0, first.err
        assert "fitting mbg_nbd" in first.err
        assert record(files / "results")["drift"] is None
        model = {path.name: path.read_bytes() for path in (files / "state").glob("model.*")}
        said = klantwaarde("run", "b.parquet", *given, "--keep-model", "--fail-on-drift", "--as-of", "2024-06-30")
        assert said.code == 0, said.err
        assert "fitting" not in said.err
        assert "Drift since 2024-03-31" in said.err
        assert "keep it" in said.err
        assert model == {path.name: path.read_bytes() for path in (files / "state").glob("model.*")}
        one, other = (kw.load_fit(path).model for path in (files / "results/model.json", *files.glob("state/model.*")))
        assert one == other

    def test_exit_code_three(self, klantwaarde: Cli, files: Path) -> None:
        given = ("--state", "state", "--model", "mbg_nbd")
        assert klantwaarde("run", "a.parquet", *given).code == 0
        said = klantwaarde("run", "c.parquet", *given, "--fail-on-drift")
        assert said.code == 3, said.err
        assert "refit" in said.err
        told = record(files / "results")
        assert told["drift"]["alarm"]
        assert told["state"]["batches"] == 2
        again = klantwaarde("run", "c.parquet", *given, "--fail-on-drift", "--json")
        assert again.code == 3, "what was told of a batch is told again"
        assert json.loads(again.out)["drift"] == told["drift"]
        assert klantwaarde("run", "c.parquet", *given).code == 0
        scored = klantwaarde("score", "b.parquet", "--fit", "results/model.json", "--new-base", "--out", "other")
        assert scored.code == 0, scored.err
        assert "state" not in record(files / "other"), "score takes no state over"
