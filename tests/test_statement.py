"""The statement: six customers by hand, oracles, exact sums for any base, and a mean experience of zero."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.integrate import quad
from tests.six_customers import AFTER, BEFORE, GROWTH

import klantwaarde as kw
from klantwaarde.asset.decomposition import factor_effects, logarithmic_mean
from klantwaarde.asset.equity import future_cohorts, newcomer_value
from klantwaarde.asset.ledger import ledger
from klantwaarde.asset.standing import STAGES
from klantwaarde.asset.statement import PARTS, Statement, revalued, statement
from klantwaarde.models import BGNBD, MBGNBD, NBD, GammaGamma, ParetoNBD
from klantwaarde.value.horizon_value import ahead, dect

PARETO = ParetoNBD(0.553277, 10.577679, 0.606240, 11.668740)
BG = BGNBD(0.2426, 4.4136, 0.7930, 2.4262)
MBG = MBGNBD(0.525, 6.183, 0.891, 1.614)
DELTA = 0.0027

TOTALS = {  # by hand, see six_customers
    "opening": "435",
    "unwind": "43.5",
    "released": "69.3",
    "spend": "47",
    "frequency": "-117",
    "retention": "6.8",
    "new_customers": "60",
    "model_change": "3",
    "closing": "409",
}
EACH = {  # customer: opening, unwind, released, spend, frequency, retention, new, model change, closing
    1: ("100", "10", "11", "0", "19.9", "1.1", "0", "6", "126"),
    2: ("200", "20", "44", "0", "-119", "93", "0", "0", "150"),
    3: ("50", "5", "5.5", "0", "-17.85", "-27.65", "0", "0", "4"),
    4: ("80", "8", "8.8", "0", "-20.8", "-56.4", "0", "0", "2"),
    5: ("0", "0", "0", "0", "0", "0", "60", "-3", "57"),
    6: ("5", "0.5", "0", "47", "20.75", "-3.25", "0", "0", "70"),
}


def closes(told: Statement) -> None:
    """In total and for every customer, exactly."""
    assert told.expected_closing + told.experience + told.new_customers + told.model_change == told.closing
    assert sum(told.by_line.values()) == told.experience
    rows = told.customers().to_pylist()
    for row in rows:
        parts = [row[name] for name in PARTS]
        opening, unwind, released, spend, frequency, retention, new, model, closing = parts
        assert opening + unwind - released + spend + frequency + retention + new + model == closing
    for name in PARTS:
        assert sum((row[name] for row in rows), Decimal(0)) == getattr(told, name)


def test_six_customers_by_hand() -> None:
    told = statement(BEFORE, AFTER, growth=GROWTH)
    assert {name: getattr(told, name) for name in PARTS} == {name: Decimal(text) for name, text in TOTALS.items()}
    assert told.expected_closing == Decimal("409.2")
    assert told.experience == Decimal("-63.2")
    assert {line: value for line, value in told.by_line.items() if value} == {
        "won_back": Decimal("64.5"),
        "lost": Decimal("-122.7"),
        "up": Decimal(21),
        "down": Decimal(-26),
    }
    assert told.known == (Decimal(91), Decimal("66.15"))
    assert told.new == (Decimal(12), Decimal(10))
    closes(told)


@pytest.mark.parametrize("customer", EACH)
def test_six_customers_one_by_one(customer: int) -> None:
    rows = {row["customer_id"]: row for row in statement(BEFORE, AFTER, growth=GROWTH).customers().to_pylist()}
    assert [rows[customer][name] for name in PARTS] == [Decimal(text) for text in EACH[customer]]


def test_those_behind_a_line() -> None:
    told = statement(BEFORE, AFTER, growth=GROWTH).customers("lost", 1)
    assert told.column("customer_id").to_pylist() == [4]
    assert told.column("experience").to_pylist() == [Decimal("-77.2")]


FACTORS = st.tuples(
    *[st.integers(-50, 10**5).map(lambda n: n / 100)] + [st.integers(0, 10**4).map(lambda n: n / 100)] * 2
)
BASES = st.dictionaries(st.integers(0, 30), st.tuples(st.sampled_from(STAGES), FACTORS, FACTORS), max_size=20)


def plain(base: dict[int, Any], *, value: bool) -> dict[str, Any]:
    ids = sorted(base)
    columns = {name: [base[i][1][n] for i in ids] for n, name in enumerate(("margin", "rate", "lifetime"))}
    columns |= {name: [abs(one) for one in columns[name]] for name in ("rate", "lifetime")}
    columns["value" if value else "realised"] = [base[i][2][0] for i in ids]
    columns["released"] = [min(base[i][2][1], columns["rate"][n] * columns["lifetime"][n]) for n, i in enumerate(ids)]
    typed = {name: pa.array(values, pa.float64()) for name, values in columns.items()}
    stage = pa.array([base[i][0] for i in ids], pa.string())
    return {"customer_id": pa.array(ids, pa.int64()), "stage": stage} | typed


@given(BASES, BASES, st.floats(0.5, 1.5))
@settings(max_examples=10)
def test_any_statement_closes(before: dict[int, Any], after: dict[int, Any], growth: float) -> None:
    one, other = plain(before, value=False), plain(after, value=True)
    told = statement(one, other, growth=growth)
    closes(told)
    books = ledger(one | {"value": np.prod([one[name] for name in ("margin", "rate", "lifetime")], axis=0)}, other)
    assert (told.opening, told.closing) == (books.total.opening, books.total.closing)


@given(BASES, BASES)
@settings(max_examples=5)
def test_experience_is_split_as_factor_effects_do(before: dict[int, Any], after: dict[int, Any]) -> None:
    """The SQL and the array formula, customer by customer."""
    known = {i: (stage, tuple(map(abs, f)), g) for i, (stage, f, g) in before.items() if stage != "prospect"}
    later = {i: (stage, tuple(map(abs, f)), g) for i, (stage, f, g) in after.items()}
    one, other = plain(known, value=False), plain(later, value=True)
    for method in ("shapley", "lmdi"):
        rows = statement(one, other, growth=1.25, method=method).customers().to_pylist()
        for row in rows:
            if row["customer_id"] not in known:
                continue
            m, rate, life = known[row["customer_id"]][1]
            due = min(known[row["customer_id"]][2][1], rate * life)
            start = np.array([m, rate, 1.25 * max(life - (due / rate if rate else 0.0), 0.0)])
            end = np.array(later.get(row["customer_id"], ("", (0.0, 0.0, 0.0)))[1])
            if start[2] < 1e-9:  # nothing left of the lifetime but rounding
                continue
            effects = factor_effects(start, end, method)
            got = [float(row[name]) for name in ("spend", "frequency", "retention")]
            np.testing.assert_allclose(got, effects, rtol=1e-9, atol=3e-4)


def test_shapley_oracle() -> None:
    effects = factor_effects([30, 0.10, 150], [33, 0.08, 120])
    np.testing.assert_allclose(effects, [36.6, -84.9, -84.9], rtol=1e-12)
    lmdi = factor_effects([30, 0.10, 150], [33, 0.08, 120], "lmdi")
    mean = (450 - 316.8) / np.log(450 / 316.8)
    np.testing.assert_allclose(lmdi, mean * np.log([33 / 30, 0.08 / 0.10, 120 / 150]), rtol=1e-12)
    assert lmdi.sum() == pytest.approx(-133.2, rel=1e-12)


VECTORS = st.integers(1, 5).flatmap(
    lambda k: st.tuples(*[arrays(float, (3, k), elements=st.floats(-100, 100, allow_subnormal=False))] * 2)
)


@given(VECTORS)
def test_shapley_is_the_mean_over_all_orders(pair: tuple[np.ndarray, np.ndarray]) -> None:
    start, end = pair
    k = start.shape[1]
    mean, orders = np.zeros_like(start), list(permutations(range(k)))
    for order in orders:
        now = start.copy()
        for factor in order:
            before = now.prod(1)
            now[:, factor] = end[:, factor]
            mean[:, factor] += (now.prod(1) - before) / len(orders)
    effects = factor_effects(start, end)
    scale = 1e-12 * 100.0**k
    np.testing.assert_allclose(effects, mean, rtol=1e-9, atol=scale)
    np.testing.assert_allclose(effects.sum(1), end.prod(1) - start.prod(1), rtol=1e-9, atol=scale)
    np.testing.assert_allclose(effects, -factor_effects(end, start), rtol=1e-9, atol=scale)


POSITIVE = st.integers(1, 5).flatmap(
    lambda k: st.tuples(*[arrays(float, (3, k), elements=st.just(0.0) | st.floats(1e-3, 1e3))] * 2)
)


@given(POSITIVE)
def test_lmdi_leaves_no_residual_and_reverses_in_time(pair: tuple[np.ndarray, np.ndarray]) -> None:
    start, end = pair
    effects = factor_effects(start, end, "lmdi")
    assert np.isfinite(effects).all()
    scale = np.maximum(start.prod(1), end.prod(1))
    np.testing.assert_allclose((effects.sum(1) - end.prod(1) + start.prod(1)) / (scale + 1e-300), 0, atol=1e-9)
    np.testing.assert_allclose(effects, -factor_effects(end, start, "lmdi"), rtol=1e-9, atol=1e-12 * scale.max())


def test_lmdi_limits() -> None:
    """Where factors vanish together, small values in their place give the same."""
    tiny = 1e-300
    near = factor_effects([2, 3, 5], [2, tiny, 4], "lmdi")
    exact = factor_effects([2, 3, 5], [2, 0, 4], "lmdi")
    np.testing.assert_allclose(exact, [0, -30, 0], atol=1e-12)
    np.testing.assert_allclose(near, exact, atol=0.05)
    np.testing.assert_allclose(factor_effects([2, 3, 5], [0, 3, 0], "lmdi"), [-15, 0, -15])
    np.testing.assert_allclose(logarithmic_mean([3.0, 0, 2], [3.0, 4, 2 + 1e-9]), [3, 0, 2 + 5e-10], rtol=1e-14)


@pytest.mark.parametrize(
    ("start", "end", "method", "why"),
    [
        ([1, np.nan], [1, 2], "shapley", "finite, but row 0, factor 1"),
        ([[1, 2], [-1, 2]], [[1, 2], [1, 2]], "lmdi", "row 1, factor 0"),
        ([1, 2], [1, 2], "laspeyres", "not one of shapley, lmdi"),
        (np.ones((2, 17)), np.ones((2, 17)), "shapley", "1 to 16 factors"),
    ],
)
def test_effects_that_cannot_be_are_refused(start: Any, end: Any, method: Any, why: str) -> None:
    with pytest.raises(kw.BadParameters, match=why):
        factor_effects(start, end, method)


def test_lmdi_refuses_negative_margins() -> None:
    bad = BEFORE.set_column(2, "margin", pa.array([-10.0, 20, 5, 8, 1]))
    with pytest.raises(kw.BadParameters, match=r"1 customer\(s\) have one"):
        statement(bad, AFTER, method="lmdi")
    closes(statement(bad, AFTER))


def test_plain_tables_that_cannot_be_are_refused() -> None:
    with pytest.raises(kw.BadOrders, match="missing are lifetime"):
        statement(BEFORE.drop_columns("lifetime"), AFTER)
    with pytest.raises(kw.BadOrders, match=r"5 row.s. before have a value"):
        statement(BEFORE.append_column("value", pa.array([1.0] * 5)), AFTER)
    with pytest.raises(kw.BadOrders, match=r"1 row.s. before have a released below 0 or above"):
        statement(BEFORE.set_column(5, "released", pa.array([10.1, 0, 0, 0, 0])), AFTER)
    with pytest.raises(kw.BadParameters, match="growth"):
        statement(BEFORE, AFTER, growth=0.0)
    with pytest.raises(kw.BadOrders, match="must be finite"):
        statement(BEFORE.set_column(2, "margin", pa.array([np.nan, 20, 5, 8, 1])), AFTER)


HISTORY = (
    np.array([0.0, 0, 2, 7, 26]),
    np.array([0.0, 0, 30.43, 35, 30.857]),
    np.array([1.0, 38.86, 38.86, 77.86, 31]),
)


@pytest.mark.parametrize("horizon", [0.5, 13.0, 52.0, 260.0])
def test_released_of_pareto_nbd_in_closed_form(horizon: float) -> None:
    """What comes later than H is DERT of a dropout rate that has survived H."""
    told = ahead(PARETO, horizon, DELTA, *HISTORY)
    alive = kw.models.p_alive(PARETO, *HISTORY)
    now = PARETO.given_alive(HISTORY[0], HISTORY[1], HISTORY[2])
    survived = (now.beta / (now.beta + horizon)) ** now.s * np.exp(-DELTA * horizon)
    later = alive * survived * now._replace(beta=now.beta + horizon).discounted(DELTA)
    np.testing.assert_allclose(told.released, kw.models.dert(PARETO, DELTA, *HISTORY) - later, rtol=1e-9)
    np.testing.assert_allclose(told.expected, kw.models.cet(PARETO, horizon, *HISTORY), rtol=1e-12)
    np.testing.assert_allclose(told.rate, (PARETO.r + HISTORY[0]) / (PARETO.alpha + HISTORY[2]), rtol=1e-14)


@pytest.mark.parametrize("model", [NBD(0.5, 10.0), BG, MBG, PARETO], ids=lambda model: type(model).__name__)
def test_released_by_its_definition(model: Any) -> None:
    """The integral of e^(-delta s) dCET(s), dCET by differences."""
    x, t_x, T = 2.0, 30.43, 38.86

    def slope(s: float) -> float:
        step = 1e-3
        up, down = (float(kw.models.cet(model, s + sign * step, x, t_x, T)) for sign in (1, -1))
        return float(np.exp(-0.02 * s)) * (up - down) / (2 * step)

    expected = quad(slope, 1e-3, 13 + 1e-3, epsabs=1e-10)[0]
    assert float(dect(model, 13.0, 0.02, x, t_x, T)) == pytest.approx(expected, rel=2e-4)
    assert float(dect(model, 13.0, 1e-12, x, t_x, T)) == pytest.approx(
        float(kw.models.cet(model, 13.0, x, t_x, T)), rel=1e-9
    )
    assert float(dect(model, 5_000.0, 0.02, x, t_x, T)) == pytest.approx(
        float(kw.models.dert(model, 0.02, x, t_x, T)), rel=1e-6
    )


def test_released_refuses() -> None:
    with pytest.raises(kw.BadParameters, match="horizon"):
        dect(PARETO, 0.0, DELTA, 1, 1, 2)
    with pytest.raises(kw.BadParameters, match="t_x <= T"):
        dect(PARETO, 1.0, DELTA, 1, 3, 2)


def test_future_cohorts_are_a_geometric_sum() -> None:
    each = newcomer_value(PARETO, 10.0, DELTA)
    assert each == pytest.approx(10 * (1 + float(kw.models.det(PARETO, DELTA))))
    by_hand = sum(np.exp(-DELTA * 13 * k) * 500 * (each - 7) for k in range(1, 9))
    told = future_cohorts(PARETO, 10.0, DELTA, 500, period=13, periods=8, acquisition_cost=7)
    assert told == pytest.approx(by_hand, rel=1e-12)
    endless = future_cohorts(PARETO, 10.0, DELTA, 500, period=13, acquisition_cost=7)
    assert future_cohorts(PARETO, 10.0, DELTA, 500, period=13, periods=10_000, acquisition_cost=7) == pytest.approx(
        endless
    )
    assert future_cohorts(PARETO, 10.0, DELTA, 500, periods=0) == 0
    for bad in (
        {"customers_per_period": -1},
        {"customers_per_period": 1, "period": 0},
        {"customers_per_period": np.inf},
    ):
        with pytest.raises(kw.BadParameters):
            future_cohorts(PARETO, 10.0, DELTA, **bad)


@pytest.fixture(scope="module")
def pair() -> list[kw.Scored]:
    """A growing base: simulated customers come during the whole time."""
    table = kw.simulate(PARETO, 2_000, acquisition_days=700, spend=GammaGamma(6.25, 3.74, 15.44), seed=3)
    orders = kw.orders(table)
    bases = [kw.customers(orders, day) for day in ("2024-06-30", "2024-12-31")]
    return [
        kw.score(
            base,
            kw.Fits(kw.fit(kw.ParetoNBD, base.cells()), kw.fit(kw.GammaGamma, base.spend())),
            kw.Terms(margin_rate=rate),
        )
        for base, rate in zip(bases, (0.3, 0.35), strict=True)
    ]


def test_scored_customers(pair: list[kw.Scored]) -> None:
    told = statement(*pair)
    closes(told)
    before, after = pair
    one, other = (part.to_pandas().set_index("customer_id") for part in pair)
    old = revalued(before, after).pandas().set_index("customer_id")
    H = 184 / 7
    growth = np.exp(before.terms.delta * H)
    due = one.expected_spend * 0.3 * dect(before.fit.model, H, before.terms.delta, one.x, one.t_x, one["T"])
    known = old.index.isin(one.index)
    cent = 1e-4 * len(other)
    assert float(told.opening) == pytest.approx(one.rlv.sum(), abs=cent)
    assert float(told.unwind) == pytest.approx((growth - 1) * one.rlv.sum(), abs=cent)
    assert float(told.released) == pytest.approx(growth * due.sum(), abs=cent)
    assert float(told.new_customers) == pytest.approx(old.rlv[~known].sum(), abs=cent)
    assert float(told.model_change) == pytest.approx(other.rlv.sum() - old.rlv.sum(), abs=cent)
    assert float(told.closing) == pytest.approx(other.rlv.sum(), abs=cent)
    gained = 0.3 * (other.revenue.sum() - one.revenue.sum())
    assert float(told.known.realised + told.new.realised) == pytest.approx(gained, abs=cent)
    newcomers = other[~other.index.isin(one.index)]
    mean = before.spend.model.mean(0, 0.0) * 0.3
    hoped = mean * (1 + kw.models.expected_purchases(before.fit.model, newcomers["T"].to_numpy())).sum()
    assert float(told.new.expected) == pytest.approx(hoped, abs=cent)
    expected = (one.expected_spend * 0.3 * kw.models.cet(before.fit.model, H, one.x, one.t_x, one["T"])).sum()
    assert float(told.known.expected) == pytest.approx(expected, abs=cent)


def test_same_parameters_leave_no_model_change(pair: list[kw.Scored]) -> None:
    before, after = pair
    same = kw.score(after.customers, kw.Fits(before.fit, before.spend), kw.Terms(margin_rate=0.3))
    told = statement(before, same)
    assert told.model_change == 0
    assert statement(before, same, method="lmdi").experience == told.experience
    with pytest.raises(kw.BadParameters, match="growth follows"):
        statement(before, after, growth=1.0)
    with pytest.raises(kw.BadParameters, match="both"):
        statement(before, AFTER)


@pytest.mark.slow
def test_experience_has_mean_zero() -> None:
    """The martingale, of 200,000 customers: by true parameters, what is left and was released is what was expected."""
    customers, t0, t1, delta = 200_000, 39.0, 52.0, 0.0027
    rng = np.random.default_rng(20)
    who, when = PARETO.draw(rng, np.full(customers, t1))
    tables = []
    for t in (t0, t1):
        seen = when <= t
        x = np.bincount(who[seen], minlength=customers).astype(float)
        t_x = np.zeros(customers)
        np.maximum.at(t_x, who[seen], when[seen])
        rate = (PARETO.r + x) / (PARETO.alpha + t)
        tables.append(
            {
                "customer_id": np.arange(customers),
                "stage": np.full(customers, "core"),
                "margin": np.ones(customers),
                "rate": rate,
                "lifetime": kw.models.dert(PARETO, delta, x, t_x, t) / rate,
                "released": dect(PARETO, t1 - t0, delta, x, t_x, t),
                "x": x,
            }
        )
    told = statement(*tables, growth=float(np.exp(delta * (t1 - t0))))
    rows = told.customers()
    order = np.argsort(rows.column("customer_id").to_numpy())
    each = np.asarray(rows.column("experience").cast("float64").to_numpy())[order]
    assert float(told.experience) == pytest.approx(each.sum(), abs=1e-3)
    assert float(told.opening) == pytest.approx(620_286, rel=0.01)
    for group in (np.full(customers, True), tables[0]["x"] == 0, tables[0]["x"] == 5):
        error = each[group].std() / np.sqrt(group.sum())
        assert abs(each[group].mean()) < 3 * error
        assert error < 0.12
    assert each.std() / np.sqrt(customers) < 0.0085  # so that an error of one per cent of the margin would be seen
