"""The ledger closes: six customers by hand, any base, and the same on real orders and on both engines."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.six_customers import AFTER, BEFORE, OLD_VALUE, VALUE_BEFORE, plain

import klantwaarde as kw
from klantwaarde.asset.ledger import LINES, Account, ledger
from klantwaarde.asset.migration import migration
from klantwaarde.asset.standing import STAGES
from klantwaarde.asset.statement import PARTS, statement
from klantwaarde.lifecycle.stages import stages

ONE, OTHER = plain(BEFORE, VALUE_BEFORE), plain(AFTER, OLD_VALUE)
NOBODY = (0, 0, 0)

BY_HAND = [  # line, customers, opening, closing, change, who
    ("new", 1, 0, 60, 60, [5]),
    ("won_back", 1, 5, 70, 65, [6]),
    ("lost", 2, 130, 6, -124, [4, 3]),
    ("up", 1, 100, 120, 20, [1]),
    ("down", 1, 200, 150, -50, [2]),
    ("same", 0, 0, 0, 0, []),
    ("intra_period", 0, 0, 0, 0, []),
    ("still_lost", 0, 0, 0, 0, []),
    ("prospect", 0, 0, 0, 0, []),
]


def closes(account: Account) -> None:
    """Both identities, and that gross and net differ by the same on both sides."""
    flow, lines = account.flow, account.lines
    assert flow.opening + flow.new + flow.won_back - flow.lost == flow.closing
    won, back, gone = flow.gross
    assert flow.opening + won + back - gone == flow.closing
    assert flow.intra_new + flow.intra_won_back == flow.intra_lost >= 0
    assert account.opening + sum(line.change for line in lines.values()) == account.closing
    others = [name for name in LINES if name not in {"new", "won_back", "lost"}]
    rest = sum(lines[name].change for name in others)
    assert account.opening + account.won_value - account.lost_value + rest == account.closing


@pytest.mark.parametrize(("line", "n", "opening", "closing", "change", "who"), BY_HAND, ids=[row[0] for row in BY_HAND])
def test_six_customers_by_hand(line: str, n: int, opening: int, closing: int, change: int, who: list[int]) -> None:
    books = ledger(ONE, OTHER)
    told = books.total.lines[line]
    assert (told.customers, told.opening, told.closing, told.change) == (n, opening, closing, change)
    behind = books.customers(line)
    assert behind.column("customer_id").to_pylist() == who
    assert sum(behind.column("change").to_pylist()) == change


def test_six_customers_in_all() -> None:
    total = ledger(ONE, OTHER).total
    assert total.flow == (4, 1, 1, 2, 4, 0, 0, 0)
    assert (total.opening, total.closing) == (435, 406)
    assert (total.won_value, total.lost_value) == (125, 124)
    assert total.lines["lost"].opening == 130
    assert total.vanished == 0
    closes(total)


def test_six_customers_with_a_bad_winter() -> None:
    """Seven was won and lost again; two left and came back; one is as before."""
    before = pa.table({"customer_id": [1, 2], "stage": ["core", "core"], "value": [10.0, 20.0]})
    after = pa.table({"customer_id": [1, 2, 7], "stage": ["core", "won_back", "lost"], "value": [10.0, 15.0, 0.5]})
    told = ledger(before, after)
    assert told.total.flow == (2, 0, 0, 0, 2, 1, 0, 1)
    assert told.total.turned == Decimal("0.5")
    assert [told.total.lines[line].customers for line in ("same", "down", "intra_period")] == [1, 1, 1]
    events = pa.table(
        {
            "customer_id": [2, 2, 7, 7],
            "event": ["lost", "won_back", "won", "lost"],
            "day": ["2024-02-01", "2024-03-01", "2024-02-05", "2024-03-05"],
            "value": [8.0, 14.0, 6.0, 5.0],
        }
    )
    exact = ledger(before, after, events=events)
    assert exact.total.flow == (2, 0, 0, 0, 2, 1, 1, 2)
    assert exact.total.turned == 8 + 5
    for account in (told.total, exact.total):
        closes(account)
    assert exact.customers("intra_period").column("lost").to_pylist() == [1]


def test_by_a_column_and_by_cohort() -> None:
    channel = {"customer_id": [1, 2, 3, 5], "channel": ["web", "shop", "web", "web"]}
    books = ledger(ONE, OTHER, by="channel", attributes=channel)
    assert [(one.label, one.flow.opening, one.flow.closing, one.opening, one.closing) for one in books.accounts] == [
        ("shop", 1, 1, 200, 150),
        ("unknown", 1, 1, 85, 72),
        ("web", 2, 2, 150, 184),
    ]
    for account in books.accounts:
        closes(account)
    assert books.customers("lost", "web").column("customer_id").to_pylist() == [3]
    day = [
        np.datetime64(text, "D")
        for text in ("2024-01-05", "2024-02-05", "2024-04-30", "2024-12-31", "2025-03-01", "2023-12-31")
    ]
    dated = OTHER.append_column("first_order", pa.array(np.array(day)))
    quarters = [one.label for one in ledger(ONE, dated, by="cohort_quarter").accounts]
    assert quarters == ["2023Q4", "2024Q1", "2024Q2", "2024Q4", "2025Q1"]
    assert [one.label for one in ledger(ONE, dated, by="cohort_month").accounts][:2] == ["2023-12", "2024-01"]


def table(rows: dict[int, tuple[str, int]]) -> dict[str, Any]:
    ids = sorted(rows)
    return {
        "customer_id": pa.array(ids, pa.int64()),
        "stage": pa.array([rows[i][0] for i in ids], pa.string()),
        "value": pa.array([rows[i][1] / 10_000 for i in ids], pa.float64()),
    }


BASES = st.dictionaries(
    st.integers(0, 40), st.tuples(st.sampled_from(STAGES), st.integers(-(10**9), 10**12)), max_size=30
)


@given(BASES, BASES)
@settings(max_examples=10)
def test_any_books_close(before: dict[int, tuple[str, int]], after: dict[int, tuple[str, int]]) -> None:
    books = ledger(
        table(before), table(after), by="group", attributes={"customer_id": range(20), "group": [*"abcd"] * 5}
    )
    active = [sum(stage not in {"prospect", "lost"} for stage, _ in base.values()) for base in (before, after)]
    assert [books.total.flow.opening, books.total.flow.closing] == active
    values = [sum(Decimal(value) for _, value in base.values()) / 10_000 for base in (before, after)]
    assert [books.total.opening, books.total.closing] == values
    assert sum(line.customers for line in books.total.lines.values()) == len(before | after)
    assert books.total.vanished == len(before.keys() - after.keys())
    for account in (books.total, *books.accounts):
        closes(account)
    for line, told in books.total.lines.items():
        assert sum(books.customers(line).column("change").to_pylist()) == told.change
        assert sum(one.lines[line].change for one in books.accounts) == told.change


FAULTY = [
    ({"customer_id": [1, 1], "stage": ["core", "lost"], "value": [1.0, 2.0]}, "1 row.s. name a customer a second time"),
    ({"customer_id": [1, None], "stage": ["core", "lost"], "value": [1.0, 2.0]}, "1 row.s. have no customer_id"),
    ({"customer_id": [1, 2], "stage": ["core", "gone"], "value": [1.0, 2.0]}, "1 row.s. have another stage"),
    ({"customer_id": [1, 2], "stage": ["core", None], "value": [1.0, 2.0]}, "1 row.s. have no stage"),
    ({"customer_id": [1, 2], "stage": ["core", "new"], "value": [1.0, np.inf]}, "1 row.s. have no value"),
    ({"customer_id": [1, 2], "stage": ["core", "new"], "value": [1.0, np.nan]}, "1 row.s. have no value"),
    ({"customer_id": [1], "value": [1.0]}, "need columns stage and value"),
    ({"id": [1], "stage": ["core"], "value": [1.0]}, "have no column customer_id"),
    (7, "must be a table"),
]


@pytest.mark.parametrize(("bad", "why"), FAULTY)
def test_rows_that_cannot_be_are_refused(bad: Any, why: str) -> None:
    with pytest.raises(kw.BadOrders, match=why):
        ledger(ONE, bad)


def test_events_that_cannot_be_are_refused() -> None:
    with pytest.raises(kw.BadOrders, match=r"events of 1 customer.*\(1\)"):
        ledger(ONE, OTHER, events={"customer_id": [1], "event": ["lost"]})
    with pytest.raises(kw.BadOrders, match=r"1 row.s. 'sold'"):
        ledger(ONE, OTHER, events={"customer_id": [1], "event": ["sold"]})


def test_arguments_that_cannot_be_are_refused() -> None:
    with pytest.raises(kw.BadParameters, match="line='churned' is not one of"):
        ledger(ONE, OTHER).customers("churned")
    with pytest.raises(kw.BadParameters, match="Give attributes="):
        ledger(ONE, OTHER, by="channel")
    with pytest.raises(kw.BadOrders, match="have no column channel"):
        ledger(ONE, OTHER, by="channel", attributes={"customer_id": [1], "shop": ["a"]})
    with pytest.raises(kw.BadOrders, match=r"1 row.s. name a customer a second time"):
        ledger(ONE, OTHER, by="shop", attributes={"customer_id": [1, 1], "shop": ["a", "b"]})


def scored(orders: kw.Orders, *days: str) -> list[kw.Scored]:
    bases = [kw.customers(orders, day) for day in days]
    return [
        kw.score(base, kw.Fits(kw.fit(kw.ParetoNBD, base.cells()), kw.fit(kw.GammaGamma, base.spend())))
        for base in bases
    ]


@pytest.fixture(scope="module")
def cdnow() -> list[kw.Scored]:
    return scored(kw.orders(kw.datasets.cdnow_sample()), "1997-12-31", "1998-03-31")


def by_chance(one: kw.Scored, below: float = 0.2) -> pa.Table:
    """A rule of one line: lost is whose chance to be alive is low."""
    frame = one.to_arrow()
    lost = frame.column("p_alive").to_numpy() < below
    return pa.table({"customer_id": frame.column("customer_id"), "stage": np.where(lost, "lost", "core")})


def test_scored_customers_give_what_their_scores_say(cdnow: list[kw.Scored]) -> None:
    told = tuple(by_chance(one, 0.5) for one in cdnow)
    books = ledger(*cdnow, stages=told, by="cohort_month")
    closes(books.total)
    for value, one in zip((books.total.opening, books.total.closing), cdnow, strict=True):
        rlv = one.to_arrow().column("rlv").to_numpy()
        assert float(value) == pytest.approx(rlv.sum(), abs=1e-4 * len(rlv))
    active = [int((one.column("stage").to_numpy(zero_copy_only=False) == "core").sum()) for one in told]
    assert [books.total.flow.opening, books.total.flow.closing] == active
    assert [one.label for one in books.accounts] == ["1997-01", "1997-02", "1997-03"]


def test_stages_by_rule(cdnow: list[kw.Scored]) -> None:
    orders = cdnow[0].customers.orders
    books = ledger(*cdnow, orders)
    closes(books.total)
    first = stages(cdnow[0], orders)
    second = stages(cdnow[1], orders, previous=first.kept())
    active = [
        sum(n for stage, n in one.counts().items() if stage not in {"prospect", "lost"}) for one in (first, second)
    ]
    assert [books.total.flow.opening, books.total.flow.closing] == active
    with pytest.raises(kw.BadParameters, match="must lie earlier"):
        ledger(*cdnow[::-1])


def test_stages_and_standings_of_other_dates_are_refused(cdnow: list[kw.Scored]) -> None:
    orders = cdnow[0].customers.orders
    kept = [stages(one, orders).kept() for one in cdnow]
    with pytest.raises(kw.BadParameters, match=r"These stages are of 1997-12-31, the scores of 1998-03-31"):
        ledger(*cdnow, stages=(kept[0], kept[0]))
    books = ledger(*cdnow, stages=tuple(kept))
    assert ledger(*cdnow, stages=(books.before, books.after)).total == books.total
    again = kw.score(cdnow[1].customers, kw.Fits(cdnow[1].fit, cdnow[1].spend))
    with pytest.raises(kw.BadParameters, match="made of other customers"):
        ledger(cdnow[0], again, stages=(books.before, books.after))
    with pytest.raises(kw.BadParameters, match="made of other customers"):
        kw.migration(cdnow[0], again, standings=(books.before, books.after))


def test_two_engines_are_refused(cdnow: list[kw.Scored]) -> None:
    other = scored(kw.orders(kw.datasets.cdnow_sample()), "1998-03-31")[0]
    with pytest.raises(kw.BadParameters, match="two engines"):
        ledger(cdnow[0], other)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:PySpark does not yet:FutureWarning")
def test_books_are_equal_on_both_engines(session: Any) -> None:
    days = ("1997-12-31", "1998-03-31")
    source = kw.datasets.cdnow_sample()
    one = scored(kw.orders(source), *days)
    spark = kw.orders(session.read.parquet(str(source)))
    bases = [kw.customers(spark, day) for day in days]
    other = [kw.score(base, kw.Fits(told.fit, told.spend)) for base, told in zip(bases, one, strict=True)]
    named = tuple(map(by_chance, one))
    books = [ledger(*pair, stages=named, by="cohort_quarter") for pair in (one, other)]
    told = [statement(*pair, stages=named) for pair in (one, other)]
    moves = [migration(*pair).matrix for pair in (one, other)]
    np.testing.assert_array_equal(*moves)
    assert books[0].total.flow == books[1].total.flow
    assert [line.customers for line in books[0].total.lines.values()] == [
        line.customers for line in books[1].total.lines.values()
    ]
    for a, b in [(books[0].total.opening, books[1].total.opening), (books[0].total.closing, books[1].total.closing)]:
        assert float(a) == pytest.approx(float(b), abs=0.01)
    for part in PARTS:
        assert float(getattr(told[0], part)) == pytest.approx(float(getattr(told[1], part)), abs=0.05), part
