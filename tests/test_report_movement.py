"""Stages, movement, ledger and statement on the page: what adds up, what is said, and what is left out."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klantwaarde.report.html import render
from klantwaarde.report.locale import Speech
from klantwaarde.report.movement import chance_told, count_rows, grid, ledger_rows, moves, stage_rows, steps, verdict
from klantwaarde.report.movement_figures import statement_told, waterfall
from klantwaarde.wording.message import LANGUAGES
from movement_facts import movement_facts
from report_facts import report_facts
from test_report_html import HTTP, Page

if TYPE_CHECKING:
    from collections.abc import Mapping

SECTIONS = {"stages", "movement", "ledger"}
CHANGES = ("unwind", "released", "spend", "frequency", "retention", "new_customers", "model_change")
amounts = st.floats(-1e9, 1e9, allow_nan=False)


def told(language: str = "en", *, money: bool = True, **other: Any) -> dict[str, Any]:
    return report_facts(language, money=money) | {"movement": movement_facts(money=money) | other}


@functools.cache
def rendered(language: str, *, money: bool = True) -> str:
    """The page of the sample, drawn once."""
    return render(told(language, money=money))


@functools.cache
def unexplained(language: str) -> str:
    """The page of a period without a statement."""
    return render(told(language, statement=None))


def light(language: str = "en", **other: Any) -> dict[str, Any]:
    """The same without the pictures of other sections, which take time to draw."""
    return told(language, **other) | {"pyramid": [], "value_risk": None, "tracking": None, "total": None}


def first_year() -> dict[str, Any]:
    """Nothing but newcomers: empty matrices, no chance, no statement, thresholds of nobody."""
    facts = movement_facts(money=False)
    facts["migration"] = {"cells": [], "ups": 0, "downs": 0, "thresholds": None, "chance": None}
    return facts | {"flows": [], "lost_told": None}


@st.composite
def statements(draw: st.DrawFn) -> dict[str, Any]:
    """A statement that closes, as its identity has it."""
    found: dict[str, Any] = {"opening": draw(amounts)} | {name: draw(amounts) for name in CHANGES}
    found["expected_closing"] = found["opening"] + found["unwind"] - found["released"]
    found["closing"] = found["expected_closing"] + sum(found[name] for name in CHANGES[2:])
    return found


class TestTables:
    def test_the_ledger_closes_net_and_gross(self) -> None:
        rows = {name: counts for name, *counts in count_rows(movement_facts()["ledger"])}
        for side in (0, 1):
            opening, new, back, lost, closing = (counts[side] for counts in rows.values())
            assert opening + new + back - lost == closing
        assert [counts[1] - counts[0] for counts in rows.values()] == [0, 12, 40, 52, 0]

    def test_the_matrix_of_flows_has_the_stages_as_its_sums(self) -> None:
        facts = movement_facts()
        flows = moves(facts)["flows"]  # type: ignore[index]
        for stage, before, after in stage_rows(facts["stages"]):
            assert (flows.customers(stage), flows.customers(None, stage)) == (before, after)
        assert flows.customers() == 23570

    def test_empty_rows_and_columns_stay_out_but_for_those_always_shown(self) -> None:
        cells = [{"before": "b", "after": "a", "customers": 3}, {"before": "c", "after": "c", "customers": 0}]
        found = grid(cells, ("a", "b", "c"), ("a",))
        assert (found.rows, found.columns) == (("a", "b"), ("a",))
        assert (found.customers("a"), found.customers("b", "a")) == (0, 3)

    def test_who_has_no_stage_is_not_there_and_an_unknown_name_comes_last(self) -> None:
        found = grid([{"before": None, "after": "odd", "customers": 2}], ("absent", "new"))
        assert (found.rows, found.columns) == (("absent",), ("odd",))

    def test_prospects_are_told_where_there_are_any(self) -> None:
        stages = movement_facts()["stages"]
        assert "prospect" not in {row[0] for row in stage_rows(stages)}
        stages["after"]["prospect"] = 5
        assert stage_rows(stages)[0] == ("prospect", 0, 5)

    def test_lines_of_nobody_stay_out_but_for_the_usual(self) -> None:
        lines = movement_facts()["ledger"]["lines"]
        assert [name for name, _ in ledger_rows(lines)] == [name for name in lines if name != "prospect"]
        nobody = {name: line | {"customers": 0} for name, line in lines.items()}
        assert [name for name, _ in ledger_rows(nobody)] == ["new", "won_back", "lost", "up", "down"]


class TestWaterfall:
    @given(statements())
    def test_bars_hang_together_and_end_at_the_closing_value(self, statement: Mapping[str, Any]) -> None:
        found = steps(statement)
        near = pytest.approx(0, abs=1e-6 * max(1, *(abs(step.end) for step in found)))
        for one, following in itertools.pairwise(found):
            assert (
                following.end if following.name in {"expected_closing", "closing"} else following.start
            ) - one.end == near
        assert found[0].amount == statement["opening"]
        assert found[-1].amount == statement["closing"]
        changes = {step.name: step.amount for step in found if not step.is_total}
        assert changes.keys() == set(CHANGES)
        assert changes["released"] + statement["released"] == near

    @pytest.mark.parametrize("narrow", [True, False])
    @pytest.mark.parametrize("factor", [1.0, 0.0, -1.0])
    def test_every_bar_lies_within_the_picture(self, factor: float, *, narrow: bool) -> None:
        facts = told()
        statement = {
            name: amount for name, amount in facts["movement"]["statement"].items() if name not in {"by_line", "memo"}
        }
        facts["movement"]["statement"] = {name: factor * amount for name, amount in statement.items()}
        figure = waterfall(facts, Speech("en", "EUR"), narrow=narrow)
        axes = figure.axes[0]
        assert len(axes.patches) == 10
        (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
        for bar in axes.patches:
            box = bar.get_extents().transformed(axes.transData.inverted())
            assert left <= box.x0 < box.x1 <= right
            assert low <= box.y0 < box.y1 <= high

    def test_lengths_are_in_proportion(self) -> None:
        found = told()
        bars = waterfall(found, Speech("en", "EUR")).axes[0].patches
        widths = [bar.get_width() for bar in bars]  # type: ignore[attr-defined]
        assert widths[0] / widths[-1] == pytest.approx(653761.5 / 612480.55)
        assert widths[2] / widths[0] == pytest.approx(148200.4 / 653761.5)

    def test_in_words(self) -> None:
        said = statement_told(told(), Speech("en", "EUR"))
        assert said.startswith("Value at the start: €653,762; Interest on that value: +€63,100; ")
        assert "Margin expected in the period: −€148,200; Expected at the end: €568,661; " in said


class TestChance:
    @pytest.mark.parametrize(
        ("p", "excess", "said"),
        [(0.049, 3.0, "more"), (0.049, -3.0, "fewer"), (0.05, 3.0, "even"), (1.0, 0.0, "even"), (None, 3.0, "even")],
    )
    def test_verdict(self, p: float | None, excess: float, said: str) -> None:
        assert verdict({"p": p, "excess": excess}) == said

    def test_the_excess_is_told(self) -> None:
        said = chance_told(movement_facts(), Speech())
        assert said == (
            "1,985 customers went up, 113 more than the 1,872 to be expected if nobody changed: chance does not "
            "explain that. 4,590 went down, against 4,571 to be expected if nobody changed: chance can explain the "
            "difference."
        )

    def test_nothing_is_told_where_nothing_was_measured(self) -> None:
        assert chance_told(None, Speech()) == chance_told(first_year(), Speech()) == ""

    def test_a_tiny_p_and_a_sample(self) -> None:
        facts = movement_facts()
        facts["migration"]["chance"]["customers"] = 10000
        facts["migration"]["chance"]["ups"]["p"] = 1e-9
        text = Page(render(light(migration=facts["migration"], statement=None))).text
        assert "+113 < 0.001" in text
        assert "Measured on a sample: 10,000 customers of 22,324." in text


class TestPage:
    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("case", ["money", "no money", "first year", "no statement"])
    def test_is_whole_and_stands_alone(self, language: str, case: str) -> None:
        html = {
            "money": lambda: rendered(language),
            "no money": lambda: rendered(language, money=False),
            "first year": lambda: render(report_facts(language, money=False) | {"movement": first_year()}),
            "no statement": lambda: unexplained(language),
        }[case]()
        page = Page(html)
        assert page.faults == page.open == []
        assert [name for name, times in page.ids.items() if times > 1] == []
        assert {name for name in page.references if name.removeprefix("#") not in page.ids} == set()
        assert HTTP.search(html) is None
        assert "None" not in page.text.replace("None.", "")
        assert html.count("<caption>") == html.count("<table")
        assert set(page.ids) >= SECTIONS
        assert {"#" + name for name in SECTIONS} <= page.references

    def test_without_an_earlier_date_nothing_is_said(self) -> None:
        without = {name: part for name, part in light().items() if name != "movement"}
        for facts in (without, without | {"movement": None}):
            page = Page(render(facts))
            assert not SECTIONS & set(page.ids)
            assert "What changed" not in page.text
        assert moves(None) is None

    def test_the_first_page_says_what_changed(self) -> None:
        assert (
            "What changed since 30 June 1997: 1,234 new customers came, 310 were won back and 4,117 were lost. "
            "The customers who were not lost went from 15,410 to 12,837. "
            "Those who were lost were worth €80,450 at the first date. "
            "All customers together were worth €653,762 "
            "then, and €612,481 now."
        ) in Page(rendered("en")).text

    def test_the_first_page_in_dutch_and_of_one(self) -> None:
        facts = light("nl", statement=None)
        facts["movement"]["ledger"]["flow"] |= {"new": 1, "won_back": 1, "lost": 1}
        assert (
            "Wat er veranderde sinds 30 juni 1997: er kwam 1 nieuwe klant, er werd 1 klant teruggewonnen en 1 ging er "
            "verloren." in Page(render(facts)).text
        )

    def test_absolute_numbers_come_first(self) -> None:
        text = Page(rendered("en")).text
        assert "4,117 customers were lost between 30 June 1997 and 30 June 1998; 1,234 new customers came" in text
        assert (
            "1,985 customers went up in the pyramid between 30 June 1997 and 30 June 1998, and 4,590 went down." in text
        )

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_without_amounts_no_money_is_said(self, language: str) -> None:
        html = rendered(language, money=False)
        text = Page(html).text
        assert "€" not in text
        assert "statement-wide" not in html
        for key in ("statement_title", "memo_table", "statement_none"):
            assert Speech(language).word(key) not in text

    def test_a_missing_statement_says_so(self) -> None:
        assert Speech().word("statement_none") in Page(unexplained("en")).text

    def test_the_rate_of_return_of_the_lost_is_told_in_dutch_or_marked_as_english(self) -> None:
        facts = light("nl", statement=None)
        said = "kochten er 381 opnieuw tot en met 30 juni 1998 (9,5%; 95%-interval 8,6% tot"
        assert said in rendered("nl").replace("\u00a0", " ")
        facts["movement"]["lost_told"] = None
        assert "standaardgrenzen, niet gekalibreerd" in render(facts)
        facts["movement"]["cuts"] = "by the moon"
        assert "by the moon" in render(facts)
        assert Speech("nl").word("in_english") in render(facts)

    def test_hostile_text_is_escaped(self) -> None:
        bad = "<script>alert('1')</script>"
        facts = light(statement=None, rules=bad, lost_told=bad, flows=[{"before": bad, "after": bad, "customers": 1}])
        html = render(facts)
        assert "<script" not in html
        assert html.count("&lt;script&gt;") >= 4
