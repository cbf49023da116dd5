"""Who paid nothing, next to who paid a cent; and fixed prices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import Said

import klantwaarde as kw

Cli = Callable[..., Said]
DAYS = pd.to_datetime(["2023-01-05", "2023-03-01", "2023-06-10", "2023-11-20", "2024-02-01"])


def shop(prices: dict[str, float], times: int = 4) -> pd.DataFrame:
    """Customers of ordinary spend, and one per price who bought so often."""
    rng = np.random.default_rng(5)
    mean = rng.gamma(2, 20, 60)  # of each customer
    some = [(f"c{n}", day, float(rng.gamma(4, mean[n] / 4))) for n in range(60) for day in DAYS[: 1 + n % 5]]
    own = [(name, day, price) for name, price in prices.items() for day in DAYS[:times]]
    return pd.DataFrame([*some, *own], columns=["customer_id", "date", "amount"])


def scored(lines: pd.DataFrame) -> tuple[pd.DataFrame, kw.Fit]:
    base = kw.customers(kw.orders(lines), "2024-03-01")
    spend = kw.fit(kw.GammaGamma, base.spend())
    return kw.score(base, kw.Fits(kw.fit(kw.NBD, base.cells()), spend)).to_pandas().set_index("customer_id"), spend


def test_who_paid_nothing_is_expected_to_pay_what_the_formula_says() -> None:
    found, spend = scored(shop({"free": 0.0}))
    p, q, gamma = spend.model
    assert found.expected_spend["free"] == pytest.approx(p * gamma / (3 * p + q - 1), rel=1e-12)
    assert found.expected_spend["free"] < 0.5 * p * gamma / (q - 1)
    assert found.zbar["free"] == 0


@given(
    prices=st.lists(st.integers(0, 100_000), min_size=2, max_size=6, unique=True),
    times=st.integers(2, 5),
)
@settings(max_examples=10)
def test_nobody_who_pays_more_is_expected_to_pay_less(prices: list[int], times: int) -> None:
    names = {f"p{cents:07}": cents / 100 for cents in sorted(prices)}
    found, _ = scored(shop(names, times))
    asked = found.loc[list(names)]
    assert (asked.expected_spend.diff().dropna() > 0).all()
    assert (asked.rlv.diff().dropna() > 0).all()


def test_a_backtest_expects_no_mean_spend_of_who_paid_nothing() -> None:
    """Everyone who came back after the split had paid nothing: what is expected of them is little, not the mean."""
    lines = shop({f"free{n}": 0.0 for n in range(40)})
    tried = kw.backtest(kw.orders(lines), split="2023-12-31", end="2024-03-01", models=["nbd"])
    base = kw.customers(kw.orders(lines), "2023-12-31")
    frame = kw.score(
        base, kw.Fits(kw.fit(kw.NBD, base.cells()), kw.fit(kw.GammaGamma, base.spend())), kw.Terms(horizon="2024-03-01")
    ).to_pandas()
    expected = float((frame.expected_orders * frame.expected_spend).sum())
    money = next(one for one in tried.scores if one.measure == "money" and one.predictor == "nbd")
    assert money.predicted == pytest.approx(expected, rel=1e-9)


def test_a_base_of_free_orders_says_why_spend_is_empty(klantwaarde: Cli, tmp_path: Path) -> None:
    lines = shop({})
    lines["amount"] = 0.0
    lines.to_csv(tmp_path / "free.csv", index=False)
    said = klantwaarde("run", "free.csv", "--model", "nbd", "--out", "r")
    assert said.code == 0
    assert "nobody paid anything for a repeat purchase" in " ".join((said.out + said.err).split())
    frame = pd.read_parquet(tmp_path / "r" / "customers.parquet")
    assert frame.expected_spend.isna().all()
    assert (frame.p_alive > 0).all()


PRICES = {
    "one": lambda _rng, x: np.full(len(x), 9.99),
    "one of two, each customer an own one": lambda rng, x: rng.choice([9.99, 19.99], len(x)),
    "one of two at each purchase": lambda rng, x: 9.99 + 10 * rng.binomial(x, 0.5) / x,
    "a cent apart": lambda rng, x: 9.99 + 0.01 * rng.integers(0, 2, len(x)),
}


@pytest.mark.parametrize("kind", PRICES)
def test_fixed_prices_are_no_dependence(kind: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.geometric(0.3, 2_000)
    found = kw.fit(kw.GammaGamma, kw.SpendCells(x, PRICES[kind](rng, x)))
    assert not any("independent" in str(note) for note in found.notes)
