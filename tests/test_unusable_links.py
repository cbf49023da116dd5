"""Files beside the orders of which little or nothing can be used: the run goes on, and says what it left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.conftest import Said

import klantwaarde as kw
from klantwaarde.beside.link_rules import closing_links, last_of_circles
from klantwaarde.network.forest import forest

Cli = Callable[..., Said]
R = "referrer_id,referred_id,date\n"
NOTHING_LEFT = {
    "of another case": (R + "C1@X.NL,C2@X.NL,2023-01-02\n", "1 read: neither is a customer 1"),
    "to themselves": (R + "c1@x.nl,c1@x.nl,2023-01-02\n", "1 read: linked to themselves 1"),
    "after the end": (R + "c1@x.nl,c2@x.nl,2024-05-01\n", "1 read: dated after the end of observation 1"),
    "without lines": (R, "has no lines"),
}


@pytest.fixture(name="orders")
def _orders(tmp_path: Path) -> Path:
    rng = np.random.default_rng(3)
    days = pd.to_datetime("2022-01-01") + pd.to_timedelta(np.arange(0, 760, 40), unit="D")
    rows = [(f"c{n}@x.nl", day, round(float(rng.gamma(4, 10)), 2)) for n in range(40) for day in days[: 2 + n % 9]]
    rows.append(("c0@x.nl", pd.Timestamp("2024-01-31"), 10.0))
    frame = pd.DataFrame(rows, columns=["customer_id", "date", "amount"])
    frame.to_csv(tmp_path / "orders.csv", index=False)
    return tmp_path / "orders.csv"


def flat(said: Said) -> str:
    return " ".join((said.out + said.err).split())


@pytest.mark.parametrize("what", NOTHING_LEFT)
def test_no_usable_referral_is_a_run_without(klantwaarde: Cli, orders: Path, tmp_path: Path, what: str) -> None:
    text, reason = NOTHING_LEFT[what]
    (tmp_path / "referrals.csv").write_text(text)
    asked = [str(orders), "--model", "nbd", "--as-of", "2024-01-31"]
    assert klantwaarde("run", *asked, "--out", "bare").code == 0
    said = klantwaarde("run", *asked, "--referrals", "referrals.csv", "--out", "r")
    assert said.code == 0, said.err
    assert reason in flat(said)
    assert "the results are as without it" in flat(said)
    bare, frame = (pd.read_parquet(tmp_path / name / "customers.parquet") for name in ("bare", "r"))
    pd.testing.assert_frame_equal(bare, frame)
    assert (tmp_path / "r" / "report.html").stat().st_size > 10_000
    told = json.loads((tmp_path / "r" / "run.json").read_text())["facts"]["total"]
    assert told["profiles"] is None
    assert told["files"][0]["said"]["code"] in {"file_empty", "file_useless"}
    if what == "to themselves":  # the reader of a kept model takes the same way
        again = klantwaarde("score", *asked[:1], "--fit", "r/model.json", "--referrals", "referrals.csv", "--out", "s")
        assert (again.code, reason in flat(again)) == (0, True)


def test_what_was_dropped_is_on_the_screen(klantwaarde: Cli, orders: Path, tmp_path: Path) -> None:
    (tmp_path / "referrals.csv").write_text(R + "c1@x.nl,c2@x.nl,\nc3@x.nl,c3@x.nl,\nc4@x.nl,zoe,\nc5@x.nl,yan,\n")
    (tmp_path / "influence.csv").write_text("source_id,target_id\nann,bob\n")
    (tmp_path / "attributes.csv").write_text("customer_id,kind\nann,web\nbob,shop\n")
    files = [word for name in ("referrals", "influence", "attributes") for word in (f"--{name}", f"{name}.csv")]
    said = klantwaarde("run", orders, "--model", "nbd", *files, "--peers", "kind", "--out", "r")
    assert said.code == 0, said.err
    told = flat(said)
    assert (
        "3 of 4 lines of the referrals were dropped: linked to themselves 1, the referred or influenced one is no "
        "customer 2." in told
    )
    assert "No line of the influence can be used (1 read: neither is a customer 1)" in told
    assert "No line of the attributes can be used (2 read: no customer 2)" in told


def test_referrals_without_a_usable_line_beside_influence(orders: Path) -> None:
    base = kw.customers(kw.orders(orders), "2024-01-31")
    fits = kw.fit(kw.NBD, base.cells()), kw.fit(kw.GammaGamma, base.spend())
    moved = kw.influence(pd.DataFrame({"source_id": ["c1@x.nl"], "target_id": ["c2@x.nl"]}), base)
    none = kw.referrals(pd.DataFrame({"referrer_id": ["x"], "referred_id": ["y"]}), base)
    frame = kw.score(
        base, kw.Fits(*fits), beside=kw.Beside(influence=moved, referrals=none, influence_share=0.1)
    ).to_pandas()
    expected = kw.score(base, kw.Fits(*fits), beside=kw.Beside(influence=moved, influence_share=0.1)).to_pandas()
    pd.testing.assert_frame_equal(frame, expected)


def test_who_brings_customers_without_being_one_is_in_the_list(klantwaarde: Cli, orders: Path, tmp_path: Path) -> None:
    lines = "".join(f"partner,c{n}@x.nl,\n" for n in range(1, 9)) + "c9@x.nl,c10@x.nl,\n"
    (tmp_path / "referrals.csv").write_text(R + lines)
    said = klantwaarde("run", orders, "--model", "nbd", "--referrals", "referrals.csv", "--out", "r")
    assert said.code == 0, said.err
    first, second = json.loads((tmp_path / "r" / "run.json").read_text())["facts"]["total"]["referrers"]
    assert (first["customer_id"], first["outside"], first["links"]) == ("partner", True, 8)
    frame = pd.read_parquet(tmp_path / "r" / "customers.parquet").set_index("customer_id")
    brought = sum(0.5 * frame.rlv[f"c{n}@x.nl"] for n in range(1, 9))  # half of them would have come anyway
    assert first["crv"] == pytest.approx(brought, rel=1e-9)
    assert (second["customer_id"], second["outside"]) == ("c9@x.nl", False)
    assert "partner (no customer)" in (tmp_path / "r" / "report.html").read_text()


def test_a_circle_with_an_undated_link_is_cut_at_one_place() -> None:
    """The file's rules and the kernel cut the link that has no day."""
    from klantwaarde.beside.link_rules import DATELESS, Columns

    source, target = np.array([0, 1, 2, 3]), np.array([1, 2, 0, 4])
    day = np.array([19_000, DATELESS, 19_005, 19_001])
    none, marks = np.array([]), np.zeros(4, dtype=np.int64)
    rows = Columns(np.arange(1, 5), source, target, day, none, none, none, none, none, marks)
    assert closing_links(rows, 5).tolist() == [False, True, False, False]
    made = forest(source, target, 5, day.astype("datetime64[D]"))
    assert made.cut.tolist() == [1]
    assert made.cycles == 1


def test_circles_are_cut_as_by_walking_them() -> None:
    rng = np.random.default_rng(8)
    for _ in range(50):
        parent = np.where(rng.random(30) < 0.2, -1, rng.integers(0, 30, 30))
        parent = np.where(parent == np.arange(30), -1, parent)
        place = rng.permutation(30)
        expected = set()
        for start in range(30):
            path, node = [], start
            while node >= 0 and node not in path:
                path.append(node)
                node = parent[node]
            if node >= 0:
                on = path[path.index(node) :]
                expected.add(max(on, key=lambda one: place[one]))
        assert last_of_circles(parent, place).tolist() == sorted(expected)
