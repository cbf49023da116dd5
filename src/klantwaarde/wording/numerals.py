"""Numbers as a language writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal

PLACES = {"en": (",", "."), "nl": (".", ",")}
"""What divides thousands, and decimals: 1,234.5 and 1.234,5."""


def said_number(value: float | Decimal, spec: str, language: str) -> str:
    """A number by a format of Python's, with the language's points and commas."""
    thousands, point = PLACES[language]
    return format(value, spec).replace(",", "\0").replace(".", point).replace("\0", thousands)
