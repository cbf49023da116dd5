"""The printed statements: run in a plain system of someone else, they give what `run` gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlglot
from sqlglot import exp

import klantwaarde as kw
from conftest import Said
from klantwaarde.job.pipeline import run
from klantwaarde.job.settings import read_settings
from klantwaarde.purchases.schema import SCORED
from klantwaarde.value.tiers import PERCENT, tier_sizes

Cli = Callable[..., Said]
AS_OF = "1998-03-31"
BASE = (
    "klantwaarde_lines",
    "klantwaarde_occasions",
    "klantwaarde_tied",
    "klantwaarde_netted",
    "klantwaarde_stood",
    "klantwaarde_customers",
    "klantwaarde_cells",
)
SCORING = (
    "klantwaarde_cell_scores",
    "klantwaarde_spend_lines",
    "klantwaarde_tiers",
    "klantwaarde_valued",
    "klantwaarde_in_order",
    "klantwaarde_ranked",
)


def shop_orders(folder: Path) -> Path:
    """The sample with odd names, texts as ids, returns, missing parts, equal lines, late lines, and margins."""
    frame = pd.read_parquet(kw.datasets.cdnow_sample()).rename(
        columns={"customer_id": "the customer's", "date": "select"}
    )
    rng = np.random.default_rng(3)
    frame["the customer's"] = frame["the customer's"].map("c{:05d}".format)
    frame["amount"] = frame["amount"].astype(float).where(rng.random(len(frame)) > 0.05, -5.0)
    frame.loc[rng.random(len(frame)) < 0.01, "amount"] = None
    frame.loc[rng.random(len(frame)) < 0.01, "the customer's"] = " "
    frame["margin"] = (frame["amount"] * 0.37).round(2)
    path = folder / "shop.parquet"
    pd.concat([frame, frame.head(30)]).to_parquet(path, index=False)
    return path


CASES: dict[str, dict[str, str]] = {
    "sample": {"margin-rate": "0.3"},
    "rlv": {"rank-by": "rlv", "horizon": "90 days", "annual-discount-rate": "0.0625"},
    "timing": {"amount": ""},
    "shop": {"customer-id": "the customer's", "date": "select", "margin": "margin", "duplicates": "drop"},
}


class Case:
    """A run, and the words that print its statements."""

    def __init__(self, name: str, folder: Path) -> None:
        options = dict(CASES[name])
        self.path = shop_orders(folder) if name == "shop" else folder / "sample.parquet"
        if name != "shop":
            drop = ["amount"] if name == "timing" else []
            pq.write_table(pq.read_table(kw.datasets.cdnow_sample()).drop_columns(drop), self.path)
        given = {k.replace("-", "_"): float(v) if "rate" in k else v for k, v in options.items() if v}
        fixed = {"orders": str(self.path), "out": str(folder / "run"), "as_of": AS_OF, "model": "pareto_nbd"}
        self.out = run(read_settings(None, given | fixed), lambda _: None).out
        self.words = ["--table", "the orders", "--as-of", AS_OF]
        self.words += [word for k, v in options.items() for word in (f"--{k}", v)]

    def scored(self) -> pd.DataFrame:
        return pq.read_table(self.out / "customers.parquet").to_pandas()


@pytest.fixture(scope="module", params=sorted(CASES))
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(request.param, tmp_path_factory.mktemp(request.param))


def differing(one: pd.DataFrame, other: pd.DataFrame) -> list[str]:
    """Columns that differ: in ids, days, counts and words, or by more than 1e-12 in numbers."""
    assert list(one.columns) == list(other.columns) == [name for name, _, _ in SCORED]
    assert len(one) == len(other) > 0
    return [name for name in one.columns if not _alike(name, one[name], other[name])]


def _alike(name: str, one: Any, other: Any) -> bool:
    if name in {"customer_id", "first_order", "last_order", "tier", "reason"}:
        return [_told(v) for v in one] == [_told(v) for v in other]
    numbers = (column.astype(float).to_numpy() for column in (one, other))
    return bool(np.allclose(*numbers, rtol=1e-12, atol=0, equal_nan=True))


def _told(value: Any) -> str | None:
    return None if pd.isna(value) else str(value)[:10]


def test_the_statements_give_what_run_gives(case: Case, klantwaarde: Cli) -> None:
    plain = duckdb.connect()
    plain.execute(f"create table \"the orders\" as from '{case.path}'")
    counting = klantwaarde("sql", *case.words)
    assert counting.code == 0, counting.err
    plain.execute(counting.out)
    plain.execute("copy (from klantwaarde_cells) to 'cells.parquet'")
    scoring = klantwaarde("sql", *case.words, "--fit", case.out / "model.json", "--cells", "cells.parquet")
    assert scoring.code == 0, scoring.err
    again = duckdb.connect()
    again.execute(f"create table \"the orders\" as from '{case.path}'")
    again.execute(scoring.out)
    found = again.sql("from klantwaarde_scored order by rank").to_arrow_table().to_pandas()
    assert differing(found, case.scored()) == []


def names(text: str, dialect: str) -> list[str]:
    trees = [tree for tree in sqlglot.parse(text, read=dialect) if tree is not None]
    assert all(isinstance(tree, exp.Create) for tree in trees)
    assert not any(tree.find(exp.Placeholder, exp.Parameter) for tree in trees), "a parameter was left"
    return [tree.this.name for tree in trees]


@pytest.mark.parametrize("dialect", ["duckdb", "spark"])
def test_they_are_complete_and_in_order(klantwaarde: Cli, tmp_path: Path, dialect: str) -> None:
    said = klantwaarde("sql", "--as-of", AS_OF, "--dialect", dialect)
    assert (said.code, names(said.out, dialect)) == (0, list(BASE))
    made = Case("sample", tmp_path)
    pq.write_table(pa.table({"x": [0, 1], "t_x_days": [0, 30], "t_days": [60, 60]}), "cells.parquet")
    words = ("--fit", made.out / "model.json", "--cells", "cells.parquet", "--dialect", dialect)
    said = klantwaarde("sql", *made.words, *words)
    assert (said.code, names(said.out, dialect)) == (0, [*BASE, *SCORING, "klantwaarde_scored"])
    assert pq.read_table("scores/cell_scores.parquet").num_rows == 2
    blocks = said.out.split(";\n")
    assert sum(block.lstrip().startswith("--") for block in blocks) == len(BASE) + len(
        SCORING
    )  # two tables, one comment


def test_values_are_quoted(klantwaarde: Cli) -> None:
    said = klantwaarde(
        "sql", "--as-of", AS_OF, "--table", '"a;b"."it\'s ""one"""', "--customer-id", 'x"); drop table y'
    )
    assert names(said.out, "duckdb") == list(BASE)
    assert 'FROM "a;b"."it\'s ""one"""' in said.out


@pytest.mark.parametrize("name", ["customers", "lines", "scored"])
def test_the_orders_may_have_any_name(klantwaarde: Cli, name: str) -> None:
    plain = duckdb.connect()
    plain.execute(f"create table {name} as from '{kw.datasets.cdnow_sample()}'")
    plain.execute(klantwaarde("sql", "--as-of", AS_OF, "--table", name).out)
    assert plain.sql("select sum(n) from klantwaarde_cells").fetchall() == [(2357,)]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "needs --as-of"),
        (("--as-of", "x"), "not a day"),
        (("--as-of", AS_OF, "--fit", "model.json"), "both --fit and --cells"),
        (("--as-of", AS_OF, "--dialect", "oracle"), "Choose from duckdb, spark"),
        (("--as-of", AS_OF, "--table", "a.b.c"), "not understood"),
    ],
)
def test_bad_input_is_told(klantwaarde: Cli, words: tuple[str, ...], told: str) -> None:
    said = klantwaarde("sql", *words)
    assert (said.code, told in " ".join(said.err.split())) == (2, True), said.err


def test_cells_that_cannot_be(klantwaarde: Cli, tmp_path: Path) -> None:
    made = Case("sample", tmp_path)
    words = ("sql", *made.words, "--fit", made.out / "model.json", "--cells")
    Path("cells.csv").write_text("x,t_x_days,t_days\n1,50,40\n")
    said = klantwaarde(*words, "cells.csv")
    assert (said.code, "t_x lies outside" in said.err) == (1, True)
    assert klantwaarde(*words, "nothing.parquet").code == 1


@pytest.mark.parametrize("active", [0, 1, 2, 7, 99, 100, 101, 12345])
def test_tiers_are_those_of_tier_sizes(active: int) -> None:
    sizes = [int((part * active + 99) // 100) for part in PERCENT.values()]
    rank = np.arange(1, active + 1)
    placed = np.searchsorted(np.cumsum(sizes), rank)
    assert tuple(int((placed == tier).sum()) for tier in range(4)) == tuple(tier_sizes(active))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:PySpark does not yet:FutureWarning")
@pytest.mark.parametrize("case", ["sample", "shop"], indirect=True)
def test_on_spark_too(case: Case, klantwaarde: Cli, session: Any) -> None:
    words = ("sql", *case.words, "--dialect", "spark")
    session.read.parquet(case.path.as_uri()).createOrReplaceTempView("`the orders`")
    for text in klantwaarde(*words).out.split(";\n"):
        if text.strip():
            session.sql(text)
    pq.write_table(session.table("klantwaarde_cells").toArrow(), "cells.parquet")
    for text in klantwaarde(*words, "--fit", case.out / "model.json", "--cells", "cells.parquet").out.split(";\n"):
        if text.strip():
            session.sql(text)
    found = session.sql("select * from klantwaarde_scored order by rank").toArrow().to_pandas()
    assert differing(found, case.scored()) == []
