"""Money given back on a later day: purchases stand at what is left of them, wherever the return is dated."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import klantwaarde as kw
from conftest import Said
from klantwaarde.job.movement import Method, periods
from klantwaarde.job.pipeline import run
from klantwaarde.job.settings import read_settings
from klantwaarde.purchases.grouped import grouped
from klantwaarde.purchases.returns import netted_totals
from klantwaarde.purchases.split import holdout

START = dt.date(2023, 1, 1)


class Line(NamedTuple):
    """Who, on which day since the start, how many cents, in which order; and the order that it reverses."""

    who: str
    day: int
    cents: int
    number: str | None = None
    of: str | None = None


def frame(lines: list[Line]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "customer_id": [line.who for line in lines],
            "date": pd.to_datetime([START + dt.timedelta(days=line.day) for line in lines]),
            "amount": [line.cents / 100 for line in lines],
            "order": pd.Series([line.number for line in lines], dtype="str"),
            "of": pd.Series([line.of for line in lines], dtype="str"),
        }
    )


class Stood(NamedTuple):
    """By a list in Python: what is left of each purchase, and what was given back without one, in cents."""

    left: dict[int, int]
    unmatched: int


def by_stack(lines: list[Line], end: int, *, numbered: bool) -> dict[str, Stood]:
    """Of each customer: returns on the day of their order, then days below zero against the latest purchases before."""
    days: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for line in lines:
        if line.day <= end:
            days[line.who][_netted_on(line, lines) if numbered else line.day].append(line.cents)
    return {who: _stack(netted) for who, netted in days.items()}


def _netted_on(line: Line, lines: list[Line]) -> int:
    number = (line.of if line.cents < 0 and line.of else None) or line.number
    if line.cents >= 0 or number is None:
        return line.day
    bought = [one.day for one in lines if one.who == line.who and one.number == number and one.cents > 0]
    return max((day for day in bought if day <= line.day), default=line.day)


def _stack(days: dict[int, list[int]]) -> Stood:
    stack: list[list[int]] = []
    free, unmatched = {}, 0
    for day in sorted(days):
        due = -sum(days[day])
        if due < 0:
            stack.append([day, -due])
        elif not any(days[day]):
            free[day] = 0
        while due > 0 and stack:
            taken = min(due, stack[-1][1])
            due, stack[-1][1] = due - taken, stack[-1][1] - taken
            if not stack[-1][1]:
                stack.pop()
        unmatched += max(due, 0)
    return Stood(free | {bought[0]: bought[1] for bought in stack}, unmatched)


NUMBERS = st.one_of(st.none(), st.sampled_from(["1", "2", "3"]))
LINES = st.lists(
    st.builds(
        Line,
        who=st.sampled_from(["a", "b"]),
        day=st.integers(0, 9),
        cents=st.sampled_from([-300, -200, -100, -100, 0, 100, 100, 200, 300]),
        number=NUMBERS,
        of=NUMBERS,
    ),
    min_size=1,
    max_size=14,
)


def check(base: kw.Customers, lines: list[Line], end: int, *, numbered: bool) -> None:
    """The customers of a base are what the stack says, and the money is all there."""
    told = by_stack(lines, end, numbered=numbered)
    found = {row["customer_id"]: row for row in base.to_arrow().to_pylist()}
    assert found.keys() == told.keys()
    for who, (left, unmatched) in told.items():
        row, days = found[who], sorted(left)
        assert row["orders"] == len(days), who
        dates = [START + dt.timedelta(days=day) for day in days]
        assert (row["first_order"], row["last_order"]) == ((dates[0], dates[-1]) if days else (None, None))
        repeat = Decimal(sum(left[day] for day in days[1:])) / 100 if days else None
        assert row["repeat_amount"] == repeat, who
        assert row["revenue"] == Decimal(sum(left.values()) - unmatched) / 100
    totals = netted_totals(base.netted)
    if totals is not None:
        assert totals["unmatched"] == -Decimal(sum(one.unmatched for one in told.values())) / 100
    elif any(one.unmatched for one in told.values()):
        pytest.fail("what was given back without a purchase is not counted")


@pytest.mark.parametrize("numbered", [False, True])
@settings(max_examples=60)
@given(lines=LINES, end=st.integers(0, 9))
def test_what_stood_is_what_a_stack_leaves(lines: list[Line], end: int, numbered: bool) -> None:
    end = max(end, min(line.day for line in lines))
    how: dict[str, Any] = {"order_id": "order", "return_of": "of"} if numbered else {}
    base = kw.customers(kw.orders(frame(lines), **how), START + dt.timedelta(days=end))
    check(base, lines, end, numbered=numbered)


HISTORY = ["first_order", "last_order", "orders", "repeat_amount", "revenue"]


def purchases(seed: int, customers: int = 60) -> pd.DataFrame:
    """Orders of customers who buy now and then, each with the share of it that comes back, and after how many days."""
    rng = np.random.default_rng(seed)
    n = rng.integers(1, 9, customers)
    rows = pd.DataFrame({"customer_id": np.repeat(np.arange(customers), n)})
    # No two on one day: of two orders of a day, one day is left either way.
    rows["day"] = np.concatenate([rng.choice(np.arange(0, 600), size, replace=False) for size in n])
    rows = rows.sort_values(["customer_id", "day"], ignore_index=True)
    rows["amount"] = rng.integers(500, 20000, len(rows)) / 100
    rows["back"] = np.round(rows.amount * rng.choice([0, 0, 0.25, 0.5, 1], len(rows)), 2)
    rows["delay"] = rng.integers(1, 60, len(rows))
    rows["order"] = [f"o{place}" for place in range(len(rows))]
    return rows


def lines_of(bought: pd.DataFrame, delay: Any) -> pd.DataFrame:
    """The lines of purchases and of their returns, so many days later."""
    returned = bought[bought.back > 0].assign(amount=lambda f: -f.back, day=lambda f: f.day + delay[f.index])
    both = pd.concat([bought, returned], ignore_index=True)
    both["margin"] = (both.amount * 0.4).round(4)
    both["category"] = np.where(both["order"].str[-1].isin(list("13579")), "tea", "mugs")
    both["date"] = pd.Timestamp("2022-01-01") + pd.to_timedelta(both.day, unit="D")
    return both[["customer_id", "date", "amount", "margin", "order", "category"]]


def history(lines: pd.DataFrame, **how: Any) -> pd.DataFrame:
    return kw.customers(kw.orders(lines, **how), "2023-12-31").to_pandas()[["customer_id", *HISTORY]]


@pytest.mark.parametrize("seed", range(5))
def test_a_tied_return_may_have_any_date(seed: int) -> None:
    """Even after later purchases of the same customer."""
    bought = purchases(seed)
    same = history(lines_of(bought, 0 * bought.delay), order_id="order")
    late = history(lines_of(bought, bought.delay), order_id="order")
    pd.testing.assert_frame_equal(same, late)
    wholly = bought[bought.back == bought.amount].groupby("customer_id").size()
    assert same.orders.sum() == len(bought) - wholly.sum() > 0


def before_the_next(bought: pd.DataFrame) -> Any:
    """Delays that end before the next purchase of the customer."""
    gap = (bought.groupby("customer_id").day.shift(-1) - bought.day).fillna(100) - 1
    return np.minimum(bought.delay, gap).astype(int)


@pytest.mark.parametrize("seed", range(5))
def test_an_untied_return_may_come_up_to_the_next_purchase(seed: int) -> None:
    bought = purchases(seed)
    delay = before_the_next(bought)
    assert (delay > 0).mean() > 0.9
    pd.testing.assert_frame_equal(history(lines_of(bought, 0 * delay)), history(lines_of(bought, delay)))


EXPECTED = [
    "p_alive",
    "p_active",
    "expected_orders",
    "expected_spend",
    "dert",
    "rlv",
    "potential",
    "cross_sell",
    "zbar",
]


@pytest.mark.parametrize("how", [{"order_id": "order"}, {"margin": "margin"}, {}])
def test_expected_money_does_not_depend_on_the_day_of_the_return(how: dict[str, Any]) -> None:
    bought = purchases(7, 300)
    delay = bought.delay if "order_id" in how else before_the_next(bought)
    scored = []
    for days in (0 * delay, delay):
        base = kw.customers(kw.orders(lines_of(bought, days), **how), "2023-12-31")
        timing, spend = kw.fit(kw.MBGNBD, base.cells()), kw.fit(kw.GammaGamma, base.spend())
        scored.append(
            kw.score(base, kw.Fits(timing, spend), beside=kw.Beside(category="category"))
            .to_pandas()
            .set_index("customer_id")
        )
    same, late = (one.sort_index() for one in scored)
    pd.testing.assert_frame_equal(same[EXPECTED], late[EXPECTED], check_exact=False, rtol=1e-12)
    assert late.rlv.sum() > 0
    assert late.cross_sell.sum() > 0


def test_smallest() -> None:
    """A keeps 100 and 40: zbar is 40, not 100."""
    lines = [Line("A", 1, 10000), Line("A", 32, 10000), Line("A", 37, -6000), Line("B", 60, 10000)]
    row = kw.customers(kw.orders(frame(lines))).to_arrow().to_pylist()[0]
    assert (row["orders"], row["revenue"], row["repeat_amount"], row["returned"]) == (2, 140, 40, -60)


@pytest.mark.parametrize("later", [0, 4])
def test_a_cancelled_first_order_is_no_first_order(later: int) -> None:
    lines = [Line("A", 0, 5000), Line("A", later, -5000), Line("A", 40, 3000), Line("A", 60, 2000)]
    row = kw.customers(kw.orders(frame(lines))).to_arrow().to_pylist()[0]
    assert row["first_order"] == START + dt.timedelta(days=40)
    assert (row["orders"], row["repeat_amount"], row["revenue"]) == (2, 20, 50)


def test_free_orders_stay() -> None:
    lines = [Line("A", 0, 0), Line("A", 10, 500), Line("A", 20, -500)]
    row = kw.customers(kw.orders(frame(lines)), "2023-03-01").to_arrow().to_pylist()[0]
    assert (row["orders"], row["first_order"], row["last_order"], row["revenue"]) == (1, START, START, 0)


def test_earlier_dates_do_not_know_of_later_returns() -> None:
    lines = [Line("A", 0, 5000), Line("A", 10, 3000), Line("A", 30, -3000)]
    orders = kw.orders(frame(lines))
    told = [kw.customers(orders, START + dt.timedelta(days=day)).totals["orders"] for day in (5, 20, 30)]
    assert told == [1, 2, 1]


def test_holdout_money_is_net() -> None:
    """Half of each order comes back within a few days: what came in after the split is half of it."""
    bought = purchases(3, 80).assign(back=lambda f: (f.amount / 2).round(2), delay=1)
    delay = before_the_next(bought)
    lines, split, end = lines_of(bought, delay), dt.date(2022, 12, 31), dt.date(2023, 12, 31)
    before, table = holdout(kw.orders(lines), split, end)
    known = before.to_pandas().customer_id
    later = bought[bought.customer_id.isin(known) & (bought.day > (split - dt.date(2022, 1, 1)).days)]
    assert float(table.to_pandas().actual_amount.sum()) == pytest.approx((later.amount - later.back).sum(), abs=1e-6)
    assert int(table.to_pandas().actual_orders.sum()) == len(later)


def test_the_sheet_counts_them() -> None:
    lines = [
        Line("A", 0, 5000, "1"),
        Line("A", 5, 3000, "2"),
        Line("A", 9, -5000, "1"),  # tied, after a later purchase: order 1 is cancelled
        Line("B", 0, 8000, "3"),
        Line("B", 4, -1000, "4"),  # of no known order: from the purchase before
        Line("C", 3, -2000, "5"),  # without any purchase
        Line("C", 4, 7000, "6"),
    ]
    base = kw.customers(kw.orders(frame(lines), order_id="order"), "2023-02-01")
    found = {check.check: check for check in kw.doctor(base).checks}
    late = found["returns on later days"]
    assert (late.count, late.money, late.level) == (3, -80.0, "warning")
    for words in ("1 line tied", "(50.00)", "1 customer-day taken", "(10.00)", "1 customer-day without", "(20.00)"):
        assert words in late.text
    assert "no purchase any more: 1 purchase." in late.text
    assert (found["days below zero"].count, found["days below zero"].money) == (3, -80.0)
    assert found["money adds up"].level == "info"


def test_order_numbers_are_asked_for() -> None:
    lines = [Line("A", 0, 5000), Line("A", 5, -1000)]
    base = kw.customers(kw.orders(frame(lines)), "2023-02-01")
    late = next(check for check in kw.doctor(base).checks if check.check == "returns on later days")
    assert late.level == "info"
    assert late.remedy
    assert late.setting
    assert late.setting.name == "order_id"


def test_return_of_goes_with_order_id() -> None:
    with pytest.raises(kw.BadParameters, match="return_of= names orders by number: give order_id= too"):
        kw.orders(frame([Line("A", 0, 5000)]), return_of="of")


def test_a_category_that_came_back_is_not_owned() -> None:
    """The first tea came back; tea is owned since the second. Mugs are owned no more."""
    tea = [("A", 0, 50, "tea", 1), ("A", 3, -50, "tea", 1), ("A", 9, 80, "tea", 2)]
    mugs = [("A", 9, 20, "mugs", 3), ("A", 30, -20, "mugs", 3), ("B", 2, 10, "mugs", 4)]
    rows = [*tea, *mugs, ("C", 1, 10, "pots", 5), ("C", 2, -10, "pots", 5)]
    lines = pd.DataFrame(rows, columns=["customer_id", "day", "amount", "category", "order"])
    lines["date"] = pd.Timestamp("2023-01-01") + pd.to_timedelta(lines.pop("day"), unit="D")
    for how in ({}, {"order_id": "order"}):
        seen = grouped(kw.orders(lines, **how), "category", dt.date(2023, 2, 1))
        start = (START - dt.date(1970, 1, 1)).days
        told = [
            (seen.customers[int(who)].as_py(), seen.groups[place], day - start, amount)
            for who, day, place, amount in zip(seen.customer, seen.day, seen.group, seen.amount, strict=True)
        ]
        assert told == [("A", "tea", 9, 80), ("B", "mugs", 2, 10)]
        assert seen.customers.to_pylist() == ["A", "B", "C"]


def test_a_ledger_of_returns_only_says_what_run_says(klantwaarde: Callable[..., Said], tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("customer_id,date,amount\nA,2022-01-05,-50\nA,2022-06-05,-40\nB,2022-09-05,-10\n")
    for command in ("run", "ledger", "stages"):
        said = klantwaarde(command, path)
        assert said.code == 1, command
        assert "nothing is left after returns" in " ".join(said.err.split()), (command, said.err)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:PySpark does not yet:FutureWarning")
@pytest.mark.parametrize("numbered", [False, True])
def test_spark_leaves_what_a_stack_leaves(session: Any, numbered: bool) -> None:
    """Many small histories at once, each of a customer of its own."""
    rng = np.random.default_rng(2)
    kinds = ["1", "2", None]
    lines = [
        Line(f"c{who}", int(rng.integers(0, 10)), int(rng.integers(-3, 4)) * 100, *rng.choice(kinds, 2).tolist())
        for who in range(120)
        for _ in range(9)
    ]
    how: dict[str, Any] = {"order_id": "order", "return_of": "of"} if numbered else {}
    table = pa.Table.from_pandas(frame(lines))
    base = kw.customers(kw.orders(session.createDataFrame(table), **how), START + dt.timedelta(days=8))
    check(base, lines, 8, numbered=numbered)


@pytest.mark.parametrize("how", [{}, {"order_id": "order"}])
def test_a_state_in_batches_is_one_run(tmp_path: Path, how: dict[str, str]) -> None:
    """The returns come in later batches than their orders."""
    bought = purchases(11, 120)
    lines = lines_of(bought, bought.delay).sort_values("date")
    scored = {}
    for name, parts in {"whole": [lines], "parts": np.array_split(np.arange(len(lines)), 4)}.items():
        for place, part in enumerate(parts):
            path = tmp_path / f"{name}{place}.parquet"
            (part if name == "whole" else lines.iloc[part]).to_parquet(path)
            told = {"orders": str(path), "out": str(tmp_path / name), "model": "mbg_nbd", "as_of": "2023-12-31"} | how
            run(read_settings(None, told | {"state": str(tmp_path / f"state of {name}")}), lambda _: None)
        scored[name] = pd.read_parquet(tmp_path / name / "customers.parquet").set_index("customer_id").sort_index()
    columns = ["first_order", "orders", "zbar", "revenue", "rlv", "expected_spend"]
    pd.testing.assert_frame_equal(scored["whole"][columns], scored["parts"][columns], rtol=1e-9, check_exact=False)


def test_the_ledger_closes_over_cancelled_first_orders() -> None:
    """Customers known at the first date whose only purchase comes back before the second."""
    bought = purchases(5, 200)
    cancelled = bought.groupby("customer_id").day.transform("size") == 1
    bought["back"] = np.where(cancelled, bought.amount, 0)
    bought["delay"] = np.where(cancelled, 300, 1)
    bought = bought[~(cancelled & (bought.day > 400))]
    orders = kw.orders(lines_of(bought, bought.delay))
    method = Method(kw.MBGNBD, kw.Terms(rank_by="rlv"), "week")
    days = (dt.date(2022, 9, 30), dt.date(2022, 12, 31), dt.date(2023, 9, 30))
    found = periods(orders, days, method, lambda _: None)
    assert found[0].ledger.total.closing == found[1].ledger.total.opening > 0
    for each in found:
        told, account = each.statement, each.ledger.total
        parts = (told.spend, told.frequency, told.retention, told.new_customers, told.model_change)
        assert told.opening + told.unwind - told.released + sum(parts) == told.closing
        assert (told.opening, told.closing) == (account.opening, account.closing)
        flow = account.flow
        assert flow.opening + flow.new + flow.won_back - flow.lost == flow.closing
    known = set(bought.customer_id[cancelled & bought.day.between(65, 330)])
    for day, still in ((days[1], len(known)), (days[2], 0)):
        base = kw.customers(orders, day).to_pandas().set_index("customer_id")
        assert (base.orders[base.index.isin(known)] > 0).sum() == still
    assert len(known) > 3
