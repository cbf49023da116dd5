"""The SQL files: they parse, they transpile, and they keep to the subset that every engine runs alike."""

from __future__ import annotations

import re

import pytest
import sqlglot
from sqlglot import exp

from klantwaarde.data.engine import SQL, statement

NAMES = sorted(file.name.removesuffix(".sql") for file in SQL.iterdir() if file.name.endswith(".sql"))
FORBIDDEN = {
    r"quantile": "quantiles are not the same everywhere",
    r"\basof\b": "ASOF joins are DuckDB's",
    r"generate_series|\brange\s*\(": "series are made differently everywhere",
    r"\bexclude\b|\breplace\s*\(\s*\*": "star with exceptions",
    r"\bapprox_": "approximations differ between engines",
    r"\blist\s*\(|array_agg|\bunnest\b|string_agg|group_concat|\blist_": "lists have no order",
    r"strftime|strptime|date_trunc|\binterval\b": "calendars differ",
    r"\bfirst\s*\(|\blast\s*\(|any_value|\brandom\s*\(": "not the same twice",
    r"\bhash\s*\(": "every engine has its own",
    r"::|\bilike\b|\bpositional\b|\bpivot\b|group by all|order by all|\bstruct_pack\b": "DuckDB's own words",
    r"\bcurrent_date\b|\bnow\s*\(|\btoday\s*\(": "the day is a parameter",
}
AGGREGATES = {exp.Count, exp.Sum, exp.Min, exp.Max, exp.Avg, exp.ArgMin, exp.ArgMax}


def text(name: str) -> str:
    return "\n".join(line for line in statement(name).splitlines() if not line.startswith("--"))


def test_there_are_files() -> None:
    assert {"occasions", "customers", "cells", "scored", "pyramid"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_begins_with_what_it_is_for(name: str) -> None:
    first = statement(name).splitlines()[0]
    assert re.match(r"-- [A-Z].{10,}", first)


@pytest.mark.parametrize("name", NAMES)
def test_is_one_select(name: str) -> None:
    parsed = sqlglot.parse(statement(name), read="duckdb")
    assert [type(tree) for tree in parsed] == [exp.Select]


@pytest.mark.parametrize("name", NAMES)
def test_transpiles_to_spark_and_back(name: str) -> None:
    spark = sqlglot.transpile(statement(name), read="duckdb", write="spark", unsupported_level=sqlglot.ErrorLevel.RAISE)
    assert len(spark) == 1
    assert sqlglot.parse_one(spark[0], read="spark")
    assert statement(name, "spark") != ""


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_keeps_to_the_portable_subset(name: str, pattern: str) -> None:
    assert not re.search(pattern, text(name), re.IGNORECASE), FORBIDDEN[pattern]


@pytest.mark.parametrize("name", NAMES)
def test_dates_differ_in_days_only(name: str) -> None:
    parts = [tree.text("unit").upper() for tree in sqlglot.parse_one(text(name), read="duckdb").find_all(exp.DateDiff)]
    assert set(parts) <= {"DAY"}


@pytest.mark.parametrize("name", NAMES)
def test_aggregates_are_of_the_known_few(name: str) -> None:
    found = {type(tree) for tree in sqlglot.parse_one(text(name), read="duckdb").find_all(exp.AggFunc)}
    assert found <= AGGREGATES


@pytest.mark.parametrize("name", NAMES)
def test_money_is_never_a_sum_of_doubles(name: str) -> None:
    """Sums of money are of DECIMAL columns; the few sums of doubles are of model scores."""
    summed = {tree.this.sql() for tree in sqlglot.parse_one(text(name), read="duckdb").find_all(exp.Sum)}
    doubles = {one for one in summed if "DOUBLE" in one.upper()} - {"CAST(lines AS DOUBLE)"}  # lines are no money
    assert doubles == set()


def test_tables_are_renamed_and_nothing_else() -> None:
    sql = statement("sample", customers="customers_7")
    assert "FROM customers_7" in sql
    assert "LIMIT $most" in sql
    assert "FROM customers_7" in statement("sample", "spark", customers="customers_7")
