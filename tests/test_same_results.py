"""The comparison of results can fail: whatever is not as it was is told."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from evidence.same_results import compare, compare_fits

TABLE = {"customer_id": ["a", "b", "c"], "rlv": [1.0, 2.0, None], "tier": ["top", "top", "small"]}
FACTS = {"customers": 3, "total": {"rlv": 3.0, "names": ["a", "b"]}, "finished": "2024-01-01"}
PAGE = "<p>Worth <b>3</b></p><p>Made with klantwaarde 1 at 12:00</p>"


def outputs(folder: Path) -> Path:
    folder.mkdir()
    pq.write_table(pa.table(TABLE), folder / "customers.parquet")
    (folder / "run.json").write_text(json.dumps(FACTS))
    (folder / "report.html").write_text(PAGE)
    (folder / "note.txt").write_text("as it was")
    return folder


def retabled(folder: Path, **columns: object) -> None:
    left = {name: column for name, column in (TABLE | columns).items() if column is not None}
    pq.write_table(pa.table(left), folder / "customers.parquet")


CHANGES = {
    "a number": (lambda out: retabled(out, rlv=[1.0, 2.0 * (1 + 1e-11), None]), "customers.parquet: rlv"),
    "a word": (lambda out: retabled(out, tier=["top", "small", "small"]), "customers.parquet: tier"),
    "an empty cell": (lambda out: retabled(out, rlv=[1.0, None, 2.0]), "customers.parquet: rlv"),
    "a column gone": (lambda out: retabled(out, rlv=None), "customers.parquet: rlv"),
    "a column new": (lambda out: retabled(out, stage=["core"] * 3), "customers.parquet: stage"),
    "another type": (lambda out: retabled(out, rlv=pa.array([1, 2, None], pa.int64())), "customers.parquet: rlv"),
    "a row gone": (
        lambda out: pq.write_table(pa.table(TABLE)[:2], out / "customers.parquet"),
        "customers.parquet: rows",
    ),
    "a fact": (lambda out: (out / "run.json").write_text(json.dumps(FACTS | {"customers": 4})), "run.json: .customers"),
    "a fact new": (lambda out: (out / "run.json").write_text(json.dumps(FACTS | {"new": 4})), "run.json: .new"),
    "a text": (lambda out: (out / "report.html").write_text(PAGE.replace("3", "4")), "report.html: text"),
    "a byte": (lambda out: (out / "note.txt").write_text("as it waz"), "note.txt: bytes"),
    "a file new": (lambda out: (out / "more.csv").write_text("x"), "more.csv"),
    "a file gone": (lambda out: (out / "note.txt").unlink(), "note.txt"),
}


def test_what_is_the_same_is_the_same(tmp_path: Path) -> None:
    before, after = outputs(tmp_path / "before"), outputs(tmp_path / "after")
    (after / "run.json").write_text(json.dumps(FACTS | {"finished": "2025-01-01"}))
    (after / "report.html").write_text(PAGE.replace("12:00", "13:00"))
    retabled(after, rlv=[1.0, 2.0 * (1 + 1e-14), None])
    assert compare(before, after) == ([], 4)


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_not_is_told(name: str, tmp_path: Path) -> None:
    before, after = outputs(tmp_path / "before"), outputs(tmp_path / "after")
    change, place = CHANGES[name]
    change(after)
    differences, _ = compare(before, after)
    assert [one.place for one in differences] == [place]


@pytest.mark.parametrize(("lost", "told"), [(0.5e-9, 0), (2e-9, 1)])
def test_fits_are_compared_by_what_they_reach(lost: float, told: int, tmp_path: Path) -> None:
    for name, value in (("cdnow", -100.0), ("cdnow_again", -100.0 - 1000 * lost)):
        (tmp_path / name).mkdir()
        fit = {"model": "nbd", "log_likelihood": value, "customers": 1000}
        (tmp_path / name / "model.json").write_text(json.dumps({"timing": fit, "spend": None}))
    assert len(compare_fits(tmp_path)) == told
