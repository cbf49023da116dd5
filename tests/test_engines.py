"""One suite, two engines: equal customers and equal scores on DuckDB and on Spark."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import klantwaarde as kw
from klantwaarde.job.pipeline import run
from klantwaarde.job.settings import read_settings
from klantwaarde.purchases.duplicates import equal_lines
from klantwaarde.validate.tracking import tracking

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:PySpark does not yet:FutureWarning")]


def hard_orders() -> pa.Table:
    """Orders with everything that the rules speak of: returns, zero, equal lines, missing parts, late lines."""
    rng = np.random.default_rng(5)
    n, days = 4_000, np.datetime64("2023-01-01") + rng.integers(0, 700, 4_000)
    amount = np.round(rng.gamma(2.0, 20.0, n), 2)
    amount[rng.random(n) < 0.08] *= -1
    amount[rng.random(n) < 0.02] = 0.0
    customer = np.array([f"c{i:03d}" for i in rng.integers(0, 500, n)], dtype=object)
    customer[rng.random(n) < 0.02] = None
    table = pa.table(
        {
            "customer_id": pa.array(customer, pa.string()),
            "date": pa.array(days.astype("datetime64[D]"), pa.date32()),
            "amount": pa.array(np.where(rng.random(n) < 0.01, np.nan, amount), pa.float64()),
        }
    )
    return pa.concat_tables([table, table.slice(10, 25)])


SOURCES = {"cdnow": lambda: pq.read_table(kw.datasets.cdnow_sample()), "hard": hard_orders}
AS_OF = {"cdnow": "1998-03-31", "hard": "2024-10-31"}


@pytest.fixture(scope="module", params=sorted(SOURCES))
def both(request: pytest.FixtureRequest, session: Any) -> dict[str, kw.Customers]:
    table, as_of = SOURCES[request.param](), AS_OF[request.param]
    sources = {"duckdb": table, "spark": session.createDataFrame(table)}
    return {name: kw.customers(kw.orders(source), as_of) for name, source in sources.items()}


def differing(one: pd.DataFrame, other: pd.DataFrame) -> list[str]:
    """Columns that are not equal in ids, days and counts, or not within 1e-12 in what is computed."""
    assert list(one.columns) == list(other.columns)
    assert len(one) == len(other) > 0
    return [name for name in one.columns if not alike(one[name].to_numpy(), other[name].to_numpy())]


def alike(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> bool:
    if a.dtype.kind == "f" and b.dtype.kind == "f":
        return bool(np.allclose(a.astype(float), b.astype(float), rtol=1e-12, atol=0, equal_nan=True))
    shown = [[None if pd.isna(v) else str(v)[:10] for v in values] for values in (a, b)]
    return shown[0] == shown[1]


def test_customers_are_equal(both: dict[str, kw.Customers]) -> None:
    one, other = (base.to_arrow() for base in both.values())
    assert one.to_pydict() == other.to_pydict()
    assert both["duckdb"].totals == both["spark"].totals
    assert both["duckdb"].after == both["spark"].after


def test_what_was_counted_is_equal(both: dict[str, kw.Customers]) -> None:
    one, other = (kw.doctor(base) for base in both.values())
    assert [(c.check, c.count, c.money, c.text) for c in one.checks] == [
        (c.check, c.count, c.money, c.text) for c in other.checks
    ]
    assert equal_lines(both["duckdb"]).lines == equal_lines(both["spark"]).lines


def test_cells_are_equal(both: dict[str, kw.Customers]) -> None:
    assert both["duckdb"].day_cells.to_pydict() == both["spark"].day_cells.to_pydict()
    one, other = (base.spend() for base in both.values())
    assert np.array_equal(one.zbar, other.zbar)
    assert np.array_equal(one.n, other.n)


@pytest.mark.parametrize("rank_by", ["last_year", "rlv", "realised"])
def test_scores_are_equal(both: dict[str, kw.Customers], rank_by: Any) -> None:
    fit, spend = kw.fit(kw.ParetoNBD, both["duckdb"].cells()), kw.fit(kw.GammaGamma, both["duckdb"].spend())
    one, other = (
        kw.score(base, kw.Fits(fit, spend), kw.Terms(margin_rate=0.3, rank_by=rank_by)) for base in both.values()
    )
    assert differing(one.to_pandas(), other.to_pandas()) == []
    assert kw.pyramid(one)[0].customers == kw.pyramid(other)[0].customers


def test_the_rest_of_a_run_is_equal(both: dict[str, kw.Customers]) -> None:
    fit = kw.fit(kw.MBGNBD, both["duckdb"].cells())
    one, other = (tracking(base, fit) for base in both.values())
    assert np.array_equal(one.actual, other.actual)
    assert kw.choose(both["duckdb"]) == kw.choose(both["spark"])


@pytest.mark.usefixtures("session")
def test_a_run_on_spark_writes_what_a_run_on_duckdb_writes(tmp_path: Path) -> None:
    given = {"orders": str(kw.datasets.cdnow_sample()), "as_of": "1998-03-31", "margin_rate": 0.3}
    for engine in ("duckdb", "spark"):
        run(read_settings(None, given | {"engine": engine, "out": str(tmp_path / engine)}), lambda _: None)
    one, other = (pq.read_table(tmp_path / engine / "customers.parquet").to_pandas() for engine in ("duckdb", "spark"))
    for frame in (one, other):
        for name in ("revenue", "value_realised", "value_last_year"):
            frame[name] = frame[name].astype(float)
    assert differing(one, other) == []


def test_text_is_refused_on_spark(session: Any) -> None:
    frame = session.createDataFrame(pa.table({"customer_id": ["a", "b"], "date": ["2024-01-01", "2024-02-01"]}))
    with pytest.raises(kw.BadOrders, match=r"'date' is text.*cast it first"):
        kw.orders(frame)


def test_the_plan_has_two_shuffles_and_broadcast_joins(both: dict[str, kw.Customers], session: Any) -> None:
    from klantwaarde.engine.statement import statement

    base = both["spark"]
    sql = statement("customers", dialect="spark", stood=base.stood)
    planned = session.sql(sql, args={"as_of": dt.date(2024, 1, 1), "year_ago": dt.date(2023, 1, 1)})
    plan = planned._jdf.queryExecution().executedPlan().toString()
    if base.netted is None:  # what came back later is looked for among those who gave something back
        assert plan.count("Exchange hashpartitioning") == 2
    assert "SortMergeJoin" not in plan


def test_spark_lets_go_of_what_it_sorted(both: dict[str, kw.Customers], tmp_path: Path) -> None:
    base = both["spark"]
    scored, kept = kw.score(base, kw.Fits(kw.fit(kw.MBGNBD, both["duckdb"].cells()))), base.engine._kept  # type: ignore[attr-defined]
    before = set(kept)
    scored.write(tmp_path / "scored.parquet")
    assert set(kept) == before, "once written, no sorted rows are kept"
    with base.engine.scope():
        scored.to_arrow()
        (name,) = set(kept) - before
        assert kept[name].is_cached
        frame = kept[name]
    assert (set(kept), frame.is_cached) == (before, False)


def test_chosen_lines_and_folded_ids_are_those_of_both_engines(session: Any) -> None:
    ids = [
        "17850",
        "17850.0",
        "017850",
        "k 1",
        "k\u00a01\u200b",
        "'k 1'",
        "ren\u00e9e",
        "rene\u0301e",
        "A@x.nl",
        "a@x.nl",
    ]
    frame = pd.DataFrame({"customer_id": [*ids, "nan", "b"], "date": pd.Timestamp("2024-01-01"), "amount": 10.0})
    frame["date"] += pd.to_timedelta(range(len(frame)), unit="D")
    frame = frame.assign(state=["paid"] * 11 + ["void"], pieces=range(len(frame)))
    how: dict[str, Any] = {"fold_ids": True, "placeholder_ids": "set_aside", "where": ["pieces < 99", "state = paid"]}
    found = [kw.customers(kw.orders(source, **how)) for source in (frame, session.createDataFrame(frame))]
    one, other = (base.to_pandas().astype({"customer_id": str}) for base in found)
    assert differing(one, other) == []
    assert len(one) == 4
    assert found[1].orders.profile["left_out"] == 1
    assert found[0].orders.profile["no_customer"] == found[1].orders.profile["no_customer"] == 1


def test_what_spark_cannot_open_is_refused(session: Any, tmp_path: Path) -> None:
    (tmp_path / "junk.parquet").write_bytes(b"PAR1 no Parquet at all")
    (tmp_path / "o.csv").write_text("customer_id,date\n1,2024-01-01\n")
    for name, words in (
        ("junk.parquet", "junk.parquet"),
        ("o.csv", "not a Parquet file"),
        ("gone.parquet", "not exist"),
    ):
        with pytest.raises(kw.BadOrders, match=rf"cannot be read by Spark: .*{words}"):
            kw.orders(tmp_path / name, engine="spark", master="local[1]")
    frame = session.createDataFrame([(1, 2, 3)], ["customer_id", "date", "Date"])
    with pytest.raises(kw.BadOrders, match="more than one column called Date, date"):
        kw.orders(frame)
