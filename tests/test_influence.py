"""Influence: nothing is found where friends are merely alike; what is there is found, inside its interval."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from klantwaarde.errors import BadOrders, BadParameters
from klantwaarde.network.excitation import Lags, contrasts, filtered
from klantwaarde.network.influence import SIMILARITY, Influence, estimate_influence
from klantwaarde.network.influence_links import SENSITIVITY, influence_matrices, influence_matrix, social_shares
from klantwaarde.network.null import shifts

DAYS, CLUSTER = 365.0, 50
LAGS = Lags(np.array([1.0, 2.0, 5.0, 10.0]), 56)


class World(NamedTuple):
    """Orders and links, and the share of repeat orders that links set off."""

    orders: dict[str, Any]
    links: dict[str, Any]
    share: float


def network(rng: np.random.Generator, n: int, links: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Four of five links stay within a cluster of like customers; each pair once, source before target."""
    source = rng.integers(0, n, links)
    inside = source // size * size + rng.integers(0, size, links)
    target = np.where(rng.random(links) < 0.8, np.minimum(inside, n - 1), rng.integers(0, n, links))
    pairs = np.unique(np.minimum(source, target) * n + np.maximum(source, target))
    pairs = pairs[pairs // n != pairs % n]
    return pairs // n, pairs % n


def world(
    seed: int, n: int = 2000, *, chance: float = 0.0, decay: float = 3.0, season: float = 0.5, common: bool = False,
    week: float = 0.0, directed: bool = False, period: float = DAYS, size: int = CLUSTER,
) -> World:  # fmt: skip
    """Rates and seasons alike within clusters; each order sets off one at each linked customer with a chance.

    Branching, as Hawkes's process is: orders set off set off orders. Orders before a customer's birth do not happen.
    """
    rng = np.random.default_rng(seed)
    source, target = network(rng, n, 8 * n if directed else 4 * n, size)
    links = {"source": source, "target": target}
    if not directed:
        source, target = np.concatenate([source, target]), np.concatenate([target, source])
    cluster, birth = np.arange(n) // size, rng.random(n) * 0.3 * DAYS
    alike = np.sqrt(rng.gamma(1.5, 1 / 1.5, cluster.max() + 1))[cluster]
    rate = 0.03 * alike * rng.gamma(1.5, 1 / 1.5, n)
    phase = np.zeros(n) if common else (rng.random(cluster.max() + 1) * 2 * np.pi)[cluster]
    top = (1 + season) * (1 + week)
    who = np.repeat(np.arange(n), rng.poisson(rate * (DAYS - birth) * top))
    when = birth[who] + rng.random(len(who)) * (DAYS - birth)[who]
    now = 1 + season * np.cos(2 * np.pi * when / period + phase[who])
    kept = rng.random(len(who)) * top < now * (1 + week * np.cos(2 * np.pi * when / 7))
    who, when = np.concatenate([np.arange(n), who[kept]]), np.concatenate([birth, when[kept]])
    own = len(who)
    people, times, fresh = [who], [when], (who, when)
    by_source = np.argsort(source, kind="stable")
    begin = np.searchsorted(source[by_source], np.arange(n + 1))
    while chance and len(fresh[0]):
        who, when = fresh
        many = begin[who + 1] - begin[who]
        place = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many) + np.repeat(begin[who], many)
        at = np.repeat(when, many) + rng.exponential(decay, len(place))
        reached = target[by_source[place]]
        hit = (rng.random(len(place)) < chance) & (at < DAYS) & (at > birth[reached])
        fresh = (reached[hit], at[hit])
        people, times = [*people, fresh[0]], [*times, fresh[1]]
    customer, time = np.concatenate(people), np.concatenate(times)
    return World({"customer": customer, "time": time}, links, (len(time) - own) / (len(time) - n))


def estimates(seeds: range, *, directed: bool = False, n: int = 2000, **story: Any) -> list[tuple[World, Influence]]:
    found = []
    for seed in seeds:
        made = world(seed, n, directed=directed, **story)
        found.append((made, estimate_influence(made.orders, made.links, directed=directed, as_of=DAYS)))
    return found


def root_mean_square(found: list[tuple[World, Influence]]) -> float:
    return float(np.sqrt(np.mean([(told.share - made.share) ** 2 for made, told in found])))


def at_most(trials: int, chance: float) -> int:
    """Successes that only one in a hundred such series exceeds."""
    return int(stats.binom.ppf(0.99, trials, chance))


# What is looked at: lags


def test_contrasts_blind_to_parabolas() -> None:
    lag = np.arange(1, LAGS.window + 1)
    for power in range(3):
        assert contrasts(LAGS) @ lag**power / LAGS.window**power == pytest.approx(np.zeros(4), abs=1e-12)
    # What is left of a shared season down to two months counts against influence, for every decay: no false alarm.
    periods = np.array([365.25, 182.6, 120.0, 91.3, 75.0, 60.0])
    assert np.all(contrasts(LAGS) @ np.cos(2 * np.pi * lag[:, None] / periods) < 0)


@given(days=st.integers(1, 300), reach=st.integers(1, 120), seed=st.integers(0, 9))
@settings(max_examples=30)
def test_filter_is_the_sum_over_lags(days: int, reach: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts, kernels = rng.poisson(0.2, (days, 3)).astype(float), rng.normal(size=(2, reach))
    found = filtered(counts, kernels)
    plain = [[np.convolve(counts[:, row], np.append(0, kernel))[:days] for row in range(3)] for kernel in kernels]
    assert found == pytest.approx(np.moveaxis(plain, 1, 2), abs=1e-9)


def test_shifts_are_whole_weeks_that_leave_nothing_in_place() -> None:
    moved = shifts(np.random.default_rng(1), 20, 300, 7)
    assert set(np.unique(np.abs(moved)).tolist()) == {14, 21, 28, 35, 42, 49, 56}


# One estimate


def test_influence_is_found_and_told() -> None:
    made = world(5, chance=0.03)
    told = estimate_influence(made.orders, made.links, directed=False, as_of=DAYS)
    assert told.interval[0] <= made.share <= told.interval[1]
    assert told.distinguishable
    assert 0 < told.used_share <= told.share
    assert told.p_value < 0.001
    assert told.p_reversed is None  # a friendship has no direction to turn round
    assert told.decay_interval[0] <= 3.0 <= told.decay_interval[1]
    assert abs(told.null.mean) < 4 * told.null.deviation
    assert told.null.upper < told.share
    assert told.orders == len(made.orders["time"]) - 2000  # first purchases are births
    assert np.all((told.target_share >= 0) & (told.target_share < 1))
    by_target = np.bincount(told.target, told.link_share, minlength=2000)
    assert by_target[by_target > 0] == pytest.approx(told.target_share[by_target > 0])
    bought = np.bincount(made.orders["customer"], minlength=2000) - 1
    assert told.target_share @ bought / bought.sum() == pytest.approx(told.share, rel=0.2)


def test_similarity_is_not_used_unless_forced() -> None:
    made = world(3, 800)
    told = estimate_influence(made.orders, made.links, directed=False, as_of=DAYS)
    forced = estimate_influence(made.orders, made.links, directed=False, as_of=DAYS, force=True)
    assert (told.verdict, told.used_share, told.distinguishable) == (SIMILARITY, 0.0, False)
    assert not told.used_target_share.any()
    assert forced.verdict == SIMILARITY
    assert forced.used_share == pytest.approx(max(told.share - max(told.null.mean, 0), 0))


def test_direction_turned_round_shows_nothing() -> None:
    made = world(8, 1000, chance=0.04, directed=True)
    back = {"source": made.links["target"], "target": made.links["source"]}
    there, turned = (estimate_influence(made.orders, links, as_of=DAYS) for links in (made.links, back))
    assert there.distinguishable
    assert there.p_reversed is not None
    assert there.p_reversed < 0.01
    assert not turned.distinguishable


def test_dates_and_order_of_rows_make_no_difference() -> None:
    made = world(4, 400, chance=0.03)
    plain = estimate_influence(made.orders, made.links, directed=False, as_of=DAYS)
    rows = np.random.default_rng(1).permutation(len(made.orders["time"]))
    dates = np.datetime64("2020-01-02", "us") + (made.orders["time"] * 86_400e6).astype("timedelta64[us]")
    mixed = {"customer": made.orders["customer"][rows], "time": dates[rows]}
    twice = {name: np.tile(column, 2) for name, column in made.links.items()}
    told = estimate_influence(mixed, twice, directed=False, as_of=np.datetime64("2021-01-01"))
    assert told.share == pytest.approx(plain.share, abs=1e-9)
    assert told.p_value == pytest.approx(plain.p_value, abs=1e-9)
    assert told.merged_links == len(made.links["source"])


def test_links_count_from_their_date_and_orders_until_as_of() -> None:
    made = world(4, 400, chance=0.03)
    dated = made.links | {"date": np.full(len(made.links["source"]), DAYS - 100)}
    late = estimate_influence(made.orders, dated, as_of=DAYS - 20, directed=False)
    always = estimate_influence(made.orders, made.links | {"date": np.nan + dated["date"]}, directed=False, as_of=DAYS)
    assert late.future_orders == np.sum(made.orders["time"] > DAYS - 20)
    assert late.share != always.share
    assert always.share == estimate_influence(made.orders, made.links, directed=False, as_of=DAYS).share


@given(seed=st.integers(0, 10_000), n=st.integers(3, 40), days=st.integers(60, 200))
@settings(max_examples=25)
def test_anything_finite_gives_shares(seed: int, n: int, days: int) -> None:
    rng = np.random.default_rng(seed)
    orders = {"customer": rng.integers(0, n, 20 * n), "time": np.floor(rng.random(20 * n) * days)}
    links = {"source": rng.integers(0, n, 3 * n), "target": rng.integers(0, n, 3 * n), "weight": rng.random(3 * n)}
    try:
        told = estimate_influence(orders, links, directed=bool(seed % 2), as_of=float(days), replicates=19)
    except BadOrders as fault:
        assert "shorter window" in str(fault)  # noqa: PT017 - refusal is an answer; which, is asserted
        return
    numbers = [told.share, *told.interval, told.used_share, told.p_value, told.p_form, told.decay, told.strength]
    assert np.all(np.isfinite(numbers))
    assert np.all(np.isfinite(told.link_share))
    assert told.interval[0] <= told.share <= told.interval[1]
    assert 0 <= told.p_value <= 1


GOOD_ORDERS = {"customer": [0, 1, 0, 1], "time": [0.0, 1.0, 2.0, 100.0]}
GOOD_LINKS = {"source": [0], "target": [1]}


@pytest.mark.parametrize(
    ("orders", "links", "told", "words"),
    [
        ({"customer": [0, -1], "time": [1.0, 2.0]}, {}, {}, "row 1"),
        ({"customer": [0.5, 1], "time": [1.0, 2.0]}, {}, {}, "whole numbers"),
        ({"customer": [0, 1], "time": [1.0, np.nan]}, {}, {}, "finite"),
        ({"customer": [0, 1], "time": [1.0]}, {}, {}, "differ in length"),
        ({"customer": [], "time": []}, {}, {}, "no orders"),
        ({"customer": [0, 1], "time": [1.0, 2.0]}, {}, {}, "after the first"),
        ({}, {"source": [1], "target": [1]}, {}, "no links"),
        ({}, {"weight": [-1.0]}, {}, "not negative"),
        ({}, {}, {"as_of": -1.0}, "after as_of"),
        ({}, {}, {"as_of": 101.0, "customers": 1}, "0 to 0"),
    ],
)
def test_bad_tables_are_refused(
    orders: dict[str, Any], links: dict[str, Any], told: dict[str, Any], words: str
) -> None:
    with pytest.raises(BadOrders, match=words):
        estimate_influence(GOOD_ORDERS | orders, GOOD_LINKS | links, **told)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"step": 0.0}, "step"),
        ({"decays": (1.0, 2.0)}, "three or more"),
        ({"decays": (1.0, 5.0, 20.0)}, "four times"),
        ({"replicates": 3}, "replicates"),
        ({"segment": [0]}, "segment"),
        ({"start": [0.0, 1.0, 2.0]}, "start"),
    ],
)
def test_bad_settings_are_refused(told: dict[str, Any], words: str) -> None:
    with pytest.raises(BadParameters, match=words):
        estimate_influence(GOOD_ORDERS, GOOD_LINKS, **told)


@pytest.mark.slow
def test_fast_seasons_of_segments_are_seen() -> None:
    """Six weeks round: too fast for the contrast. The form gives it away, and a calendar per segment takes it out."""
    alarms, odd, named = 0, 0, 0
    for seed in range(600, 612):
        made = world(seed, 1500, season=0.8, period=45.0, size=500)
        plain, told = (
            estimate_influence(made.orders, made.links, directed=False, as_of=DAYS, segment=segment)
            for segment in (None, np.arange(1500) // 500)
        )
        alarms, odd, named = alarms + plain.distinguishable, odd + (plain.p_form < 0.01), named + told.distinguishable
    assert alarms <= at_most(12, 0.05)
    assert odd >= 9
    assert named <= at_most(12, 0.05)


# From shares to the matrix

WORKED = {"source": [3, 0, 1], "target": [2, 2, 0], "weight": [3.0, 1.0, 5.0]}


def test_matrix_of_a_worked_example() -> None:
    phi = influence_matrix(WORKED, 4).toarray()
    expected = np.zeros((4, 4))
    expected[3, 2], expected[0, 2], expected[1, 0] = 0.075, 0.025, 0.1
    assert phi == pytest.approx(expected)
    # Topic before normalising: 3 * .5 against 1 * 1. Someone with nothing to say on it sets off nothing.
    topical = influence_matrix(WORKED, 4, topic=[1.0, 0.0, 1.0, 0.5]).toarray()
    assert topical[:, 2] == pytest.approx([0.04, 0, 0, 0.06])
    assert not topical[:, 0].any()
    # Ten days ago counts half, twenty a quarter: 1.5 against .25.
    aged = WORKED | {"date": [90.0, 80.0, np.nan]}
    assert influence_matrix(aged, 4, 0.7, as_of=100.0, half_life=10.0).toarray()[:, 2] == pytest.approx(
        [0.1, 0, 0, 0.6]
    )
    # Bad word of mouth keeps its sign.
    bad = influence_matrix(WORKED | {"weight": [3.0, -1.0, 5.0]}, 4, [0.0, 0.0, 0.4, 0.0]).toarray()
    assert bad[:, 2] == pytest.approx([-0.1, 0, 0, 0.3])
    assert not bad[:, 0].any()


@given(seed=st.integers(0, 1000), n=st.integers(2, 30), share=st.floats(0, 0.99))
def test_columns_sum_to_the_share(seed: int, n: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    links = {"source": rng.integers(0, n, 3 * n), "target": rng.integers(0, n, 3 * n), "weight": rng.random(3 * n)}
    phi = influence_matrix(links, n, share)
    linked = np.bincount(links["target"][links["source"] != links["target"]], minlength=n) > 0
    assert phi.sum(axis=0) == pytest.approx(share * linked)
    assert phi.diagonal() == pytest.approx(np.zeros(n))
    told = social_shares(links, n, share=share)
    assert np.bincount(told.target, told.weight, minlength=n) == pytest.approx(linked.astype(float))


def test_sensitivity_run() -> None:
    run = influence_matrices(WORKED, 4)
    assert tuple(run) == SENSITIVITY
    for share, phi in run.items():
        assert phi.sum() == pytest.approx(2 * share)


@pytest.mark.parametrize(
    ("links", "told", "fault"),
    [
        ({"source": [4, 0, 1]}, {}, BadOrders),
        ({"weight": [1.0, np.inf, 1.0]}, {}, BadOrders),
        ({"source": [0]}, {}, BadOrders),
        ({"date": [1.0, 2.0, 9.0]}, {"as_of": 3.0, "half_life": 1.0}, BadOrders),
        ({}, {"share": 1.0}, BadParameters),
        ({}, {"share": [0.1]}, BadParameters),
        ({}, {"topic": 2.0}, BadParameters),
        ({}, {"half_life": 1.0}, BadParameters),
        ({}, {"half_life": 0.0}, BadParameters),
    ],
)
def test_bad_links_and_shares_are_refused(links: dict[str, Any], told: dict[str, Any], fault: type[ValueError]) -> None:
    with pytest.raises(fault):
        influence_matrix(WORKED | links, 4, **told)


# Many worlds


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "story"),
    [
        (100, {"season": 0.8}),
        (200, {"season": 0.8, "week": 0.5, "common": True}),
        (300, {"season": 0.5, "directed": True}),
    ],
    ids=["seasons of clusters", "one season, and weekdays", "directed"],
)
def test_no_alarm_where_friends_are_alike(seed: int, story: dict[str, Any]) -> None:
    found = estimates(range(seed, seed + 40), n=1500, **story)
    assert sum(told.p_value < 0.05 for _, told in found) <= at_most(40, 0.05)
    assert sum(told.distinguishable for _, told in found) <= at_most(40, 0.05)
    assert sum(told.interval[0] > 0 for _, told in found) <= at_most(40, 0.05)


@pytest.mark.slow
@pytest.mark.parametrize("directed", [False, True])
def test_interval_covers_influence_under_homophily(directed: bool) -> None:
    found = estimates(range(400, 420), directed=directed, chance=0.025)
    missed = sum(not told.interval[0] <= made.share <= told.interval[1] for made, told in found)
    assert missed <= at_most(20, 0.05)
    assert all(told.distinguishable for _, told in found)


@pytest.mark.slow
def test_error_shrinks_with_size() -> None:
    small, large = (estimates(range(500, 516), n=n, chance=0.025) for n in (800, 6400))
    assert root_mean_square(large) < 0.6 * root_mean_square(small)
    width = [np.mean([told.interval[1] - told.interval[0] for _, told in found]) for found in (small, large)]
    assert width[1] < 0.5 * width[0]


GOWALLA = Path("../shared/data/gowalla")


@pytest.mark.skipif(not GOWALLA.exists(), reason="the data are not here")
def test_gowalla_against_its_null() -> None:
    import pyarrow.parquet as pq

    visits, friends = (
        pq.read_table(GOWALLA / f"{name}.parquet").to_pandas()
        for name in ("checkins_1000_users", "friends_18737_users")
    )
    friends = friends[(friends.user_id < 1000) & (friends.friend_id < 1000)]
    days = visits.assign(day=visits.timestamp.dt.floor("D")).drop_duplicates(["user_id", "day"])
    orders = {"customer": days.user_id.to_numpy(), "time": days.day.to_numpy()}
    links = {"source": friends.user_id.to_numpy(), "target": friends.friend_id.to_numpy()}
    told = estimate_influence(orders, links, directed=False, same_day=False)
    assert len(told.source) == 2 * 7711
    assert told.orders == len(days) - 1000
    assert 0 <= told.interval[0] <= told.share <= told.interval[1] < 1
    assert told.used_share <= told.share
    # What shifted days show is not what these days show, whichever way the verdict goes.
    assert told.null.upper < told.interval[1]
