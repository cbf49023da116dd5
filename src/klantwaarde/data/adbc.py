"""Connections to databases through their ADBC drivers, with faults as errors of ours."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

from klantwaarde.data.engine import identifier
from klantwaarde.data.uri import masked, refuse_unsafe
from klantwaarde.errors import BadOrders, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Iterator

REMEDIES = {
    "password authentication failed|no password supplied": "Give user:password@ in the address, PGPASSWORD or "
    "~/.pgpass.",
    "database .* does not exist|role .* does not exist": "Check the address: postgresql://user@host:5432/database.",
    "Connection refused|could not translate|timeout|No such file|not known|unreachable|no response": "Check that the "
    "server runs, and host and port in the address.",
}


@contextlib.contextmanager
def connected(uri: str) -> Iterator[Any]:
    """A cursor in one transaction, which is rolled back unless its connection commits.

    Raises MissingExtra without a driver, BadOrders for what the server says.
    """
    try:
        from adbc_driver_postgresql import dbapi  # noqa: PLC0415 - optional
    except ImportError as error:
        raise MissingExtra("PostgreSQL needs its driver: pip install 'klantwaarde[postgres]'.") from error
    refuse_unsafe(uri)
    connection = _connection(dbapi, uri)
    try:
        with connection.cursor() as cursor:
            yield cursor
    except dbapi.Error as error:
        raise BadOrders(f"{masked(uri)}: {said(error)}") from error
    finally:
        connection.close()


def _connection(dbapi: Any, uri: str) -> Any:
    try:
        return dbapi.connect(uri)
    except dbapi.Error as error:
        text = said(error)
        remedy = next((remedy for words, remedy in REMEDIES.items() if re.search(words, text)), "Check the address.")
        raise BadOrders(f"{masked(uri)} cannot be opened: {text} {remedy}") from error


def said(error: Exception) -> str:
    """What the server said, without the driver's own words around it."""
    text = " ".join(str(error).split())
    # Lines and columns are those of the statement that we made of the user's.
    text = re.sub(r" ?(Query was:|SQLSTATE:|LINE \d+:|Is the server running).*", "", text)
    text = re.sub(r"^.*?(ERROR|FATAL|Failed to connect): *", "", text)
    return text[:300].rstrip(" .") + "."


def quoted(names: tuple[str, ...]) -> str:
    """A name of one or more parts, quoted."""
    return ".".join(map(identifier, names))
