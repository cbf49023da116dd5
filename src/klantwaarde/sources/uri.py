"""Addresses of databases, and what may be told of them."""

from __future__ import annotations

import glob
import re
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import unquote

from klantwaarde.errors import BadParameters, named
from klantwaarde.shown import HIDDEN, masked


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

FILES = (".parquet", ".pq", ".csv", ".txt", ".tsv", ".gz", ".zst", ".xlsx")
SCHEME = re.compile(r"^([A-Za-z][\w+.-]*)://")
_HOST = r"(?:\[[\w:.%]+\]|[^:@/?#\s,\[\]]*)(?::\d{1,5})?"
_WHOLE = re.compile(
    r"(?P<scheme>[A-Za-z][\w+.-]*)://"
    r"(?:(?P<user>[^:@/?#\s]*)(?::(?P<password>(?:[^@/?#\s%]|%[0-9A-Fa-f]{2})*))?@)?"
    rf"(?P<place>{_HOST}(?:,{_HOST})*(?:/[^@?]*)?)"
    r"(?:\?(?P<query>.*))?",
    re.DOTALL,
)
_UNCLEAR = re.compile(rf"(?P<user>[^:@/?#\s]*):[^?]*@(?P<place>{_HOST}(?:/[\w.-]*)?)(?:\?(?P<query>[^@]*))?")
_PAIRED = r"(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|\S+)"
_PAIR = re.compile(_PAIRED)
_DSN = re.compile(rf"\s*{_PAIRED}(?:\s+{_PAIRED})+\s*")
"""key=value key=value, as libpq takes it in place of an address."""
_LOOSE = re.compile(r"([^:]*:).*@", re.DOTALL)
"""user:password@ without a scheme, or with one that is written wrongly."""
HARMLESS = {
    "host", "hostaddr", "port", "dbname", "user", "sslmode", "connect_timeout", "application_name", "mode", "cache",
    "target_session_attrs", "client_encoding", "warehouse", "role", "database", "schema", "account", "region",
}  # fmt: skip
"""What may be told of what stands after the ? of an address; the rest may hold a password, like `options`."""


class Address(str):
    """The address of a database. As a text, however it is printed, cut or kept, it is without its passwords.

    Only `revealed` gives what the driver needs. Copies are the same value; pickles are of the masked text.
    """

    __slots__ = ("_real", "secrets", "understood")

    _real: str
    secrets: tuple[str, ...]
    """Passwords in it, longest first, also decoded and in parts: what a driver may repeat."""
    understood: bool
    """Whether it can be taken apart in one way only."""

    def __new__(cls, text: str) -> Self:
        """Take the address apart, once."""
        real = _lowered(text.strip())
        whole = _WHOLE.fullmatch(real)
        made = super().__new__(cls, _masked(real, whole))
        made._real = real
        made.secrets = _secrets(whole) if whole else ()
        made.understood = whole is not None or _scheme(real) == "sqlite"
        return made

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)


def revealed(address: str) -> str:
    """The address with its passwords: for a driver, and for nothing else."""
    return address._real if isinstance(address, Address) else address  # noqa: SLF001 - the one place


def without_user(uri: str) -> tuple[str, dict[str, str]]:
    """The real address without user and password, and these two beside it, decoded."""
    real = revealed(uri)
    found = _WHOLE.fullmatch(real)
    if not found or found["password"] is None:
        return real, {}
    query = "" if found["query"] is None else f"?{found['query']}"
    return f"{found['scheme']}://{found['place']}{query}", {
        "username": unquote(found["user"]),
        "password": unquote(found["password"]),
    }


def as_address(source: Any) -> Any:
    """The source as an Address where it is one, or like one that holds a password; else as it is."""
    if not isinstance(source, str) or isinstance(source, Address):
        return source
    return Address(source) if _scheme(source) or _is_loose(source) else source


def _is_loose(text: str) -> bool:
    """Whether a text that is no address may hold a password, and is not the name of a file that is there."""
    loose = _LOOSE.match(text) and not text.lower().endswith(FILES)
    try:
        doubtful = bool(loose or masked(text) != text or _DSN.fullmatch(text))
        return doubtful and not Path(text).exists() and not glob.glob(text)  # noqa: PTH207 - a pattern may be absolute
    except (OSError, ValueError):
        return True


def _lowered(text: str) -> str:
    """With the scheme in small letters, which is how drivers know it."""
    return SCHEME.sub(lambda found: found[0].lower(), text)


def _masked(real: str, whole: re.Match[str] | None) -> str:
    scheme = _scheme(real)
    if scheme == "sqlite":
        return masked(real)
    if not scheme:
        return _masked_pairs(real) if _DSN.fullmatch(real) else _masked_loose(real)
    if whole is None:
        return f"{scheme}://{_of_unclear(real.partition('://')[2])}"
    user = "" if whole["user"] is None else whole["user"] + (f":{HIDDEN}@" if whole["password"] is not None else "@")
    return f"{scheme}://{user}{whole['place']}{_masked_query(whole['query'])}"


def _masked_loose(text: str) -> str:
    if _LOOSE.match(text) and "?" in text:  # an @ may be anyone's
        return f"{text.partition(':')[0]}:{HIDDEN}"
    return masked(_LOOSE.sub(rf"\1{HIDDEN}@", text))


def _masked_pairs(text: str) -> str:
    pairs = _PAIR.findall(text)
    return " ".join(f"{key}={value if key.lower() in HARMLESS else HIDDEN}" for key, value in pairs)


def _of_unclear(rest: str) -> str:
    """What can be told of an address that can be read in more than one way: never more than user and host."""
    found = _UNCLEAR.fullmatch(rest)
    if found:
        return f"{found['user']}:{HIDDEN}@{found['place']}{_masked_query(found['query'])}"
    user, colon, _ = re.split(r"[@/?#\s]", rest, maxsplit=1)[0].partition(":")
    return f"{user}:{HIDDEN}" if colon else HIDDEN


def _masked_query(query: str | None) -> str:
    if query is None:
        return ""
    return "?" + "&".join(_masked_part(part) for part in query.split("&"))


def _masked_part(part: str) -> str:
    key, equals, _ = part.partition("=")
    if unquote(key).lower() in HARMLESS:
        return part
    return f"{key}={HIDDEN}" if equals and re.fullmatch(r"[\w.%-]+", key) else HIDDEN


def _secrets(whole: re.Match[str]) -> tuple[str, ...]:
    values = [whole["password"] or ""]
    for part in (whole["query"] or "").split("&"):
        key, equals, value = part.partition("=")
        if unquote(key).lower() not in HARMLESS:
            values.append(value if equals else key)
    texts = {text for value in values for text in (value, unquote(value))}
    parts = {part for text in map(unquote, values[1:]) for part in re.split(r"[\s=,:]+", text) if len(part) > 3}
    return tuple(sorted((texts | parts) - {""}, key=len, reverse=True))


def is_database(source: Any) -> bool:
    """Whether the source is the address of a database."""
    return isinstance(source, str) and _scheme(source) in DRIVERS


def driver_of(uri: str) -> Driver:
    """What opens the address. Raises BadParameters for an address of another kind."""
    found = DRIVERS.get(_scheme(uri))
    if found is None:
        close = DRIVERS.get(_scheme(uri).partition("+")[0])
        hint = f" Did you mean {close.example}?" if close else f" Addresses are {_examples()}."
        raise BadParameters(f"{as_address(uri)} is no address of a database that we know.{hint}")
    return found


def refuse_unknown(source: str) -> None:
    """Raise BadParameters for an address that is not known, or none at all; anything else is left alone."""
    if _scheme(source):
        driver_of(source)
    if isinstance(source, Address):
        raise BadParameters(f"{source} is no address of a database, and no file. Write it as {POSTGRESQL.example}.")


def _scheme(text: str) -> str:
    found = SCHEME.match(text.strip())
    return found[1].lower() if found else ""


def _examples() -> str:
    return ", ".join(driver.example for driver in dict.fromkeys(DRIVERS.values()))


def scrubbed(text: str, uri: str) -> str:
    """What a driver said, without the passwords of the address, which it may repeat."""
    for secret in as_address(uri).secrets if _scheme(uri) else ():
        text = text.replace(secret, HIDDEN)
    return masked(text)


def scrub(error: BaseException, uri: str) -> BaseException | None:
    """The error, with the errors that led to it, without the passwords of the address; None where they stay in it."""
    one: BaseException | None = error
    seen: list[BaseException] = []
    while one is not None and one not in seen:
        seen.append(one)
        one.args = tuple(scrubbed(word, uri) if isinstance(word, str) else word for word in one.args)
        one = one.__cause__ or one.__context__
    return error if all(scrubbed(str(each), uri) == str(each) for each in seen) else None


def refuse_unclear(uri: str) -> None:
    """Raise BadParameters for an address that the driver would misread, and then repeat in its own message.

    So for one that an earlier run kept: without its password.
    """
    if HIDDEN in without_user(uri)[1].values():
        raise BadParameters(f"The password of {uri} was not kept. Give the address again, with its password.")
    if isinstance(uri, Address) and not uri.understood:
        driver = driver_of(uri)
        remedy = ", or leave it out and set PGPASSWORD or ~/.pgpass" if driver is POSTGRESQL else ""
        raise BadParameters(
            f"The address {uri} can be read in more than one way. Write it as {driver.example}, and / ? # @ % or a "
            f"blank in a password percent-encoded (%2F %3F %23 %40 %25 %20){remedy}."
        )


def file_of(uri: str) -> Path:
    """The file that an address of SQLite names, taken as it is written: sqlite:///full/path or sqlite://path.

    Raises BadParameters where there is none.
    """
    path = SCHEME.sub("", revealed(uri))
    if not path.strip("/"):
        raise BadParameters(f"{uri} names no file. Write it as sqlite:///folder/file.db, or sqlite://file.db.")
    return Path(path)


def short_name(uri: str, table: str | None) -> str:
    """A word for the orders in a database: the table, else the database."""
    if table is None and driver_of(uri) is SQLITE:
        return masked(file_of(uri).stem)
    return table or re.sub(r"^[\w+.-]+://[^/]*/?", "", as_address(uri)).partition("?")[0] or "orders"


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
