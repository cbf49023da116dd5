"""Days, durations, units of time and rates as people write them: one grammar for every setting.

A day is 2024-06-30; a duration '12 months', '52 weeks', '90 days' or '1 year'; a rate 0.30 or '30%'.
"""

from __future__ import annotations

import datetime as dt
import difflib
import math
import numbers
import re
from decimal import Decimal
from typing import Any, NamedTuple

from klantwaarde.errors import BadParameters, named

UNITS = {"day": 1.0, "week": 7.0, "month": 365.25 / 12, "year": 365.25}
"""Days per unit of time; a year is 365.25 days, a month a twelfth of it."""

STEPS = {"month": 1, "quarter": 3, "year": 12}
"""Months from one end of a period to the next."""

_WORDS = {
    "day": ("day", 1), "days": ("day", 1), "dag": ("day", 1), "dagen": ("day", 1),
    "week": ("week", 1), "weeks": ("week", 1), "weken": ("week", 1),
    "month": ("month", 1), "months": ("month", 1), "maand": ("month", 1), "maanden": ("month", 1),
    "quarter": ("month", 3), "quarters": ("month", 3), "kwartaal": ("month", 3), "kwartalen": ("month", 3),
    "year": ("year", 1), "years": ("year", 1), "jaar": ("year", 1), "jaren": ("year", 1),
}  # fmt: skip
"""Words for units, in both languages: the unit, and how many of it."""

_DURATION = re.compile(r"\s*([+-]?)\s*(\d{1,9}(?:[.,]\d{1,9})?)\s*([^\W\d_]+)\s*")
_NUMBER = re.compile(r"\s*([+-]?(?:\d{1,18}(?:[.,]\d{0,18})?|[.,]\d{1,18})(?:[eE][+-]?\d{1,3})?)\s*(%?)\s*")
_DAY_FIRST = re.compile(r"(\d{1,2})[-/. ](\d{1,2})[-/. ](\d{4})")
_YEAR_FIRST = re.compile(r"(\d{4})[-/. ](\d{1,2})[-/. ](\d{1,2})")

FEWEST = 8 * 7
"""Days of orders before a date, for a model to be fitted there: the least that a period can begin after."""
LONGEST = 100
"""Years: a longer duration is a slip of the hand, and would leave the calendar."""
YEARS = (1000, 2999)
"""The years in which a day may lie: so far inside the calendar that no duration leads out of it."""


class Duration(NamedTuple):
    """A number of days, weeks, months or years, above 0 and up to 100 years."""

    number: float
    unit: str

    @property
    def days(self) -> float:
        """Its mean length in days."""
        return self.number * UNITS[self.unit]

    @property
    def months(self) -> float | None:
        """The same in months; None for days and weeks."""
        return {"month": self.number, "year": self.number * 12}.get(self.unit)


def read_unit(given: Any, name: str = "unit") -> str:
    """A unit of time: day, week, month or year, also as 'weeks' or 'jaar'. Raises BadParameters for another."""
    word = given.strip().lower() if isinstance(given, str) else ""
    unit, many = _WORDS.get(word, ("", 0))
    if many != 1:
        raise BadParameters(f"{named(name, given)} is not one of {', '.join(UNITS)}.{_unit_meant(word, UNITS)}")
    return unit


def check_unit(unit: str) -> float:
    """Days per unit. Raises BadParameters for a unit that is not day, week, month or year."""
    return UNITS[read_unit(unit)]


def read_step(given: Any, name: str) -> int:
    """Months per period: a month, a quarter or a year, also as '3 months'. Raises BadParameters for another."""
    text = given if isinstance(given, str) else ""
    found = _DURATION.fullmatch(text) or _DURATION.fullmatch(f"1 {text}")
    unit, many = _WORDS.get(found[3].lower(), ("", 0)) if found else ("", 0)
    months = float(found[2].replace(",", ".")) * many * {"month": 1, "year": 12}.get(unit, 0) if found else 0
    if months not in STEPS.values() or (found and found[1] == "-"):
        raise BadParameters(f"{named(name, given)} is not one of {', '.join(STEPS)}.{_unit_meant(text, STEPS)}")
    return int(months)


def read_duration(text: str, name: str) -> Duration | None:
    """A duration; None for text that is not a number and a word. Raises BadParameters for one that cannot be meant."""
    found = _DURATION.fullmatch(text)
    if found is None:
        return None
    sign, number, word = found[1], float(found[2].replace(",", ".")), found[3].lower()
    if word not in _WORDS:
        hint = _unit_meant(word, _WORDS, before=f"{found[2]} ")
        raise BadParameters(
            f"{named(name, text)} is no duration: {word!r} is no unit of time. Units are days, weeks, months, quarters "
            f"and years.{hint}"
        )
    unit, many = _WORDS[word]
    duration = Duration(number * many, unit)
    if sign == "-" or not number:
        raise BadParameters(f"{named(name, text)} must be above 0: '12 months', for instance.")
    if duration.days > LONGEST * UNITS["year"]:
        raise BadParameters(f"{named(name, text)} is longer than {LONGEST} years. Give a shorter duration.")
    return duration


def read_moment(given: Any, name: str, also: str = "") -> dt.date | Duration:
    """A day or a duration, for a setting that takes either, and `also` something else. Raises BadParameters."""
    if isinstance(given, dt.date):
        return read_day(given, name)
    duration = read_duration(given, name) if isinstance(given, str) else None
    if duration is not None:
        return duration
    day = _iso(given)
    if day is None:
        hint = _duration_meant(given) or _day_meant(given)
        raise BadParameters(
            f"{named(name, given)} is neither a duration ('12 months', '52 weeks', '90 days') nor a day "
            f"('2027-12-31'){also}.{hint}"
        )
    return _in_calendar(day, name, given)


def read_day(given: Any, name: str) -> dt.date:
    """A day from YYYY-MM-DD or a date. Raises BadParameters for anything else."""
    day = given if isinstance(given, dt.date) else _iso(given)
    if isinstance(day, dt.datetime):
        day = None if day != day else day.date()  # noqa: PLR0124 - pandas' NaT is a datetime, and unlike itself
    if day is None:
        raise BadParameters(
            f"{named(name, given)} is not a day. Write it as YYYY-MM-DD, for instance 2024-12-31.{_day_meant(given)}"
        )
    return _in_calendar(day, name, given)


def _in_calendar(day: dt.date, name: str, given: Any) -> dt.date:
    first, last = YEARS
    if not first <= day.year <= last:
        raise BadParameters(f"{named(name, str(given))} lies outside the years {first} to {last}. Check the year.")
    return day


def _iso(given: Any) -> dt.date | None:
    try:
        return dt.date.fromisoformat(given.strip())
    except (AttributeError, TypeError, ValueError):
        return None


def _day_meant(given: Any) -> str:
    """A hint, where a day is written another way that can be read in one way only."""
    text = given.strip() if isinstance(given, str) else ""
    if found := _YEAR_FIRST.fullmatch(text):
        year, month, day = (int(part) for part in found.groups())
    elif found := _DAY_FIRST.fullmatch(text):
        day, month, year = (int(part) for part in found.groups())
        if month > 12:
            day, month = month, day
        elif day <= 12 and day != month:
            return ""  # nobody can tell the day from the month
    else:
        return ""
    try:
        return f" Did you mean {dt.date(year, month, day)}?"
    except ValueError:
        return ""


def _duration_meant(given: Any) -> str:
    text = str(given).strip()
    whole = text.isascii() and text.isdigit() and 0 < len(text) <= 3 and int(text) > 0
    return f" Did you mean '{text} months'?" if whole else ""


def _unit_meant(word: str, words: Any, before: str = "") -> str:
    close = difflib.get_close_matches(word.lower(), words, n=1)
    return f" Did you mean {before + close[0]!r}?" if close else ""


def read_since(given: Any, as_of: dt.date, name: str = "since") -> dt.date:
    """The day that a period begins: a day, or a duration before its end. Raises BadParameters unless it lies before."""
    moment = read_moment(given, name)
    day = day_before(as_of, moment, name) if isinstance(moment, Duration) else moment
    if day >= as_of:
        raise BadParameters(f"{named(name, str(given))} must lie before the end of observation, {as_of}.")
    return day


def day_before(day: dt.date, duration: Duration, name: str) -> dt.date:
    """The day that lies a duration earlier: in months by the calendar, from one end of a month to another.

    Raises BadParameters for a part of a month or of a day, of which nobody can say where it begins.
    """
    count = duration.months if duration.months is not None else duration.days
    if count != int(count):
        raise BadParameters(
            f"{named(name, f'{duration.number:g} {duration.unit}s')} does not end on a day. Give whole months, or days."
        )
    return day - dt.timedelta(days=int(count)) if duration.months is None else months_before(day, int(count))


def months_before(day: dt.date, months: int) -> dt.date:
    """The same day so many months earlier, or the last of a shorter month; from the end of a month to an end."""
    if months == 12:
        return year_before(day)
    end = month_end(day.year * 12 + day.month - 1 - months)
    last_of_month = (day + dt.timedelta(days=1)).day == 1
    return end if last_of_month else end.replace(day=min(day.day, end.day))


def month_end(month: int) -> dt.date:
    """The last day of the month that is so many months after January of the year 0."""
    return dt.date((month + 1) // 12, (month + 1) % 12 + 1, 1) - dt.timedelta(days=1)


def year_before(day: dt.date) -> dt.date:
    """The same day of the month twelve months earlier (28 February for 29 February)."""
    try:
        return day.replace(year=day.year - 1)
    except ValueError:
        return day.replace(year=day.year - 1, day=28)


def read_rate(given: Any, name: str) -> float:
    """A rate as a fraction: 0.30, '0.30', '30%' or '30 %'. Raises BadParameters for what is no finite number."""
    if isinstance(given, numbers.Real | Decimal) and not isinstance(given, bool):
        rate = _finite(given)
    else:
        found = _NUMBER.fullmatch(given) if isinstance(given, str) else None
        rate = float(found[1].replace(",", ".")) / (100 if found[2] else 1) if found else math.nan
    if not math.isfinite(rate):
        raise BadParameters(f"{named(name, given)} is no rate. Give a fraction such as 0.30, or a percentage: '30%'.")
    return rate


def _finite(number: Any) -> float:
    try:
        return float(number)
    except OverflowError:  # a whole number of hundreds of digits
        return math.inf


def read_discount_rate(given: Any, name: str = "annual_discount_rate") -> float:
    """An effective annual rate, above 0 and below 1. Raises BadParameters for another."""
    rate = read_rate(given, name)
    if rate <= 0:
        raise BadParameters(
            f"{named(name, given)} must be above 0, as a fraction: 0.10 is ten per cent a year."
            f"{' Without discounting, give a small one: 0.0001.' if not rate else ''}"
        )
    if rate >= 1:
        raise BadParameters(
            f"{named(name, given)} is {rate:.0%} a year. Give a fraction: 0.10 is ten per cent.{_per_cent(rate)}"
        )
    return rate


def read_margin_rate(given: Any, name: str = "margin_rate") -> float:
    """A margin per unit of revenue, above 0 and up to 1. Raises BadParameters for another."""
    rate = read_rate(given, name)
    if not 0 < rate <= 1:
        raise BadParameters(
            f"{named(name, given)} must lie above 0 and up to 1: 0.30 is thirty cents on the euro.{_per_cent(rate)}"
        )
    return rate


def read_share(given: Any, name: str) -> float:
    """A share from 0 to below 1. Raises BadParameters for another."""
    share = read_rate(given, name)
    if not 0 <= share < 1:
        raise BadParameters(f"{named(name, given)} must lie from 0 to below 1, or be 'estimate'.{_per_cent(share)}")
    return share


def _per_cent(rate: float) -> str:
    """A hint, where a percentage was meant and the sign left out."""
    return f" Did you mean {rate:g}%?" if 1 < rate < 100 else ""
