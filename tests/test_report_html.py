"""The report page: complete, self-contained, safe, and the same in both languages."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from string import Formatter
from typing import Any

import pandas as pd
import pytest

import klantwaarde as kw
import klantwaarde.report
from klantwaarde.errors import BadParameters
from klantwaarde.report.facts import assumptions
from klantwaarde.report.html import render, write_report
from klantwaarde.report.locale import Speech
from klantwaarde.report.words import WORDS
from klantwaarde.wording.message import LANGUAGES, as_kept, message, worded
from report_facts import report_facts, total_facts

VOID = {"meta", "br", "link", "img", "hr", "input"}
HOSTILE = """<script>alert("1")</script>&'${{ 7 * 7 }}</style>"""
SOURCES = Path(klantwaarde.report.__file__).parent
HTTP = re.compile(r"https?:|//\w|@import|url\((?!#)|<script|<link|<img|<iframe", re.IGNORECASE)


class Page(HTMLParser):
    """The tags of a page: what is open, what is wrong, which ids and references there are, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.ids: Counter[str] = Counter()
        self.references: set[str] = set()
        self.told: list[str] = []
        self.feed(page)
        self.close()
        self.text = " ".join(" ".join(self.told).split()).replace("\N{NO-BREAK SPACE}", " ")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._attributes(attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self._attributes(attrs)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"{tag} at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.told.append(data)

    def _attributes(self, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids[value or ""] += 1
            if name in {"href", "src", "xlink:href"}:
                self.references.add(value or "")
            self.references.update("#" + found for found in re.findall(r"url\(#([^)]*)\)", value or ""))
            if name == "aria-labelledby":
                self.references.update("#" + found for found in (value or "").split())


def variants() -> dict[str, dict[str, Any]]:
    empty = report_facts() | {
        "pyramid": [], "value_risk": None, "tracking": None, "top_customers": [], "top_at_risk": [],
        "assumptions": [],
        "spend": None, "doctor": {"verdict": "", "sections": {}},
    }  # fmt: skip
    idle = report_facts()
    idle["tracking"] |= {"actual": [0] * 77}
    idle["value_risk"] |= {"customers": [[0] * 5] * 5}
    empty["model"] = empty["model"] | {"choice": [], "choice_split": None, "parameters": {}, "notes": []}
    return {
        "en": report_facts(),
        "nl": report_facts("nl"),
        "no money": report_facts(money=False),
        "geen geld": report_facts("nl", money=False),
        "no currency": report_facts(currency=None),
        "dollars": report_facts(currency="USD"),
        "francs": report_facts("nl", currency="CHF"),
        "empty": empty,
        "idle": idle,
        "small": small(),
        "no links": report_facts() | {"total": total_facts(links=False)},
        "zonder koppelingen": report_facts("nl") | {"total": total_facts(links=False)},
        "no total": report_facts() | {"total": None},
        "before there was a total": {name: part for name, part in report_facts().items() if name != "total"},
        "influence estimated": report_facts() | {"total": total_facts(influence="estimated")},
        "invloed geschat": report_facts("nl") | {"total": total_facts(influence="estimated")},
        "influence assumed": report_facts() | {"total": total_facts(influence="assumed")},
        "influence none": report_facts() | {"total": total_facts(influence="none") | {"influencers": []}},
        "nobody refers": report_facts() | {"total": nobody_refers()},
    }


def nobody_refers() -> dict[str, Any]:
    """Files of links in which nothing is left: no future, no cut, nobody at the top."""
    total = total_facts()
    total["profiles"] |= {
        "crv_cut": None,
        "groups": [group | {"customers": 0} for group in total["profiles"]["groups"]],
    }
    total["indirect"] |= {"future": None, "newcomer": None}
    total["ranking"] |= {"spearman": None, "tops": []}
    total["assumed"]["anyway"] = {"referrals": 0, "given": 0, "mean": None, "default": None}
    return total | {"referrers": [], "influencers": [], "files": []}


def small() -> dict[str, Any]:
    """Two customers, one period, one value band without end, no standard errors."""
    facts = report_facts()
    facts["tracking"] = {"period": "fortnight", "start": ["1997-01-01"], "actual": [1], "expected": [None]}
    facts["value_risk"] |= {
        "value_edges": [0, float("inf")],
        "customers": [[0]] * 4 + [[1]],
        "rlv": [[None]] * 5,
    }
    facts["model"] |= {
        "name": "my_model",
        "standard_errors": {},
        "log_likelihood": None,
        "choice_split": None,
    }
    facts |= {"horizon": "1998-12-31", "rank_by": "luck", "at_risk_rule": "by hand"}
    facts["base"] |= {"customers": 1, "active": 1, "expected_orders": 1.0}
    return facts


@pytest.mark.parametrize("name", variants())
def test_page_is_whole_and_stands_alone(name: str) -> None:
    html = render(variants()[name])
    page = Page(html)
    assert page.faults == []
    assert page.open == []
    assert [known for known, times in page.ids.items() if times > 1] == []
    assert {reference for reference in page.references if reference.removeprefix("#") not in page.ids} == set()
    assert HTTP.search(html) is None
    assert "None" not in page.text.replace("None.", "")
    assert " nan" not in page.text


def test_page_begins_and_ends_as_html() -> None:
    html = render(report_facts("nl"))
    assert html.startswith('<!DOCTYPE html>\n<html lang="nl">')
    assert html.rstrip().endswith("</html>")
    assert html.count("<caption>") == html.count("<table")
    assert html.count("<svg ") == html.count('role="img"') == html.count("<title id=") == 8


@pytest.mark.parametrize("language", LANGUAGES)
def test_same_facts_same_bytes(language: str, tmp_path: Path) -> None:
    for name in ("a.html", "b.html"):
        write_report(report_facts(language), tmp_path / name)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_a_report_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"
    write_report(report_facts(), path)
    before = path.read_bytes()

    def half(self: Path, text: str, **_: Any) -> None:
        self.write_bytes(text[: len(text) // 2].encode())
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(OSError, match="no space"):
        write_report(report_facts("nl"), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_facts_are_left_as_they_were() -> None:
    facts = report_facts()
    before = copy.deepcopy(facts)
    render(facts)
    assert facts == before


def test_hostile_text_is_escaped() -> None:
    facts = report_facts(currency="<b>")
    facts["title"] = facts["model"]["name"] = facts["at_risk_rule"] = facts["rank_by"] = HOSTILE
    facts["top_customers"][0] |= {"customer_id": HOSTILE, "tier": HOSTILE}
    facts["pyramid"][0] |= {"tier": HOSTILE}
    facts["value_risk"]["value_measure"] = facts["tracking"]["period"] = HOSTILE
    facts["assumptions"][0] |= {"name": HOSTILE, "value": HOSTILE, "meaning": HOSTILE}
    facts["doctor"]["sections"]["correct"][0] |= {"text": HOSTILE, "examples": [HOSTILE], "remedy": HOSTILE}
    facts["doctor"]["verdict"] = HOSTILE
    facts["total"]["referrers"][0] |= {"customer_id": HOSTILE}
    facts["total"]["files"][0]["findings"][0] |= {"kind": HOSTILE, "rule": HOSTILE}
    html = render(facts)
    assert "<script" not in html
    assert "<b>" not in html
    assert html.count("</style>") == 1
    assert " ".join(HOSTILE.split()) in Page(html).text


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_customer_and_finding_is_on_the_page(language: str) -> None:
    facts = report_facts(language)
    text = Page(render(facts)).text
    for customer in facts["top_customers"] + facts["top_at_risk"]:
        assert customer["customer_id"] in text
    for finding in [finding for section in facts["doctor"]["sections"].values() for finding in section]:
        assert finding["text"] in text
        assert all(example in text for example in finding["examples"])
    assert all(assumption["meaning"] in text for assumption in facts["assumptions"])


def test_headline_in_english() -> None:
    text = Page(render(report_facts())).text
    assert (
        "As of 30 June 1998 you have 23,570 customers. 9,000 brought in revenue in the last year, 14,570 did not."
        in text
    )
    assert "another 18,231 orders in the next 12 months" in text
    assert (
        "All the margin they are still expected to bring in, without end and discounted, is worth €612,481 today"
        in text
    )


def test_headline_in_dutch() -> None:
    text = Page(render(report_facts("nl"))).text
    said = "Op 30 juni 1998 heeft u 23.570 klanten. 9.000 zorgden het afgelopen jaar voor omzet, 14.570 niet."
    assert said in text
    assert "nog 18.231 aankopen in de komende 12 maanden" in text
    assert "zonder einddatum en contant gemaakt, is vandaag € 612.481 waard" in text


def test_one_customer_in_dutch() -> None:
    for money, said in (
        (True, "1 zorgde het afgelopen jaar voor omzet"),
        (False, "1 deed het afgelopen jaar een aankoop"),
    ):
        facts = report_facts("nl", money=money)
        facts["base"] |= {"active": 1}
        assert said in Page(render(facts)).text


def test_revenue_is_told_beside_margin() -> None:
    text = Page(render(report_facts())).text
    assert "Revenue so far Margin last year Margin so far" in text
    for layer in report_facts()["pyramid"]:
        row = (layer["revenue"], layer["value_last_year"], layer["value_realised"])
        assert all(Speech("en", "EUR").money(amount) in text for amount in row)


def scored(*, money: bool) -> kw.Scored:
    """Six customers, one of them with a single order and two who stayed away for a year."""
    days = pd.to_datetime(["1997-01-05", "1998-05-01", "1998-06-01"])
    rows = [(who, day, 10.0 * who) for who in range(1, 7) for day in days[: 1 if who == 1 else 3 if who < 5 else 1]]
    frame = pd.DataFrame(rows, columns=["customer_id", "date", "amount"])
    base = kw.customers(kw.orders(frame if money else frame.drop(columns="amount")), "1998-06-30")
    spend = kw.fit(kw.GammaGamma, base.spend()) if money else None
    return kw.score(base, kw.Fits(kw.fit(kw.MBGNBD, base.cells()), spend), kw.Terms(margin_rate=0.3 if money else None))


def test_revenue_of_the_tiers_adds_up() -> None:
    bands = kw.pyramid(scored(money=True))
    assert sum(band.revenue or 0 for band in bands) == pytest.approx(10 + 3 * (20 + 30 + 40) + 50 + 60)
    assert sum(band.revenue_share or 0 for band in bands) == pytest.approx(1)
    assert bands[0].value_realised == pytest.approx(0.3 * (bands[0].revenue or 0))
    assert {(band.revenue, band.revenue_share) for band in kw.pyramid(scored(money=False))} == {(None, None)}


def test_residual_value_is_among_the_assumptions() -> None:
    frame = pd.DataFrame({"customer_id": [1, 1], "date": pd.to_datetime(["1998-05-01", "1998-06-01"]), "amount": 5.0})
    base, terms = kw.customers(kw.orders(frame), "1998-06-30"), scored(money=True).terms
    told = {row["name"]: row["value"] for row in assumptions(base, terms)}
    assert told["residual value"] == "without end, discounted at 10%, at a margin of 30%"
    without = kw.customers(kw.orders(frame.drop(columns="amount")), "1998-06-30")
    assert "residual value" not in {row["name"] for row in assumptions(without, terms)}


def test_facts_of_before_revenue_can_be_told_again() -> None:
    facts = report_facts()
    facts["pyramid"] = [
        {name: value for name, value in layer.items() if not name.startswith("revenue")} for layer in facts["pyramid"]
    ]
    assert Page(render(facts)).faults == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_tracking_says_that_the_model_has_seen_it_all(language: str) -> None:
    facts, speech = report_facts(language), Speech(language)
    text = Page(render(facts)).text
    assert speech.word("tracking_seen") in text
    assert f"{speech.word('tracking_unseen')} {speech.word('model_title')}" in text
    facts["model"] |= {"choice": [], "choice_split": None}
    assert speech.word("tracking_unseen") not in Page(render(facts)).text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_fit_is_told_in_plain_words(language: str) -> None:
    facts, optimum = report_facts(language), Speech(language).word("fit_optimum")
    text = Page(render(facts)).text
    assert "in log-likelihood" not in text
    assert text.count(optimum) == 2
    doubt = message("fit_nobody_bought_again")
    facts["model"] |= {"doubt": as_kept(doubt)}
    assert f"{optimum} {worded(doubt, language)} Fitted on" in Page(render(facts)).text
    facts["model"] |= {"status": "boundary", "reason": "s and beta run off"}
    del facts["model"]["doubt"]  # as in facts from before there were codes
    assert "s and beta run off" in Page(render(facts)).text


def test_the_dutch_report_says_that_something_is_in_english() -> None:
    said = Speech("nl").word("in_english")
    assert said.endswith("zijn in het Engels.")
    assert said in Page(render(report_facts("nl"))).text
    assert Speech("en").word("in_english") not in Page(render(report_facts("en"))).text


@pytest.mark.parametrize("language", LANGUAGES)
def test_without_amounts_no_money_is_said(language: str) -> None:
    text = Page(render(report_facts(language, money=False))).text
    assert Speech(language).word("no_money") in text
    for key in ("column_value_realised", "column_rlv", "head_rlv", "spend_title", "hint_revenue"):
        assert Speech(language).word(key) not in text
    assert "€" not in text


def test_empty_parts_say_so() -> None:
    text = Page(render(variants()["empty"])).text
    for key in ("pyramid_none", "risk_none", "tracking_none", "nothing", "check_clean"):
        assert Speech().word(key) in text


def test_unknown_language_is_refused() -> None:
    with pytest.raises(BadParameters, match="not 'fr'"):
        render(report_facts("fr"))


def test_pyplot_and_its_state_stay_out() -> None:
    code = (
        "import sys; sys.path.insert(0, 'tests'); from report_facts import report_facts; import matplotlib;"
        "before = matplotlib.rcParams.copy(); from klantwaarde.report.html import render; render(report_facts());"
        "assert 'matplotlib.pyplot' not in sys.modules; assert dict.__eq__(before, matplotlib.rcParams)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])


@pytest.mark.parametrize(
    ("language", "currency", "value", "said"),
    [
        ("en", "EUR", 1234567.8, "€1,234,568"),
        ("nl", "EUR", 1234567.8, "€ 1.234.568"),
        ("en", "GBP", 12.5, "£12.50"),
        ("nl", "USD", -12.5, "−$ 12,50"),
        ("en", "CHF", 1500, "CHF 1,500"),
        ("nl", None, 1500, "1.500"),
        ("en", "EUR", -0.001, "€0.00"),
        ("en", "EUR", None, "–"),
        ("en", "EUR", float("inf"), "–"),
    ],
)
def test_money(language: str, currency: str | None, value: float | None, said: str) -> None:
    assert Speech(language, currency).money(value).replace("\N{NO-BREAK SPACE}", " ") == said


def test_numbers_by_language() -> None:
    english, dutch = Speech("en", "EUR"), Speech("nl", "EUR")
    assert (english.number(1234.5, 1), dutch.number(1234.5, 1)) == ("1,234.5", "1.234,5")
    assert (english.compact(1_250_000), dutch.compact(1_250_000)) == (
        "€1.2m",
        "€ 1,2 mln".replace(" ", "\N{NO-BREAK SPACE}"),
    )
    assert (english.compact(19_400), english.short(9_999)) == ("€19k", "9,999")
    assert (english.count("customers", 1), english.count("customers", 117)) == ("1 customer", "117 customers")
    assert (dutch.day("1998-03-01"), dutch.date("1998-03-01")) == (
        "1\N{NO-BREAK SPACE}mrt\N{NO-BREAK SPACE}1998",
        "1\N{NO-BREAK SPACE}maart\N{NO-BREAK SPACE}1998",
    )
    assert (english.chance(0.9999), english.chance(1), english.chance(0.001)) == (
        ">\N{NO-BREAK SPACE}99%", "100%",
        "<\N{NO-BREAK SPACE}1%",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("horizon", "said"),
    [
        ("12 months", "in the next 12 months"),
        ("1 year", "in the next 1 year"),
        ("1998-12-31", "up to 31 December 1998"),
    ],
)
def test_horizon(horizon: str, said: str) -> None:
    assert Speech().horizon(horizon).replace("\N{NO-BREAK SPACE}", " ") == said


def test_every_word_in_every_language() -> None:
    for key, said in WORDS.items():
        assert set(said) == set(LANGUAGES), key
        fields = [sorted(name for _, name, _, _ in Formatter().parse(words) if name) for words in said.values()]
        assert fields[0] == fields[1], key
        assert len({words.count(" | ") for words in said.values()}) == 1, key


def test_templates_say_known_words_and_all_words_are_said() -> None:
    told = "\n".join(
        path.read_text("utf-8")
        for path in [
            *SOURCES.rglob("*.j2"),
            SOURCES / "html.py",
            SOURCES / "figures.py",
            SOURCES / "profiles.py",
            SOURCES / "locale.py",
            SOURCES / "total_sentences.py",
            SOURCES / "words.py",
        ]
    )
    said = set(re.findall(r"""say\.(?:word|count)\("(\w+)"[,)]""", told)) | set(
        re.findall(r"""speech\.(?:word|count)\("(\w+)"[,)]""", told)
    )
    assert said <= set(WORDS)
    quoted = set(re.findall(r"""["'](\w+)["']""", told))
    prefixes = tuple(name for name in quoted if name.endswith("_"))
    endings = tuple(name for name in quoted if name.startswith("_"))
    anchors = {"pyramid", "total", "risk", "tracking", "top", "risky", "model", "assumptions", "doctor", "glossary"}
    built = {anchor + ending for anchor in anchors for ending in endings}
    meant = ("parameter_", "day", "week", "month", "year")
    assert {key for key in WORDS if key not in quoted | built and not key.startswith((*prefixes, *meant))} == set()
