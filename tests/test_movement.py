"""How the base moved, as commands tell it: closing to the cent, and down to the customers."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from tests.conftest import Said

import klantwaarde as kw
from klantwaarde.job.movement import Method, dates_between, periods, stage_flows, told

Cli = Callable[..., Said]
DAYS = (dt.date(1997, 6, 30), dt.date(1997, 12, 31), dt.date(1998, 6, 30))


@pytest.fixture(scope="module", name="found")
def _found() -> Any:
    orders = kw.orders(kw.datasets.cdnow_sample())
    method = Method(kw.ParetoNBD, kw.Terms(margin_rate=0.3), "week")
    return periods(orders, DAYS, method, lambda _: None)


class TestPeriods:
    def test_one_closes_where_the_next_opens(self, found: Any) -> None:
        one, other = found
        assert one.ledger.total.flow.closing == other.ledger.total.flow.opening
        assert one.ledger.total.closing == other.ledger.total.opening
        assert one.statement.closing == other.statement.opening

    def test_ledger_and_statement_close_and_agree(self, found: Any) -> None:
        for each in found:
            flow, total, why = each.ledger.total.flow, each.ledger.total, each.statement
            assert flow.opening + flow.new + flow.won_back - flow.lost == flow.closing
            assert total.opening + sum((line.change for line in total.lines.values()), Decimal(0)) == total.closing
            assert (why.opening, why.closing) == (total.opening, total.closing)
            parts = why.opening + why.unwind - why.released + why.experience + why.new_customers + why.model_change
            assert parts == why.closing

    def test_every_line_leads_to_its_customers(self, found: Any) -> None:
        each = found[-1]
        for name, line in each.ledger.total.lines.items():
            rows = each.ledger.customers(name).to_pandas()
            assert len(rows) == line.customers
            assert sum(rows.closing, Decimal(0)) == line.closing

    def test_stages_and_pyramid_count_everybody(self, found: Any) -> None:
        for each in found:
            made = told(each)
            everyone = each.after.scored.customers.totals["customers"]
            assert sum(made["stages"]["after"].values()) == everyone
            assert sum(cell.customers for cell in each.migration.cells.values()) == everyone
            if made["migration"]:
                assert sum(cell["customers"] for cell in made["migration"]["cells"]) == everyone

    def test_days_in_stage_are_the_median_of_days_since(self, found: Any) -> None:
        for each in found:
            frame = each.after.stages.to_pandas().dropna(subset=["stage_since"])
            days = (pd.Timestamp(each.end) - pd.to_datetime(frame.stage_since)).dt.days
            assert told(each)["days_in_stage"] == days.groupby(frame.stage, observed=True).median().to_dict()

    def test_standings_of_a_shorter_period_are_not_taken_for_a_longer(self, found: Any) -> None:
        one, other = found
        ends = one.before.scored, other.after.scored
        by_stages = kw.statement(*ends, stages=(one.before.kept, other.after.kept))
        by_standings = kw.statement(*ends, stages=(one.ledger.before, other.ledger.after))
        assert by_standings.released == by_stages.released > one.statement.released
        assert by_standings.by_line == by_stages.by_line

    def test_flows_lead_from_the_stages_before_to_those_after(self, found: Any) -> None:
        for each in found:
            flows = stage_flows(each)
            for stage, n in told(each)["stages"]["after"].items():
                assert sum(flow["customers"] for flow in flows if flow["after"] == stage) == n
            both = each.before.stages.to_pandas().merge(each.after.stages.to_pandas(), on="customer_id", how="right")
            counted = both.groupby(["stage_x", "stage_y"], observed=True).size().to_dict()
            told_ = {(flow["before"], flow["after"]): flow["customers"] for flow in flows if flow["before"]}
            assert told_ == counted


@pytest.mark.parametrize(
    ("every", "first", "end", "expected"),
    [
        ("quarter", "2023-01-01", "2023-12-31", ["2023-03-31", "2023-06-30", "2023-09-30", "2023-12-31"]),
        ("quarter", "2023-01-01", "2023-11-15", ["2023-03-31", "2023-06-30", "2023-09-30", "2023-11-15"]),
        ("year", "2020-06-01", "2023-12-31", ["2020-12-31", "2021-12-31", "2022-12-31", "2023-12-31"]),
        ("month", "2024-01-01", "2024-04-30", ["2024-02-29", "2024-03-31", "2024-04-30"]),
    ],
)
def test_ends_of_periods(every: str, first: str, end: str, expected: list[str]) -> None:
    days = dates_between(dt.date.fromisoformat(first), dt.date.fromisoformat(end), every)
    assert [str(day) for day in days] == expected


def test_days_that_are_none() -> None:
    with pytest.raises(kw.BadParameters, match="not one of month, quarter, year"):
        dates_between(dt.date(2023, 1, 1), dt.date(2024, 1, 1), "week")
    with pytest.raises(kw.BadParameters, match="no end of a year"):
        dates_between(dt.date(2023, 12, 1), dt.date(2023, 12, 31), "year")


class TestCommands:
    def test_ledger(self, klantwaarde: Cli) -> None:
        words = (
            "ledger",
            kw.datasets.cdnow_sample(),
            "--every",
            "quarter",
            "--start",
            "1997-12-01",
            "--model",
            "pareto_nbd",
        )
        said = klantwaarde(*words, "--json")
        assert said.code == 0
        made = json.loads(said.out)
        assert [each["end"] for each in made] == ["1998-03-31", "1998-06-30"]
        flow = made[-1]["ledger"]["flow"]
        assert flow["opening"] + flow["new"] + flow["won_back"] - flow["lost"] == flow["closing"]
        behind = klantwaarde(*words, "--customers", "lost", "--out", "lost.csv")
        assert behind.code == 0
        assert len(pd.read_csv("lost.csv")) == flow["lost"]
        shown = klantwaarde(*words, "--customers", "won_back", "--period", "1998-03-31")
        assert "won back, 1997-12-31 to 1998-03-31" in " ".join(shown.out.split())
        assert klantwaarde(*words, "--customers", "gone").code == 2
        assert "They end on 1998-03-31" in klantwaarde(*words, "--customers", "lost", "--period", "1998-02-28").err

    def test_stages(self, klantwaarde: Cli) -> None:
        said = klantwaarde("stages", kw.datasets.cdnow_sample(), "--out", "stages.parquet", "--json")
        assert said.code == 0
        counts = json.loads(said.out)["stages"]
        rows = pq.read_table("stages.parquet").to_pandas()
        assert rows.stage.value_counts().to_dict() == {name: n for name, n in counts.items() if n}

    def test_run_since(self, klantwaarde: Cli) -> None:
        words = ("run", kw.datasets.cdnow_sample(), "--model", "pareto_nbd", "--margin-rate", 0.3)
        assert klantwaarde(*words, "--as-of", "1998-03-31", "--out", "before").code == 0
        assert klantwaarde(*words, "--since", "before", "--out", "after").code == 0
        moved = json.loads(Path("after/run.json").read_text())["facts"]["movement"]
        assert (moved["start"], moved["end"]) == ("1998-03-31", "1998-06-30")
        before = pq.read_table("before/customers.parquet").to_pandas()
        assert moved["statement"]["opening"] == pytest.approx(before.rlv.sum(), abs=0.2)
        stages = pq.read_table("after/stages.parquet").to_pandas()
        assert len(stages) == len(before)
        assert "What changed since" in Path("after/report.html").read_text()
        dutch = klantwaarde("report", "after", "--language", "nl", "--out", "nl.html")
        assert dutch.code == 0


class TestTooLittleBehind:
    def test_a_first_day_that_no_model_can_be_fitted_on_is_refused_before_the_work(self, klantwaarde: Cli) -> None:
        """As `ledger` does: eight weeks of orders before it."""
        said = klantwaarde("run", kw.datasets.cdnow_sample(), "--since", "1997-02-25")
        assert said.code == 2
        assert "begins on 1997-02-25, 55 days after the first order, of 1997-01-01" in " ".join(said.err.split())
        assert "Give 1997-02-26 or later" in " ".join(said.err.split())
        assert "fitting" not in said.err

    def test_pyramids_of_a_short_and_a_whole_year_are_not_compared(self, found: Any) -> None:
        """The CDNOW orders begin on 1 January 1997: 181 days to the first date, all of 1997 before the second."""
        short, whole = found
        assert short.unequal is not None
        assert short.unequal.fields == {"before": 181, "after": 365, "day": dt.date(1997, 12, 31)}
        assert whole.unequal is None
        assert told(short)["migration"] is None
        assert "not compared: 'the last year' holds 181 days" in str(told(short)["migration_unequal"])
        assert told(whole)["migration"]["ups"] == whole.migration.ups

    def test_the_page_says_so_and_shows_no_moves(self, klantwaarde: Cli) -> None:
        words = (
            "run",
            kw.datasets.cdnow_sample(),
            "--model",
            "nbd",
            "--as-of",
            "1998-03-31",
            "--since",
            "6 months",
            "--out",
            "r",
        )
        assert klantwaarde(*words).code == 0
        page = " ".join(Path("r/report.html").read_text().split())
        assert "holds 273 days of orders at the first and 365 at the second" in page
        assert "Compare from 31 December 1997 on" in page
        assert klantwaarde("report", "r", "--language", "nl", "--out", "nl.html").code == 0
        assert "worden niet vergeleken" in Path("nl.html").read_text()
