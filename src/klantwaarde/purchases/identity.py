"""When two spellings are one id, by stated rules, and which stand for no id at all. In SQL, for any engine."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, NamedTuple

from klantwaarde.engine import types as of_type
from klantwaarde.engine.duckdb import DuckDB
from klantwaarde.engine.protocol import Engine
from klantwaarde.engine.statement import literal

if TYPE_CHECKING:
    from collections.abc import Iterator

HIDDEN = "\u00ad\u200b-\u200f\u2060\ufeff"
"""Characters without a width, in a class of a pattern."""
BLANKS = " \t\n\r\f\v\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
MARKS = "\u0300-\u036f"
"""Accents that follow their letter."""
NUMBER = "^0*([0-9]+)([.](0{0,2}|0{4,}))?$"
"""Digits, and .0 behind them where a number was made of a column with gaps. Three zeros may be thousands."""
LOST = "^[0-9]([.,][0-9]+)?[eE][+][0-9]+$"
"""What a spreadsheet makes of a long number: most of its digits are gone."""
NO_ID = (
    "nan", "null", "none", "nil", "n/a", "#n/a", "na", "<na>", "(null)", r"\n", "-", "--", "guest", "anonymous",
    "anon", "temp", "unknown", "undefined", "test", "gast", "anoniem", "onbekend",
)  # fmt: skip
"""Texts, in any case, that stand for an id that is not there."""
NO_NUMBER = "^(0+|-1|9{4,})([.]0*)?$"
"""Numbers that often do; in a few bases they are customers."""


class Kind(NamedTuple):
    """A way in which spellings of an id differ: its name, SQL of what may be written so, and of the id without it."""

    name: str
    suspect: str
    key: str


def kinds(id_: str, composed: str) -> tuple[Kind, ...]:
    """The ways in which spellings of an id (SQL of text) may differ. composed: the id with accents in one character."""
    odd = f"regexp_matches({id_}, {literal('[^!-~]')})"
    point = f"regexp_extract({id_}, {literal('^([0-9]+)[.](0{0,2}|0{4,})$')}, 1)"
    return (
        Kind("blanks", odd, _seen(id_)),
        Kind("quotes", f"({id_} like '\"%' or {id_} like '''%')", _bare(id_)),
        Kind("zeros", f"{id_} like '0%'", f"regexp_extract({id_}, '^0*([0-9]+)$', 1)"),
        Kind("decimals", f"{id_} like '%.%'", point),
        Kind("accents", odd, composed),
        Kind("mail", f"{id_} like '%@%'", f"lower({id_})"),
    )


def _seen(id_: str) -> str:
    shown = f"regexp_replace({id_}, {literal(f'[{HIDDEN}]')}, '', 'g')"
    return f"trim(regexp_replace({shown}, {literal(f'[{BLANKS}]+')}, ' ', 'g'))"


def _bare(id_: str) -> str:
    around = literal("^[\"'].*[\"']$")
    ends = literal("^[\"' ]+|[\"' ]+$")
    return f"case when regexp_matches({id_}, {around}) then regexp_replace({id_}, {ends}, '', 'g') else {id_} end"


def key(engine: Engine, relation: str, id_: str) -> str:
    """SQL of what is the same for all spellings of an id (SQL of text) in a relation; folding it again changes nothing.

    Blanks that do not show go, quotation marks around it go, e-mail addresses become small, accents become one with
    their letter, zeros before and .0 behind a number go. What would become empty stays.
    """
    plain = _bare(_seen(id_))
    small = f"case when {plain} like '%@%' then lower({plain}) else {plain} end"
    made = f"select {id_} as id, {small} as small from {relation}"
    one = composed(engine, made, "small", small)
    number = f"regexp_extract({one}, {literal(NUMBER)}, 1)"
    return f"coalesce(nullif({number}, ''), nullif({one}, ''), {id_})"


def composed(engine: Engine, relation: str, column: str, sql: str) -> str:
    """SQL of a text with accents in one character with their letter (NFC; Latin letters where an engine has no NFC).

    relation, column: where these texts are, for the engine that is to be asked which letters there are.
    """
    if isinstance(engine, DuckDB):
        return f"nfc_normalize({sql})"
    marked = f"select {column} as text from ({relation}) as r where regexp_matches({column}, {literal(f'[{MARKS}]')})"
    if not engine.rows(f"select 1 as one from ({marked}) as m limit 1"):
        return sql
    pairs = list(_pairs())
    counts = ", ".join(f"max(text like {literal(f'%{two}%')}) as p{n}" for n, (two, _) in enumerate(pairs))
    there = engine.one(f"select {counts} from ({marked}) as m")
    for n, (two, one) in enumerate(pairs):
        sql = f"replace({sql}, {literal(two)}, {literal(one)})" if there[f"p{n}"] else sql
    return sql


def _pairs() -> Iterator[tuple[str, str]]:
    """Latin letters with one accent: in two characters, and in one."""
    for code in range(0xC0, 0x250):
        two = unicodedata.normalize("NFD", chr(code))
        if len(two) == 2:
            yield two, chr(code)


def no_id(id_: str, kind: str, *, numbers: bool = True) -> str:
    """SQL of whether an id stands for none."""
    text = f"lower(trim(cast({id_} as varchar)))"
    number = f"regexp_matches({text}, {literal(NO_NUMBER)})"
    if not of_type.is_text(kind):
        return f"coalesce({number}, false)" if numbers and of_type.is_number(kind) else "false"
    named = f"{text} in ({', '.join(map(literal, NO_ID))})"
    return f"coalesce({f'({named} or {number})' if numbers else named}, false)"


def spellings(engine: Engine, relation: str, column: str, lines: str = "1") -> str | None:
    """The name of a table of spellings that are to become another: `spelling`, `kept`; None where there is none.

    The one that most lines have is kept, the first in the alphabet of several. lines: SQL of how many lines a row is.
    """
    counted = (
        f"select {column} as spelling, sum({lines}) as n from {relation} where trim({column}) <> '' group by {column}"
    )
    counts, found = engine.new_name("spelling_counts"), engine.new_name("spellings")
    engine.create(counts, counted)
    keyed = f"select spelling, n, {key(engine, counts, 'spelling')} as key from {counts}"
    engine.create(
        found,
        f"select spelling, kept from (select spelling, first_value(spelling) over "
        f"(partition by key order by n desc, spelling) as kept from ({keyed}) as k) as f where spelling <> kept",
    )
    return found if engine.rows(f"select 1 as one from {found} limit 1") else None
