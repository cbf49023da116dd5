"""Sentences as data: every code has its words in every language, with the same fields."""

from __future__ import annotations

import datetime as dt
import json
from string import Formatter

import pytest

from klantwaarde.errors import BadParameters, named
from klantwaarde.wording.message import LANGUAGES, MESSAGES, as_data, from_data, message, worded


def fields(words: str) -> set[str]:
    return {name for _, name, *_ in Formatter().parse(words) if name}


@pytest.mark.parametrize("code", MESSAGES)
def test_every_code_has_words_in_every_language_with_the_same_fields(code: str) -> None:
    forms = [MESSAGES[code][language].split(" | ") for language in LANGUAGES]
    assert {len(form) for form in forms} <= {1, 2}
    assert len({len(form) for form in forms}) == 1
    assert len({frozenset(set().union(*map(fields, form))) for form in forms}) == 1


def test_numbers_and_plurals_by_language() -> None:
    assert [worded(message("lines", n=n)) for n in (0, 1, 1234)] == ["0 lines", "1 line", "1,234 lines"]
    assert worded(message("lines", n=1234), "nl") == "1.234 regels"


def test_a_message_survives_json(monkeypatch: pytest.MonkeyPatch) -> None:
    words = {"en": "{lines} until {day}, {share:.1%}", "nl": "{lines} tot {day}, {share:.1%}"}
    monkeypatch.setitem(MESSAGES, "test", words)
    said = message("test", lines=message("lines", n=2), day=dt.date(2024, 1, 31), share=0.125)
    assert str(said) == "2 lines until 2024-01-31, 12.5%"
    again = from_data(json.loads(json.dumps(as_data(said))))
    assert worded(again, "nl") == worded(said, "nl") == "2 regels tot 2024-01-31, 12,5%"


def test_a_message_without_its_fields_is_refused() -> None:
    with pytest.raises(KeyError, match="lines lacks"):
        message("lines")


def test_settings_are_named_as_the_reader_writes_them() -> None:
    error = BadParameters(f"{named('as_of', 'x')} is not a day; leave {named('as_of')} out.")
    assert str(error) == "as_of='x' is not a day; leave as_of= out."
    told = error.told(lambda name, value: f"--{name.replace('_', '-')}" + (f" {value}" if value else ""))
    assert told == "--as-of 'x' is not a day; leave --as-of out."
