"""The SQL files: they parse, they transpile, and they keep to the subset that every engine runs alike."""

from __future__ import annotations

import re

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from klantwaarde.engine.statement import files, statement

NAMES = sorted(files())
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
def test_is_one_select_in_the_portable_subset(name: str) -> None:
    sql = statement(name)
    assert re.match(r"-- [A-Z].{10,}", sql.splitlines()[0]), "begins with what it is for"
    parsed = sqlglot.parse(sql, read="duckdb")
    assert [type(tree) for tree in parsed] == [exp.Select]
    tree = parsed[0]
    assert tree is not None
    assert [why for pattern, why in FORBIDDEN.items() if re.search(pattern, text(name), re.IGNORECASE)] == []
    assert {one.text("unit").upper() for one in tree.find_all(exp.DateDiff)} <= {"DAY"}
    assert {type(one) for one in tree.find_all(exp.AggFunc)} <= AGGREGATES
    # Sums of money are of DECIMAL columns; the few sums of doubles are of model scores. Lines are no money.
    summed = {one.this.sql() for one in tree.find_all(exp.Sum)}
    assert {one for one in summed if "DOUBLE" in one.upper()} <= {"CAST(lines AS DOUBLE)"}


@pytest.mark.parametrize("name", NAMES)
def test_duckdb_reads_the_text_as_it_stands(name: str) -> None:
    """Names that DuckDB reserves pass where a statement is written anew, which quotes them."""
    assert len(duckdb.extract_statements(statement(name))) == 1


@pytest.mark.parametrize("name", NAMES)
def test_transpiles_to_spark_and_back(name: str) -> None:
    spark = sqlglot.transpile(statement(name), read="duckdb", write="spark", unsupported_level=sqlglot.ErrorLevel.RAISE)
    assert len(spark) == 1
    assert sqlglot.parse_one(spark[0], read="spark")
    assert statement(name, "spark") != ""


@pytest.mark.parametrize("name", NAMES)
def test_tables_get_the_names_that_sqlglot_gives_them(name: str) -> None:
    tree = sqlglot.parse_one(statement(name), read="duckdb")
    made = {one.alias for one in tree.find_all(exp.CTE)}
    tables = sorted({one.name for one in tree.find_all(exp.Table)} - made)
    assert tables, "every statement is over something"
    places = {table: f"{table}_{n}" for n, table in enumerate(tables)}
    renamed = sqlglot.parse_one(statement(name, **places), read="duckdb")  # type: ignore[arg-type]
    expected = exp.replace_tables(tree, places, dialect="duckdb")
    assert renamed.sql("duckdb", comments=False) == expected.sql("duckdb", comments=False)


def test_tables_are_renamed_and_nothing_else() -> None:
    sql = statement("sample", customers="customers_7")
    assert "from customers_7" in sql
    assert "limit $most" in sql
    assert "FROM customers_7" in statement("sample", "spark", customers="customers_7")
