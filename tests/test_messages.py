"""Findings, assumptions, reasons and notes: every one is a message, with words in both languages."""

from __future__ import annotations

import ast
import copy
import datetime as dt
import json
import pickle
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import klantwaarde as kw
from klantwaarde.cli.app import _print_sheet
from klantwaarde.doctor import correct
from klantwaarde.doctor.finding import Check
from klantwaarde.estimate import diagnosis
from klantwaarde.estimate.notes import notes
from klantwaarde.estimate.point import Optimum
from klantwaarde.lifecycle.calibration import Rate, calibration
from klantwaarde.lifecycle.rules import Cuts
from klantwaarde.models import GammaGamma, ParetoNBD
from klantwaarde.purchases.cells import Cells, SpendCells
from klantwaarde.report.facts import assumptions, plain
from klantwaarde.report.html import render
from klantwaarde.report.locale import Speech
from klantwaarde.report.worded import said_in
from klantwaarde.report.words import WORDS
from klantwaarde.value.terms import Basis
from klantwaarde.wording.message import LANGUAGES, MESSAGES, Message, message, worded
from report_facts import report_facts
from test_doctor import CASES, Planted, findings, healthy, line, plus

DAY = pd.Timestamp("2023-12-30")
SOURCES = sorted(Path(str(kw.__file__)).parent.rglob("*.py"))
DAYS = re.compile(r"\d{4}-\d\d-\d\d")
SAME = re.compile(r"[\d\W]*|horizon|[a-z_]+ [\d.]+|.*->.*|rate .*", re.DOTALL)
"""What reads the same in both languages."""


def dutch(said: Any) -> str:
    """The Dutch of a message, with the same digits in it, and no English left."""
    assert isinstance(said, Message), said
    other = worded(said, "nl")
    assert sorted(re.findall(r"\d", other)) == sorted(re.findall(r"\d", said))
    assert other != said or SAME.fullmatch(said), said
    return other


def parts(check: Check) -> list[Any]:
    return [said for said in (check.said, check.remedy, *check.examples) if said is not None]


def calls(name: str) -> list[tuple[Path, ast.Call]]:
    """Every call of a function of this name in the package."""
    trees = ((path, ast.parse(path.read_text("utf-8"))) for path in SOURCES)
    nodes = ((path, node) for path, tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [(path, node) for path, node in nodes if isinstance(node.func, ast.Name) and node.func.id == name]


def test_a_message_is_copied_and_sent_to_other_processes() -> None:
    said = message("verdict", lines=message("lines", n=2), aside=0, share=0.0, day=dt.date(2024, 1, 5),
                   customers=message("customers", n=1), ending=message("no_warnings"))  # fmt: skip
    for again in (copy.deepcopy(said), pickle.loads(pickle.dumps(said))):
        assert again == said
        assert worded(again, "nl") == worded(said, "nl")


def texts() -> set[str]:
    """Every string that is written out in the package, and the beginnings of those with something filled in."""
    trees = [ast.parse(path.read_text("utf-8")) for path in SOURCES]
    return {
        node.value for tree in trees for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }  # fmt: skip


def test_every_code_that_is_written_out_has_words() -> None:
    written = [code for _, call in calls("message") for code in codes(call.args[0])]
    assert len(written) > 100
    assert [code for code in written if code not in MESSAGES] == []


def codes(node: ast.expr) -> list[str]:
    """The codes that an argument may be, as far as they are written out whole."""
    if isinstance(node, ast.IfExp):
        return [*codes(node.body), *codes(node.orelse)]
    return [str(node.value)] if isinstance(node, ast.Constant) else []


def test_every_message_is_used() -> None:
    found = texts()
    begun = tuple(text for text in found if len(text) > 3 and text.endswith("_"))
    unused = [code for code in MESSAGES if code not in found and not code.startswith(begun)]
    assert unused == []


@pytest.mark.parametrize("name", ["Check", "Finding", "Diagnosis", "Cuts", "Sheet", "Choice", "Backtest"])
def test_no_finding_reason_or_verdict_is_made_of_english(name: str) -> None:
    """Long text with blanks in it, where these are made, would be a sentence that no other language can say."""
    for path, call in calls(name):
        for argument in [*call.args, *(keyword.value for keyword in call.keywords)]:
            english = isinstance(argument, ast.JoinedStr) and len(argument.values) > 2
            assert not english, (path.name, call.lineno)
            text = argument.value if isinstance(argument, ast.Constant) else None
            assert not (isinstance(text, str) and text.endswith((".", ":")) and " " in text), (path.name, text)


def test_every_finding_has_a_name_in_both_languages() -> None:
    names = [call.args[1].value for _, call in calls("Check") if isinstance(call.args[1], ast.Constant)]
    assert len(names) > 20
    assert [name for name in map(str, names) if f"check_{name.replace(' ', '_')}" not in WORDS] == []
    for what in ("customer", "date", "amount"):
        assert WORDS[f"check_lines_without_{what}"]["en"] == f"lines without {what}"


@pytest.mark.parametrize(("name", "plant"), [case[:2] for case in CASES], ids=[case[0] for case in CASES])
def test_a_planted_fault_in_dutch(name: str, plant: Planted) -> None:
    found = findings(plant(healthy()), None if name.endswith("at the end") else "2024-01-05")
    assert dutch(found[name].said) != found[name].text
    for check in found.values():
        assert all(map(dutch, parts(check)))


OTHERS: dict[str, tuple[pd.DataFrame, dict[str, Any]]] = {
    "dropped": (plus(healthy()), {"duplicates": "drop"}),
    "returns": (plus(healthy(), amount=-2.5, date=DAY), {}),
    "zones": (line(healthy().assign(date=healthy().date.astype(str) + "T10:00:00Z"), 2,
                   date="2022-03-12T10:00:00+01:00"), {}),
    "text": (healthy().assign(date=healthy().date.dt.strftime("%d-%m-%Y"), amount="12,50"), {}),
    "unreadable": (line(healthy().astype({"amount": str}), 2, amount="x"), {"unreadable": "set_aside"}),
    "instants": (healthy().assign(date=healthy().date.dt.tz_localize("UTC")), {"timezone": "Europe/Amsterdam"}),
    "no money": (healthy().drop(columns="amount"), {}),
    "rounded": (healthy().assign(amount=np.float64(1.23456)), {}),
    "margins": (line(healthy().assign(margin=1.0), 2, margin=np.nan), {"margin": "margin"}),
    "once": (healthy().drop_duplicates("customer_id"), {}),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_other_orders_in_dutch(name: str) -> None:
    frame, how = OTHERS[name]
    sheet = kw.doctor(kw.customers(kw.orders(frame, order_id="order", **how)))
    assert dutch(sheet.verdict)
    for check in sheet.checks:
        assert all(map(dutch, parts(check)))


def test_batches_in_dutch() -> None:
    for batches in (1, 3):
        base = kw.customers(replace(kw.orders(plus(healthy())), batches=batches))
        for find in (correct.batches, correct.equal_lines):
            for check in find(base):
                assert all(map(dutch, parts(check)))


@pytest.mark.parametrize(
    ("said", "english", "other"),
    [
        (message("verdict", lines=message("lines", n=1500), aside=2, share=2 / 1500, day=dt.date(2024, 1, 5),
                 customers=message("customers", n=1), ending=message("warnings", n=2)),
         "1,500 lines read, 2 set aside (0.1%), 1 customer up to 2024-01-05; 2 warnings.",
         "1.500 regels gelezen, 2 terzijde gelegd (0,1%), 1 klant tot en met 2024-01-05; 2 waarschuwingen."),
        (message("shared_orders", n=3), "3 order numbers belong to more than one customer.",
         "3 ordernummers horen bij meer dan één klant."),
        (message("example_line_amount", row=1300, customer="1,5 2024-01-05", day=dt.date(2024, 1, 5), amount=-1.5),
         "row 1300: customer 1,5 2024-01-05, 2024-01-05, amount -1.5",
         "rij 1300: klant 1,5 2024-01-05, 2024-01-05, bedrag -1,5"),
        (message("example_line", row=1, customer=None, day=None), "row 1: customer none, none",
         "rij 1: klant geen, geen"),
        (message("note_no_error", names=["a", "b"]), "no standard error for a, b: not determined by the data",
         "geen standaardfout voor a, b: niet bepaald door de data"),
    ],
)  # fmt: skip
def test_sentences(said: Message, english: str, other: str) -> None:
    assert (str(said), worded(said, "nl")) == (english, other)


CODE = re.compile(r"as_of|duplicates|--|\w='|\bbacktest|\bruns?\b|population_mean")
"""What only a terminal or Python reads."""


@pytest.mark.parametrize("words", [MESSAGES, WORDS], ids=["messages", "report"])
def test_no_code_and_no_blank_before_a_per_cent_sign(words: dict[str, dict[str, str]]) -> None:
    for key, said in words.items():
        assert not CODE.search(re.sub(r"\{\w+", "", said["nl"])), key
        for language in LANGUAGES:
            assert not re.search(r"[\d}][ \u00a0]%", said[language]), key


def test_a_remedy_has_its_setting_apart(capsys: pytest.CaptureFixture[str]) -> None:
    check = findings(plus(healthy()))["equal lines"]
    assert (check.remedy, check.setting) == ("If they are loading errors, have them dropped.", ("duplicates", "drop"))
    _print_sheet(kw.doctor(kw.customers(kw.orders(plus(healthy())))))
    assert "have them dropped. (--duplicates drop)" in capsys.readouterr().out


def test_days_in_full_where_they_are_asked_for() -> None:
    said = message("day_to_day", first=dt.date(1997, 6, 30), last=dt.date(1998, 6, 30))
    assert worded(said) == "1997-06-30 to 1998-06-30"
    full = worded(said, "nl", full_days=True).replace("\N{NO-BREAK SPACE}", " ")
    assert full == "30 juni 1997 tot en met 30 juni 1998"


def test_an_id_that_looks_like_a_day_stays_as_it_is() -> None:
    page = plain({"one": message("example_customer", customer="2024-01-05")})
    assert said_in(json.loads(json.dumps(page)), "nl")["one"] == "klant 2024-01-05"


def test_every_reason_of_a_fit_in_dutch() -> None:
    for pattern, meaning in diagnosis.MEANINGS.items():
        assert dutch(diagnosis._clause(pattern))
        assert dutch(message(meaning))
    names = ParetoNBD._fields
    for reason in diagnosis._going({"alpha": diagnosis.GROWS, "r": diagnosis.SHRINKS}):
        assert dutch(reason)
    stuck = Optimum(np.zeros(4), 0.0, np.zeros(4), np.eye(4), remaining=0.0123)
    for reason in (diagnosis._stuck(stuck), kw.fit(kw.NBD, Cells(np.zeros(3), np.zeros(3), np.ones(3))).reason):
        assert dutch(reason)
    for axis in ([0.7, 0.7, 0, 0], [0.7, -0.7, 0, 0], [0.6, 0.6, 0.5, 0], [0, 0, 0, 1]):
        assert dutch(diagnosis._undetermined(names, np.array(axis), {}))


def test_every_note_of_a_fit_in_dutch() -> None:
    rng = np.random.default_rng(1)
    x = np.arange(1.0, 200.0)
    some = 0
    for slope, model in ((2.0, GammaGamma(6.0, 0.7, 15.0)), (-2.0, GammaGamma(6.0, 4.0, 15.0))):
        cells = SpendCells(x, 50 * x**slope * rng.gamma(5, 0.2, len(x)), np.ones(len(x)), left_out=1234)
        for errors in ({"p": np.inf, "q": np.inf, "gamma": 99.0}, {"p": 99.0, "q": 99.0, "gamma": 0.1}):
            said = notes(model, cells, errors)
            some += len(said)
            assert all(map(dutch, said))
    assert some == 14


@pytest.mark.parametrize("rank_by", ["last_year", "rlv", "realised"])
@pytest.mark.parametrize("horizon", ["12 months", "1 year", "90 days", "1999-01-01"])
def test_every_assumption_in_dutch(rank_by: Any, horizon: str) -> None:
    base = kw.customers(kw.orders(kw.datasets.cdnow_sample()))
    terms = Basis(0.1, 0.305, horizon, 365.0, rank_by, base.as_of, "week", 0.002)
    for row in assumptions(base, terms):
        assert all(map(dutch, row.values()))


def test_money_a_year_from_now() -> None:
    """At ten per cent a year, 1.10 then is 1.00 now: that is 9.1% less, and not ten."""
    base = kw.customers(kw.orders(kw.datasets.cdnow_sample()))
    terms = Basis(0.1, 0.3, "12 months", 365.0, "rlv", base.as_of, "week", 0.002)
    row = next(row for row in assumptions(base, terms) if row["name"] == "annual discount rate")
    assert (row["value"], row["meaning"]) == ("10%", "1.10 a year from now is worth 1.00 today")
    said = worded(row["meaning"], "nl", currency="EUR").replace("\N{NO-BREAK SPACE}", " ")
    assert said == "€ 1,10 over een jaar is nu € 1,00 waard"


def test_limits_of_lost_in_dutch() -> None:
    found = calibration(kw.orders(kw.datasets.cdnow_sample()), as_of="1998-03-31")
    assert "calibration needs 548 days of orders and there are 455" in found.told
    assert dutch(found.told)
    assert dutch(found.cuts.told)
    rate = Rate(1200, 96, 0.08, 0.066, 0.097)
    assert dutch(replace(found, split=dt.date(1997, 3, 31), rate=rate).told)
    assert dutch(Cuts().told)


def test_a_report_says_what_it_has_codes_for_and_leaves_the_rest_in_english() -> None:
    facts = report_facts("nl")
    sheet = kw.doctor(kw.customers(kw.orders(plus(healthy()))))
    fitted = {"status": "boundary", "notes": [], "reason": message("means_nobody_leaves")}
    for part in ("model", "spend"):
        facts[part] |= fitted | {"doubt": fitted["reason"]}
    facts |= {"doctor": sheet.as_dict(), "assumptions": [], "movement": None, "total": None}
    kept = json.loads(json.dumps(plain(facts)))
    page = render(kept)
    assert "1 regel herhaalt een eerdere regel in elke kolom en blijft staan." in page
    assert "gelijke regels" in page
    assert "bijna niemand gaat weg; het NBD-model" in page
    assert Speech("nl").word("in_english") not in page
    kept["doctor"]["verdict"] = "Quite something."  # as in a run.json from before there were codes
    page = render(kept)
    assert Speech("nl").word("in_english") in page
    assert "Quite something." in page
    kept["doctor"]["verdict"] = {"text": "Of a later version.", "code": "not_yet_known", "fields": {}}
    assert "Of a later version." in render(kept)


def test_a_fit_is_kept_with_its_codes_and_read_from_before_there_were_any(tmp_path: Path) -> None:
    found = kw.fit(kw.NBD, Cells(np.zeros(3), np.zeros(3), np.ones(3)))
    path = tmp_path / "model.json"
    found.save(path)
    again = kw.load_fit(path)
    assert again.reason == found.reason
    assert "niemand kocht een tweede keer" in worded(again.reason, "nl")
    content = json.loads(path.read_text("utf-8"))
    content["timing"] |= {"reason": "some English", "notes": ["more of it"]}
    path.write_text(json.dumps(content))
    old = kw.load_fit(path)
    assert (old.reason, old.notes) == ("some English", ("more of it",))
