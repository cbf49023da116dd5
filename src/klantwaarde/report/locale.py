"""Numbers, money, dates and words as one language says them."""

from __future__ import annotations

import datetime as dt
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from klantwaarde.report.words import PARAMETERS, REVENUE, WORDS
from klantwaarde.wording.numerals import MINUS, SHORT_MONTHS, SPACE, said_day, said_number, with_sign

if TYPE_CHECKING:
    from collections.abc import Iterable

NOTHING = "–"
WHOLE_FROM = 1000
"""Amounts from here on are said without cents."""
SCALES = ((1e9, 1e9, "billion", 1), (1e6, 1e6, "million", 1), (1e4, 1e3, "thousand", 0))
"""From where on, in units of what, the word, the decimals."""


@dataclass(frozen=True)
class Speech:
    """One language and currency: `number(1234.5, 1)` is "1,234.5" in English, "1.234,5" in Dutch.

    What is missing (None, not finite) is said as a dash. Currency None: amounts without a sign. money_is: whether
    money is margin, or revenue because nobody said what margin is made.
    """

    language: str = "en"
    currency: str | None = None
    money_is: str = "margin"

    def word(self, key: str, **fields: object) -> str:
        """The words of a key, with its fields filled in. KeyError for a key that is not in the table."""
        return self._words[key][self.language].format(**fields)

    @property
    def _words(self) -> dict[str, dict[str, str]]:
        return REVENUE if self.money_is == "revenue" else WORDS

    def known(self, prefix: str, code: object) -> str:
        """The words of `prefix` + `code`, or the code itself where the table has none."""
        key = f"{prefix}{code}".replace(" ", "_")
        return self.word(key) if key in WORDS else str(code)

    def count(self, key: str, n: float | None, decimals: int = 0, **fields: object) -> str:
        """The number with its noun, in singular or plural: "1 customer", "117 customers"; other fields filled in."""
        one, many = self._words[key][self.language].split(" | ")
        said = self.number(n, decimals)
        return (one if said == "1" else many).format(n=said, **fields)

    def number(self, value: float | None, decimals: int = 0) -> str:
        """The number with the language's points and commas."""
        if value is None or not math.isfinite(value):
            return NOTHING
        said = said_number(abs(value), f",.{decimals}f", self.language)
        return (MINUS if value < 0 and re.search("[1-9]", said) else "") + said

    def money(self, value: float | None, decimals: int | None = None) -> str:
        """The amount with its sign; cents only below 1,000 unless `decimals` says otherwise."""
        if value is None or not math.isfinite(value):
            return NOTHING
        places = decimals if decimals is not None else self.cents([value])
        return self._signed(value, self.number(value, places))

    def compact(self, value: float | None) -> str:
        """The amount in few characters, for pictures: "€1.2m", "€ 1,2 mln"."""
        return self._signed(value, self.short(value))

    def short(self, value: float | None) -> str:
        """The number in few characters: "1.2m", "1,2 mln"."""
        for start, unit, word, decimals in SCALES:
            if value is not None and start <= abs(value) < math.inf:
                return self.number(value / unit, decimals) + self.word(word).replace(" ", SPACE)
        return self.number(value)

    def cents(self, values: Iterable[float | None]) -> int:
        """The decimals that suit a column of amounts: 2 while all are small and not all whole, else 0."""
        told = [value for value in values if value is not None and math.isfinite(value)]
        small = all(abs(value) < WHOLE_FROM for value in told)
        return 2 if small and any(value != round(value) for value in told) else 0

    def share(self, value: float | None, decimals: int = 1) -> str:
        """The fraction as a percentage."""
        return NOTHING if value is None else self.number(100 * value, decimals) + "%"

    def signed_share(self, value: float | None) -> str:
        """The fraction as a percentage that shows its sign."""
        return ("+" if value is not None and value > 0 else "") + self.share(value)

    def chance(self, value: float | None) -> str:
        """The probability in whole percents; never "0%" or "100%" for what is only nearly so."""
        if value is None or value in {0, 1} or 0.01 <= value < 0.995:
            return self.share(value, 0)
        return f"<{SPACE}1%" if value < 0.5 else f">{SPACE}99%"

    def date(self, iso: str | None) -> str:
        """The day in full: "30 June 1998"."""
        return said_day(dt.date.fromisoformat(str(iso)[:10]), self.language) if iso else NOTHING

    def day(self, iso: str | None) -> str:
        """The day with its month cut short: "30 Jun 1998"."""
        return said_day(dt.date.fromisoformat(str(iso)[:10]), self.language, short=True) if iso else NOTHING

    def month(self, day: dt.date) -> str:
        """The month of a day, cut short, and its year."""
        return f"{SHORT_MONTHS[self.language][day.month - 1]} {day.year}"

    def time(self, iso: str) -> str:
        """The time of day: "10:00"."""
        return dt.datetime.fromisoformat(iso).strftime("%H:%M")

    def horizon(self, horizon: str) -> str:
        """The stretch ahead in words, from a duration ("12 months") or a date."""
        length = re.fullmatch(r"\s*(\d+)\s*(day|week|month|year)s?\s*", str(horizon))
        if length:
            return self.word("next", length=self.count(length[2], int(length[1])))
        if re.fullmatch(r"\d{4}-\d\d-\d\d.*", str(horizon)):
            return self.word("until", date=self.date(horizon))
        return self.word("next", length=horizon)

    def parameter(self, model: str, name: str) -> str:
        """What a parameter of a model means, or a dash."""
        key = PARAMETERS.get((model, name))
        return self.word(key) if key else NOTHING

    def _signed(self, value: float | None, said: str) -> str:
        return said if value is None or said == NOTHING else with_sign(said, self.language, self.currency)
