"""Facts with their sentences worded in the language of the report."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from klantwaarde.wording.message import Message, from_kept, worded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SENTENCE = {"text", "code", "fields"}
"""What a sentence is kept as."""

PARTS: dict[str, frozenset[str]] = {
    "model": frozenset({"reason", "notes"}),
    "spend": frozenset({"reason", "notes"}),
    "assumptions": frozenset({"name", "value", "meaning"}),
    "doctor": frozenset({"verdict", "text", "remedy"}),
    "movement": frozenset({"lost_told", "cuts"}),
    "total": frozenset({"rule"}),
}
"""Where facts from before there were codes have English sentences: part, and the names of their fields at any depth."""


def said_in(facts: Mapping[str, Any], language: str, currency: str | None = None) -> dict[str, Any]:
    """The facts with their sentences in a language; "english" tells whether some could only be left in English."""
    left = language != "en" and any(_is_left(facts.get(part), names) for part, names in PARTS.items())
    words = partial(worded, language=language, full_days=True, currency=currency)
    told: dict[str, Any] = _said(dict(facts), words)
    return told | {"english": left}


def _said(value: Any, words: Callable[[str], str]) -> Any:
    """The value with every sentence in it worded."""
    if isinstance(value, (list, tuple)):
        return [_said(one, words) for one in value]
    if isinstance(value, Message):
        return words(value)
    if not isinstance(value, dict):
        return value
    if not value.keys() >= SENTENCE:
        return {name: _said(one, words) for name, one in value.items()}
    sentence = words(from_kept(value))
    if value.keys() == SENTENCE:
        return sentence
    return {name: _said(one, words) for name, one in value.items() if name not in SENTENCE} | {"text": sentence}


def _is_left(value: Any, names: frozenset[str], *, named: bool = False) -> bool:
    """Whether there is text without a code, or with one that has no words here, under one of these names."""
    if isinstance(value, (list, tuple)):
        return any(_is_left(one, names, named=named) for one in value)
    if isinstance(value, dict):
        known = value.keys() >= SENTENCE and isinstance(from_kept(value), Message)
        parts = {name: one for name, one in value.items() if not (known and name in SENTENCE)}
        return any(_is_left(one, names, named=named or name in names) for name, one in parts.items())
    return named and isinstance(value, str) and not isinstance(value, Message) and bool(value)
