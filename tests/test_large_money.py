"""Customers of a hundred million and far more, in every statement that multiplies or adds money."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.conftest import Said

import klantwaarde as kw

Cli = Callable[..., Said]
AS_OF = "2024-01-31"
SIZES = {"one customer": (1, 9e13), "at the edge": (1, 100_000_000.0), "all": (1e9, 2e12)}


def shop(scale: float, big: float) -> pd.DataFrame:
    """Sixty customers, one who bought once for very much, and one who bought twice and brought some back."""
    rng = np.random.default_rng(3)
    days = pd.to_datetime("2022-01-01") + pd.to_timedelta(np.arange(0, 760, 23), unit="D")
    rows = [
        (f"c{n}", day, round(float(rng.gamma(4, 10)) * scale, 2), "abc"[k % 3])
        for n in range(60)
        for k, day in enumerate(days[n % 5 : 2 + n % 17 + n % 5])
    ]
    rows += [("big", days[3], big, "a"), ("c1", pd.Timestamp(AS_OF), 10.0, "c")]
    rows += [("mid", days[3], big / 100, "a"), ("mid", days[20], big / 50, "b"), ("mid", days[30], -big / 300, "b")]
    return pd.DataFrame(rows, columns=["customer_id", "date", "amount", "genre"])


def fits_of(base: kw.Customers) -> tuple[kw.Fit[Any], kw.Fit[Any]]:
    return kw.fit(kw.NBD, base.cells()), kw.fit(kw.GammaGamma, base.spend())


def realised(lines: pd.DataFrame, rate: str) -> dict[str, Decimal]:
    """Margin realised in Python's decimals: lines as they are read, rounded to four decimals at the end."""
    sums: dict[str, Decimal] = {}
    for who, amount in zip(lines.customer_id, lines.amount, strict=True):
        sums[who] = sums.get(who, Decimal(0)) + Decimal(repr(amount)).quantize(Decimal("0.0001"))
    return {who: (total * Decimal(rate)).quantize(Decimal("0.0001"), ROUND_HALF_UP) for who, total in sums.items()}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("rate", [None, 0.3, 0.999999])
def test_margin_realised_is_exact(size: str, rate: float | None) -> None:
    lines = shop(*SIZES[size])
    base = kw.customers(kw.orders(lines), AS_OF)
    found = kw.score(base, kw.Fits(*fits_of(base)), kw.Terms(margin_rate=rate)).to_arrow().to_pydict()
    told = dict(zip(found["customer_id"], found["value_realised"], strict=True))
    assert told == realised(lines, str(rate or 1))


@pytest.mark.parametrize("own_margin", [False, True])
def test_every_statement_takes_it(own_margin: bool) -> None:
    lines = shop(*SIZES["all"])
    lines["margin"] = lines.amount * 0.3
    orders = kw.orders(lines, margin="margin" if own_margin else None)
    terms: dict[str, Any] = {} if own_margin else {"margin_rate": 0.3}
    early, late = (kw.customers(orders, day) for day in ("2023-07-31", AS_OF))
    before, after = (kw.score(base, kw.Fits(*fits_of(base)), kw.Terms(**terms)) for base in (early, late))
    assert after.to_pandas().rlv.max() > 1e9
    for rules in ("default", "rfm"):
        assert len(kw.stages(after, orders, rules=rules).to_pandas()) == 62
    books = kw.ledger(before, after, orders)
    assert books.total.opening > 0
    for method in ("shapley", "lmdi"):
        told = kw.statement(before, after, orders, method=method)
        parts = told.experience + told.new_customers + told.model_change
        assert told.expected_closing + parts == told.closing
        assert told.closing == books.total.closing
    assert kw.migration(before, after, expected=True).matrix.sum() == 62
    assert any(one.measure == "money" for one in kw.backtest(orders, split="2023-07-31", models=["nbd"]).scores)
    links = {
        "referrals": kw.referrals(pd.DataFrame({"referrer_id": ["big", "c1"], "referred_id": ["mid", "c2"]}), late),
        "influence": kw.influence(pd.DataFrame({"source_id": ["big", "c1"], "target_id": ["mid", "c2"]}), late),
    }
    frame = kw.score(
        late, kw.Fits(*fits_of(late)), kw.Terms(**terms), kw.Beside(**links, influence_share=0.1, category="genre")
    ).to_pandas()
    assert frame.total_attributed.sum() == pytest.approx(frame.rlv.sum(), rel=1e-9)
    assert frame.cross_sell.max() > 0


def test_a_run_on_a_state_with_movement(klantwaarde: Cli, tmp_path: Path) -> None:
    lines = shop(*SIZES["all"])
    first = lines.date < "2023-10-01"
    lines[first].to_csv(tmp_path / "first.csv", index=False)
    lines[~first].to_csv(tmp_path / "rest.csv", index=False)
    asked = ["--state", "state", "--model", "nbd", "--margin-rate", "0.3", "--as-of", AS_OF, "--out", "r"]
    assert klantwaarde("run", "first.csv", *asked).code == 0
    said = klantwaarde("run", "rest.csv", *asked, "--since", "6 months")
    assert said.code == 0, said.err
    movement = json.loads((tmp_path / "r" / "run.json").read_text())["facts"]["movement"]
    assert movement["statement"]["closing"] == pytest.approx(movement["ledger"]["closing"])
    assert movement["ledger"]["closing"] > 1e10


@pytest.mark.slow
def test_spark_takes_it_as_well(session: Any, tmp_path: Path) -> None:
    lines = shop(1, 9e13)
    lines.to_parquet(tmp_path / "orders.parquet")
    found = []
    for engine in ("duckdb", "spark"):
        base = kw.customers(kw.orders(tmp_path / "orders.parquet", engine=engine), AS_OF)
        table = kw.score(base, kw.Fits(*fits_of(base)), kw.Terms(margin_rate=0.3)).to_arrow().to_pydict()
        found.append(dict(zip(table["customer_id"], table["value_realised"], strict=True)))
    assert found[0] == found[1] == realised(lines, "0.3")
