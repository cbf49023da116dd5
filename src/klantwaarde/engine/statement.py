"""Statements: the text of the files in sql/, in DuckDB's dialect, for any engine."""

from __future__ import annotations

import functools
import re
from importlib import resources
from typing import TYPE_CHECKING, Any

import sqlglot
from sqlglot import exp

from klantwaarde.errors import BadParameters

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from importlib.resources.abc import Traversable
    from pathlib import Path


@functools.cache
def files() -> dict[str, Traversable]:
    """The files of statements by name; every room keeps those of its own in sql/, and no two have the same name."""
    rooms = [room for room in resources.files("klantwaarde").iterdir() if (room / "sql").is_dir()]
    found = [file for room in rooms for file in (room / "sql").iterdir() if file.name.endswith(".sql")]
    return {file.name.removesuffix(".sql"): file for file in sorted(found, key=lambda file: file.name)}


def known(folder: Path) -> None:
    """Let `query` know the statements in a folder of one's own too. Raises BadParameters for a name that is taken."""
    found = {file.name.removesuffix(".sql"): file for file in sorted(folder.glob("*.sql"))}
    taken = [name for name, file in found.items() if files().get(name, file) != file]
    if taken:
        raise BadParameters(f"There is a statement called {taken[0]} already. Give {found[taken[0]]} another name.")
    files().update(found)


@functools.cache
def text(name: str) -> str:
    """The text of a statement, as its file has it."""
    return files()[name].read_text(encoding="utf-8")


@functools.cache
def _parsed(name: str) -> exp.Expr:
    return sqlglot.parse_one(text(name), read="duckdb")


def statement(name: str, dialect: str = "duckdb", absent: Sequence[str] = (), **tables: object) -> str:
    """The text of a statement in a dialect, with the table names it uses replaced as given.

    absent: columns that are empty in every row. Casts that rest on them become null, so that no engine sums nothing.
    """
    if dialect == "duckdb" and not tables:
        return text(name)
    places = {table: str(place) for table, place in tables.items()}
    if dialect == "duckdb" and not absent and all(map(PLAIN.fullmatch, places.values())):
        return _renamed(text(name), places)
    tree = exp.replace_tables(_parsed(name), places, dialect="duckdb")
    for cast in [found for found in tree.find_all(exp.Cast) if _rests_on(found, absent)]:
        cast.set("this", exp.Null())
    return tree.sql(dialect=dialect, pretty=True)


PLAIN = re.compile(r"[A-Za-z_]\w*")
"""A name that needs no quotes."""


def _renamed(sql: str, places: Mapping[str, str]) -> str:
    """The statement with tables of other names after from and join: what sqlglot does in the time of a whole run.

    A test compares the two on every statement.
    """
    after = rf"\b(from|join)(\s+)({'|'.join(map(re.escape, places))})\b(?!\s*[.(])"
    return re.sub(after, lambda found: f"{found[1]}{found[2]}{places[found[3]]}", sql, flags=re.IGNORECASE)


def over(parts: Mapping[str, str], sql: str) -> str:
    """A statement over others, which it knows by these names; no part within one may have the same."""
    if not parts:
        return sql
    clauses = ",\n".join(f"{name} as (\n{part}\n)" for name, part in parts.items())
    body = re.sub(r"\A(\s*(--[^\n]*\n|/\*.*?\*/))*\s*", "", sql, flags=re.DOTALL)
    rest = re.match(r"with\s+(?!recursive)", body, re.IGNORECASE)
    return f"with {clauses},\n{body[rest.end() :]}" if rest else f"with {clauses}\n{body}"


def selecting(sql: str, *more: str) -> str:
    """A select with more columns of what it selects from."""
    return sqlglot.parse_one(sql, read="duckdb", into=exp.Select).select(*more).sql("duckdb", pretty=True)


def empty_columns(sql: str) -> tuple[str, str]:
    """A select without the columns that are null in every row, and the list of all its columns, these as nulls."""
    tree = sqlglot.parse_one(sql, read="duckdb", into=exp.Select)
    empty = [column for column in tree.selects if _is_empty(column)]
    names = [column if column in empty else exp.column(column.alias_or_name) for column in tree.selects]
    tree.set("expressions", [column for column in tree.selects if column not in empty])
    return tree.sql("duckdb"), ", ".join(name.sql("duckdb") for name in names)


def _is_empty(column: exp.Expr) -> bool:
    return isinstance(column.unalias(), exp.Cast) and isinstance(column.unalias().this, exp.Null)


def _rests_on(tree: exp.Expression, columns: Sequence[str]) -> bool:
    return any(column.name in columns for column in tree.find_all(exp.Column))


def identifier(name: str) -> str:
    """A column's name, quoted."""
    return exp.to_identifier(name, quoted=True).sql(dialect="duckdb")


def literal(text: str) -> str:
    """A text, quoted."""
    return exp.Literal.string(text).sql(dialect="duckdb")


def used(sql: str, parameters: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The parameters that the statement names: engines refuse others."""
    named = set(re.findall(r"\$(\w+)", sql))
    return {name: value for name, value in (parameters or {}).items() if name in named} or None
