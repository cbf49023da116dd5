"""Findings, assumptions and what is said of fits, in Dutch: every sentence that can come has its words."""

from __future__ import annotations

import ast
import datetime as dt
import re
from dataclasses import replace
from pathlib import Path
from string import Formatter
from typing import Any

import numpy as np
import pandas as pd
import pytest

import klantwaarde as kw
from klantwaarde.data import correct, doctor, timely
from klantwaarde.data.cells import Cells, SpendCells
from klantwaarde.data.finding import Check
from klantwaarde.estimate import diagnosis
from klantwaarde.estimate.notes import notes
from klantwaarde.estimate.point import Optimum
from klantwaarde.lifecycle.calibration import Rate, calibration
from klantwaarde.lifecycle.rules import Cuts
from klantwaarde.models import GammaGamma, ParetoNBD
from klantwaarde.report.facts import assumptions
from klantwaarde.report.html import render
from klantwaarde.report.sentences import SENTENCES, in_language, sentence
from klantwaarde.report.speech import Speech
from klantwaarde.report.words import LANGUAGES
from klantwaarde.value.score import Terms
from report_facts import report_facts
from test_doctor import CASES, Planted, findings, healthy, line, plus

DAY = pd.Timestamp("2023-12-30")


def dutch(english: str) -> str:
    """The Dutch of a sentence, with the same digits in it."""
    said = sentence(english, "nl")
    assert said is not None, english
    assert sorted(re.findall(r"\d", said)) == sorted(re.findall(r"\d", english))
    return said


def told(check: Check) -> list[str]:
    return [text for text in (check.check, check.said, check.remedy, *check.examples) if isinstance(text, str)]


def test_every_sentence_in_every_language_with_the_same_fields() -> None:
    for key, said in SENTENCES.items():
        assert set(said) == set(LANGUAGES), key
        english, other = (said[language].split(" | ") for language in LANGUAGES)
        for one, two in zip(english, other, strict=True):
            assert _fields(one) == _fields(two), key


def test_every_form_is_known_again() -> None:
    """Each sentence, filled in, is taken for itself and for no other, with what stands in braces said too."""
    for key, said in SENTENCES.items():
        for english, other in zip(*(said[language].split(" | ") for language in LANGUAGES), strict=True):
            given, expected = ({name: _filled(name)[at] for name in _fields(english)} for at in (0, 1))
            assert sentence(english.format(**given), "nl") == other.format(**expected), key


def _filled(name: str) -> tuple[str, str]:
    """Something that a field may hold, in English and in Dutch."""
    kinds = {"n": ("1,234.5", "1.234,5"), "day": ("2024-01-05",) * 2, "text": ("a; b, c",) * 2, "id": ("a b",) * 2}
    kinds |= {"column": ("'a: b'",) * 2, "parameter": ("beta",) * 2}
    return kinds.get(name.split("_", maxsplit=1)[0], ("nothing stands out.", "er valt niets op."))


def _fields(words: str) -> set[str]:
    return {name for _, name, *_ in Formatter().parse(words) if name}


def test_every_finding_that_the_doctor_can_make_has_both_languages() -> None:
    names = [name for module in (correct, timely, doctor) for name in _names(Path(str(module.__file__)))]
    assert len(names) > 20
    for name in names:
        assert SENTENCES[f"finding_{name.replace(' ', '_')}"]["en"] == name


def _names(path: Path) -> list[str]:
    """The names of findings in a module: the second argument of every Check that is written out."""
    calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    made = [call.args[1] for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Check"]
    return [str(name.value) for name in made if isinstance(name, ast.Constant)]


@pytest.mark.parametrize(("name", "plant"), [case[:2] for case in CASES], ids=[case[0] for case in CASES])
def test_a_planted_fault_is_told_in_dutch(name: str, plant: Planted) -> None:
    found = findings(plant(healthy()), None if name.endswith("at the end") else "2024-01-05")
    if isinstance(found[name].said, str):
        assert dutch(found[name].text) != found[name].text
    for check in found.values():
        assert all(map(dutch, told(check)))


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
def test_other_orders_are_told_in_dutch(name: str) -> None:
    frame, how = OTHERS[name]
    sheet = kw.sheet(kw.customers(kw.orders(frame, order_id="order", **how)))
    assert dutch(sheet.verdict)
    for check in sheet.checks:
        assert all(map(dutch, told(check)))


def test_batches_are_told_in_dutch() -> None:
    for batches in (1, 3):
        base = kw.customers(replace(kw.orders(plus(healthy())), batches=batches))
        for find in (correct.batches, correct.equal_lines):
            for check in find(base):
                assert all(map(dutch, told(check)))


@pytest.mark.parametrize(
    ("english", "said"),
    [
        ("1,500 lines read, 2 set aside (0.1%), 1 customer up to 2024-01-05; 2 things to look at.",
         "1.500 regels gelezen, 2 terzijde gelegd (0,1 %), 1 klant tot en met 2024-01-05; 2 punten om naar te kijken."),
        ("3 order numbers belong to more than one customer.", "3 ordernummers horen bij meer dan één klant."),
        ("row 3: customer a, b: c, 2024-01-05, amount -1.5", "rij 3: klant a, b: c, 2024-01-05, bedrag -1,5"),
        ("s shrinks to zero: hardly anyone leaves; the data do not determine beta",
         "s krimpt naar nul: bijna niemand gaat weg; de data bepalen beta niet"),
        ("no standard error for a, b: not determined by the data",
         "geen standaardfout voor a, b: niet bepaald door de data"),
        ("1 line is purple.", None),
        ("s shrinks to zero: something new", None),
        ("hardly anyone leaves; something new", None),
    ],
)  # fmt: skip
def test_sentences(english: str, said: str | None) -> None:
    found = sentence(english, "nl")
    assert (found and found.replace("\N{NO-BREAK SPACE}", " ")) == said


def test_every_reason_of_a_fit_is_told_in_dutch() -> None:
    for pattern, meaning in diagnosis.MEANINGS.items():
        assert dutch(f"{diagnosis._clause(pattern)}: {meaning}")
    names = ParetoNBD._fields
    for reason in diagnosis._going({"alpha": diagnosis.GROWS, "r": diagnosis.SHRINKS}):
        assert dutch(reason)
    stuck = Optimum(np.zeros(4), 0.0, np.zeros(4), np.eye(4), remaining=0.0123)
    for reason in (diagnosis._stuck(stuck), kw.fit(kw.NBD, Cells(np.zeros(3), np.zeros(3), np.ones(3))).reason):
        assert dutch(reason)
    for axis in ([0.7, 0.7, 0, 0], [0.7, -0.7, 0, 0], [0.6, 0.6, 0.5, 0], [0, 0, 0, 1]):
        assert dutch(diagnosis._undetermined(names, np.array(axis), {}))


def test_every_note_of_a_fit_is_told_in_dutch() -> None:
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
def test_every_assumption_is_told_in_dutch(rank_by: Any, horizon: str) -> None:
    base = kw.customers(kw.orders(kw.cdnow_sample()))
    terms = Terms(0.1, 0.305, horizon, 365.0, rank_by, base.as_of, "week", 0.002)
    for row in assumptions(base, terms):
        assert all(map(dutch, row.values()))


def test_limits_of_lost_are_told_in_dutch() -> None:
    found = calibration(kw.orders(kw.cdnow_sample()), as_of="1998-03-31")
    assert "are too few to watch twelve months" in found.told
    assert dutch(found.told)
    assert dutch(found.cuts.told)
    rate = Rate(1200, 96, 0.08, 0.066, 0.097)
    assert dutch(replace(found, split=dt.date(1997, 3, 31), rate=rate).told)
    assert dutch(Cuts().told)


def test_a_report_says_it_and_no_longer_that_it_is_in_english() -> None:
    facts = report_facts("nl")
    sheet = kw.sheet(kw.customers(kw.orders(plus(healthy()))))
    reason = "beta grows without bound: hardly anyone leaves; the NBD model, without dropout, fits as well"
    for part in ("model", "spend"):
        facts[part] |= {"status": "boundary", "reason": reason, "notes": []}
    facts |= {"doctor": sheet.as_dict(), "assumptions": [], "movement": None}
    page = render(facts)
    assert "1 regel herhaalt een eerdere regel in elke kolom en blijft staan." in page
    assert "beta groeit onbegrensd: bijna niemand gaat weg" in page
    assert Speech("nl").word("in_english") not in page
    facts["doctor"]["verdict"] = "Quite something."
    page = render(facts)
    assert Speech("nl").word("in_english") in page
    assert "Quite something." in page


def test_english_is_left_as_it_is() -> None:
    facts = report_facts("en")
    assert in_language(facts, "en") == facts | {"english": ()}
