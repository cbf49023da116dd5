"""Whether plain values are what the schema says, and facts of earlier versions made into those of today."""

from __future__ import annotations

import hashlib
import json
import types
from collections.abc import Iterator, Mapping
from typing import Any, NotRequired, Union, cast, get_args, get_origin, get_type_hints, is_typeddict

from klantwaarde.errors import BadOrders
from klantwaarde.outcome.schema import FACTS_VERSION, Facts


def faults(kind: Any, value: Any, place: str = "facts") -> Iterator[str]:
    """What is not as the schema says: its place, what is asked and what is there."""
    origin, within = get_origin(kind), get_args(kind)
    if is_typeddict(kind):
        yield from _faults_of_keys(kind, value, place)
    elif origin in {Union, types.UnionType}:
        found = [list(faults(one, value, place)) for one in within]
        if all(found):
            yield from min(found, key=len) if isinstance(value, (dict, list)) else [_fault(kind, value, place)]
    elif origin in {list, dict} and isinstance(value, origin):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from faults(within[-1], item, f"{place}.{key}")
    elif not (kind is object or _is(origin or kind, value)):
        yield _fault(kind, value, place)


def _faults_of_keys(kind: Any, value: Any, place: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield _fault(kind, value, place)
        return
    hints = get_type_hints(kind, include_extras=True)
    for name in [name for name in value if name not in hints]:
        yield f"{place}.{name} {UNKNOWN}"
    for name, hint in hints.items():
        needed = get_origin(hint) is not NotRequired
        if name in value:
            yield from faults(hint if needed else get_args(hint)[0], value[name], f"{place}.{name}")
        elif needed:
            yield f"{place}.{name} is missing"


def _is(kind: Any, value: Any) -> bool:
    if kind in {int, float}:
        return isinstance(value, (int, kind)) and not isinstance(value, bool)
    return isinstance(value, kind)


def _fault(kind: Any, value: Any, place: str) -> str:
    return f"{place} should be {getattr(kind, '__name__', kind)}, but is {value!r:.60}"


UNKNOWN = "is in no schema"
"""The fault of a value that nothing asks for."""
ADDED = ("movement", "total", "stages", "tracking", "value_risk", "spend", "first_order")
"""Sections that facts of version 1 may lack, which then tell nothing."""


def upgraded(facts: Mapping[str, Any], place: object) -> Facts:
    """Facts of any version as those of today. Raises BadOrders for those of a later klantwaarde."""
    version = facts.get("facts_version", 1)
    if not isinstance(version, int) or version > FACTS_VERSION:
        raise BadOrders(f"{place} has facts of version {version}; this klantwaarde reads up to {FACTS_VERSION}.")
    empty = dict.fromkeys(ADDED)
    return cast("Facts", empty | {"money_is": "margin"} | dict(facts) | {"facts_version": FACTS_VERSION})


def sum_of(facts: Mapping[str, Any]) -> str:
    """A checksum of facts, which tells whether anything of them was changed since they were written."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def refuse_damaged(facts: Facts, place: object) -> None:
    """Raise BadOrders for facts that are not what they should be. What is in no schema does no harm."""
    wrong = [fault for fault in faults(Facts, facts) if not fault.endswith(UNKNOWN)]
    if wrong:
        raise BadOrders(f"{place} is damaged: {wrong[0]}. Run again to write it anew.")
