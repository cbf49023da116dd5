"""Movement in the pyramid: margins that equal the pyramids, and moves that chance makes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import nbinom

import klantwaarde as kw
from klantwaarde.asset.chance import Chance, Histories, chance_of, tier_chances
from klantwaarde.asset.migration import STATES, Migration, Thresholds, migration
from klantwaarde.estimate.result import Fit
from klantwaarde.models import BGNBD, NBD, GammaGamma, ParetoNBD
from klantwaarde.models.counts import enough
from klantwaarde.purchases.schema import TIERS

BEFORE = {
    "customer_id": [1, 2, 3, 4, 5],
    "tier": ["top", "small", "inactive", "prospect", "small"],
    "value": [90.0, 10.0, 1.0, 0.0, 12.5],
}
AFTER = {
    "customer_id": [1, 2, 3, 4, 6],
    "tier": ["large", "medium", "inactive", "small", "small"],
    "value": [60.0, 30.25, 0.5, 4.0, 8.0],
}
BY_HAND = {  # before, after: customers, opening, closing
    ("top", "large"): (1, 90, 60),
    ("small", "medium"): (1, 10, Decimal("30.25")),
    ("inactive", "inactive"): (1, 1, Decimal("0.5")),
    ("prospect", "small"): (1, 0, 4),
    ("small", "absent"): (1, Decimal("12.5"), 0),
    ("absent", "small"): (1, 0, 8),
}


def test_six_customers_by_hand() -> None:
    told = migration(BEFORE, AFTER)
    assert {pair: cell for pair, cell in told.cells.items() if cell.customers} == BY_HAND
    assert told.matrix.sum() == 6
    assert (told.ups, told.downs) == (1, 1)
    assert told.thresholds is None
    assert told.before["small"] == (2, Decimal("22.5"), Decimal("30.25"))
    assert told.after["small"] == (2, 0, 12)
    assert told.customers("top", "large").to_pylist() == [
        {"customer_id": 1, "tier_before": "top", "tier_after": "large", "opening": 90, "closing": 60, "change": -30}
    ]


def measured(values: dict[int, int]) -> dict[str, Any]:
    ids = sorted(values)
    return {
        "customer_id": pa.array(ids, pa.int64()),
        "measure": pa.array([float(values[i]) for i in ids], pa.float64()),
        "value": pa.array([values[i] / 8 for i in ids], pa.float64()),
    }


BASES = st.dictionaries(st.integers(0, 400), st.integers(-3, 60), max_size=150)


@given(BASES, BASES)
@settings(max_examples=12)
def test_any_matrix_adds_up(before: dict[int, int], after: dict[int, int]) -> None:
    told = migration(measured(before), measured(after))
    floors = told.thresholds
    assert floors is not None
    for base, pyramid, value in ((before, told.before, 1), (after, told.after, 2)):
        placed = {i: place(measure, floors) for i, measure in base.items()}
        for tier in TIERS:
            mine = [i for i in placed if placed[i] == tier]
            assert pyramid[tier].customers == len(mine)
            assert pyramid[tier][value] == sum((Decimal(base[i]) / 8 for i in mine), Decimal(0))
    assert told.before["absent"].customers == len(after.keys() - before.keys())
    assert told.after["absent"].customers == len(before.keys() - after.keys())
    assert told.matrix.sum() == len(before | after)
    active = sorted((value for value in before.values() if value > 0), reverse=True)
    for place_, floor in zip(np.cumsum(sizes(len(active))), floors, strict=True):
        if np.isfinite(floor):
            assert floor == active[place_ - 1]


def place(measure: float, floors: Thresholds) -> str:
    if measure <= 0:
        return "inactive"
    return next((tier for tier, floor in zip(TIERS, floors, strict=False) if measure >= floor), "small")


def sizes(active: int) -> list[int]:
    """1, 4 and 15 in a hundred, rounded up, as long as there are any."""
    found, left = [], active
    for percent in (1, 4, 15):
        found.append(min(-(-percent * active // 100), left))
        left -= found[-1]
    return found


@pytest.fixture(scope="module")
def pair() -> list[kw.Scored]:
    orders = kw.orders(kw.datasets.cdnow_sample())
    bases = [kw.customers(orders, day) for day in ("1997-12-31", "1998-06-30")]
    return [
        kw.score(
            base,
            kw.Fits(kw.fit(kw.ParetoNBD, base.cells()), kw.fit(kw.GammaGamma, base.spend())),
            kw.Terms(margin_rate=0.3),
        )
        for base in bases
    ]


def test_relative_ranks_give_the_two_pyramids(pair: list[kw.Scored]) -> None:
    told = migration(*pair, ranks="relative")
    for scored, mine, value in zip(pair, (told.before, told.after), (1, 2), strict=True):
        for band in kw.pyramid(scored):
            assert mine[band.tier].customers == band.customers
            assert float(mine[band.tier][value]) == pytest.approx(band.rlv or 0.0, abs=1e-4 * band.customers + 1e-9)


def test_frozen_thresholds_are_those_of_the_first_pyramid(pair: list[kw.Scored]) -> None:
    told = migration(*pair)
    frame, later = (scored.to_pandas() for scored in pair)
    assert told.thresholds is not None
    for band, floor in zip(kw.pyramid(pair[0]), told.thresholds, strict=False):
        assert floor == pytest.approx(band.threshold, rel=1e-12)
    for mine, at in ((told.before, frame), (told.after, later)):
        reached = at[at.tier != "inactive"].value_last_year.to_numpy()
        above = [int((reached >= floor).sum()) for floor in told.thresholds]
        assert [mine[tier].customers for tier in TIERS[:3]] == np.diff([0, *above]).tolist()
    cell = told.customers("small", "inactive", 5)
    assert len(cell) == 5
    assert cell.column("change").to_pylist() == sorted(cell.column("change").to_pylist())
    everyone = told.customers("small", "inactive")
    assert len(everyone) == told.cells["small", "inactive"].customers
    assert sum(everyone.column("opening").to_pylist()) == told.cells["small", "inactive"].opening


def test_scored_customers_against_chance(pair: list[kw.Scored]) -> None:
    told = migration(*pair, expected=True)
    chance = told.chance
    assert chance is not None
    assert chance.customers == chance.of == 2357
    matrix = told.matrix[: len(TIERS), : len(TIERS)]
    np.testing.assert_array_equal(chance.actual, matrix)
    np.testing.assert_allclose(chance.expected.sum(axis=1), matrix.sum(axis=1), rtol=1e-9)
    assert (chance.ups.actual, chance.downs.actual) == (told.ups, told.downs)
    assert chance.ups.excess == chance.ups.actual - chance.ups.expected
    assert 0.5 < chance.ups.expected / chance.ups.actual < 2
    few = migration(*pair, expected=500).chance
    assert few is not None
    assert (few.customers, few.of) == (500, 2357)


def test_what_cannot_be_is_refused(pair: list[kw.Scored]) -> None:
    with pytest.raises(kw.BadParameters, match="ranks='curry' is not one of frozen, relative"):
        migration(BEFORE, AFTER, ranks="curry")  # type: ignore[arg-type]
    with pytest.raises(kw.BadParameters, match="needs scored customers"):
        migration(BEFORE, AFTER, expected=True)
    with pytest.raises(kw.BadParameters, match="needs scored customers"):
        migration(*pair, expected=True, ranks="relative")
    with pytest.raises(kw.BadParameters, match="tier 'gold' is not one of"):
        migration(BEFORE, AFTER).customers("gold", "top")
    with pytest.raises(kw.BadOrders, match="need a column tier or measure"):
        migration(BEFORE, {"customer_id": [1], "value": [1.0]})
    with pytest.raises(kw.BadOrders, match=r"1 row\(s\) have no tier"):
        migration(BEFORE, {"customer_id": [1], "value": [1.0], "tier": ["gold"]})
    with pytest.raises(kw.BadOrders, match=r"1 row\(s\) name a customer a second time"):
        migration(BEFORE, {"customer_id": [1, 1], "value": [1.0, 2.0], "measure": [1.0, 2.0]})
    far = kw.score(
        kw.customers(pair[0].customers.orders, "1998-06-30"),
        kw.Fits(pair[0].fit, pair[0].spend),
        kw.Terms(rank_by="rlv"),
    )
    with pytest.raises(kw.BadParameters, match="score both by one measure"):
        migration(pair[0], far)


def test_nbd_counts_are_negative_binomial() -> None:
    chances = NBD(np.array([0.5, 3.0]), np.array([10.0, 4.0])).counts(13.0, 400)
    k = np.arange(400)
    for row, (r, alpha) in zip(chances, ((0.5, 10.0), (3.0, 4.0)), strict=True):
        np.testing.assert_allclose(row[:-1], nbinom.pmf(k, r, alpha / (alpha + 13)), rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize(
    "model",
    [BGNBD(0.8, 4.4, 0.79, 2.4), ParetoNBD(0.9, 10.6, 0.6, 11.7), ParetoNBD(3.0, 10.6, 2.5, 11.7), NBD(0.9, 5.0)],
    ids=str,
)
def test_counts_agree_with_what_the_model_says(model: Any) -> None:
    """None at all, the mean, and a simulation."""
    t, most = 26.0, 800
    row = type(model)(*(np.array([value]) for value in model)).counts(t, most)[0]
    assert row.sum() == pytest.approx(1, rel=1e-12)
    assert (row >= 0).all()
    assert 1 - row[0] == pytest.approx(float(kw.models.p_active(model, t, 0, 0.0, 0.0)), rel=1e-7)
    assert row @ np.arange(most + 1) == pytest.approx(float(model.purchases(t)), rel=1e-6)
    n = 200_000
    who, _ = model.draw(np.random.default_rng(1), np.full(n, t))
    seen = np.bincount(np.bincount(who, minlength=n), minlength=most + 1)[:12] / n
    np.testing.assert_allclose(seen, row[:12], atol=4.5 * np.sqrt(row[:12].max() / n))


def test_counts_have_an_end() -> None:
    assert enough(np.array([1.0]), np.array([1.0]), 1e9)[0] == 4_000


SPEND = GammaGamma(6.25, 3.74, 15.44)
FLOORS = np.array([200.0, 90.0, 40.0])


@pytest.mark.parametrize("rate", [1.0, 0.3])
def test_chances_agree_with_a_simulation(rate: float) -> None:
    """One customer of each kind, 100,000 times, from the posterior of all that is known of him."""
    model, ahead, n = ParetoNBD(0.55, 10.6, 0.61, 11.7), 26.0, 100_000
    told = Histories(
        np.array([0.0, 3, 9, 1]),
        np.array([0.0, 30, 50, 10]),
        np.array([40.0, 40, 52, 52]),
        np.array([35.0, 150, 400, 20]),
        rate * np.array([35.0, 60, 150, 0]),
        np.array([35.0, 60, 150, 0]),
    )
    chances = tier_chances(model, SPEND, ahead, told, rate * FLOORS, rate)
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-12)
    rng = np.random.default_rng(2)
    for row, x, t_x, T, paid, kept, _ in zip(chances, *told, strict=True):
        who, _ = model.given_alive(x, t_x, T).draw(rng, np.full(n, ahead))
        counts = np.bincount(who, minlength=n) * (rng.random(n) < kw.models.p_alive(model, x, t_x, T))
        nu = rng.gamma(SPEND.q + SPEND.p * (x + 1), size=n) / (SPEND.gamma + paid)
        money = kept / rate + np.where(counts > 0, rng.gamma(np.maximum(SPEND.p * counts, 1e-3)) / nu, 0.0)
        seen = np.searchsorted(-FLOORS, -money, side="left")
        seen = np.where(money > 0, seen, 4)
        share = np.bincount(seen, minlength=5) / n
        np.testing.assert_allclose(row, share, atol=5 * np.sqrt(0.25 / n))


def test_chances_of_orders_without_amounts() -> None:
    model = NBD(np.float64(0.9), np.float64(5.0))
    told = Histories(*(np.array([value]) for value in (2.0, 20.0, 30.0, 0.0, 1.0, 1.0)))
    chances = tier_chances(model, None, 13.0, told, np.array([8.0, 4.0, 2.0]))[0]
    counts = nbinom.pmf(np.arange(1000), 2.9, 35 / 48)
    by_hand = [counts[7:].sum(), counts[3:7].sum(), counts[1:3].sum(), counts[0], 0.0]
    np.testing.assert_allclose(chances, by_hand, atol=1e-9)


def known(model: Any) -> Fit[Any]:
    """A fit that is the truth."""
    return Fit(model, 0.0, np.zeros((len(model), len(model))), {}, "converged", "", 1.0, 1, unit="week")


def world(seed: int, model: Any, n: int, *, busier: float = 1.0, share: float = 0.0, fit: bool = False) -> Chance:
    """A base of two years and the quarter after it, in which a share of the customers buy `busier` times as often."""
    rng = np.random.default_rng(seed)
    start, end = 104.0, 117.0
    pace = np.where(rng.random(n) < share, busier, 1.0)
    who, when = model.draw(rng, start + pace * (end - start))
    when = np.where(when > start, start + (when - start) / pace[who], when)
    who, when = np.append(who, np.arange(n)), np.append(when, np.zeros(n))
    money = SPEND.draw(rng, who)
    past, year = when <= start, when > start - 52

    def paid(rows: Any) -> Any:
        return np.bincount(who[rows], weights=money[rows], minlength=n)

    x, t_x = np.bincount(who[past], minlength=n) - 1.0, np.zeros(n)
    np.maximum.at(t_x, who[past], when[past])
    first, last = paid(past & year), paid(when > end - 52)
    kept = paid(past & (when > end - 52))
    active = np.sort(first[first > 0])[::-1]
    floors = active[np.cumsum(sizes(len(active))) - 1]
    places = [np.where(m > 0, (m[:, None] < floors).sum(axis=1), 4) for m in (first, last)]
    told = Histories(x, t_x, np.full(n, start), paid(past), kept, kept)
    timing, spend = known(model), known(SPEND)
    if fit:
        repeat = x > 0
        means = (paid(past & (when > 0)) / np.maximum(x, 1))[repeat]
        timing = kw.fit(type(model), kw.Cells(x, t_x, told.T, unit="week"))
        spend = kw.fit(GammaGamma, kw.SpendCells(x[repeat], means))
    return chance_of(timing, spend, end - start, told, floors, *places)


def departures(chances: list[Chance], least: float) -> list[str]:
    """What is more significant than chance makes significant, off the mean, or too wide or too narrow."""
    told = []
    for name in ("ups", "downs"):
        found = [getattr(chance, name) for chance in chances]
        z = np.array([one.excess / one.deviation for one in found])
        significant = sum(one.p < 0.05 for one in found)
        holds = {
            f"{name}: {significant} significant": significant <= 7,  # 40 x 5 % is 2; 8 or more come once in 1,000
            f"{name}: mean z {z.mean()}": abs(z.mean()) < 3 / np.sqrt(len(z)),
            f"{name}: deviation of z {z.std()}": least < z.std() < 1.35,
        }
        told += [what for what, held in holds.items() if not held]
    return told


@pytest.mark.slow
@pytest.mark.parametrize("model", [NBD(0.9, 14.0), ParetoNBD(0.9, 10.6, 0.6, 60.0)], ids=str)
def test_a_base_that_does_not_change_is_significant_at_the_nominal_rate(model: Any) -> None:
    assert departures([world(seed, model, 1_500) for seed in range(40)], 0.7) == []


@pytest.mark.slow
def test_with_fitted_parameters_too() -> None:
    assert departures([world(100 + seed, NBD(0.9, 14.0), 1_500, fit=True) for seed in range(40)], 0.7) == []


@pytest.mark.slow
def test_a_change_is_found() -> None:
    """A fifth of the customers buy three times as often from now on."""
    for seed in range(5):
        chance = world(200 + seed, NBD(0.9, 14.0), 1_500, busier=3.0, share=0.2)
        assert chance.ups.excess > 0
        assert chance.ups.p < 1e-3


def test_nobody_to_look_at_is_refused() -> None:
    empty = np.array([])
    with pytest.raises(kw.BadParameters, match="no customer with a purchase"):
        chance_of(known(NBD(1.0, 1.0)), known(SPEND), 1.0, Histories(*[empty] * 6), FLOORS, empty, empty)


def test_states_are_the_tiers_and_two_more() -> None:
    assert (*TIERS, "prospect", "absent") == STATES
    assert isinstance(migration(BEFORE, AFTER), Migration)
