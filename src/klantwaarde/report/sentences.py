"""Sentences that come to the report in English, in another language: findings, assumptions, what is said of fits.

They are kept in English with models and runs, numbers filled in. The English sentence is the key, as in gettext; what
it has in place of braces is read out of it and said again in the other language.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files
from string import Formatter
from typing import TYPE_CHECKING, Any, NamedTuple

from klantwaarde.report.words import PARAMETERS, PLACES

if TYPE_CHECKING:
    from collections.abc import Mapping

SENTENCES: dict[str, dict[str, str]] = tomllib.loads(
    files("klantwaarde.report").joinpath("sentences.toml").read_text("utf-8")
)
"""Key to language to sentence; sentences.toml says what stands in braces."""

KINDS = {
    "n": r"[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?%?",
    "day": r"\d{4}-\d\d-\d\d",
    "text": r".+",
    "id": r"\S+(?: \S+){0,3}",
    "column": r"'[^']*'|\"[^\"]*\"",
    "parameter": "|".join(sorted({name for _, name in PARAMETERS})),
}
"""What a field holds whose name begins so; any other holds a sentence again, a number, a day or a parameter."""

SPACE = "\N{NO-BREAK SPACE}"


class _Form(NamedTuple):
    """One form of a sentence: how it reads in English, what it becomes, and how many characters are its own."""

    pattern: re.Pattern[str]
    said: str
    own: int


def in_language(facts: Mapping[str, Any], language: str) -> dict[str, Any]:
    """The facts with their sentences in a language; "english" holds those that it has no words for."""
    if language == "en":
        return dict(facts) | {"english": ()}
    left: list[str] = []
    told = dict(facts)
    for part, names in PARTS.items():
        told[part] = _part_told(facts.get(part), names, language, left)
    return told | {"english": tuple(left)}


PARTS: dict[str, frozenset[str]] = {
    "model": frozenset({"reason", "notes"}),
    "spend": frozenset({"reason", "notes"}),
    "assumptions": frozenset({"name", "value", "meaning"}),
    "doctor": frozenset({"verdict", "check", "text", "remedy", "examples"}),
    "movement": frozenset({"lost_told", "cuts"}),
}
"""Where sentences are among the facts: part, and the names of their fields at any depth."""


def _part_told(part: Any, names: frozenset[str], language: str, left: list[str], *, named: bool = False) -> Any:
    """A part of the facts with what stands under these names said in the language; `left` gets what could not be."""
    if isinstance(part, dict):
        return {
            name: _part_told(value, names, language, left, named=named or name in names) for name, value in part.items()
        }
    if isinstance(part, (list, tuple)):
        return [_part_told(value, names, language, left, named=named) for value in part]
    if not named or not isinstance(part, str) or not part:
        return part
    found = sentence(part, language)
    if found is None:
        left.append(part)
    return part if found is None else found


def sentence(english: str, language: str) -> str | None:
    """The sentence in the language; None where there are no words for it, or for a part of it."""
    plain = _plain(english, language)
    if plain is not None:
        return plain
    for form in _forms(language):
        found = form.pattern.fullmatch(english)
        fields = found and {name: _field(name, value, language) for name, value in found.groupdict().items()}
        if fields is not None and None not in fields.values():
            return form.said.format(**fields)
    return None


def _field(name: str, english: str, language: str) -> str | None:
    kind = name.split("_", maxsplit=1)[0]
    if kind in {"text", "id", "column"}:
        return english
    return _plain(english, language) if kind in KINDS else sentence(english, language)


def _plain(english: str, language: str) -> str | None:
    """A number with the language's points and commas; a day or a parameter as it is; None for anything else."""
    if re.fullmatch(KINDS["n"], english):
        thousands, point = PLACES[language]
        said = english.replace(",", "\0").replace(".", point).replace("\0", thousands)
        return said.replace("%", f"{SPACE}%")
    return english if re.fullmatch(f"{KINDS['day']}|{KINDS['parameter']}", english) else None


@cache
def _forms(language: str) -> tuple[_Form, ...]:
    """All forms, those with most words of their own first: the more a sentence says itself, the surer it is meant."""
    forms = [
        _form(english, said)
        for words in SENTENCES.values()
        for english, said in zip(words["en"].split(" | "), words[language].split(" | "), strict=True)
    ]
    return tuple(sorted(forms, key=lambda form: -form.own))


def _form(english: str, said: str) -> _Form:
    pieces = list(Formatter().parse(english))
    own = sum(len(literal) for literal, *_ in pieces)
    pattern = "".join(
        re.escape(literal) + (f"(?P<{name}>{KINDS.get(name.split('_')[0], '.+?')})" if name else "")
        for literal, name, *_ in pieces
    )
    return _Form(re.compile(pattern, re.DOTALL), said, own)
