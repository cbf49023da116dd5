"""Addresses of databases, and how much of them may be told."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from klantwaarde.errors import BadParameters, named


class Driver(NamedTuple):
    """What opens addresses of a scheme: a package, how it is installed, an address, and whether we write with it."""

    name: str
    module: str
    install: str
    example: str
    writes: bool = False


POSTGRESQL = Driver(
    "PostgreSQL", "adbc_driver_postgresql", "'klantwaarde[postgres]'", "postgresql://user@host:5432/database", True
)  # fmt: skip
SQLITE = Driver("SQLite", "adbc_driver_sqlite", "'klantwaarde[sqlite]'", "sqlite:///folder/file.db", True)
SNOWFLAKE = Driver(
    "Snowflake", "adbc_driver_snowflake", "adbc-driver-snowflake", "snowflake://user@account/database/schema"
)  # fmt: skip
FLIGHT = Driver("Flight SQL", "adbc_driver_flightsql", "adbc-driver-flightsql", "grpc+tls://host:port")
DRIVERS = {
    "postgresql": POSTGRESQL,
    "postgres": POSTGRESQL,
    "sqlite": SQLITE,
    "snowflake": SNOWFLAKE,
    "grpc": FLIGHT,
    "grpc+tls": FLIGHT,
    "grpc+tcp": FLIGHT,
}
"""By the scheme of an address. BigQuery's package takes no address."""

SCHEME = re.compile(r"^([A-Za-z][\w+.-]*)://")
PASSWORD = re.compile(r"^([\w+.-]+://[^:@/?]*):(.*)@")
SECRET = re.compile(r"([?&][^=&]*(?:password|secret|token|pwd)[^=&]*=)([^&]*)", re.IGNORECASE)
UNSAFE = re.compile(r"[/?#@\s]|%(?![0-9A-Fa-f]{2})")


def is_database(source: Any) -> bool:
    """Whether the source is the address of a database."""
    return isinstance(source, str) and _scheme(source) in DRIVERS


def driver_of(uri: str) -> Driver:
    """What opens the address. Raises BadParameters for an address of another kind."""
    found = DRIVERS.get(_scheme(uri))
    if found is None:
        raise BadParameters(f"{masked(uri)} is no address of a database that we know. Addresses are {_examples()}.")
    return found


def refuse_unknown(source: str) -> None:
    """Raise BadParameters for an address whose scheme is not known; anything else is left alone."""
    if _scheme(source):
        driver_of(source)


def _scheme(text: str) -> str:
    found = SCHEME.match(text)
    return found[1].lower() if found else ""


def _examples() -> str:
    return ", ".join(driver.example for driver in dict.fromkeys(DRIVERS.values()))


def masked(text: str) -> str:
    """The address without its passwords; any other text as it is."""
    return SECRET.sub(r"\1***", PASSWORD.sub(r"\1:***@", text)) if SCHEME.match(text) else text


def scrubbed(text: str, uri: str) -> str:
    """What a driver said, without the passwords of the address, which it may repeat."""
    found = PASSWORD.match(uri)
    secrets = [found[2]] if found else []
    secrets += [secret for _, secret in SECRET.findall(uri)]
    for secret in {*secrets, *map(unquote, secrets)} - {""}:
        text = text.replace(secret, "***")
    return text


def refuse_unsafe(uri: str) -> None:
    """Raise BadParameters for a password that the driver would misread, and then repeat in its own message."""
    found = PASSWORD.match(uri)
    if found and UNSAFE.search(found[2]):
        remedy = ", or leave it out and set PGPASSWORD or ~/.pgpass" if driver_of(uri) is POSTGRESQL else ""
        raise BadParameters(
            "The password in the address holds one of / ? # @ % or a blank. Write it percent-encoded (%2F %3F %23 %40 "
            f"%25 %20){remedy}."
        )


def file_of(uri: str) -> Path:
    """The file that an address of SQLite names, taken as it is written: sqlite:///full/path or sqlite://path.

    Raises BadParameters where there is none.
    """
    path = SCHEME.sub("", uri)
    if not path.strip("/"):
        raise BadParameters(f"{uri} names no file. Write it as sqlite:///folder/file.db, or sqlite://file.db.")
    return Path(path)


def short_name(uri: str, table: str | None) -> str:
    """A word for the orders in a database: the table, else the database."""
    if table is None and driver_of(uri) is SQLITE:
        return file_of(uri).stem
    return table or re.sub(r"^[\w+.-]+://[^/]*/?", "", masked(uri)).partition("?")[0] or "orders"


def name_parts(table: str) -> tuple[str, ...]:
    """Schema and table, or the table alone, of `table`, `schema.table` or `"any.name"`.

    Raises BadParameters for anything else.
    """
    parts = re.findall(r'"((?:[^"]|"")+)"|([^."]+)', table)
    names = tuple(quoted.replace('""', '"') or bare for quoted, bare in parts)
    whole = r'("([^"]|"")+"|[^."]+)(\.("([^"]|"")+"|[^."]+))?'
    if not re.fullmatch(whole, table) or any(len(name.encode()) > 63 or "\0" in name for name in names):
        raise BadParameters(
            f"{named('table', table)} is not understood. Write it as table, schema.table or '\"odd.name\"'."
        )
    return names
