"""Addresses of databases, and how much of them may be told."""

from __future__ import annotations

import re
from typing import Any

from klantwaarde.errors import BadParameters

SCHEMES = ("postgresql", "postgres")
PASSWORD = re.compile(r"^(\w+://[^:@/?]*):(.*)@")
SECRET = re.compile(r"([?&][^=&]*(?:password|secret|token|pwd)[^=&]*=)[^&]*", re.IGNORECASE)
UNSAFE = re.compile(r"[/?#@\s]|%(?![0-9A-Fa-f]{2})")


def is_database(source: Any) -> bool:
    """Whether the source is the address of a database."""
    return isinstance(source, str) and source.partition("://")[0] in SCHEMES and "://" in source


def masked(text: str) -> str:
    """The address without its passwords; any other text as it is."""
    return SECRET.sub(r"\1***", PASSWORD.sub(r"\1:***@", text)) if is_database(text) else text


def refuse_unsafe(uri: str) -> None:
    """Raise BadParameters for a password that the driver would misread, and then repeat in its own message."""
    found = PASSWORD.match(uri)
    if found and UNSAFE.search(found[2]):
        raise BadParameters(
            "The password in the address holds one of / ? # @ % or a blank. Write it percent-encoded (%2F %3F %23 %40 "
            "%25 %20), or leave it out and set PGPASSWORD or ~/.pgpass."
        )


def short_name(uri: str, table: str | None) -> str:
    """A word for the orders in a database: the table, else the database."""
    return table or re.sub(r"^\w+://[^/]*/?", "", masked(uri)).partition("?")[0] or "orders"


def name_parts(table: str) -> tuple[str, ...]:
    """Schema and table, or the table alone, of `table`, `schema.table` or `"any.name"`.

    Raises BadParameters for anything else.
    """
    parts = re.findall(r'"((?:[^"]|"")+)"|([^."]+)', table)
    names = tuple(quoted.replace('""', '"') or bare for quoted, bare in parts)
    whole = r'("([^"]|"")+"|[^."]+)(\.("([^"]|"")+"|[^."]+))?'
    if not re.fullmatch(whole, table) or any(len(name.encode()) > 63 or "\0" in name for name in names):
        raise BadParameters(f"table={table!r} is not understood. Write it as table, schema.table or '\"odd.name\"'.")
    return names
