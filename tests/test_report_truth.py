"""What the report calls things: money by what is known of it, and customers at risk by their stage alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from klantwaarde.job.pipeline import run
from klantwaarde.job.settings import Settings
from klantwaarde.purchases.datasets import cdnow_sample
from klantwaarde.report.html import render
from klantwaarde.report.words import REVENUE, WORDS
from test_report_html import Page


def ran(folder: Path, **more: Any) -> Path:
    run(Settings(orders=str(cdnow_sample()), out=str(folder), model="mbg_nbd", **more), lambda _: None)
    return folder


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ran(tmp_path_factory.mktemp("truth") / "results")


def facts(results: Path) -> dict[str, Any]:
    return dict(json.loads((results / "run.json").read_text())["facts"])


def test_without_a_margin_money_is_called_revenue_and_the_first_screen_says_so(results: Path) -> None:
    page = Page((results / "report.html").read_text())
    assert "No margin was given, so every amount in this report is revenue" in page.text
    said = ("No margin was given", "revenue, not margin", "margin rate none given no margin is known")
    rest = page.text
    for words in said:
        assert words in rest
        rest = rest.replace(words, "")
    assert "margin" not in rest
    dutch = Page(render(facts(results) | {"language": "nl"})).text
    assert "Er is geen marge opgegeven" in dutch


def test_with_a_margin_it_is_called_margin(tmp_path: Path) -> None:
    text = Page((ran(tmp_path / "out", margin_rate=0.3) / "report.html").read_text()).text
    assert "No margin was given" not in text
    assert "margin last year" in text


def test_words_of_revenue_never_say_margin_and_stand_for_words_that_do() -> None:
    changed = [key for key in WORDS if REVENUE[key] != WORDS[key]]
    assert len(changed) > 20
    for key in changed:
        assert "margin" in WORDS[key]["en"].lower()
        assert "margin" not in REVENUE[key]["en"].lower()
        assert "marge" not in REVENUE[key]["nl"].lower()
    assert set(REVENUE) == set(WORDS)


def test_whom_to_act_on_are_those_at_risk_or_dormant_by_residual_value(results: Path) -> None:
    both = pd.read_parquet(results / "customers.parquet").merge(
        pd.read_parquet(results / "stages.parquet")[["customer_id", "stage"]], on="customer_id"
    )
    chosen = both[both.stage.isin(["at_risk", "dormant"])].sort_values(["rlv", "rank"], ascending=[False, True])
    listed = facts(results)["top_at_risk"]
    assert [row["customer_id"] for row in listed] == chosen.customer_id.head(20).tolist()
    assert {row["stage"] for row in listed} <= {"at_risk", "dormant"}
    per_stage = facts(results)["stages"]
    assert {name: row["customers"] for name, row in per_stage.items() if row["customers"]} == dict(
        both.stage.value_counts()
    )
    assert sum(row["rlv"] for row in per_stage.values()) == pytest.approx(both.rlv.sum(), rel=1e-12)


def test_the_figures_that_every_shop_looks_at(results: Path) -> None:
    rows = pd.read_parquet(results / "customers.parquet")
    base = facts(results)["base"]
    buyers = rows[rows.orders > 0]
    assert base["order_value"] == pytest.approx(float(rows.revenue.astype(float).sum()) / rows.orders.sum())
    assert base["orders_each"] == pytest.approx(buyers.orders.mean())
    days = (pd.to_datetime(buyers.last_order) - pd.to_datetime(buyers.first_order)).dt.days.sum()
    assert base["days_between"] == pytest.approx(days / (buyers.orders - 1).sum())


def test_who_is_new_is_told_from_who_is_new_to_the_data(results: Path) -> None:
    """CDNOW begins half a year before the last year, so new is new."""
    assert facts(results)["base"]["new_to_data"] is False
    known = facts(results)
    text = Page(render(known | {"base": known["base"] | {"new_to_data": True}})).text
    assert "first purchase in these data in the last year" in text
    assert "first purchase in these data" not in Page(render(known)).text


def test_the_last_year_begins_the_day_after_the_same_day_a_year_ago(results: Path) -> None:
    told = next(row for row in facts(results)["assumptions"] if "last year" in str(row["name"]))
    assert "1997-07-01" in str(told["value"])
