"""Stages are equal on DuckDB and on Spark."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import klantwaarde as kw
from klantwaarde.lifecycle.calibration import calibration
from klantwaarde.lifecycle.rules import RULES
from klantwaarde.lifecycle.stages import cross, staged
from test_engines import hard_orders

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:PySpark does not yet:FutureWarning")]

SOURCES = {
    "cdnow": (lambda: pq.read_table(kw.datasets.cdnow_sample()), "1998-03-31", ["default"]),
    "hard": (hard_orders, "2024-10-31", ["rfm"]),
}


@pytest.mark.parametrize("which", SOURCES)
def test_stages_are_equal(session: Any, which: str) -> None:
    make, as_of, rules = SOURCES[which]
    table = make()
    bases = [kw.customers(kw.orders(source), as_of) for source in (table, session.createDataFrame(table))]
    fit = kw.fit(kw.ParetoNBD, bases[0].cells())
    for name in rules:
        before = [first_of(base) if which == "hard" else None for base in bases]
        one, other = (
            plain(staged(base, fit, RULES[name], previous=known).to_pandas())
            for base, known in zip(bases, before, strict=True)
        )
        pd.testing.assert_frame_equal(one, other, rtol=1e-12)


def test_limits_are_equal(session: Any) -> None:
    table = hard_orders()
    one, other = (kw.orders(source) for source in (table, session.createDataFrame(table)))
    assert calibration(one, as_of="2024-10-31") == calibration(other, as_of="2024-10-31")


def first_of(base: kw.Customers) -> Any:
    earlier = kw.customers(base.orders, base.year_ago)
    return staged(earlier, kw.fit(kw.MBGNBD, earlier.cells()), RULES["default"]).kept()


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Sorted, with days as text: engines hand out dates in their own types."""
    frame = frame.sort_values("customer_id").reset_index(drop=True)
    for name in ("stage_since", "next_order_expected", "at_risk_from"):
        frame[name] = [None if pd.isna(day) else str(day)[:10] for day in frame[name]]
    for name in ("customer_id", "stage", "stage_reason", "clause", "previous_stage"):
        frame[name] = [None if pd.isna(value) else str(value) for value in frame[name]]
    return frame


def test_prospects_and_crosses_are_equal(session: Any) -> None:
    table, found = hard_orders(), []
    for source in (table, session.createDataFrame(table)):
        base = kw.customers(kw.orders(source), "2024-10-31")
        engine, leads, levels = base.engine, base.engine.new_name("leads"), base.engine.new_name("levels")
        engine.register(leads, pa.table({"customer_id": ["c001", "x1", "x2"]}))
        engine.register(levels, pa.table({"customer_id": ["c001", "c002"], "age": ["old", "young"]}))
        fit = kw.fit(kw.MBGNBD, base.cells())
        stages = staged(base, fit, RULES["default"], prospects=leads)
        found.append((plain(stages.to_pandas()), cross(stages, levels, "age")))
    pd.testing.assert_frame_equal(found[0][0], found[1][0], rtol=1e-12)
    assert found[0][1] == found[1][1]
