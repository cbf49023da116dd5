"""Times in text: which zone they name, and the day they fall on in another."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from klantwaarde.engine.statement import identifier, literal
from klantwaarde.errors import BadOrders, BadParameters, named

if TYPE_CHECKING:
    from klantwaarde.engine.protocol import Engine

ZONE = r":[0-9.]+\s*(?:[AaPp][Mm])?\s*(Z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?)\s*$"
CLOCK = r"([0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?)(?:[.][0-9]+)?\s*([AaPp][Mm])?"


def zone_of(column: str) -> str:
    """SQL of the zone that a time in a text names; empty where it names none."""
    return f"regexp_extract({identifier(column)}, {literal(ZONE)}, 1)"


def without_zone(column: str) -> str:
    """SQL of a text without the zone at its end."""
    plain = f"trim({identifier(column)})"
    return f"trim(left({plain}, length({plain}) - length({zone_of(column)})))"


def form_without_zone(fmt: str) -> str:
    """A form of dates without %z at its end: the zone is found by itself. Raises BadParameters for one elsewhere."""
    plain = re.sub(r"\s*%z$", "", fmt.strip())
    if re.search("%[zZ]", plain):
        raise BadParameters(
            f"{named('date_format', fmt)} holds a time zone where it cannot be read. Leave it out: "
            "one such as Z or +0200 at the end, behind the time, is found by itself."
        )
    return plain


def day_in_place(column: str, day: str) -> str:
    """SQL of the day of a text in the place of the session, where it names a zone; else the day as written."""
    zone, clock = zone_of(column), f"regexp_extract({identifier(column)}, {literal(CLOCK)}, 1)"
    half = f"upper(regexp_extract({identifier(column)}, {literal(CLOCK)}, 2))"
    noon = f"{clock} like '12:%'"
    hours = f"case when {half} = 'PM' and not {noon} then 12 when {half} = 'AM' and {noon} then -12 else 0 end"
    digits = f"replace({zone}, ':', '')"
    minutes = f"(try_cast({digits}[2:3] as int) * 60 + coalesce(try_cast({digits}[4:5] as int), 0))"
    ahead = f"case when {zone} like '+%' then {minutes} when {zone} like '-%' then -{minutes} else 0 end"
    utc = f"({day}) + try_cast({clock} as time) + to_hours({hours}) - to_minutes({ahead})"
    return f"case when {zone} <> '' then cast(({utc}) at time zone 'UTC' as date) else {day} end"


def refuse_without_zone(engine: Engine, source: str, column: str, *, is_text: bool) -> None:
    """Raise BadOrders for times that name no zone where days were asked for in a place."""
    if engine.place is None:
        return
    name = identifier(column)
    clock = f"regexp_extract({name}, {literal(CLOCK)}, 1)"
    free = f"{name} <> date_trunc('day', {name})"
    if is_text:
        free = f"{zone_of(column)} = '' and {clock} <> '' and not regexp_matches({clock}, '^0?0:00(:00)?$')"
    rows = engine.rows(f"select cast({name} as varchar) as text from {source} where {free} limit 1")
    if rows:
        raise BadOrders(
            f"Column {column!r} holds times that name no time zone (such as {rows[0]['text']!r}), so that "
            f"{named('timezone', engine.place)} says nothing of their days. Leave it out, and they count on their day "
            "as written; or write the zone behind the times (Z for UTC), or give them as instants."
        )
