"""The command line as a user meets it: what is printed, what is written, and what a killed run leaves."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import klantwaarde as kw
from conftest import Said
from klantwaarde.job.pipeline import ONLY_SINCE, OUTPUTS
from klantwaarde.purchases.schema import SCORED, TIERS

Cli = Callable[..., Said]
SAMPLE = kw.datasets.cdnow_sample()
RETAIL = Path(__file__).parents[2] / "shared" / "data" / "online_retail" / "transactions.parquet"


def retail_columns() -> dict[str, str]:
    if not RETAIL.exists():
        pytest.skip("the Online Retail data are not here")
    return {"customer_id": "CustomerID", "date": "InvoiceDate", "quantity": "Quantity", "price": "UnitPrice"}


def written(folder: Path) -> list[str]:
    return sorted(found.name for found in folder.iterdir())


def customers(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "customers.parquet")


@pytest.fixture(scope="module", name="results")
def _results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one run on the sample."""
    out = tmp_path_factory.mktemp("run") / "results"
    command = [
        sys.executable,
        "-m",
        "klantwaarde",
        "run",
        str(SAMPLE),
        "--margin-rate",
        "0.3",
        "--out",
        str(out),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "the value pyramid as of 1998-06-30" in done.stdout
    assert "reading the orders" in done.stderr
    assert "customers.parquet, stages.parquet, pyramid.parquet, model.json" in done.stderr
    return out


class TestRun:
    """`klantwaarde run`."""

    def test_the_outputs(self, results: Path) -> None:
        assert written(results) == sorted(set(OUTPUTS) - ONLY_SINCE)
        assert written(results.parent) == ["results"], "no hidden remains"

    def test_the_customers(self, results: Path) -> None:
        found = customers(results)
        assert list(found) == [name for name, _, _ in SCORED]
        assert len(found) == found.customer_id.nunique() == 2357

    def test_the_pyramid(self, results: Path) -> None:
        bands, found = pd.read_parquet(results / "pyramid.parquet"), customers(results)
        assert bands.tier.tolist() == list(TIERS)
        assert bands.customers.sum() == 2357
        assert bands.rlv.sum() == pytest.approx(found.rlv.sum())
        active = (found.tier != "inactive").sum()
        assert bands.customers.tolist()[:3] == [-(-active // 100), -(-4 * active // 100), -(-15 * active // 100)]

    def test_the_record(self, results: Path) -> None:
        record = json.loads((results / "run.json").read_text())
        assert record["lines"] | {"read": 6919, "equal": 21, "set_aside": 0} == record["lines"]
        money = {name: Decimal(value) for name, value in record["money"].items()}
        assert money["input"] == money["scored"] == Decimal(str(pd.read_parquet(SAMPLE).amount.sum()))
        assert record["settings"]["margin_rate"] == 0.3
        assert record["as_of"] == "1998-06-30"
        assert record["model"] in {"mbg_nbd", "pareto_nbd"}
        assert "wMAE" in record["choice"]
        assert {"read", "fit", "score", "write"} <= record["seconds"].keys()
        assert record["peak_memory_mb"] > 50
        assert record["libraries"]["numpy"] == np.__version__

    def test_the_model_holds_no_data(self, results: Path) -> None:
        text = (results / "model.json").read_text()
        assert len(text) < 6000
        fit = kw.load_fit(results / "model.json")
        assert (fit.unit, fit.as_of, fit.customers) == ("week", "1998-06-30", 2357)
        assert kw.load_fit(results / "model.json", "spend").name == "gamma_gamma"

    def test_the_report_is_one_page(self, results: Path) -> None:
        page = (results / "report.html").read_text()
        assert page.startswith("<!doctype html>") or page.lower().startswith("<!doctype html>")
        assert "2,357" in page

    def test_scoring_with_the_model_gives_the_same(self, results: Path, klantwaarde: Cli) -> None:
        said = klantwaarde("score", SAMPLE, "--fit", results / "model.json", "--out", "again")
        assert said.code == 0, said.err
        assert "fitting" not in said.err
        pd.testing.assert_frame_equal(customers(Path("again")), customers(results))

    def test_settings_and_flags(self, klantwaarde: Cli, tmp_path: Path) -> None:
        settings = [
            'orders = "o.csv"',
            "customer-id = 'klant'",
            "as_of = 1998-05-31",
            'model = "nbd"',
            'unit = "day"',
            'out = "there"',
        ]
        (tmp_path / "s.toml").write_text("\n".join(settings))
        frame = pd.read_parquet(SAMPLE).rename(columns={"customer_id": "klant"})
        frame.to_csv(tmp_path / "o.csv", index=False)
        said = klantwaarde("run", "--config", "s.toml", "--unit", "month", "--language", "nl", "--currency", "EUR")
        assert said.code == 0, said.err
        told = json.loads((tmp_path / "there" / "run.json").read_text())
        assert told["settings"] | {"unit": "month", "model": "nbd", "as_of": "1998-05-31"} == told["settings"]
        assert kw.load_fit(tmp_path / "there" / "model.json").unit == "month"
        assert 'lang="nl"' in (tmp_path / "there" / "report.html").read_text()

    def test_a_flag_replaces_what_it_rules_out(self, klantwaarde: Cli, tmp_path: Path) -> None:
        (tmp_path / "s.toml").write_text('quantity = "quantity"\nprice = "amount"\nmodel = "nbd"\n')
        said = klantwaarde("run", SAMPLE, "--config", "s.toml", "--amount", "amount")
        assert said.code == 0, said.err
        assert json.loads(Path("results/run.json").read_text())["settings"]["quantity"] is None

    def test_json_and_nothing_else(self, klantwaarde: Cli) -> None:
        said = klantwaarde("run", SAMPLE, "--model", "nbd", "--json")
        told = json.loads(said.out)
        assert said.code == 0
        assert [band["tier"] for band in told["pyramid"]] == list(TIERS)
        assert told["base"]["customers"] == 2357

    def test_results_are_replaced_whole(self, klantwaarde: Cli) -> None:
        for model in ("nbd", "bg_nbd"):
            assert klantwaarde("run", SAMPLE, "--model", model).code == 0
        assert kw.load_fit("results/model.json").name == "bg_nbd"
        assert written(Path("results")) == sorted(set(OUTPUTS) - ONLY_SINCE)
        said = klantwaarde("run", SAMPLE, "--model", "nbd", "--margin-rate", "30")
        assert said.code == 2
        assert kw.load_fit("results/model.json").name == "bg_nbd", "a fault leaves the old results"
        assert written(Path()) == ["results"]

    def test_without_amounts(self, klantwaarde: Cli, tmp_path: Path) -> None:
        pd.read_parquet(SAMPLE)[["customer_id", "date"]].to_parquet(tmp_path / "o.parquet")
        said = klantwaarde("run", "o.parquet", "--model", "nbd")
        assert said.code == 0, said.err
        found = customers(Path("results"))
        assert found.rlv.isna().all()
        assert found.expected_orders.notna().all()
        assert klantwaarde("score", "o.parquet", "--fit", "results/model.json", "--out", "more").code == 0


class TestOthers:
    """`demo`, `check`, `backtest`, `report` and `--help`."""

    @pytest.mark.slow
    def test_demo(self, klantwaarde: Cli) -> None:
        said = klantwaarde("demo")
        assert said.code == 0, said.err
        assert "23,570 customers scored" in said.err
        assert "results/demo" in said.err
        found = customers(Path("results/demo"))
        assert len(found) == 23_570
        assert found["rank"].tolist() == list(range(1, 23_571))

    def test_check(self, klantwaarde: Cli) -> None:
        said = klantwaarde("check", SAMPLE)
        assert (said.code, said.err) == (0, "")
        for words in (
            "6,919 lines read",
            "Correct",
            "Timely",
            "Complete",
            "Enough for the models",
            "21 lines repeat",
            "→",
        ):
            assert words in said.out
        told = json.loads(klantwaarde("check", SAMPLE, "--json", "--as-of", "1997-09-30").out)
        assert list(told["sections"]) == ["correct", "timely", "complete", "ground"]
        assert klantwaarde("check", SAMPLE, "--duplicates", "drop").out.count("dropped") >= 1

    def test_backtest(self, klantwaarde: Cli) -> None:
        said = klantwaarde("backtest", SAMPLE, "--split", "1997-09-30")
        assert (said.code, said.err) == (0, "")
        table = said.out.split("\n", 1)[1].splitlines()
        assert max(map(len, table)) <= 80
        assert "…" not in said.out, "nothing is cut off at 80 columns"
        for words in ("orders of 2,357 customers", "1,882 came", "money of", "same rate as before", "at best 0.684"):
            assert words in said.out
        told = json.loads(klantwaarde("backtest", SAMPLE, "--split", "1997-09-30", "--models", "nbd", "--json").out)
        assert {score["predictor"] for score in told["scores"]} == {"nbd", "same rate as before", "nothing"}
        assert told["split"] == "1997-09-30"

    def test_report_again(self, results: Path, klantwaarde: Cli, tmp_path: Path) -> None:
        before = written(results)
        said = klantwaarde("report", results, "--language", "nl", "--title", "Mijn winkel", "--out", "nl.html")
        assert said.code == 0, said.err
        page = (tmp_path / "nl.html").read_text()
        assert 'lang="nl"' in page
        assert "Mijn winkel" in page
        assert written(results) == before
        assert klantwaarde("report", results, "--language", "fr").code == 2
        assert klantwaarde("report", results, "--out", "nowhere/deep/nl.html").code == 2

    @pytest.mark.parametrize("command", ["demo", "check", "run", "score", "backtest", "report"])
    def test_help(self, command: str, klantwaarde: Cli) -> None:
        said = klantwaarde(command, "--help")
        assert (said.code, said.err) == (0, "")
        assert command in said.out
        assert "given" not in said.out.lower().split("usage")[0]

    def test_a_reader_who_has_enough(self) -> None:
        script = f"{sys.executable} -m klantwaarde check '{SAMPLE}' --json | head -c 10"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
        assert done.stderr == ""

    def test_every_setting_has_its_flag_and_help(self, klantwaarde: Cli) -> None:
        from dataclasses import fields

        from klantwaarde.job.settings import Settings

        told = klantwaarde("run", "--help").out
        assert [f.name for f in fields(Settings)[1:] if f"--{f.name.replace('_', '-')}" not in told] == []


def start(out: Path, *more: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "klantwaarde",
        "run",
        str(kw.datasets.cdnow()),
        "--model",
        "nbd",
        "--out",
        str(out),
        *more,
    ]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def until(run: subprocess.Popen[str], words: str) -> None:
    """Read what the run says until it says this."""
    assert run.stderr is not None
    for line in run.stderr:
        if words in line:
            return
    pytest.fail(f"the run never said {words!r}")


def state(out: Path) -> dict[str, bytes] | None:
    """What a user finds in the folder."""
    return {found.name: found.read_bytes() for found in out.iterdir()} if out.exists() else None


def end(run: subprocess.Popen[str]) -> None:
    run.kill()
    run.communicate()


def finish(run: subprocess.Popen[str]) -> int:
    run.communicate()
    return run.returncode


@pytest.mark.slow
class TestKilled:
    """SIGKILL, at moments spread over the run and in the midst of writing."""

    def test_it_leaves_the_old_results_or_the_new(self, tmp_path: Path) -> None:
        out = tmp_path / "results"
        moments = ["reading", "examining", "fitting nbd", "scoring", "writing the scored", "writing the report"]
        for moment in moments:
            run = start(out)
            until(run, moment)
            end(run)
            assert run.returncode == -signal.SIGKILL
            assert state(out) is None, moment
        assert any(name.startswith(".results") for name in written(tmp_path)), "there were remains to sweep"
        assert finish(start(out)) == 0
        assert written(out) == sorted(set(OUTPUTS) - ONLY_SINCE)
        assert written(tmp_path) == ["results"]
        old = state(out)
        for moment in moments[3:]:
            run = start(out, "--margin-rate", "0.5")
            until(run, moment)
            end(run)
            assert state(out) == old, moment

    def test_while_files_are_written_and_swapped(self, tmp_path: Path) -> None:
        """Killed at short delays after writing began: whenever it dies, the folder is whole."""
        out = tmp_path / "results"
        assert finish(start(out)) == 0
        old = state(out)
        for delay in np.linspace(0, 1.2, 7):
            run = start(out, "--margin-rate", "0.5")
            until(run, "writing the scored")
            time.sleep(delay)
            end(run)
            found = state(out)
            assert found is not None
            assert sorted(found) == sorted(set(OUTPUTS) - ONLY_SINCE)
            if found != old:
                assert json.loads(found["run.json"])["settings"]["margin_rate"] == 0.5
                pd.read_parquet(out / "customers.parquet")
                assert found["report.html"].rstrip().endswith(b"</html>")
        assert finish(start(out)) == 0
        assert written(tmp_path) == ["results"]

    def test_two_at_once(self, tmp_path: Path) -> None:
        out = tmp_path / "results"
        first = start(out)
        until(first, "lines read")
        first.send_signal(signal.SIGSTOP)  # so that it is surely not done when the second one begins
        second = start(out)
        _, told = second.communicate()
        first.send_signal(signal.SIGCONT)
        assert second.returncode == 1
        assert f"Another run is writing to {out}" in told
        assert finish(first) == 0
        assert written(out) == sorted(set(OUTPUTS) - ONLY_SINCE)


@pytest.mark.slow
def test_online_retail(klantwaarde: Cli) -> None:
    """Every identified customer of a real shop, and every cent, with nothing cleaned beforehand."""
    flags = [word for name, column in retail_columns().items() for word in (f"--{name.replace('_', '-')}", column)]
    said = klantwaarde("run", RETAIL, *flags, "--title", "Online Retail")
    assert said.code == 0, said.err
    assert "135,080 lines (24.9% of all, 14.9% of the money) are without a customer" in " ".join(said.err.split())
    assert "5,268 lines repeat an earlier line" in said.err
    found, raw = customers(Path("results")), pd.read_parquet(RETAIL)
    known = raw[raw.CustomerID.notna()]
    assert len(found) == 4372
    assert set(found.customer_id) == set(known.CustomerID)
    tenths = raw.Quantity * (raw.UnitPrice * 1000).round().astype("int64")
    by = tenths[known.index].groupby(known.CustomerID).sum()
    realised = found.set_index("customer_id").value_realised.map(
        Decimal if found.value_realised.dtype == object else str
    )
    assert {who: Decimal(value) for who, value in realised.items()} == {
        who: Decimal(int(v)) / 1000 for who, v in by.items()
    }
    money = {name: Decimal(value) for name, value in json.loads(Path("results/run.json").read_text())["money"].items()}
    assert money["input"] == Decimal(int(tenths.sum())) / 1000 == money["scored"] + money["set_aside"]
    assert money["scored"] == Decimal(int(by.sum())) / 1000
    words = ["customer_id", "first_order", "last_order", "tier", "reason", "zbar"]
    through_others = [name for name in found.columns if found[name].isna().all()]  # no links were given
    model: Any = found[found.reason.isna()].drop(columns=sorted({*words, *through_others}))
    assert len(through_others) <= 10
    assert np.isfinite(model.to_numpy(dtype=float)).all()
