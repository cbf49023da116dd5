"""Which lines of a source count: conditions on its columns, read into values and never run as they were written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from klantwaarde.engine import types as of_type
from klantwaarde.engine.protocol import Engine
from klantwaarde.engine.statement import identifier, literal
from klantwaarde.errors import BadParameters, named

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FORM = re.compile(
    r"""\s*("(?:[^"]|"")*"|[^"].*?)\s*(!=|<>|<=|>=|==|=|<|>|\s(?:not\s+)?in(?=\s*\())\s*(.*?)\s*""",
    re.IGNORECASE | re.DOTALL,
)
_VALUE = r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|[^,'"()\s][^,'"()]*"""
_ONE, _LIST = re.compile(_VALUE), re.compile(rf"\(\s*(?:{_VALUE})\s*(?:,\s*(?:{_VALUE})\s*)*\)")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_SAME = {"<>": "!=", "==": "="}
EXAMPLE = '"Financial Status = paid", "total > 0" or "status in (paid, \'part paid\')"'


class Condition(NamedTuple):
    """A column, one of = != < <= > >= in, not in, and the values; '' is a blank cell."""

    column: str
    operator: str
    values: tuple[str, ...]


def conditions(given: str | Sequence[str] | None, types: Mapping[str, str]) -> tuple[Condition, ...]:
    """Conditions from their text. Raises BadParameters for what is none, and for columns that are not there."""
    every = [given] if isinstance(given, str) else list(given or ())
    return tuple(_condition(text, types) for text in every)


def _condition(text: str, types: Mapping[str, str]) -> Condition:
    found = _FORM.fullmatch(text)
    operator = " ".join(found[2].lower().split()) if found else ""
    values = _values(found[3], many=operator.endswith("in")) if found else ()
    if found is None or not values:
        raise BadParameters(f"{named('where', text)} is not understood. Write it as {EXAMPLE}; a blank cell is ''.")
    column = _unquoted(found[1])
    if column not in types:
        raise BadParameters(
            f"{named('where', text)}: there is no column {column!r}. The columns are {', '.join(types)}."
        )
    return Condition(column, _SAME.get(operator, operator), values)


def _values(text: str, *, many: bool) -> tuple[str, ...]:
    if many:
        return tuple(map(_unquoted, _ONE.findall(text[1:-1]))) if _LIST.fullmatch(text) else ()
    return (_unquoted(text),) if _ONE.fullmatch(text) else ()


def _unquoted(text: str) -> str:
    plain = text.strip()
    mark = plain[:1]
    return plain[1:-1].replace(mark * 2, mark) if len(plain) > 1 and mark in {"'", '"'} and plain[-1] == mark else plain


def listed(given: str | Sequence[str]) -> tuple[str, ...]:
    """Values from a text with commas between them, or from a sequence of them."""
    return _values(f"({given})", many=True) if isinstance(given, str) else tuple(given)


def holds(engine: Engine, condition: Condition, kind: str) -> str:
    """SQL of whether a line meets a condition: true or false, never null. Raises BadParameters for values unlike it."""
    if condition.operator.endswith("in"):
        one = "!=" if condition.operator.startswith("not") else "="
        each = [holds(engine, condition._replace(operator=one, values=(value,)), kind) for value in condition.values]
        return f"({(' and ' if one == '!=' else ' or ').join(each)})"
    cell, value = _cell(engine, condition, kind), condition.values[0]
    if not value:
        return f"({cell} is {'not ' if condition.operator == '!=' else ''}null)"
    is_other = condition.operator == "!="  # and so are blank cells
    if of_type.is_text(kind) and condition.operator[0] in "<>" and _NUMBER.fullmatch(value):
        cell, shown = f"try_cast({cell} as double)", value
    else:
        shown = _shown(condition, value, kind)
    return f"coalesce({cell} {'<>' if is_other else condition.operator} {shown}, {'true' if is_other else 'false'})"


def _cell(engine: Engine, condition: Condition, kind: str) -> str:
    name = identifier(condition.column)
    if of_type.is_text(kind):
        return f"nullif(trim({name}), '')"
    if of_type.is_day(kind):
        return engine.finite_day(condition.column, kind)
    if kind in of_type.FLOATS:
        return f"case when not isnan({name}) then {name} end"
    return name if of_type.is_number(kind) or kind == "BOOLEAN" else f"cast({name} as varchar)"


def _shown(condition: Condition, value: str, kind: str) -> str:
    """SQL of a value of the column's type."""
    if of_type.is_number(kind):
        return _fitting(_NUMBER, value, condition, "a number")
    if of_type.is_day(kind):
        return f"date '{_fitting(_DAY, value, condition, 'a day such as 2024-12-31')}'"
    if kind == "BOOLEAN":
        return _fitting(re.compile("true|false"), value.lower(), condition, "true or false")
    return literal(value)


def _fitting(form: re.Pattern[str], value: str, condition: Condition, what: str) -> str:
    if not form.fullmatch(value):
        raise BadParameters(
            f"{named('where')}: column {condition.column!r} is compared with {value!r}, which is not {what}."
        )
    return value


class Status(NamedTuple):
    """A value of the column of statuses ('' for blank cells): lines, money, and whether they count."""

    status: str
    lines: int
    counts: bool


def statuses(
    engine: Engine, source: str, column: str, wanted: str | Sequence[str] | None, types: Mapping[str, str]
) -> tuple[Status, ...]:
    """The statuses in the source, the most frequent first. Raises BadParameters for wanted ones that are not there."""
    if column not in types:
        raise BadParameters(f"{named('status_column', column)}: the columns are {', '.join(types)}.")
    value = f"coalesce(trim(cast({identifier(column)} as varchar)), '')"
    rows = engine.rows(
        f"select status, count(*) as n from (select {value} as status from {source}) as s "
        "group by status order by n desc, status limit 1000"
    )
    there, counts = {row["status"]: row["n"] for row in rows}, () if wanted is None else listed(wanted)
    unknown = [status for status in counts if status not in there]
    if unknown or not counts:
        shown = ", ".join(f"{status or 'blank'!r} ({lines:,})" for status, lines in list(there.items())[:20])
        wrong = f"{', '.join(map(repr, unknown))} is no status in column {column!r}" if unknown else "Say which count"
        raise BadParameters(f"{wrong}: name them with {named('status_counts')}, with commas. There are {shown}.")
    return tuple(Status(status, lines, status in counts) for status, lines in there.items())
