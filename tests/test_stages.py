"""Stages: one for every customer, by rules that hold by hand, with numbers computed elsewhere."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

import klantwaarde as kw
from klantwaarde.beside.attributes import attributes
from klantwaarde.engine.relation import registered
from klantwaarde.errors import BadOrders, BadParameters
from klantwaarde.lifecycle.next_order import overdue
from klantwaarde.lifecycle.rules import RULES, STAGES
from klantwaarde.lifecycle.stages import COLUMNS, Before, cross, staged, stages
from klantwaarde.purchases.cells import Cells
from truths import CDNOW_BG, CDNOW_MBG, CDNOW_PARETO

AS_OF = dt.date(2024, 12, 31)
MODELS = [CDNOW_PARETO, CDNOW_MBG, CDNOW_BG]


class Scene(NamedTuple):
    """Scored customers and their orders."""

    scored: kw.Scored
    orders: kw.Orders


def scene(frame: Any, as_of: Any = AS_OF, Model: Any = kw.ParetoNBD, **how: Any) -> Scene:
    orders = kw.orders(frame, **how)
    base = kw.customers(orders, as_of)
    spend = kw.fit(kw.GammaGamma, base.spend()) if orders.has_money else None
    return Scene(kw.score(base, kw.Fits(kw.fit(Model, base.cells()), spend)), orders)


def shop(seed: int = 1, customers: int = 300) -> pd.DataFrame:
    """Orders of a shop with regulars, one-timers, people who left, some who came back, and returns."""
    rng = np.random.default_rng(seed)
    born = rng.integers(0, 1000, customers)
    rate, gone = rng.gamma(0.8, 1 / 40, customers), rng.exponential(500, customers)
    rows = [(f"k{i:03d}", born[i], 20.0) for i in range(customers)]
    for i in range(customers):
        days = born[i] + np.cumsum(rng.exponential(1 / rate[i], 60)).astype(int)
        rows += [(f"k{i:03d}", day, 10.0 + day % 7) for day in days[(days < 1000) & (days < born[i] + gone[i])]]
    rows += [(f"r{i:03d}", 500 + i, -5.0) for i in range(5)]
    frame = pd.DataFrame(rows, columns=["customer_id", "day", "amount"])
    frame["date"] = pd.Timestamp("2022-04-07") + pd.to_timedelta(frame.pop("day"), unit="D")
    return frame


@pytest.fixture(scope="module", name="small")
def _small() -> Scene:
    return scene(shop())


@pytest.fixture(scope="module", name="discs")
def _discs() -> Scene:
    return scene(str(kw.datasets.cdnow_sample()), "1997-09-30")


def fit_of(model: Any) -> Any:
    """A fit that nobody made."""
    return kw.Fit(model, 0.0, np.eye(4), {}, "converged", "", 1.0, 1, unit="week")


# --- everyone once


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("which", ["small", "discs"])
def test_every_customer_has_exactly_one_stage(request: pytest.FixtureRequest, which: str, rules: str) -> None:
    scored, orders = request.getfixturevalue(which)
    found = stages(scored, orders, rules=rules)
    frame = found.to_pandas()
    assert list(frame) == [name for name, _, _ in COLUMNS] == found.to_arrow().column_names
    assert sorted(frame.customer_id) == sorted(scored.customers.to_pandas().customer_id)
    assert set(frame.stage) <= set(STAGES)
    assert frame.stage_reason.notna().all()
    assert found.counts() == {stage: int((frame.stage == stage).sum()) for stage in STAGES}
    known = frame[frame.stage != "prospect"]
    assert known[["p_alive", "p_active", "overdue"]].apply(lambda c: c.between(0, 1).all()).all()
    assert (known.stage_since <= pd.Timestamp(found.as_of)).all()
    bad = known.stage.isin(["at_risk", "dormant", "lost"])
    assert (known.at_risk_from[bad] <= pd.Timestamp(found.as_of)).all()
    good = known.stage.isin(["new", "core", "growing", "declining"]) & known.at_risk_from.notna()
    assert (known.at_risk_from[good] > pd.Timestamp(found.as_of)).all()


histories = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 1400), st.sampled_from([-3.0, 0.0, 9.5, 80.0])),
    min_size=1,
    max_size=40,
)


@pytest.mark.slow
@settings(max_examples=12)
@given(rows=histories, rules=st.sampled_from(sorted(RULES)), model=st.sampled_from(MODELS))
def test_one_stage_whatever_the_orders(rows: list[tuple[int, int, float]], rules: str, model: Any) -> None:
    frame = pd.DataFrame(rows, columns=["customer_id", "day", "amount"])
    frame["date"] = pd.Timestamp("2021-01-01") + pd.to_timedelta(frame.pop("day"), unit="D")
    base = kw.customers(kw.orders(frame), "2024-12-31")
    found = staged(base, fit_of(model), RULES[rules]).to_pandas()
    assert sorted(found.customer_id) == sorted(frame.customer_id.unique())
    assert set(found.stage) <= set(STAGES)
    netted = frame.groupby(["customer_id", "date"]).amount.sum().groupby("customer_id").max()
    assert set(found.customer_id[found.stage == "prospect"]) == set(netted[netted < 0].index)


def test_versions_name_the_rules() -> None:
    assert [rules.version for rules in RULES.values()] == ["default-1", "days-1", "rfm-1"]


# --- by hand


def one_customer(days: list[int], rules: str = "default", model: Any = CDNOW_PARETO, **how: Any) -> pd.Series:
    """The stage of a customer who ordered so many days before the end."""
    dates = [AS_OF - dt.timedelta(days=day) for day in days]
    base = kw.customers(kw.orders(pd.DataFrame({"customer_id": "a", "date": dates})), AS_OF)
    return staged(base, fit_of(model), RULES[rules], **how).to_pandas().iloc[0]


def every(gap: int, start: int, stop: int = 0) -> list[int]:
    return list(range(start, stop - 1, -gap))


@pytest.mark.parametrize(
    ("days", "stage", "clause"),
    [
        ([20], "new", "young"),
        (every(14, 700, 7), "core", "steady"),
        (every(14, 749, 49), "at_risk", "overdue"),
        (every(14, 700, 200), "lost", "p_alive"),
        ([200], "dormant", "p_alive"),
        ([800], "lost", "p_active"),
        ([900, 850, 30], "won_back", "came back"),
        ([*every(28, 700, 100), 90, 80, 70, 60, 50, 40, 30, 20, 10], "growing", "more"),
        ([*every(10, 700, 100), 60, 10], "declining", "fewer"),
    ],
)
def test_the_rules_by_hand(days: list[int], stage: str, clause: str) -> None:
    found = one_customer(days)
    assert (found.stage, found.clause) == (stage, clause)


def test_reasons_give_the_numbers() -> None:
    back = one_customer([900, 850, 30])
    assert back.stage_reason == "ordered again on 2024-12-01 after 820 days of silence"
    assert back.stage_since == pd.Timestamp("2024-12-01")
    down = one_customer([*every(10, 700, 100), 60, 10])
    assert down.stage_reason == "2 of 62 repeat orders in the last 91 days, 8.1 at a steady rate"
    gone = one_customer([800])
    chance = float(kw.models.p_active(CDNOW_PARETO, 26.0, 0.0, 0.0, 800 / 7))
    assert gone.stage_reason == f"chance of an order in the next 182 days {chance:.3f}, below 0.050"
    assert one_customer([20]).stage_reason == "first order 20 days ago"


@pytest.mark.parametrize("days", [every(14, 700, 100), [100], [800], every(14, 700, 7), [300, 290, 280]])
def test_since_and_at_risk_from_are_the_days_on_which_it_happens(days: list[int]) -> None:
    """Looked at from earlier or later, the stage changes on the days that were told."""
    found = one_customer(days)
    last = AS_OF - dt.timedelta(days=days[-1])

    def seen(day: pd.Timestamp) -> str:
        later = (day.date() - AS_OF).days
        return str(one_customer([one + later for one in days]).stage)

    if found.stage in {"at_risk", "dormant", "lost"}:
        assert seen(found.stage_since) == found.stage
        before = found.stage_since - pd.Timedelta(days=1)
        assert before.date() < last or seen(before) != found.stage
    bad = {"at_risk", "dormant", "lost"}
    assert seen(found.at_risk_from) in bad
    assert (found.at_risk_from - pd.Timedelta(days=1)).date() < last or seen(
        found.at_risk_from - pd.Timedelta(days=1)
    ) not in bad


def test_the_next_order_is_the_median() -> None:
    found = one_customer(every(14, 700, 7))
    x, T = len(every(14, 700, 7)) - 1, 100.0
    median = (CDNOW_PARETO.alpha + T) * (2 ** (1 / (CDNOW_PARETO.r + x)) - 1) * 7
    assert found.next_order_expected == pd.Timestamp(AS_OF) + pd.Timedelta(days=int(np.ceil(median)))
    assert pd.isna(one_customer([800]).next_order_expected)


@pytest.mark.parametrize(
    ("days", "stage"),
    [
        ([90], "new"),
        ([91], "at_risk"),
        ([400, 89], "won_back"),
        ([400, 90], "core"),
        ([200, 90], "core"),
        ([200, 91], "at_risk"),
        ([200, 180], "at_risk"),
        ([400, 181], "dormant"),
        ([400, 365], "dormant"),
        ([700, 366], "lost"),
        ([270, 89], "won_back"),
        ([269, 89], "core"),
    ],
)
def test_the_rules_by_days_by_hand(days: list[int], stage: str) -> None:
    assert one_customer(days, "days").stage == stage


def test_scores_by_hand() -> None:
    """Twenty customers, silences of 10, 20, ... 200 days; the first of each ten pairs ordered often and much."""
    rows = []
    for i in range(20):
        silent = 10 * (i + 1)
        count = 8 if i % 2 == 0 else 2
        rows += [(i, silent + 12 * j, 100.0 if i % 2 == 0 else 1.0) for j in range(count)]
    frame = pd.DataFrame(rows, columns=["customer_id", "ago", "amount"])
    frame["date"] = [AS_OF - dt.timedelta(days=int(ago)) for ago in frame.pop("ago")]
    base = kw.customers(kw.orders(frame), AS_OF)
    found = staged(base, fit_of(CDNOW_PARETO), RULES["rfm"]).to_pandas().sort_values("customer_id").stage.tolist()
    # Limits of silence: 40, 80, 120, 160 days. Worth much: core to 120, at risk to 160, dormant beyond.
    much = ["core"] * 6 + ["at_risk"] * 2 + ["dormant"] * 2
    little = ["core"] * 4 + ["at_risk"] * 2 + ["dormant"] * 2 + ["lost"] * 2
    assert found[0::2] == much
    assert found[1::2] == little


def test_the_last_days_gap_counts_only_while_it_is_recent() -> None:
    assert one_customer([900, 400, 89]).stage == "won_back"
    # Twice the median of mean gaps: (900 - 91) / 2 is above 90 days, so that the window is longer.
    assert one_customer([900, 400, 91]).stage == "won_back"
    assert one_customer([1300, 1290, 1280, 1270, 1260, 1250, 1240, 1230, 300]).stage != "won_back"


def test_a_gap_within_the_window_counts_too() -> None:
    """Weekly, then 89 days of silence, then weekly: the return 49 days ago is still recent."""
    days = [*every(7, 700, 140), *every(7, 49, 0)]
    assert one_customer(days).stage == "won_back"
    assert one_customer(days).stage_since == pd.Timestamp(AS_OF - dt.timedelta(days=49))


# --- against a plain reading of the rules, customer by customer


@pytest.mark.slow
@pytest.mark.parametrize("Model", [kw.ParetoNBD, kw.MBGNBD])
def test_against_a_plain_loop(Model: Any) -> None:
    frame = shop(seed=5, customers=120)
    orders = kw.orders(frame)
    base = kw.customers(orders, AS_OF)
    fit = kw.fit(Model, base.cells())
    found = staged(base, fit, RULES["default"]).to_pandas().set_index("customer_id").stage
    bought = frame.groupby(["customer_id", "date"]).amount.sum().reset_index()
    bought = bought[bought.amount >= 0]
    days = {who: sorted(part.date) for who, part in bought.groupby("customer_id")}
    gaps = [(d[-1] - d[0]).days / (len(d) - 1) for d in days.values() if len(d) > 1]
    window = max(90, int(2 * np.quantile(gaps, 0.5, method="inverted_cdf")))
    for who, stage in found.items():
        assert stage == (plain(fit.model, days[who], window) if who in days else "prospect"), who


def plain(model: Any, days: list[pd.Timestamp], window: int) -> str:  # noqa: PLR0911 - one per stage
    ago = lambda day: (pd.Timestamp(AS_OF) - day).days
    weeks = lambda until, x: (float(x), (days[x] - days[0]).days / 7, (until - days[0]).days / 7)
    for before, day in itertools.pairwise(range(len(days))):
        history = weeks(days[day], before)
        gone = kw.models.p_alive(model, *history) < 0.5 or kw.models.p_active(model, 26.0, *history) < 0.05
        if ago(days[day]) < window and gone:
            return "won_back"
    x = len(days) - 1
    history = weeks(pd.Timestamp(AS_OF), x)
    alive, active = float(kw.models.p_alive(model, *history)), float(kw.models.p_active(model, 26.0, *history))
    if ago(days[0]) <= 90 and alive >= 0.5:
        return "new"
    if alive < 0.2 or active < 0.05:
        return "lost"
    if alive < 0.5:
        return "dormant"
    if alive < 0.8 or overdue(model, *history) < 0.05:
        return "at_risk"
    k, T = sum(ago(day) < 91 for day in days[1:]), ago(days[0])
    if T > 91:
        share, ratio = 91 / T, ((k + 0.5) / 91) / ((x - k + 0.5) / (T - 91))
        if binom.cdf(k, x, share) < 0.05 and ratio < 0.8:
            return "declining"
        if binom.sf(k - 1, x, share) < 0.05 and ratio > 1.25:
            return "growing"
    return "core"


# --- no dropout, nobody lost


@pytest.mark.slow
def test_without_dropout_hardly_anyone_is_lost() -> None:
    table = kw.simulate(kw.NBD(1.2, 8.0), 4000, start="2022-01-01", end="2024-12-31", seed=4)
    base = kw.customers(kw.orders(table), AS_OF)
    for Model in (kw.ParetoNBD, kw.NBD):
        counts = staged(base, kw.fit(Model, base.cells()), RULES["default"]).counts()
        assert sum(counts.values()) == 4000
        assert counts["lost"] < 40


# --- prospects, earlier stages, life stages


def test_leads_are_prospects(small: Scene) -> None:
    engine = small.orders.engine
    name = engine.new_name("leads")
    engine.register(name, pa.table({"customer_id": ["k001", "new one", "new two", "new two", None]}))
    found = stages(*small, prospects=name).to_pandas()
    assert len(found) == small.scored.customers.totals["customers"] + 2
    leads = found[found.clause == "lead"]
    assert sorted(leads.customer_id) == ["new one", "new two"]
    assert set(leads.stage) == {"prospect"}
    returned = found[found.customer_id.str.startswith("r")]
    assert set(returned.stage_reason) == {"no purchase: nothing is left after returns"}
    engine.register(f"{name}_bad", pa.table({"customer_id": [1, 2]}))
    with pytest.raises(BadOrders, match="Cast it before"):
        stages(*small, prospects=f"{name}_bad")
    engine.register(f"{name}_none", pa.table({"client": ["a"]}))
    with pytest.raises(BadOrders, match="no column customer_id"):
        stages(*small, prospects=f"{name}_none")


def kept_at(stage: str, since: dt.date, days: list[int], as_of: dt.date, model: Any) -> pd.Series:
    """The stage of a customer who had another one at a day before the end."""
    dates = [AS_OF - dt.timedelta(days=day) for day in days]
    base = kw.customers(kw.orders(pd.DataFrame({"customer_id": "a", "date": dates})), AS_OF)
    earlier = pa.table({"customer_id": ["a"], "stage": [stage], "stage_since": [since]})
    previous = Before(registered(base.engine, "before", earlier), as_of)
    return staged(base, fit_of(model), RULES["default"], previous=previous).to_pandas().iloc[0]


def test_without_an_order_a_stage_only_gets_better_by_more_than_the_slack() -> None:
    earlier, since = AS_OF - dt.timedelta(days=10), AS_OF - dt.timedelta(days=40)
    x, t_x = 6.0, (400 - 60) / 7
    model = CDNOW_MBG
    days = [400, 350, 300, 250, 200, 150, 60]
    chance = float(kw.models.p_alive(model, x, t_x, 400 / 7))
    near, far = (next(d for d in range(60, 300) if low <= alive_after(model, d) < low + 0.045) for low in (0.502, 0.56))
    for silent, expected in ((near, "dormant"), (far, "at_risk")):
        shifted = [day - 60 + silent for day in days]
        assert one_customer(shifted, model=model).stage == "at_risk"
        found = kept_at("dormant", since, shifted, earlier, model)
        assert found.stage == expected
        assert found.previous_stage == "dormant"
        assert (found.stage_since == pd.Timestamp(since)) == (expected == "dormant")
        # An order since then: staged afresh.
        fresh = kept_at("dormant", since, shifted, AS_OF - dt.timedelta(days=silent + 1), model)
        assert fresh.stage == "at_risk"
    assert 0 < chance < 1


def alive_after(model: Any, silent: int) -> float:
    """P(alive) of seven orders in 340 days and so many days of silence."""
    return float(kw.models.p_alive(model, 6.0, 340 / 7, (340 + silent) / 7))


def test_declining_does_not_heal_by_waiting() -> None:
    days = every(14, 700, 7)
    assert one_customer(days).stage == "core"
    since = AS_OF - dt.timedelta(days=50)
    assert kept_at("declining", since, days, AS_OF - dt.timedelta(days=1), CDNOW_PARETO).stage == "declining"
    assert kept_at("declining", since, days, AS_OF - dt.timedelta(days=20), CDNOW_PARETO).stage == "core"
    assert kept_at("core", since, days, AS_OF - dt.timedelta(days=20), CDNOW_PARETO).stage_since == pd.Timestamp(since)


def test_life_stages_crossed_add_up(small: Scene) -> None:
    found = stages(*small)
    frame = found.to_pandas()
    known = pd.DataFrame({"customer_id": [f"k{i:03d}" for i in range(200)]})
    known["life stage"] = ["young", "family"] * 100
    rows = cross(found, attributes(known, small.scored.customers), "life stage")
    assert sum(row.customers for row in rows) == len(frame)
    assert {row.level for row in rows} == {"young", "family", "unknown"}
    total = sum(row.value or 0 for row in rows)
    scored = small.scored.to_pandas()
    assert total == pytest.approx(scored.rlv.sum(), abs=1e-4 * len(scored))
    joined = frame.merge(scored[["customer_id", "rlv"]]).merge(known, how="left").fillna({"life stage": "unknown"})
    for row in rows:
        part = joined[(joined.stage == row.stage) & (joined["life stage"] == row.level)]
        assert row.customers == len(part)
        assert (row.value or 0) == pytest.approx(part.rlv.sum(), abs=1e-4 * len(part) + 1e-9)
        assert row.potential is None
    engine = small.orders.engine
    engine.register("headroom_of", pa.table({"customer_id": frame.customer_id, "potential": np.full(len(frame), 2.5)}))
    told = cross(found, attributes(known, small.scored.customers), "life stage", potential="headroom_of")
    assert all(row.potential == pytest.approx(2.5 * row.customers) for row in told)
    with pytest.raises(BadOrders, match="no column age"):
        cross(found, attributes(known, small.scored.customers), "age")


@pytest.mark.slow
def test_orders_without_money_are_staged() -> None:
    found = scene(shop()[["customer_id", "date"]])
    for rules in RULES:
        assert sum(stages(*found, rules=rules).counts().values()) == 305
    frame = stages(*found).to_pandas()
    known = pd.DataFrame({"customer_id": frame.customer_id, "channel": "web"})
    rows = cross(stages(*found), attributes(known, found.scored.customers), "channel")
    assert all(row.value is None for row in rows)


def test_orders_of_someone_else_and_other_days_are_refused(small: Scene) -> None:
    with pytest.raises(BadParameters, match="not those that were scored"):
        stages(small.scored, kw.orders(shop()))
    with pytest.raises(BadParameters, match="not the day of the scores"):
        stages(*small, as_of="2024-06-30")
    with pytest.raises(BadParameters, match="spend model"):
        staged(small.scored.customers, small.scored.spend, RULES["default"])  # type: ignore[arg-type]
    assert stages(*small, as_of=AS_OF).as_of == AS_OF


def test_written_and_read_back(small: Scene, tmp_path: Any) -> None:
    found = stages(*small)
    table = pq.read_table(found.write(tmp_path / "stages.parquet"))
    assert table.num_rows == sum(found.counts().values())
    assert table.schema.metadata[b"rules"] == b"default-1"


def test_later_orders_change_nothing() -> None:
    frame = shop()
    cut = pd.Timestamp("2024-06-30")
    with_later, without = kw.orders(frame), kw.orders(frame[frame.date <= cut])
    one, other = (
        staged(kw.customers(orders, cut.date()), fit_of(CDNOW_PARETO), RULES["default"]).to_pandas()
        for orders in (with_later, without)
    )
    sort = lambda f: f.sort_values("customer_id").reset_index(drop=True)
    pd.testing.assert_frame_equal(sort(one), sort(other))


def test_cells_are_those_of_the_models() -> None:
    """The chances in a row are those of the public functions."""
    found = one_customer([400, 300, 100])
    history = (2.0, 300 / 7, 400 / 7)
    assert found.p_alive == pytest.approx(float(kw.models.p_alive(CDNOW_PARETO, *history)), rel=1e-12)
    assert found.p_active == pytest.approx(float(kw.models.p_active(CDNOW_PARETO, 26.0, *history)), rel=1e-12)
    assert found.overdue == pytest.approx(float(overdue(CDNOW_PARETO, *history)), rel=1e-12)
    assert Cells(*(np.array([v]) for v in history)).customers == 1
