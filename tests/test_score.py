"""Scores: every customer once, values that follow from the public kernels, tiers by hand."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import klantwaarde as kw
from klantwaarde.estimate.fit import population_mean, spend_line
from klantwaarde.purchases.schema import SCORED, TIERS
from klantwaarde.value.discount import continuous_rate, horizon_days
from klantwaarde.value.tiers import tier_sizes

AS_OF = "1998-06-30"


class Scene(NamedTuple):
    """A base and the fits that score it."""

    base: kw.Customers
    fit: kw.Fit[Any]
    spend: kw.Fit[Any]


def shop(customers: int = 400, seed: int = 3) -> pd.DataFrame:
    """Orders of a small shop: returns, zero amounts, people with returns only, and some who stay away a year."""
    rng = np.random.default_rng(seed)
    who = np.concatenate([np.arange(customers), rng.integers(0, customers, 4 * customers)])
    days = np.where(who % 3 == 0, rng.integers(0, 200, len(who)), rng.integers(0, 540, len(who)))
    cents = rng.integers(-400, 6000, len(who)) * (rng.random(len(who)) > 0.03)
    cents = np.where(who % 50 == 7, -np.abs(cents) - 1, cents)
    date = pd.Timestamp("1997-01-06") + pd.to_timedelta(days, unit="D")
    return pd.DataFrame({"customer_id": [f"k{one:04d}" for one in who], "date": date, "amount": cents / 100})


def scene(frame: pd.DataFrame, Model: Any = kw.ParetoNBD, **how: Any) -> Scene:
    base = kw.customers(kw.orders(frame, **how), AS_OF)
    return Scene(base, kw.fit(Model, base.cells()), kw.fit(kw.GammaGamma, base.spend()))


@pytest.fixture(scope="module", name="small")
def _small() -> Scene:
    return scene(shop())


@pytest.fixture(scope="module", name="scored")
def _scored(small: Scene) -> pd.DataFrame:
    return kw.score(small[0], kw.Fits(*small[1:]), kw.Terms(margin_rate=0.3, headroom=True)).to_pandas()


def test_the_columns_are_those_of_the_schema(small: Scene, scored: pd.DataFrame) -> None:
    assert list(scored) == [name for name, _, _ in SCORED]
    assert kw.score(small[0], kw.Fits(*small[1:])).to_arrow().column_names == list(scored)


def test_everyone_is_in_it_once(small: Scene, scored: pd.DataFrame) -> None:
    every = set(shop().customer_id)
    assert len(scored) == len(every) == small.base.totals["customers"]
    assert set(scored.customer_id) == every
    assert scored["rank"].tolist() == list(range(1, len(every) + 1))


def test_without_a_purchase(scored: pd.DataFrame) -> None:
    lost = scored[scored.reason.notna()]
    nets = shop().groupby(["customer_id", "date"]).amount.sum().round(2).groupby("customer_id").max()
    assert set(lost.customer_id) == set(nets[nets < 0].index) >= {f"k{one:04d}" for one in range(400) if one % 50 == 7}
    assert set(lost.tier) == {"inactive"}
    assert set(lost.reason) == {"no purchase: nothing is left after returns"}
    assert (lost.value_realised < 0).all()
    assert (lost.orders == 0).all()
    for column in ("first_order", "x", "t_x", "T", "zbar", "p_alive", "p_active", "expected_orders", "dert", "rlv"):
        assert lost[column].isna().all(), column


THROUGH_OTHERS = ["cross_sell", "crv", "referral_value", "influence_value", "attributed_away", "future_referrals",
                  "total_accountable", "total_attributed", "profile"]  # fmt: skip


def test_nothing_is_empty_or_infinite_elsewhere(scored: pd.DataFrame) -> None:
    known = scored[scored.reason.isna()]
    assert known[THROUGH_OTHERS].isna().all().all()  # nothing was given beside the orders
    words = ["customer_id", "first_order", "last_order", "tier", "reason", "zbar"]
    numbers = known.drop(columns=[*words, *THROUGH_OTHERS])
    assert np.isfinite(numbers.to_numpy(dtype=float)).all()
    assert (known.zbar.isna() == (known.x == 0)).all()
    for chance in ("p_alive", "p_active"):
        assert known[chance].between(0, 1).all()


@pytest.mark.parametrize("Model", [kw.NBD, kw.BGNBD, kw.MBGNBD, kw.ParetoNBD])
def test_values_follow_from_the_kernels(Model: Any) -> None:
    base, fit, spend = scene(shop(120), Model)
    found = kw.score(
        base, kw.Fits(fit, spend), kw.Terms(margin_rate=0.3, annual_discount_rate=0.15, horizon="26 weeks")
    ).to_pandas()
    found = found[found.reason.isna()]
    history = (found.x.to_numpy(float), found.t_x.to_numpy(float), found["T"].to_numpy(float))
    delta = np.log(1.15) * 7 / 365.25
    expected = {
        "p_alive": kw.models.p_alive(fit.model, *history),
        "p_active": kw.models.p_active(fit.model, 26.0, *history),
        "expected_orders": kw.models.cet(fit.model, 26.0, *history),
        "dert": kw.models.dert(fit.model, delta, *history),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-9, err_msg=name)
    p, q, gamma = spend.model
    x, z = history[0], found.zbar.fillna(0).to_numpy(float)
    money = np.where((x > 0) & (z > 0), p * (gamma + x * z) / (p * x + q - 1), population_mean(spend))
    np.testing.assert_allclose(found.expected_spend, money, rtol=1e-9)
    np.testing.assert_allclose(found.rlv, 0.3 * found.expected_spend * found.dert, rtol=1e-12)


def stood(nets: pd.DataFrame) -> pd.DataFrame:
    """The days of purchase that are left, where each day below zero takes from the latest ones before it."""
    left: list[tuple[str, Any, int]] = []
    for who, date, cents in nets.sort_values(["customer_id", "date"])[["customer_id", "date", "cents"]].to_numpy():
        due = -cents
        while due > 0 and any(one[0] == who and one[2] > 0 for one in left):
            place = max(place for place, one in enumerate(left) if one[0] == who and one[2] > 0)
            taken = min(due, left[place][2])
            due, left[place] = due - taken, (who, left[place][1], left[place][2] - taken)
            if left[place][2] == 0:
                left.pop(place)
        if cents >= 0:
            left.append((who, date, cents))
    return pd.DataFrame(left, columns=["customer_id", "date", "cents"])


def test_history_columns_against_pandas(scored: pd.DataFrame) -> None:
    nets = shop().assign(cents=lambda f: (f.amount * 100).round().astype(int))
    nets = nets.groupby(["customer_id", "date"], as_index=False).cents.sum()
    found = scored.set_index("customer_id").sort_index()
    every = nets.groupby("customer_id").cents.sum()
    late = nets[nets.date > "1997-06-30"].groupby("customer_id").cents.sum().reindex(every.index).fillna(0)
    np.testing.assert_allclose(found.revenue, every / 100)
    np.testing.assert_allclose(found.value_realised, every * 0.003, atol=1e-4)
    np.testing.assert_allclose(found.value_last_year, late * 0.003, atol=1e-4)
    assert ((found.tier != "inactive") == (late > 0)).all()
    bought = stood(nets).groupby("customer_id").date
    first, last = bought.min().reindex(every.index), bought.max().reindex(every.index)
    assert (pd.to_datetime(found.first_order).dropna() == first.dropna()).all()
    np.testing.assert_allclose(found.t_x.dropna(), (last - first).dropna().dt.days / 7)
    np.testing.assert_allclose(found["T"].dropna(), (pd.Timestamp(AS_OF) - first.dropna()).dt.days / 7)


@pytest.mark.parametrize("rank_by", ["last_year", "rlv", "realised"])
def test_ranks_and_tiers(small: Scene, rank_by: Any) -> None:
    """Ordered as said, ties by value then id; sizes by ceiling."""
    found = kw.score(small[0], kw.Fits(*small[1:]), kw.Terms(rank_by=rank_by)).to_pandas()
    by = {"last_year": "value_last_year", "rlv": "rlv", "realised": "value_realised"}[rank_by]
    active = found.tier != "inactive"
    # The inactive have nothing in the last year to be ranked by: they follow by residual value.
    keys = found.assign(active=active, **{f"{by} if active": found[by].where(active)}).sort_values(
        ["active", f"{by} if active", "rlv", "value_realised", "customer_id"],
        ascending=[False, False, False, False, True],
    )
    assert keys.customer_id.tolist() == found.customer_id.tolist()
    n = int(active.sum())
    top, large, medium = -(-n // 100), -(-4 * n // 100), -(-15 * n // 100)
    sizes = found.tier.value_counts().to_dict()
    assert sizes == {
        "top": top, "large": large, "medium": medium, "small": n - top - large - medium, "inactive": len(found) - n,
    }  # fmt: skip


def test_ties_go_by_id() -> None:
    frame = pd.DataFrame(
        {"customer_id": list("dbca") * 2, "date": pd.to_datetime(["1998-05-01"] * 4 + ["1998-06-01"] * 4)}
    )
    base, *fits = scene(frame.assign(amount=5.0))
    found = kw.score(base, kw.Fits(*fits)).to_pandas()
    assert found.customer_id.tolist() == list("abcd")


@pytest.mark.parametrize(
    ("active", "sizes"),
    [
        (0, (0, 0, 0, 0)),
        (1, (1, 0, 0, 0)),
        (2, (1, 1, 0, 0)),
        (3, (1, 1, 1, 0)),
        (5, (1, 1, 1, 2)),
        (99, (1, 4, 15, 79)),
        (100, (1, 4, 15, 80)),
        (101, (2, 5, 16, 78)),
        (1000, (10, 40, 150, 800)),
    ],
)
def test_tier_sizes_by_hand(active: int, sizes: tuple[int, ...]) -> None:
    assert tier_sizes(active) == sizes


@pytest.mark.parametrize("active", [1, 2, 5, 99, 100, 101])
def test_tiers_of_small_bases(active: int) -> None:
    """So many active customers, the richest first, and one who has been away for more than a year."""
    ids = [f"{one:03d}" for one in range(active)]
    days = pd.to_datetime(["1998-03-01"] * active + ["1998-04-01"] * active + ["1997-01-01"])
    amount = [*range(active, 0, -1), *range(active, 0, -1), 10_000.0]
    frame = pd.DataFrame({"customer_id": [*ids, *ids, "away"], "date": days, "amount": amount})
    base = kw.customers(kw.orders(frame), AS_OF)
    made = kw.Fit(kw.NBD(1.0, 10.0), 0.0, np.eye(2), {}, "converged", "", 1, 1, unit="week")
    found = kw.score(base, kw.Fits(made)).to_pandas()
    assert found.customer_id.tolist() == [*ids, "away"]
    expected = [tier for tier, size in zip(TIERS, tier_sizes(active), strict=False) for _ in range(size)]
    assert found.tier.tolist() == [*expected, "inactive"]


def test_the_order_of_lines_does_not_matter() -> None:
    frame = shop(150)
    scenes = [scene(f) for f in (frame, frame.sample(frac=1, random_state=1))]
    one, two = (kw.score(base, kw.Fits(*fits)).to_pandas() for base, *fits in scenes)
    pd.testing.assert_frame_equal(one, two)


def test_margin_rate_scales_value(small: Scene) -> None:
    full, part = (
        kw.score(small[0], kw.Fits(*small[1:]), kw.Terms(margin_rate=rate)).to_pandas() for rate in (None, 0.25)
    )
    for name in ("rlv", "value_realised", "value_last_year"):
        np.testing.assert_allclose(part[name], 0.25 * full[name], atol=1e-4, err_msg=name)
    for name in ("revenue", "p_alive", "dert", "expected_spend", "rank", "tier"):
        pd.testing.assert_series_equal(part[name], full[name])
    assert full.value_realised.equals(full.revenue)


def test_margins_of_the_lines_prevail() -> None:
    frame = shop(150).assign(margin=lambda f: (f.amount * 0.4).round(2))
    base, fit, spend = scene(frame, margin="margin")
    scored = kw.score(base, kw.Fits(fit, spend))
    found = scored.to_pandas().set_index("customer_id").sort_index()
    by = frame.groupby("customer_id")
    np.testing.assert_allclose(found.value_realised, by.margin.sum())
    rate = frame.margin.sum() / frame.amount.sum()
    assert scored.terms.margin_rate == pytest.approx(rate)
    known = found[found.reason.isna()]
    np.testing.assert_allclose(known.rlv, rate * known.expected_spend * known.dert)
    with pytest.raises(kw.BadParameters, match="leave margin_rate= out"):
        kw.score(base, kw.Fits(fit, spend), kw.Terms(margin_rate=0.3))


def test_the_four_ways_out_agree(small: Scene, tmp_path: Path) -> None:
    scored = kw.score(small[0], kw.Fits(*small[1:]), kw.Terms(margin_rate=0.3))
    pandas = scored.to_pandas()
    path = scored.write(tmp_path / "it's.parquet")
    for table in (scored.to_arrow(), scored.to_polars().to_arrow(), pq.read_table(path)):
        assert table.column_names == list(pandas)
        for name in pandas:
            left, right = table.column(name).to_pylist(), pandas[name].tolist()
            if name in {"first_order", "last_order"}:
                right = [None if pd.isna(one) else one.date() for one in right]
            if pa.types.is_floating(table.schema.field(name).type) or name == "revenue":
                np.testing.assert_array_equal(np.array(left, float), np.array(right, float), err_msg=name)
            elif name not in {"value_realised", "value_last_year", "x", "reason"}:
                assert left == right, name
    told = pq.read_schema(path).metadata
    assert (told[b"klantwaarde_schema"], told[b"horizon"], told[b"margin_rate"]) == (b"1", b"12 months", b"0.3")
    assert [found.name for found in tmp_path.iterdir()] == ["it's.parquet"]


@pytest.mark.parametrize("rank_by", ["last_year", "rlv", "realised"])
def test_the_pyramid_adds_up(small: Scene, rank_by: Any) -> None:
    scored = kw.score(small[0], kw.Fits(*small[1:]), kw.Terms(rank_by=rank_by))
    found, bands = scored.to_pandas(), kw.pyramid(scored)
    assert [band.tier for band in bands] == list(TIERS)
    assert sum(band.customers for band in bands) == len(found)
    for name in ("orders", "value_last_year", "value_realised", "rlv"):
        assert sum(getattr(band, name) for band in bands) == pytest.approx(found[name].sum()), name
    for name in ("value_last_year_share", "rlv_share"):
        assert sum(getattr(band, name) for band in bands) == pytest.approx(1), name
    active = sum(band.customers for band in bands[:-1])
    assert [band.customers_share for band in bands[:-1]] == [band.customers / active for band in bands[:-1]]
    assert bands[-1].customers_share == bands[-1].customers / len(found)
    by = {"last_year": "value_last_year", "rlv": "rlv", "realised": "value_realised"}[rank_by]
    for band in bands[:-1]:
        assert band.threshold == pytest.approx(found[found.tier == band.tier][by].min()), band.tier
        assert band.p_alive_mean == pytest.approx(found[found.tier == band.tier].p_alive.mean()), band.tier
    for again, band in zip(kw.pyramid(scored), bands, strict=True):  # sums of floats, in another order
        assert again[:1] == band[:1]
        known = [(one, other) for one, other in zip(again[1:], band[1:], strict=True) if other is not None]
        assert [one for one, _ in known] == pytest.approx([other for _, other in known], rel=1e-12), "the same twice"


def test_empty_tiers_are_there() -> None:
    frame = pd.DataFrame({"customer_id": [1, 1], "date": pd.to_datetime(["1998-05-01", "1998-06-01"]), "amount": 5.0})
    base, *fits = scene(frame)
    bands = kw.pyramid(kw.score(base, kw.Fits(*fits)))
    assert [(band.tier, band.customers) for band in bands] == [
        ("top", 1), ("large", 0), ("medium", 0), ("small", 0), ("inactive", 0),
    ]  # fmt: skip
    json.dumps([band._asdict() for band in bands])


class TestWords:
    """Horizons and rates in words, and what they mean in numbers."""

    @pytest.mark.parametrize(
        ("horizon", "days"),
        [
            ("12 months", 365.25),
            ("1 year", 365.25),
            ("52 weeks", 364),
            ("90 days", 90),
            ("1 Day", 1),
            (" 0.5 years ", 182.625),
            ("1999-06-30", 365),
            (dt.date(1998, 7, 1), 1),
            (dt.datetime(1998, 7, 1, 13), 1),
            (pd.Timestamp("1998-07-31"), 31),
        ],
    )
    def test_horizons(self, horizon: Any, days: float) -> None:
        assert horizon_days(horizon, dt.date(1998, 6, 30)) == days

    @pytest.mark.parametrize("horizon", ["soon", "12", "", "31-12-2027", 12, None])
    def test_no_horizons(self, horizon: Any) -> None:
        with pytest.raises(kw.BadParameters, match=r"neither a duration .* nor a day"):
            horizon_days(horizon, dt.date(1998, 6, 30))

    @pytest.mark.parametrize("horizon", ["1998-06-30", "1990-01-01"])
    def test_horizons_that_have_been(self, horizon: str) -> None:
        with pytest.raises(kw.BadParameters, match="does not lie after the end of observation"):
            horizon_days(horizon, dt.date(1998, 6, 30))

    def test_fifteen_per_cent_a_year_by_the_week(self) -> None:
        assert continuous_rate(0.15, 7) == pytest.approx(0.0026785, abs=5e-8)
        assert np.exp(continuous_rate(0.10, 365.25)) == pytest.approx(1.10)
        assert continuous_rate(0.10, 365.25 / 12) * 12 == pytest.approx(continuous_rate(0.10, 365.25))

    @pytest.mark.parametrize("rate", [0, -0.1, 1, 10, np.nan, np.inf])
    def test_no_discount_rates(self, rate: float) -> None:
        with pytest.raises(kw.BadParameters, match="fraction"):
            continuous_rate(rate, 7)

    @pytest.mark.parametrize("rate", [0, -0.3, 1.01, 30])
    def test_no_margin_rates(self, small: Scene, rate: float) -> None:
        with pytest.raises(kw.BadParameters, match="thirty cents on the euro"):
            kw.score(small[0], kw.Fits(*small[1:]), kw.Terms(margin_rate=rate))

    def test_units_do_not_change_the_values(self) -> None:
        """Scored in weeks and in days: the same people, worth the same."""
        base, fit, spend = scene(shop(100))
        r, alpha, s, beta = fit.model
        days = kw.customers(base.orders, AS_OF, "day")
        daily = kw.Fit(kw.ParetoNBD(r, 7 * alpha, s, 7 * beta), 0.0, fit.covariance, {}, "", "", 1, 1, unit="day")
        one, two = kw.score(base, kw.Fits(fit, spend)).to_pandas(), kw.score(days, kw.Fits(daily, spend)).to_pandas()
        for name in ("p_alive", "p_active", "expected_orders", "dert", "rlv"):
            np.testing.assert_allclose(one[name], two[name], rtol=1e-9, err_msg=name)
        np.testing.assert_allclose(one["T"] * 7, two["T"])

    def test_other_misuse(self, small: Scene) -> None:
        base, fit, spend = small
        with pytest.raises(kw.BadParameters, match="last_year, rlv, realised"):
            kw.score(base, kw.Fits(fit, spend), kw.Terms(rank_by="height"))  # type: ignore[arg-type]
        with pytest.raises(kw.BadParameters, match="is a spend model"):
            kw.score(base, kw.Fits(spend))
        timing = kw.customers(kw.orders(shop(), amount=None), AS_OF)
        with pytest.raises(kw.BadParameters, match="carry no amounts"):
            kw.score(timing, kw.Fits(fit, spend))


def test_margins_of_some_lines() -> None:
    """Of five equal lines three say their margin, 40 %: that is the rate, and the rest is counted and told."""
    days = pd.date_range("2024-01-01", periods=5, freq="10D")
    frame = pd.DataFrame(
        {"customer_id": ["a", "a", "b", "b", "c"], "date": days, "amount": 100.0, "margin": [40, None, 40, 40, None]}
    )
    base = kw.customers(kw.orders(frame, margin="margin"))
    model = kw.fit(kw.MBGNBD, kw.Cells([0, 1, 2], [0, 1, 5], [4, 4, 6]))
    scored = kw.score(base, kw.Fits(model))
    assert scored.terms.margin_rate == pytest.approx(0.4)
    told = scored.to_pandas().set_index("customer_id")
    assert told.loc["c", ["value_realised", "value_last_year"]].tolist() == [0, 0]
    assert told.loc["a", "value_realised"] == 40
    check = next(c for c in kw.doctor(base).checks if c.check == "lines without margin")
    assert (check.level, check.count) == ("warning", 2)


@pytest.mark.parametrize("x", [0, 1, 2])
def test_spend_lines_are_finite_where_the_models_mean_is_not(x: int) -> None:
    """Gamma-Gamma with p x + q <= 1 has no mean (Fader & Hardie 2013): the customer's own mean stands in."""
    spend = kw.fit(kw.GammaGamma, kw.SpendCells([1, 2, 3, 4], [10.0, 20.0, 15.0, 400.0]))
    heavy = dataclasses.replace(spend, model=kw.GammaGamma(0.3, 0.5, 10.0))
    intercept, slope = (float(part[0]) for part in spend_line(heavy, np.array([x])))
    mean = np.average([10.0, 20.0, 15.0, 400.0])
    own = {0: mean, 1: 25.0, 2: 0.3 * (10 + 2 * 25.0) / (0.6 + 0.5 - 1)}
    assert intercept + slope * (25.0 if x else 0.0) == pytest.approx(own[x])
