"""Numbers and days as a language writes them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal

PLACES = {"en": (",", "."), "nl": (".", ",")}
"""What divides thousands, and decimals: 1,234.5 and 1.234,5."""

MONTHS = {
    "en": ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December"),
    "nl": ("januari", "februari", "maart", "april", "mei", "juni", "juli", "augustus", "september", "oktober",
           "november", "december"),
}  # fmt: skip

SHORT_MONTHS = {
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    "nl": ("jan", "feb", "mrt", "apr", "mei", "jun", "jul", "aug", "sep", "okt", "nov", "dec"),
}

SIGNS = {"EUR": "€", "GBP": "£", "USD": "$"}

SPACE, MINUS = "\N{NO-BREAK SPACE}", "\N{MINUS SIGN}"


def said_number(value: float | Decimal, spec: str, language: str) -> str:
    """A number by a format of Python's, with the language's points and commas."""
    thousands, point = PLACES[language]
    return format(value, spec).replace(",", "\0").replace(".", point).replace("\0", thousands)


def said_day(day: dt.date, language: str, *, short: bool = False) -> str:
    """A day in full, "30 June 1998", or with its month cut short."""
    months = SHORT_MONTHS if short else MONTHS
    return SPACE.join((str(day.day), months[language][day.month - 1], str(day.year)))


def with_sign(said: str, language: str, currency: str | None) -> str:
    """A number in words as an amount: "€12" in English, "€ 12" in Dutch; as it is without a currency."""
    if not currency:
        return said
    gap = SPACE if language == "nl" and currency in SIGNS else ""
    minus = MINUS if said.startswith(MINUS) else ""
    return f"{minus}{SIGNS.get(currency, currency + SPACE)}{gap}{said.removeprefix(MINUS)}"
