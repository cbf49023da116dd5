"""Referrals, influence and attributes: every kind of bad file with its outcome, properties, and two engines."""

# ruff: noqa: E501 - a table of cases reads best with a case on a line

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import klantwaarde as kw
from klantwaarde.beside import link_findings, link_rules
from klantwaarde.beside.attributes import attributes
from klantwaarde.beside.demo_links import LABEL, simulated_links
from klantwaarde.beside.links import Links, influence, referrals, together

AS_OF = "2024-06-30"
WHO = tuple("abcdefgh")
FIRST = {who: dt.date(2024, 1, 10 + number) for number, who in enumerate(WHO)}
SHARED = Path("../shared/data")


def base_of(ids: Any = WHO) -> kw.Customers:
    """Eight customers, the first of whom came on 10 January, the next a day later, and so on; one comes after the end."""
    days = [*FIRST.values(), dt.date(2024, 7, 5)]
    late = 999 if not isinstance(ids[0], str) else "later"
    frame = pa.table({"customer_id": [*ids, late], "date": pa.array(days, pa.date32()), "amount": [10.0] * 9})
    return kw.customers(kw.orders(frame), AS_OF)


@pytest.fixture(scope="module")
def base() -> kw.Customers:
    return base_of()


def pairs(links: Links) -> list[str]:
    """The links as "a>b" (influence: with the weight), in their order."""
    rows = links.engine.rows(f"select node, id from {links.nodes}")
    name = {row["node"]: row["id"] for row in rows}
    ends = [f"{name[s]}>{name[t]}" for s, t in zip(links.source, links.target, strict=True)]
    return ends if links.kind == "referrals" else [f"{e} {w:g}" for e, w in zip(ends, links.weight, strict=True)]


def counts(links: Links) -> dict[str, int]:
    """What was told, without what every file of referrals tells."""
    return {f.kind: f.count for f in links.findings if f.kind != "no anyway"}


def sound(links: Links) -> None:
    """What holds for any links: all lines accounted for, nodes dense, numbers finite, each finding in words."""
    assert links.read == len(links) + sum(f.dropped for f in links.findings)
    ends = np.concatenate([links.source, links.target])
    assert np.array_equal(np.unique(ends), np.arange(links.size))
    rows = links.engine.rows(f"select * from {links.nodes} order by node")
    assert [row["node"] for row in rows] == list(range(links.size))
    assert [row["is_customer"] for row in rows] == [n < links.customers for n in range(links.size)]
    assert np.all(links.target < links.customers)
    for values in (links.weight, links.anyway, links.acceleration, links.incentive, links.acquisition):
        assert np.all(np.isfinite(values))
    assert np.all((links.anyway >= 0) & (links.anyway <= 1))
    assert all(f.count > 0 and f.rule and len(f.examples) <= 3 for f in links.findings)


class Case(NamedTuple):
    """A file, what must be told of it, and the links that must remain."""

    what: str
    text: str
    told: dict[str, int]
    left: list[str]
    flags: Mapping[str, Any] = MappingProxyType({})


R = "referrer_id,referred_id,date\n"
N = "referrer_id,referred_id,p_anyway,acceleration_days,incentive_cost,acquisition_saved\n"
I = "source_id,target_id,weight\n"  # noqa: E741
D = "source_id,target_id,weight,date\n"

REFERRALS = [
    Case("nothing wrong", R + "a,b,2024-01-09\na,c,2024-01-09\n", {}, ["a>b", "a>c"]),
    Case("to themselves", R + "a,a,2024-01-09\na,b,2024-01-09\n", {"self": 1}, ["a>b"]),
    Case("a circle of two, dated", R + "a,b,2024-01-09\nb,a,2024-01-08\n", {"circle cut": 1}, ["b>a"]),
    Case("a circle of three, undated", R + "a,b,\nb,c,\nc,a,\n", {"circle cut": 1}, ["a>b", "b>c"]),
    Case("a circle, one link dated", R + "a,b,\nb,a,2024-01-05\n", {"circle cut": 1}, ["b>a"]),
    Case("a tail below a circle", R + "a,b,2024-01-02\nb,a,2024-01-03\nb,c,2024-01-04\nc,d,2024-01-04\n", {"circle cut": 1}, ["a>b", "b>c", "c>d"]),
    Case("two circles", R + "a,b,\nb,a,\nc,d,\nd,e,\ne,c,\n", {"circle cut": 2}, ["a>b", "c>d", "d>e"]),
    Case("several referrers, by date", R + "a,d,2024-01-09\nb,d,2024-01-03\nc,d,2024-01-05\n", {"second referrer": 2}, ["b>d"]),
    Case("several referrers, by row", R + "a,d,\nb,d,\nc,d,\n", {"second referrer": 2}, ["a>d"]),
    Case("a date before none", R + "a,d,\nb,d,2024-01-09\n", {"second referrer": 1}, ["b>d"]),
    Case("the same link twice", R + "a,b,2024-01-09\na,b,2024-01-09\nc,b,2024-01-09\n", {"repeated": 1, "second referrer": 1}, ["a>b"]),
    Case("a referrer who never bought", R + "zoe,b,2024-01-09\n", {"source outside": 1}, ["zoe>b"]),
    Case("a referred one who never bought", R + "a,zoe,2024-01-09\na,b,2024-01-09\n", {"target unknown": 1}, ["a>b"]),
    Case("a referred one who came after the end", R + "a,later,2024-06-09\n", {"target unknown": 1}, []),
    Case("both unknown", R + "zoe,yves,2024-01-09\n", {"both unknown": 1}, []),
    Case("missing ids", R + ",b,2024-01-09\na,,2024-01-09\nnan,c,2024-01-09\nNULL,d,2024-01-09\n", {"no id": 4}, []),
    Case("in the future", R + "a,b,2999-01-09\n", {"future": 1}, []),
    Case("after the end", R + "a,b,2024-07-01\na,c,2024-06-30\n", {"after the end": 1, "after first order": 1}, ["a>c"]),
    Case("after the first order", R + "a,b,2024-01-11\na,c,2024-01-13\n", {"after first order": 1}, ["a>b", "a>c"]),
    Case("dates that are none", R + "a,b,soon\na,c,2024-01-02\n", {"unreadable date": 1}, ["a>b", "a>c"]),
    Case("a computer's day zero", R + "a,b,1970-01-01\na,c,2024-01-02\n", {"unreadable date": 1}, ["a>b", "a>c"]),
    Case("chances that are none", N + "a,b,1.5,0,0,0\na,c,-0.1,0,0,0\na,d,maybe,0,0,0\na,e,0.25,0,0,0\n", {"bad anyway": 3}, ["a>b", "a>c", "a>d", "a>e"]),
    Case("negative money and days", N + "a,b,0.5,-1,-5,-2\na,c,0.5,3,5,2\n", {"bad acceleration": 1, "bad incentive": 1, "bad acquisition": 1}, ["a>b", "a>c"]),
    Case("numbers that are none", N + "a,b,0.5,x,y,1e400\na,c,0.5,3,5,2\n", {"bad acceleration": 1, "bad incentive": 1, "bad acquisition": 1}, ["a>b", "a>c"]),
    Case("blanks around ids", R + " a ,b ,2024-01-09\n", {}, ["a>b"]),
    Case("a header only", R, {"empty": 1}, []),
    Case("a column called line", "referrer_id,referred_id,line\na,b,7\na,c,7\n", {}, ["a>b", "a>c"]),
    Case("Dutch dates and semicolons", "referrer_id;referred_id;date;incentive_cost\na;b;31-01-2024;1,50\n", {"after first order": 1}, ["a>b"]),
    Case("columns of other names", "door;wie;toen\na;b;2024-01-09\n".replace(";", ","), {}, ["a>b"], {"referrer_id": "door", "referred_id": "wie", "date": "toen"}),
]  # fmt: skip

INFLUENCE = [
    Case("nothing wrong", I + "a,b,1\nb,c,0.5\n", {}, ["a>b 1", "b>c 0.5"]),
    Case("no weights", "source_id,target_id\na,b\n", {}, ["a>b 1"]),
    Case("to themselves", I + "a,a,1\n", {"self": 1}, []),
    Case("a circle", I + "a,b,1\nb,a,2\nb,c,1\n", {"circle kept": 2}, ["a>b 1", "b>a 2", "b>c 1"]),
    Case("several influencers", I + "a,c,1\nb,c,2\n", {}, ["a>c 1", "b>c 2"]),
    Case("the same link thrice", I + "a,b,1\na,b,2\na,b,0.5\n", {"repeated": 2}, ["a>b 3.5"]),
    Case("negative weights", I + "a,b,-1\na,c,1\n", {"negative weight": 1}, ["a>c 1"]),
    Case("negative weights, kept", I + "a,b,-1\na,c,1\n", {}, ["a>b -1", "a>c 1"], {"negative": "keep"}),
    Case("weights that cancel", I + "a,b,-1\na,b,1\na,c,1\n", {"repeated": 1, "cancelled": 1}, ["a>c 1"], {"negative": "keep"}),
    Case("zero weights", I + "a,b,0\na,c,1\n", {"zero weight": 1}, ["a>c 1"]),
    Case("no usable weight", I + "a,b,\na,c,much\na,d,1e300\na,e,inf\na,f,nan\na,g,1\n", {"no weight": 5}, ["a>g 1"]),
    Case("an influencer who never bought", I + "zoe,b,1\nzoe,c,1\n", {"source outside": 2}, ["zoe>b 1", "zoe>c 1"]),
    Case("a target who never bought", I + "a,zoe,1\n", {"target unknown": 1}, []),
    Case("both unknown", I + "zoe,yves,1\n", {"both unknown": 1}, []),
    Case("missing ids", I + ",b,1\na,,1\n", {"no id": 2}, []),
    Case("dates too late or none", D + "a,b,1,2999-01-01\na,c,1,2024-07-01\na,d,1,soon\na,e,1,2024-02-01\n", {"future": 1, "after the end": 1, "unreadable date": 1}, ["a>d 1", "a>e 1"]),
    Case("a header only", I, {"empty": 1}, []),
    Case("a decimal comma", "source_id;target_id;weight\na;b;0,25\n", {}, ["a>b 0.25"]),
]  # fmt: skip


def read_case(case: Case, base: kw.Customers, folder: Path, reader: Callable[..., Links]) -> Links:
    path = folder / "links.csv"
    path.write_text(case.text)
    return reader(path, base, **case.flags)


@pytest.mark.parametrize("case", REFERRALS, ids=[case.what for case in REFERRALS])
def test_files_of_referrals(case: Case, base: kw.Customers, tmp_path: Path) -> None:
    links = read_case(case, base, tmp_path, referrals)
    sound(links)
    assert counts(links) == case.told
    assert pairs(links) == case.left


@pytest.mark.parametrize("case", INFLUENCE, ids=[case.what for case in INFLUENCE])
def test_files_of_influence(case: Case, base: kw.Customers, tmp_path: Path) -> None:
    links = read_case(case, base, tmp_path, influence)
    sound(links)
    assert counts(links) == case.told
    assert pairs(links) == case.left


def test_what_is_read_of_a_referral(base: kw.Customers, tmp_path: Path) -> None:
    text = N + "a,b,0.25,14,5.50,2\na,c,,,,\na,d,7,-1,-1,-1\n"
    links = read_case(Case("", text, {}, []), base, tmp_path, lambda p, b: referrals(p, b, default_anyway=0.75))
    assert links.anyway.tolist() == [0.25, 0.75, 0.75]
    assert links.anyway_given.tolist() == [True, False, False]
    assert links.acceleration.tolist() == [14, 0, 0]
    assert links.incentive.tolist() == [5.5, 0, 0]
    assert links.acquisition.tolist() == [2, 0, 0]
    assert (links.count("no anyway"), links.count("bad anyway")) == (1, 1)


def test_findings_show_rows_and_ids(base: kw.Customers, tmp_path: Path) -> None:
    text = R + "a,b,2024-01-09\nc,c,2024-01-09\n,d,2024-01-09\n" + "e,e,\n" * 4
    links = read_case(Case("", text, {}, []), base, tmp_path, referrals)
    shown = {f.kind: f.examples for f in links.findings}
    assert shown["self"] == ("row 2: c -> c", "row 4: e -> e", "row 5: e -> e")
    assert shown["no id"] == ("row 3: none -> d",)


def test_of_merged_influence_the_earliest_day_counts(base: kw.Customers, tmp_path: Path) -> None:
    text = D + "a,b,1,\na,b,1,2024-03-01\na,b,1,2024-02-01\na,c,1,\n"
    links = read_case(Case("", text, {}, []), base, tmp_path, influence)
    assert [str(day) for day in links.day] == ["2024-02-01", "NaT"]


def test_a_hub_is_kept_counted_and_named() -> None:
    n = 1_500
    frame = pa.table({"customer_id": np.arange(n), "date": pa.array([dt.date(2024, 1, 1)] * n), "amount": np.ones(n)})
    base = kw.customers(kw.orders(frame), "2024-02-01")
    links = referrals(pa.table({"referrer_id": np.zeros(n, int), "referred_id": np.arange(n)}), base)
    sound(links)
    assert len(links) == n - 1
    assert counts(links) == {"self": 1, "hub": 1}
    assert next(f.examples for f in links.findings if f.kind == "hub") == ("0: 1,499 links",)


IDS: list[tuple[str, Any, Any, list[str], dict[str, int]]] = [
    ("numbers in both", range(1, 9), [1, 2], ["1>2"], {}),
    ("numbers, and text", range(1, 9), ["1", "002"], ["1>2"], {"ids as numbers": 2}),
    ("text, and numbers", ["1", "2", "3", "4", "5", "6", "7", "8"], [1, 2], ["1>2"], {"ids as numbers": 2}),
    ("text with zeros, and numbers", ["001", "002", "3", "4", "5", "6", "7", "8"], [1, 2], ["001>002"], {"ids as numbers": 2}),
    ("text of two writings, and numbers", ["01", "1", "2", "4", "5", "6", "7", "8"], [1, 2], ["1>2"], {"ids as numbers": 2, "ids alike": 1}),
    ("numbers, and floats", range(1, 9), [1.0, 2.0], ["1>2"], {"ids as numbers": 2}),
    ("text, and text of floats", ["1", "2", "3", "4", "5", "6", "7", "8"], ["1.0", "2.0"], ["1>2"], {}),
    ("text keeps its zeros", ["01", "1", "2", "4", "5", "6", "7", "8"], ["01", "2"], ["01>2"], {}),
    ("large numbers, and text", [2**53 + n for n in range(8)], [str(2**53), str(2**53 + 1)], [f"{2**53}>{2**53 + 1}"], {"ids as numbers": 2}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("ids", "given_ids", "left", "told"), [case[1:] for case in IDS], ids=[case[0] for case in IDS]
)
def test_ids_of_any_type_meet(ids: Any, given_ids: list[Any], left: list[str], told: dict[str, int]) -> None:
    links = referrals(pa.table({"referrer_id": given_ids[:1], "referred_id": given_ids[1:]}), base_of(list(ids)))
    sound(links)
    assert pairs(links) == left
    assert counts(links) == told


def test_only_the_linked_have_a_node(base: kw.Customers) -> None:
    links = influence(pa.table({"source_id": ["h"], "target_id": ["c"]}), base)
    assert (links.size, links.customers) == (2, 2)
    assert [row["customer_id"] for row in base.engine.rows(f"select * from {links.nodes} order by node")] == ["c", "h"]


def test_values_at_nodes_and_one_numbering(base: kw.Customers) -> None:
    one = referrals(pa.table({"referrer_id": ["zoe", "c"], "referred_id": ["b", "d"]}), base)
    other = influence(pa.table({"source_id": ["a", "yves"], "target_id": ["c", "d"]}), base)
    both = together(one, other)
    assert [pairs(links) for links in both] == [pairs(one), pairs(other)]
    assert {(links.nodes, links.size, links.customers) for links in both} == {(both[0].nodes, 6, 4)}
    assert both[0].at_nodes(base.table, "revenue").tolist() == [10, 10, 10, 10, 0, 0]


REFUSED: list[tuple[str, str, bytes, dict[str, Any], type[Exception], str]] = [
    ("no bytes", "r.csv", b"", {}, kw.BadOrders, r"referrals cannot be used.*is empty \(0 bytes\)"),
    ("no such file", "gone", b"", {}, kw.BadOrders, "There is no file"),
    ("a spreadsheet", "r.ods", b"x", {}, kw.BadOrders, "not one kind of file that we read"),
    ("no Parquet", "r.parquet", b"abc", {}, kw.BadOrders, "cannot be read"),
    ("a missing column", "r.csv", b"referer_id,referred_id\na,b\n", {}, kw.BadOrders, "no column 'referrer_id'. Did you mean 'referer_id'.*columns are referer_id, referred_id.*Name it with referrer_id="),
    ("a named column that is missing", "r.csv", b"referrer_id,referred_id\na,b\n", {"date": "toen"}, kw.BadOrders, "no column 'toen'"),
    ("one column twice", "r.csv", b"referrer_id,referred_id\na,b\n", {"referred_id": "referrer_id"}, kw.BadParameters, "named for two things"),
    ("lines of unequal length", "r.csv", b"referrer_id,referred_id\na,b\na\n", {}, kw.BadOrders, "line 3 has 1 column, but line 1 names 2"),
    ("dates of two readings", "r.csv", b"referrer_id,referred_id,date\na,b,01-02-2024\na,c,03-04-2024\n", {}, kw.BadOrders, "date_format="),
    ("a default that is no chance", "r.csv", b"referrer_id,referred_id\na,b\n", {"default_anyway": 2}, kw.BadParameters, "default_anyway=2"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "flags", "kind", "words"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED]
)
def test_only_what_cannot_be_understood_is_refused(
    name: str, text: bytes, flags: dict[str, Any], kind: type[Exception], words: str, base: kw.Customers, tmp_path: Path
) -> None:
    if name != "gone":
        (tmp_path / name).write_bytes(text)
    with pytest.raises(kind, match=words):
        referrals(tmp_path / name, base, **flags)


def test_typed_columns_of_another_type_are_refused(base: kw.Customers) -> None:
    ends = {"source_id": ["a"], "target_id": ["b"]}
    with pytest.raises(kw.BadOrders, match="'date' is of type bigint, not a date"):
        influence(pa.table(ends | {"date": [20240101]}), base)
    with pytest.raises(kw.BadOrders, match="'weight' is of type boolean, not a number"):
        influence(pa.table(ends | {"weight": [True]}), base)
    with pytest.raises(kw.BadParameters, match="negative='flip' is not understood"):
        influence(pa.table(ends), base, negative="flip")  # type: ignore[arg-type]


def test_frames_parquet_and_empty_columns_are_read_alike(base: kw.Customers, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"source_id": ["a", "b"], "target_id": ["b", "zoe"], "weight": [1.5, np.nan], "date": [None, None]}
    )
    pq.write_table(pa.Table.from_pandas(frame), tmp_path / "i.parquet")
    for source in (frame, tmp_path / "i.parquet"):
        links = influence(source, base)
        sound(links)
        assert (pairs(links), counts(links)) == (["a>b 1.5"], {"target unknown": 1})
        assert np.isnat(links.day).all()


# Properties, against plain loops.


def circle_of(parent: list[int], node: int) -> int:
    """By walking up: the least node of the circle that the node is on, else -1."""
    seen, at = [node], parent[node]
    while at >= 0 and at != node and at not in seen:
        seen.append(at)
        at = parent[at]
    return min(seen) if at == node else -1


@given(st.integers(1, 12).flatmap(lambda m: st.lists(st.integers(-1, m - 1), min_size=m, max_size=m)))
def test_circles_are_those_found_by_walking(parent: list[int]) -> None:
    found = link_rules.circles(np.array(parent, dtype=np.int64))
    assert found.tolist() == [circle_of(parent, node) for node in range(len(parent))]


NAMES = st.sampled_from([*WHO[:5], "zoe", "yves", "", None])
DAYS = st.sampled_from([None, "2024-01-05", "2024-01-12", "2024-06-30", "2024-07-01", "2999-01-01"])
LINES = st.lists(
    st.tuples(NAMES, NAMES, DAYS, st.sampled_from([None, -1.0, 0.0, 0.5, 2.0, float("inf"), float("nan")])),
    min_size=1,
    max_size=30,
)


def lines_table(lines: list[tuple[Any, ...]], names: tuple[str, ...]) -> pa.Table:
    one, other, days, numbers = zip(*lines, strict=True)
    dates = pa.array([None if day is None else dt.date.fromisoformat(day) for day in days], pa.date32())
    return pa.table(
        [pa.array(one, pa.string()), pa.array(other, pa.string()), dates, pa.array(numbers, pa.float64())], names=names
    )


BASE = base_of()


@settings(max_examples=20)
@given(LINES)
def test_any_referrals_end_as_a_forest_of_their_lines(lines: list[tuple[Any, ...]]) -> None:
    links = referrals(lines_table(lines, ("referrer_id", "referred_id", "date", "p_anyway")), BASE)
    sound(links)
    assert len(np.unique(links.target)) == len(links)
    parent = np.full(links.size, -1)
    parent[links.target] = links.source
    assert np.all(link_rules.circles(parent) == -1)
    assert set(pairs(links)) <= {f"{one}>{other}" for one, other, *_ in lines}


@settings(max_examples=20)
@given(LINES)
def test_any_influence_keeps_the_sum_of_its_weights(lines: list[tuple[Any, ...]]) -> None:
    links = influence(lines_table(lines, ("source_id", "target_id", "date", "weight")), BASE, negative="keep")
    sound(links)
    good = [
        weight
        for one, other, day, weight in lines
        if one
        and other
        and one != other
        and other in WHO
        and (day or "") <= AS_OF
        and weight is not None
        and abs(weight) < 9
    ]
    assert links.weight.sum() == pytest.approx(sum(good))
    assert len(set(pairs(links))) == len(links)


def test_a_long_chain_and_a_large_circle() -> None:
    chain = np.arange(-1, 99_999)
    assert np.all(link_rules.circles(chain) == -1)
    chain[0] = 99_999
    assert np.all(link_rules.circles(chain) == 0)


def test_every_rule_is_shown_by_a_case() -> None:
    shown = {kind for case in (*REFERRALS, *INFLUENCE) for kind in case.told} | {
        kind for case in IDS for kind in case[4]
    }
    assert shown | {"hub", "no anyway"} == set(link_findings.RULES)


# Attributes.


def test_attributes_by_their_rules(base: kw.Customers, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "customer_id,channel,line,acquisition_cost\na,shop,1,5.50\na,web,2,7\nb,,3,much\nzoe,web,4,1\n,web,5,1\nc ,web,6,\n"
    )
    known = attributes(path, base)
    assert known.columns == {"channel": "VARCHAR", "line": "VARCHAR", "acquisition_cost": "DOUBLE"}
    assert (known.read, known.customers) == (6, 3)
    told = {f.kind: f.count for f in known.findings}
    assert told == {"no id": 1, "not a customer": 1, "several rows": 1, "bad number": 1, "without attributes": 5}
    assert known.read == known.customers + sum(f.dropped for f in known.findings)
    assert known.levels("channel") == {"unknown": 6, "shop": 1, "web": 1}
    rows = base.engine.rows(f"select * from {known.view} order by customer_id")
    assert [row["customer_id"] for row in rows] == list(WHO)
    assert [row["acquisition_cost"] for row in rows[:2]] == [5.5, None]


def test_attributes_of_other_types_and_none(base: kw.Customers, tmp_path: Path) -> None:
    numbers = attributes(pd.DataFrame({"klant": [1, 2], "age": [30.0, np.inf]}), base_of(list(range(1, 9))), "klant")
    assert (numbers.count("bad number"), numbers.customers, numbers.columns) == (1, 2, {"age": "DOUBLE"})
    (tmp_path / "a.csv").write_text("customer_id,channel\n")
    none = attributes(tmp_path / "a.csv", base)
    assert (none.count("empty"), none.levels("channel")) == (1, {"unknown": 8})
    with pytest.raises(kw.BadOrders, match="attributes have no column 'age'"):
        attributes(pa.table({"customer_id": ["a"]}), base, numbers=["age"])
    with pytest.raises(kw.BadOrders, match="column customer_id beside 'klant'"):
        attributes(pa.table({"klant": ["a"], "customer_id": ["a"]}), base, "klant")


# The simulated tables.


def test_simulated_links_show_the_rules_and_are_labelled() -> None:
    base = kw.customers(kw.orders(kw.datasets.cdnow_sample()), "1998-03-31")
    made, again = simulated_links(base, seed=3), simulated_links(base, seed=3)
    assert all(one.equals(other) for one, other in zip(made, again, strict=True))
    assert all(table.schema.metadata[b"klantwaarde"] == LABEL.encode() for table in made)
    brought, swayed = referrals(made.referrals, base), influence(made.influence, base)
    of_influence = {"no weight", "zero weight", "negative weight", "cancelled", "circle kept"}
    never = {"hub", "empty", "ids alike", "cancelled", "no anyway"}
    assert set(counts(brought)) == set(link_findings.RULES) - of_influence - never
    assert of_influence - never < set(counts(swayed))
    for links in (brought, swayed):
        sound(links)
    assert len(brought) > 0.1 * base.totals["customers"]
    assert np.bincount(brought.source).max() >= 10
    known = attributes(made.attributes, base)
    assert (known.count("several rows"), known.count("not a customer"), known.count("no id")) == (1, 1, 1)


@pytest.mark.skipif(not (SHARED / "plasm_lockdrop").exists(), reason="the records are not here")
def test_real_introductions_end_as_a_forest() -> None:
    locks = pd.read_parquet(SHARED / "plasm_lockdrop" / "locks.parquet")
    base = kw.customers(kw.orders(locks, customer_id="account", date="timestamp", amount="amount_eth"))
    named = locks[locks.introducer.notna()]
    links = referrals(named, base, "introducer", "account", date="timestamp")
    sound(links)
    assert links.count("self") == (named.introducer == named.account).sum()
    assert links.count("target unknown") == links.count("both unknown") == 0
    known = named[named.introducer != named.account]
    assert len(links) == known.account.nunique() - links.count("circle cut")


# Two engines.


def same(one: Links, other: Links) -> None:
    """Equal in all but the engine; row numbers have gaps on Spark."""
    sound(one)
    sound(other)
    assert pairs(one) == pairs(other)
    assert [(f.kind, f.count, f.dropped, len(f.examples)) for f in one.findings] == [
        (f.kind, f.count, f.dropped, len(f.examples)) for f in other.findings
    ]
    for name in ("source", "target", "weight", "anyway", "anyway_given", "acceleration", "incentive", "acquisition"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert np.array_equal(one.day, other.day, equal_nan=True)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:PySpark does not yet:FutureWarning")
def test_spark_keeps_the_same_links(session: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    names = np.array([*WHO, "zoe", "yves", "", None], dtype=object)
    days = np.array([None, "2024-01-05", "2024-01-12", "2024-07-01", "2999-01-01"], dtype=object)
    lines = list(
        zip(
            rng.choice(names, 60),
            rng.choice(names, 60),
            rng.choice(days, 60),
            rng.choice([-1.0, 0.0, 0.25, 0.5, np.inf], 60),
            strict=True,
        )
    )
    orders = pa.table({"customer_id": list(WHO), "date": pa.array(FIRST.values(), pa.date32()), "amount": [10.0] * 8})
    embedded, spark = (kw.customers(kw.orders(source), AS_OF) for source in (orders, session.createDataFrame(orders)))
    swayed = lines_table(lines, ("source_id", "target_id", "date", "weight"))
    brought = lines_table(lines, ("referrer_id", "referred_id", "date", "p_anyway"))
    pq.write_table(brought, tmp_path / "r.parquet")
    same(influence(swayed, embedded), influence(session.createDataFrame(swayed), spark))
    one, other = referrals(brought, embedded), referrals(tmp_path / "r.parquet", spark)
    same(one, other)
    text = tmp_path / "r.csv"
    text.write_text(R + "a,b,05-01-2024\nb,a,16-01-2024\nzoe,c,soon\n")
    beside = referrals(text, spark)
    same(referrals(text, embedded), beside)
    assert [together(other, beside)[0].size] == [together(one, referrals(text, embedded))[0].size]
    assert other.at_nodes(spark.table, "revenue").tolist() == one.at_nodes(embedded.table, "revenue").tolist()
    known = pa.table({"customer_id": ["a", "a", "zoe"], "channel": ["shop", "web", "web"]})
    there, here = (attributes(known, base) for base in (spark, embedded))
    assert [(f.kind, f.count, f.examples) for f in there.findings] == [
        (f.kind, f.count, f.examples) for f in here.findings
    ]
    assert there.levels("channel") == here.levels("channel") == {"unknown": 7, "shop": 1}
