"""A sentence as data, and how it reads: messages.toml has the words of every code in every language."""

from __future__ import annotations

import datetime as dt
import functools
import re
import tomllib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from importlib.resources import files
from string import Formatter
from typing import Any, NamedTuple, Self

from klantwaarde.wording.numerals import said_day, said_number, with_sign

LANGUAGES = ("en", "nl")

MESSAGES: dict[str, dict[str, str]] = tomllib.loads(
    files("klantwaarde.wording").joinpath("messages.toml").read_text("utf-8")
)
"""Code to language to words; messages.toml says what may stand in braces."""

ISO_DAY = re.compile(r"\d{4}-\d\d-\d\d")


class Reader(NamedTuple):
    """Who reads: in which language, with days in full ("30 June 1998") or not ("1998-06-30"), and in which currency."""

    language: str = "en"
    full_days: bool = False
    currency: str | None = None


class Message(str):
    """A sentence, or a part of one: its English words, and the code and fields that they were made of."""

    __slots__ = ("code", "fields")
    code: str
    fields: Mapping[str, Any]

    def __new__(cls, code: str, fields: Mapping[str, Any]) -> Self:
        """The message of a code that MESSAGES has."""
        made = super().__new__(cls, _worded(code, fields, Reader()))
        made.code, made.fields = code, fields
        return made

    def __reduce__(self) -> tuple[type[Message], tuple[str, Mapping[str, Any]]]:
        """What a copy, or another process, makes it of again."""
        return Message, (self.code, self.fields)


def message(code: str, **fields: Any) -> Message:
    """A sentence of this code. KeyError for a code without words, or for fields that the words do not name."""
    named = {name for language in LANGUAGES for name in _names(MESSAGES[code][language])}
    if not named <= fields.keys():
        raise KeyError(f"{code} lacks {sorted(named - fields.keys())}")
    return Message(code, fields)


def several(code: str, parts: Sequence[Message]) -> Message:
    """Messages as one, chained by a code with fields `first` and `rest`: "clauses" by "; ", "sentences" by a blank."""
    first, *rest = parts
    return message(code, first=first, rest=several(code, rest)) if rest else first


def worded(said: str, language: str = "en", *, full_days: bool = False, currency: str | None = None) -> str:
    """A message as a `Reader` of these reads it; text that is no message as it is."""
    if not isinstance(said, Message):
        return said
    return _worded(said.code, said.fields, Reader(language, full_days, currency))


def as_data(said: Message) -> dict[str, Any]:
    """A message as plain values for JSON: {"code": ..., "fields": {...}}, and so the messages among its fields."""
    return {"code": said.code, "fields": {name: _plain(value) for name, value in said.fields.items()}}


def as_kept(said: str) -> dict[str, Any]:
    """A message as plain values with its English words beside them, for files that people read too."""
    return {"text": str(said), **(as_data(said) if isinstance(said, Message) else {})}


def from_data(data: Mapping[str, Any]) -> Message:
    """The message that `as_data` made plain values of."""
    return message(data["code"], **{name: _read(value) for name, value in data["fields"].items()})


def from_kept(data: Any) -> str:
    """What `as_kept` made, or text from before there were codes; text too where this version has no words for the code.

    Raises TypeError for anything else.
    """
    if isinstance(data, str):
        return data
    if not isinstance(data, Mapping) or not isinstance(data.get("text"), str):
        raise TypeError(f"{data!r} is no sentence")
    try:
        return from_data(data)
    except (KeyError, TypeError, ValueError, AttributeError, StopIteration):
        return str(data["text"])


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
    if isinstance(value, str) and ISO_DAY.fullmatch(value):
        return dt.date.fromisoformat(value)
    return [_read(one) for one in value] if isinstance(value, list) else value


def _worded(code: str, fields: Mapping[str, Any], reader: Reader) -> str:
    template = MESSAGES[code][reader.language]
    forms = template.split(" | ")
    if len(forms) > 1:
        counted = MESSAGES[code].get("counted") or _counted(MESSAGES[code]["en"], fields)
        template = forms[0] if abs(fields[counted]) == 1 else forms[1]
    return _Words(reader).vformat(template, (), fields)


class _Words(Formatter):
    """Numbers and days as the language writes them; messages among the fields in the same language."""

    def __init__(self, reader: Reader) -> None:
        self.reader, self.language = reader, reader.language

    def format_field(self, value: Any, format_spec: str) -> str:
        if value is None:
            return MESSAGES["none"][self.language]
        if format_spec == "as_is":  # an id, a name, a format: whatever it looks like
            return str(value)
        if isinstance(value, Message):
            return _worded(value.code, value.fields, self.reader)
        if isinstance(value, (list, tuple)):
            return ", ".join(self.format_field(one, format_spec) for one in value)
        if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
            return self._number(value, format_spec)
        return said_day(value, self.language) if isinstance(value, dt.date) and self.reader.full_days else str(value)

    def _number(self, value: float | Decimal, format_spec: str) -> str:
        if format_spec == "money":
            return with_sign(said_number(value, ",.2f", self.language), self.language, self.reader.currency)
        return said_number(value, format_spec or ("," if isinstance(value, int) else ""), self.language)


@functools.cache
def _names(template: str) -> frozenset[str]:
    return frozenset(name for _, name, *_ in Formatter().parse(template) if name)


def _counted(template: str, fields: Mapping[str, Any]) -> str:
    """The field that decides between one and many: the first in the sentence that holds a whole number."""
    names = [name for _, name, *_ in Formatter().parse(template) if name]
    return next(name for name in names if isinstance(fields[name], int))
