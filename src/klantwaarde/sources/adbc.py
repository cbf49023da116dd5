"""Connections to databases through their ADBC drivers, with faults as errors of ours."""

from __future__ import annotations

import contextlib
import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from klantwaarde.engine.statement import identifier
from klantwaarde.errors import BadOrders, MissingExtra
from klantwaarde.sources.uri import (
    FLIGHT,
    POSTGRESQL,
    SNOWFLAKE,
    SQLITE,
    Driver,
    as_address,
    driver_of,
    file_of,
    refuse_unclear,
    revealed,
    scrub,
    scrubbed,
    without_user,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

REMEDIES = {
    "password authentication failed|no password supplied": "Give user:password@ in the address, PGPASSWORD or "
    "~/.pgpass.",
    "Connection refused|could not translate|timeout|No such file|not known|unreachable|no response": "Check that the "
    "server runs, and host and port in the address.",
}
WAIT = "pragma busy_timeout = 60000"
"""Milliseconds for which SQLite waits for others that use the file."""


@contextlib.contextmanager
def connected(uri: str, *, writes: bool = False) -> Iterator[Any]:
    """A cursor in one transaction, which is rolled back unless its connection commits; without `writes` it only reads.

    Raises MissingExtra without a driver, BadOrders for what the server says.
    """
    uri = as_address(uri)
    driver = driver_of(uri)
    dbapi = _dbapi(driver)
    connection = _connection(dbapi, driver, uri, writes=writes)
    try:
        with connection.cursor() as cursor:
            if driver is POSTGRESQL and not writes:
                cursor.execute("set transaction read only")
            yield cursor
    except dbapi.Error as error:
        raise BadOrders(f"{uri}: {said(error, uri)}") from scrub(error, uri)
    finally:
        connection.close()


def _dbapi(driver: Driver) -> Any:
    try:
        return importlib.import_module(f"{driver.module}.dbapi")
    except ImportError as error:
        raise MissingExtra(f"{driver.name} needs its driver: pip install {driver.install}.") from error


def _connection(dbapi: Any, driver: Driver, uri: str, *, writes: bool) -> Any:
    if driver is SQLITE:
        refuse_missing(uri, writes=writes)
    else:
        refuse_unclear(uri)
    try:
        return _opened(dbapi, driver, uri, writes=writes)
    except dbapi.Error as error:
        text = said(error, uri)
        found = (remedy for words, remedy in REMEDIES.items() if re.search(words, text, re.IGNORECASE))
        remedy = next(found, f"Check the address: {driver.example}.")
        raise BadOrders(f"{uri} cannot be opened: {text} {remedy}") from scrub(error, uri)


def _opened(dbapi: Any, driver: Driver, uri: str, *, writes: bool) -> Any:
    if driver is SQLITE:
        connection = dbapi.connect(f"file:{quote(str(file_of(uri)))}?mode={'rwc' if writes else 'ro'}")
        with connection.cursor() as cursor:
            cursor.execute(WAIT)
        return connection
    if driver is SNOWFLAKE:  # its driver takes what follows the scheme
        return dbapi.connect(revealed(uri).partition("://")[2], autocommit=True)
    if driver is FLIGHT:  # its driver takes user and password beside the address
        bare, user = without_user(uri)
        return dbapi.connect(bare, db_kwargs=user, autocommit=True)
    return dbapi.connect(revealed(uri))


def refuse_missing(uri: str, *, writes: bool) -> None:
    """Raise BadOrders for a file, or where it is to be made a folder, that is not there."""
    file = file_of(uri)
    needed = file.absolute().parent if writes else file
    if needed.exists():
        return
    relative = Path(str(file).lstrip("/"))
    hint = f" Did you mean sqlite://{relative}?" if file.is_absolute() and relative.exists() else ""
    raise BadOrders(
        f"There is no {'folder' if writes else 'file'} {needed} (looked in {Path.cwd()}). Write sqlite:///full/path, "
        f"or sqlite://path from here.{hint}"
    )


def said(error: Exception, uri: str = "") -> str:
    """What the server said, without the driver's own words around it, and without passwords."""
    # Lines and columns are those of the statement that we made of the user's.
    text = scrubbed(" ".join(str(error).partition("\nquery: ")[0].split()), uri)
    text = re.sub(r" ?(Query was:|SQLSTATE:|LINE \d+:|Is the server running).*", "", text)
    text = re.sub(r"^.*?(ERROR|FATAL|Failed to connect|\[SQLite\] Failed to [a-z ]+): *", "", text)
    return text[:300].rstrip(" .") + "."


def quoted(names: tuple[str, ...]) -> str:
    """A name of one or more parts, quoted."""
    return ".".join(map(identifier, names))
