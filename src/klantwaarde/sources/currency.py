"""Marks of currencies in texts that hold numbers: which, how often, and the number without them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from klantwaarde.engine.statement import identifier, literal
from klantwaarde.errors import BadOrders, named

if TYPE_CHECKING:
    from klantwaarde.engine.duckdb import DuckDB

CODES = (
    "AED|AFN|ALL|AMD|ANG|AOA|ARS|AUD|AWG|AZN|BAM|BBD|BDT|BGN|BHD|BIF|BMD|BND|BOB|BRL|BSD|BTN|BWP|BYN|BZD|CAD|"
    "CDF|CHF|CLP|CNH|CNY|COP|CRC|CUP|CVE|CZK|DJF|DKK|DOP|DZD|EGP|ERN|ETB|EUR|FJD|FKP|GBP|GEL|GHS|GIP|GMD|GNF|"
    "GTQ|GYD|HKD|HNL|HRK|HTG|HUF|IDR|ILS|INR|IQD|IRR|ISK|JMD|JOD|JPY|KES|KGS|KHR|KMF|KPW|KRW|KWD|KYD|KZT|LAK|"
    "LBP|LKR|LRD|LSL|LYD|MAD|MDL|MGA|MKD|MMK|MNT|MOP|MRU|MUR|MVR|MWK|MXN|MYR|MZN|NAD|NGN|NIO|NLG|NOK|NPR|NZD|"
    "OMR|PAB|PEN|PGK|PHP|PKR|PLN|PYG|QAR|RMB|RON|RSD|RUB|RWF|SAR|SBD|SCR|SDG|SEK|SGD|SHP|SLE|SOS|SRD|SSP|STN|"
    "SVC|SYP|SZL|THB|TJS|TMT|TND|TOP|TRY|TTD|TWD|TZS|UAH|UGX|USD|UYU|UZS|VES|VND|VUV|WST|XAF|XCD|XOF|XPF|YER|"
    "ZAR|ZMW|ZWL"
)
"""Of ISO 4217, and a few that were."""
SAME = {"€": "EUR", "£": "GBP", "ZŁ": "PLN", "KČ": "CZK", "FT": "HUF", "LEI": "RON", "₹": "INR", "₺": "TRY", "₽": "RUB",
        "₩": "KRW", "₪": "ILS", "₫": "VND", "₴": "UAH", "US$": "USD", "CA$": "CAD", "AU$": "AUD", "NZ$": "NZD",
        "HK$": "HKD", "R$": "BRL", "RMB": "CNY"}  # fmt: skip
"""Marks that stand for one currency; $, ¥ and kr stand for several."""
SEVERAL = {
    "$": ("USD", "CAD", "AUD", "NZD", "HKD", "SGD", "MXN"),
    "¥": ("JPY", "CNY"),
    "KR": ("SEK", "NOK", "DKK", "ISK"),
}
MARK = rf"[A-Za-z]{{1,2}}\$|\p{{Sc}}|(?i:{CODES}|zł|kč|ft|lei|kr\.?)"
BLANK = r"[\s\p{Z}]*"
BEFORE, BEHIND = rf"^([+-]?){BLANK}({MARK})?{BLANK}", rf"{BLANK}({MARK})?{BLANK}$"
GROUPS = r"^[+-]?[0-9]{1,3}([\s\p{Z}][0-9]{3})+([.,][0-9]+)?$"
"""Digits in groups of three, with blanks between them."""
ODD = r"[^-+0-9.,eE]"


class Marks(NamedTuple):
    """The currency of a column and the numbers without its mark: SQL."""

    sql: str
    currency: str | None = None
    without: int = 0
    """Numbers without a mark beside those with one."""


def unmarked(engine: DuckDB, source: str, column: str) -> Marks:
    """A text column without blanks and marks of currencies. Raises BadOrders where there are several."""
    name = identifier(column)
    plain = f"trim({name})"
    odd = engine.one(f"select count(*) filter (where regexp_matches({plain}, {literal(ODD)})) as n from {source}")["n"]
    if not odd:
        return Marks(plain)
    bare = f"regexp_replace(regexp_replace({name}, {literal(BEFORE)}, '\\1'), {literal(BEHIND)}, '')"
    grouped = f"regexp_matches({bare}, {literal(GROUPS)})"
    sql = rf"case when {grouped} then regexp_replace({bare}, '[\s\p{{Z}}]', '', 'g') else {bare} end"
    rows = engine.rows(
        f"select upper(regexp_extract({name}, {literal(BEFORE)}, 2)) as before, "
        f"upper(regexp_extract({name}, {literal(BEHIND)}, 1)) as behind, count(*) as n from {source} "
        f"where regexp_matches({bare}, '[0-9]') group by all"
    )
    counts: dict[str, int] = {}
    for row in rows:
        mark = _one(_currency(row["before"]), _currency(row["behind"]))
        counts[mark] = counts.get(mark, 0) + row["n"]
    without = counts.pop("", 0)
    refuse_several(column, counts)
    return Marks(sql, next(iter(counts), None), without if counts else 0)


def refuse_several(column: str, counts: dict[str, int]) -> None:
    """Raise BadOrders for amounts in more than one currency."""
    if len(counts) > 1:
        told = ", ".join(f"{mark} {n:,}" for mark, n in sorted(counts.items(), key=lambda one: (-one[1], one[0])))
        raise BadOrders(
            f"Column {column!r} is in several currencies ({told}), which cannot be added. Convert them to one first, "
            f"or keep the lines of one; where a column names the currency, with {named('where')}."
        )


def _currency(mark: str) -> str:
    plain = mark.rstrip(".")
    return SAME.get(plain, plain)


def _one(before: str, behind: str) -> str:
    """$10 USD is in one currency; € 10 USD in none that we know."""
    if not before or not behind or before == behind:
        return before or behind
    return behind if behind in SEVERAL.get(before, ()) else f"{before} {behind}"
