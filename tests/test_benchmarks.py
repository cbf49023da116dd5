"""The benchmark's own correctness: its orders, its judge, and a small run from end to end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from benchmarks import answers, page
from benchmarks.answers import judge_fit, judge_predictions, judge_summary
from benchmarks.gate import behind, slower
from benchmarks.job import Job, Watch
from benchmarks.measure import Effort, _taken, faults, fits_of_peers, measure_size, once, unlike
from benchmarks.orders import ACQUISITION_DAYS, MODEL, START, chunks, write_orders
from benchmarks.plan import Step, plan
from benchmarks.table import others, rows, times

from klantwaarde.models import expected_purchases

ROOT = Path(__file__).resolve().parent.parent
LAST = np.datetime64("2024-06-30")
FITTED = {"r": 0.5, "alpha": 10.0}


@pytest.mark.parametrize("order", ["date", "customer"])
def test_orders_are_the_same_for_the_same_seed(tmp_path: Path, order: str) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_orders(tmp_path / f"{name}.parquet", 500, seed, order)
    a, b, c = (pq.read_table(tmp_path / f"{name}.parquet") for name in "abc")
    assert a.equals(b)
    assert not a.equals(c)
    assert [str(kind) for kind in a.schema.types] == ["int64", "date32[day]", "decimal128(12, 2)"]
    by = a["date" if order == "date" else "customer_id"].to_numpy()
    assert (by[1:] >= by[:-1]).all()
    assert {file.suffix for file in tmp_path.iterdir()} == {".parquet"}


def test_orders_in_chunks_have_customers_and_seeds_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.orders.CHUNK", 200)
    parts = [part.to_pandas() for part in chunks(500, seed=1)]
    assert [sorted(part.customer_id.unique()) for part in parts] == [
        list(range(1, 201)),
        list(range(201, 401)),
        list(range(401, 501)),
    ]
    assert len({len(part) for part in parts[:2]}) == 2


def test_a_growing_shop_wins_customers_all_the_time() -> None:
    frame = next(chunks(4_000, seed=2, scenario="growing")).to_pandas()
    born = frame.groupby("customer_id").date.min().to_numpy().astype("datetime64[D]")
    years = np.bincount((born - np.datetime64("2022-07-01")).astype(int) // 73, minlength=10)
    assert len(years) == 10, "two years to the end"
    assert (np.abs(years - 400) < 5 * 20).all(), "evenly"


def test_orders_have_the_model_s_repeat_rate() -> None:
    frame = next(chunks(20_000, seed=3)).to_pandas()
    born = frame.groupby("customer_id").date.min().to_numpy().astype("datetime64[D]")
    assert born.min() == np.datetime64(START)
    assert born.max() == np.datetime64(START) + ACQUISITION_DAYS - 1
    repeats = frame.groupby("customer_id").size().to_numpy() - 1
    expected = expected_purchases(MODEL, ((LAST - born).astype(float) + 1) / 7)
    error = (repeats - expected).std() / np.sqrt(len(repeats))
    assert repeats.mean() == pytest.approx(expected.mean(), abs=4 * error)


def likelihood(peak: Mapping[str, float] = FITTED) -> Callable[[Mapping[str, float]], float]:
    """A likelihood per customer with its peak at the given parameters."""
    return lambda parameters: -2.0 - sum((parameters[name] / peak[name] - 1) ** 2 for name in peak)


@pytest.mark.parametrize(
    ("theirs", "equal", "words"),
    [
        (FITTED, True, "log-likelihood equal"),
        (FITTED | {"alpha": 10.06}, True, "within 0.60%; log-likelihood 4e-05 per customer higher than lifetimes's"),
        (FITTED | {"alpha": 10.2}, False, "2.0% apart: lifetimes ended lower"),
        (FITTED | {"alpha": np.nan}, False, "not finite"),
    ],
)
def test_judge_of_fits(theirs: dict[str, float], equal: bool, words: str) -> None:
    verdict = judge_fit("lifetimes", FITTED, theirs, likelihood(), likelihood())
    assert verdict.equal is equal
    assert words in verdict.words
    assert not verdict.fault


def test_judge_of_fits_sees_our_own_wrong_answer() -> None:
    best = {"r": 0.502, "alpha": 10.0}
    verdict = judge_fit("lifetimes", FITTED, best, likelihood(best), likelihood(best))
    assert (verdict.equal, verdict.fault) == (False, True)
    assert "klantwaarde ended lower" in verdict.words


def test_judge_of_fits_asks_the_peer_s_likelihood_too() -> None:
    best = {"r": 0.502, "alpha": 10.0}
    verdict = judge_fit("lifetimes", FITTED, best, likelihood(), likelihood(best))
    assert (verdict.equal, verdict.fault) == (False, False)
    assert "by lifetimes's likelihood" in verdict.words


def test_judge_of_fits_takes_no_number_for_lower() -> None:
    verdict = judge_fit("lifetimes", FITTED, FITTED, lambda _: float("nan"), likelihood())
    assert verdict.fault


def test_judge_of_fits_tells_flat_likelihoods_apart() -> None:
    verdict = judge_fit("lifetimes", FITTED, {"r": 1.0, "alpha": 10.0}, lambda _: -2.0, lambda _: -2.0)
    assert (verdict.equal, verdict.words) == (False, "parameters up to 100.0% apart: at the same likelihood")


def test_judge_of_predictions() -> None:
    ours = {"p_alive": np.array([0.1, 0.9]), "cet": np.array([1.0, 2.0])}
    assert judge_predictions("p", ours, {name: values * (1 + 1e-9) for name, values in ours.items()}).equal
    planted = judge_predictions("p", ours, ours | {"cet": np.array([1.0, 2.01])})
    assert (planted.equal, planted.words) == (False, "cet up to 0.005 apart")
    lost = judge_predictions("p", ours, ours | {"cet": np.array([1.0, np.nan])})
    assert (lost.equal, lost.fault) == (False, False)
    assert "no number for 1" in lost.words
    assert judge_predictions("p", ours | {"cet": np.array([1.0, np.inf])}, ours).fault


def test_judge_of_summaries() -> None:
    ours = {"customer_id": np.array([1, 2]), "x": np.array([0, 3]), "zbar": np.array([0.0, 20.5])}
    assert judge_summary("p", ours, ours).equal
    assert judge_summary("p", ours, ours | {"customer_id": np.array([1, 3])}).words == "other customers"
    assert not judge_summary("p", ours, ours | {"x": np.array([0, 4])}).equal


def test_plan_leaves_out_what_only_peers_need() -> None:
    alone = list(plan(["bg_nbd", "gamma_gamma"], peers=False))
    assert {step.library for step in alone} == {"floor", "klantwaarde"}
    assert not any(step.name.startswith("predict") for step in alone)
    both = list(plan(["bg_nbd", "gamma_gamma"], peers=True))
    with_peers = [step.name for step in both if step.library == "lifetimes"]
    assert [step.name for step in both if step.library == "pymc_marketing"] == ["fit bg_nbd", "fit gamma_gamma"]
    assert with_peers == [
        "summary", "fit bg_nbd", "fit bg_nbd, weights", "fit gamma_gamma", "fit gamma_gamma, weights", "predict bg_nbd",
    ]  # fmt: skip


def test_watch_counts_its_block_only() -> None:
    watch = Watch()
    with watch:
        held = np.ones(4_000_000)
    assert 0 < watch.figures()["seconds"] < 5
    assert watch.figures()["peak_mb"] >= watch.before_mb > held.nbytes / 2**30


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="nobody counts bytes here")
def test_watch_counts_what_goes_through_files(tmp_path: Path) -> None:
    watch, file = Watch(), tmp_path / "file"
    for size in (3, 2):
        with watch:
            file.write_bytes(bytes(size * 2**20))
        file.read_bytes()
    figures_ = watch.figures()
    assert figures_["written_mb"] == pytest.approx(5, abs=0.1)
    assert figures_["read_mb"] == pytest.approx(0, abs=0.1)


def job(folder: Path, **given: Any) -> Job:
    (folder / "work").mkdir()
    return Job(customers=50, orders=str(folder / "orders.parquet"), work=str(folder / "work"), **given)


def test_a_fault_and_a_timeout_are_results(tmp_path: Path) -> None:
    told = once(job(tmp_path), Step("klantwaarde", "fit bg_nbd"), None)
    assert told["status"] == "failed"
    assert told["reason"].startswith("FileNotFoundError")
    late = once(Job(50, "", str(tmp_path / "work")), Step("klantwaarde", "fit bg_nbd"), 0.01)
    assert (late["status"], late["reason"]) == ("timeout", "not done after 0 s")
    gone = once(Job(50, "", str(tmp_path / "work")), Step("nobody", "fit"), None)
    assert gone["status"] == "missing"


def test_a_peer_without_its_python_is_skipped_and_says_so(tmp_path: Path) -> None:
    told = once(job(tmp_path), Step("pymc_marketing", "fit bg_nbd", of="fit bg_nbd"), None)
    assert (told["status"], told["reason"]) == ("skipped", "no Python that has it was named (--pymc-python PATH)")
    size = {"measures": [{"library": "pymc_marketing", "step": "fit bg_nbd", **told}], "comparisons": []}
    assert faults(size) == []
    (row,) = rows(size)
    assert row.answers.startswith("skipped: no Python")


def test_a_peer_in_its_own_python_tells_its_own_likelihood() -> None:
    ours, theirs = {"r": 0.5}, {"r": 0.6}
    told = {"log_likelihoods": {"klantwaarde": -2.0, "pymc_marketing": -2.5}}
    by = answers._by_peer("pymc_marketing", "bg_nbd", {}, told, ours)
    assert (by(ours), by(theirs)) == (-2.0, -2.5)


def earlier(**changed: str) -> dict[str, Any]:
    """Figures of one peer's fit, made before."""
    told = {"parameters": {}, "status": "done", "seconds": 280.0, "answer": {"parameters": FITTED}}
    measures = [
        {"library": "lifetimes", "step": "fit bg_nbd", **told},
        {"library": "klantwaarde", "step": "run", **told},
    ]
    versions = {"python": "3.11", "klantwaarde": "0.1", "lifetimes": "0.11", "numpy": "2"} | changed
    machine = {"cpu": "x", "cores": 2, "load_before": 0.1}
    sizes = [{"customers": 50, "measures": measures}]
    return {"made": "2026-01-02T03:04:05", "machine": machine, "versions": versions, "sizes": sizes}


def test_a_peer_s_fit_is_taken_from_earlier_figures_of_the_same_place(tmp_path: Path) -> None:
    taken = fits_of_peers(earlier(), earlier(klantwaarde="0.2") | {"load_before": 1.0})
    assert list(taken) == [(50, "lifetimes", "fit bg_nbd")]
    given = job(tmp_path)
    kept = _taken(given, Step("lifetimes", "fit bg_nbd", of="fit bg_nbd"), taken[50, "lifetimes", "fit bg_nbd"])
    assert (kept["seconds"], kept["measured"]) == (280.0, "2026-01-02")
    assert answers._told(given, "lifetimes", "fit bg_nbd")["parameters"] == FITTED
    with pytest.raises(ValueError, match="another numpy: 2, here 3"):
        fits_of_peers(earlier(), earlier(numpy="3"))


def test_fits_of_a_disturbed_day_are_no_figures() -> None:
    def size(seconds: float) -> dict[str, Any]:
        return {"customers": 50, "measures": [{"library": "floor", "step": "group", "seconds": seconds}]}

    assert unlike(size(1.2), {"sizes": [size(1.0)]}) == []
    assert unlike(size(1.0), {"sizes": []}) == []
    assert "takes 3.0 times" in unlike(size(3.0), {"sizes": [size(1.0)]})[0]
    assert "takes 0.5 times" in unlike(size(0.5), {"sizes": [size(1.0)]})[0]


def test_others_are_weighed_by_seconds() -> None:
    measures = [{"seconds": 3.0, "others_cores": 1.0}, {"seconds": 1.0, "others_cores": 0.2}, {"seconds": 9.0}]
    taken = {"seconds": 5.0, "others_cores": 2.0, "measured": "2026-01-02"}
    assert others({"measures": [*measures, taken]}) == pytest.approx(0.8)
    assert others({"measures": []}) is None


def test_our_failure_is_a_fault_and_a_peer_s_is_not() -> None:
    failed = {"step": "fit bg_nbd", "status": "failed", "reason": "why"}
    size = {"measures": [{"library": "lifetimes", **failed}], "comparisons": []}
    assert faults(size) == []
    assert faults(size | {"measures": [{"library": "klantwaarde", **failed}]}) == ["fit bg_nbd: why"]


def test_no_ratio_where_answers_differ() -> None:
    done = {"step": "fit bg_nbd", "status": "done", "seconds": 2.0, "peak_mb": 100.0}
    measures = [{"library": "klantwaarde", **done}, {"library": "lifetimes", **done, "seconds": 8.0}]
    verdict = {"peer": "lifetimes", "step": "fit bg_nbd", "of": "fit bg_nbd", "words": "why", "fault": False}
    same, other = ({"measures": measures, "comparisons": [verdict | {"equal": equal}]} for equal in (True, False))
    assert times(same, "lifetimes", "fit bg_nbd") == 4.0
    assert times(other, "lifetimes", "fit bg_nbd") is None
    assert [(row.peer, row.answers) for row in rows(other)][1] == ("answers differ", "differ: why")


def test_page_holds_the_figures_of_the_kept_measurements() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    assert page.kept()
    assert page.filled(text, page.kept()) == text, "python -m benchmarks.page has to be run again"
    scale = page.SCALE.read_text(encoding="utf-8")
    assert page.scaled(scale, page.kept()) == scale, "python -m benchmarks.page has to be run again"


def test_page_says_what_is_not_measured() -> None:
    names = ("aims", "moved", "grown", "figures")
    empty = "".join(f"<!-- begin {name} -->\n<!-- end {name} -->\n" for name in names)
    made = page.filled(empty, [])
    assert made.count("**Not measured yet.**") == len(page.SIZES)
    assert made.count("not measured yet") == len(page.AIMS)
    assert page.filled(made, []) == made
    with pytest.raises(ValueError, match="block 'aims'"):
        page.filled("", [])


@pytest.mark.slow
def test_a_size_without_peers(tmp_path: Path) -> None:
    said: list[str] = []
    size = measure_size(job(tmp_path, peers=False), ["gamma_gamma"], Effort(runs=1), said.append)
    assert faults(size) == []
    assert [one["step"] for one in size["measures"]] == ["scan", "group", "run", "write", "summary", "fit gamma_gamma"]
    assert len(said) == 7


@pytest.mark.slow
def test_the_command_from_end_to_end(tmp_path: Path) -> None:
    target = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks", "5e2", "--quick", "--models", "bg_nbd,gamma_gamma"]
    ended = subprocess.run(
        [*command, "--data", str(tmp_path / "data"), "--json", str(target)],
        cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "170"},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "500 customers" in ended.stdout
    result = json.loads(target.read_text(encoding="utf-8"))
    assert {"format", "made", "command", "machine", "versions", "settings", "sizes"} <= set(result)
    assert {"cpu", "cores", "memory_gb", "load_before", "system"} == set(result["machine"])
    (size,) = result["sizes"]
    assert size["lines"] > size["customers"] == 500
    skipped = [one for one in size["measures"] if one["library"] == "pymc_marketing"]
    assert [one["status"] for one in skipped] == ["skipped"] * 2
    for one in size["measures"]:
        if one in skipped:
            continue
        assert one["status"] == "done", one
        assert {"seconds", "runs", "cpu_seconds", "peak_mb", "before_mb", "process_seconds", "answer"} <= set(one)
    steps = ["summary", *(f"fit {model}{way}" for model in ("bg_nbd", "gamma_gamma") for way in ("", ", weights"))]
    found = {one["step"]: one["equal"] for one in size["comparisons"]}
    assert found == dict.fromkeys([*steps, "predict bg_nbd"], True)
    assert "### 500 customers" in page.filled(page.PAGE.read_text(encoding="utf-8"), [target])


def _figures(fit: float, floor: float) -> dict[str, Any]:
    measures = [
        {"library": "floor", "step": "group", "status": "done", "seconds": floor},
        {"library": "klantwaarde", "step": "fit pareto_nbd", "status": "done", "seconds": fit, "answer": {}},
        {
            "library": "klantwaarde",
            "step": "run",
            "status": "done",
            "seconds": 3 * fit,
            "answer": {"seconds": {"write": fit}},
        },
    ]
    return {"sizes": [{"customers": 1_000, "measures": measures}]}


@pytest.mark.parametrize(
    ("ours", "theirs", "equal", "told"),
    [
        (0.004, 0.0021, True, False),  # half the speed will do where both are short
        (0.004, 0.0019, True, True),
        (0.006, 0.005, True, True),
        (0.006, 0.006, True, False),
        (0.006, 0.001, False, False),  # another answer is no rival
    ],
)
def test_where_lifetimes_was_sooner(ours: float, theirs: float, equal: bool, told: bool) -> None:
    done = {"step": "predict nbd", "status": "done"}
    size = {
        "customers": 1_000,
        "measures": [
            done | {"library": "klantwaarde", "seconds": ours},
            done | {"library": "lifetimes", "seconds": theirs},
        ],
        "comparisons": [{"peer": "lifetimes", "step": "predict nbd", "of": "predict nbd", "equal": equal}],
    }
    assert bool(behind(size)) is told


def test_the_gate_names_the_step_that_became_slower() -> None:
    assert slower(_figures(1.0, 0.5), _figures(1.0, 0.5)) == []
    assert slower(_figures(2.8, 1.0), _figures(1.0, 0.5)) == []  # the machine became twice as slow, we 1.4 times
    assert slower(_figures(1.0, 0.5), {"sizes": []}) == []
    told = slower(_figures(1.8, 0.5), _figures(1.0, 0.5))
    assert told[0] == "1,000 customers, fit pareto_nbd: 3.6 times the floor, was 2.0"
    assert [fault.split(":", 1)[0] for fault in told] == ["1,000 customers, fit pareto_nbd"] + [
        "1,000 customers, run"
    ] * 2
    assert slower(_figures(0.18, 0.5), _figures(0.10, 0.5)) == []  # too little to notice
