"""A sentence as data, and how it reads: messages.toml has the words of every code in every language."""

from __future__ import annotations

import datetime as dt
import functools
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from importlib.resources import files
from string import Formatter
from typing import Any, NamedTuple

from klantwaarde.wording.numerals import said_number

LANGUAGES = ("en", "nl")

MESSAGES: dict[str, dict[str, str]] = tomllib.loads(
    files("klantwaarde.wording").joinpath("messages.toml").read_text("utf-8")
)
"""Code to language to words; messages.toml says what may stand in braces."""


class Message(NamedTuple):
    """A sentence, or a part of one: its code, and what it is about. Made by `message`."""

    code: str
    fields: Mapping[str, Any]

    def __str__(self) -> str:
        return worded(self)


def message(code: str, **fields: Any) -> Message:
    """A sentence of this code. KeyError for a code without words, or for fields that the words do not name."""
    named = {name for said in MESSAGES[code].values() for name in _names(said)}
    if not named <= fields.keys():
        raise KeyError(f"{code} lacks {sorted(named - fields.keys())}")
    return Message(code, fields)


def worded(said: Message, language: str = "en") -> str:
    """The words of a message in a language."""
    template = MESSAGES[said.code][language]
    forms = template.split(" | ")
    if len(forms) > 1:
        counted = MESSAGES[said.code].get("counted") or _counted(MESSAGES[said.code]["en"], said.fields)
        template = forms[0] if abs(said.fields[counted]) == 1 else forms[1]
    return _Words(language).vformat(template, (), said.fields)


def as_data(said: Message) -> dict[str, Any]:
    """A message as plain values for JSON: {"code": ..., "fields": {...}}, and so the messages among its fields."""
    return {"code": said.code, "fields": {name: _plain(value) for name, value in said.fields.items()}}


def from_data(kept: Mapping[str, Any]) -> Message:
    """The message that `as_data` made plain values of."""
    return Message(kept["code"], {name: _read(value) for name, value in kept["fields"].items()})


def _plain(value: Any) -> Any:
    if isinstance(value, Message):
        return as_data(value)
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat() if isinstance(value, dt.date) else value


def _read(value: Any) -> Any:
    if isinstance(value, Mapping):
        return from_data(value)
    return [_read(one) for one in value] if isinstance(value, list) else value


class _Words(Formatter):
    """Numbers with the language's points and commas; messages among the fields in the same language."""

    def __init__(self, language: str) -> None:
        self.language = language

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, Message):
            return worded(value, self.language)
        if isinstance(value, (list, tuple)):
            return ", ".join(self.format_field(one, format_spec) for one in value)
        if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
            return said_number(value, format_spec or ("," if isinstance(value, int) else ""), self.language)
        return str(value)


@functools.cache
def _names(template: str) -> frozenset[str]:
    return frozenset(name for _, name, *_ in Formatter().parse(template) if name)


def _counted(template: str, fields: Mapping[str, Any]) -> str:
    """The field that decides between one and many: the first in the sentence that holds a whole number."""
    names = [name for _, name, *_ in Formatter().parse(template) if name]
    return next(name for name in names if isinstance(fields[name], int))
