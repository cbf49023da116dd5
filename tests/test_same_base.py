"""Models of an earlier run score all orders, not the newest ones alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from tests.conftest import Said

import klantwaarde as kw

Cli = Callable[..., Said]


@pytest.fixture(name="lines")
def _lines(klantwaarde: Cli) -> pd.DataFrame:
    """The CDNOW orders, and the models of a run up to March 1998 in the folder `fitted`."""
    lines = pd.read_parquet(kw.datasets.cdnow_sample())
    lines["date"] = pd.to_datetime(lines.date)
    lines[lines.date <= "1998-03-31"].to_parquet("all.parquet")
    assert klantwaarde("run", "all.parquet", "--model", "nbd", "--out", "fitted").code == 0
    return lines


def scored(klantwaarde: Cli, lines: pd.DataFrame, *words: str) -> Said:
    lines.to_parquet("some.parquet")
    return klantwaarde("score", "some.parquet", "--fit", "fitted/model.json", "--out", "s", *words)


def test_the_newest_orders_alone_are_refused_unless_told(klantwaarde: Cli, lines: pd.DataFrame) -> None:
    newest = lines[lines.date > "1998-03-31"]
    said = scored(klantwaarde, newest)
    told = " ".join(said.err.split())
    assert said.code == 1
    assert "These are not all orders up to 1998-06-30: they begin on 1998-04-01" in told
    assert "0 customers have bought up to 1998-03-31, where the models saw 2,357" in told
    assert "--new-base" in told
    assert "--state" in told
    assert not Path("s").exists()
    assert scored(klantwaarde, newest, "--new-base").code == 0
    assert len(pd.read_parquet("s/customers.parquet")) == newest.customer_id.nunique()


def test_a_file_of_the_last_year_is_refused(klantwaarde: Cli, lines: pd.DataFrame) -> None:
    """Everyone in it is known, and every history is cut."""
    said = scored(klantwaarde, lines[lines.date > "1997-07-01"])
    assert said.code == 1
    assert "the models were fitted on begin on 1997-01-01" in " ".join(said.err.split())


def test_all_orders_are_scored_and_the_models_keep_their_base(klantwaarde: Cli, lines: pd.DataFrame) -> None:
    assert scored(klantwaarde, lines).code == 0
    kept = [json.loads(Path(folder, "model.json").read_text()) for folder in ("fitted", "s")]
    assert kept[0]["base"] == kept[1]["base"] == {"first_order": "1997-01-01"}
    assert kept[0]["timing"] == kept[1]["timing"]
    # A tenth of the customers asked to be forgotten.
    assert scored(klantwaarde, lines[lines.customer_id % 10 != 0]).code == 0


def test_an_earlier_day_is_another_question(klantwaarde: Cli, lines: pd.DataFrame) -> None:
    assert scored(klantwaarde, lines, "--as-of", "1997-02-28").code == 0


def test_a_model_file_from_before_counts_customers(klantwaarde: Cli, lines: pd.DataFrame) -> None:
    kept = json.loads(Path("fitted/model.json").read_text())
    del kept["base"]
    Path("fitted/model.json").write_text(json.dumps(kept))
    assert scored(klantwaarde, lines).code == 0
    assert scored(klantwaarde, lines[lines.date > "1998-03-31"]).code == 1
