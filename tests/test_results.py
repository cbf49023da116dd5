"""What a run leaves: facts as the schema says, tables, models; the customers behind every figure; runs from Python."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from tests.conftest import Said

import klantwaarde as kw
from klantwaarde.asset.moves import MOVES
from klantwaarde.beside.demo_links import simulated_links
from klantwaarde.lifecycle.rules import STAGES
from klantwaarde.outcome.check import faults, upgraded
from klantwaarde.outcome.schema import FACTS_VERSION, Facts
from klantwaarde.report.html import render

Cli = Callable[..., Said]
SAMPLE = Path(str(kw.datasets.cdnow_sample()))


@pytest.fixture(scope="module", name="made")
def _made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, kw.Results]:
    """Runs of every kind."""
    place = tmp_path_factory.mktemp("results")
    base = kw.customers(kw.orders(SAMPLE))
    links = simulated_links(base)
    files = {name: str(place / f"{name}.parquet") for name in links._fields}
    for name, path in files.items():
        pq.write_table(getattr(links, name), path)
    peers = next(name for name in links.attributes.column_names if name != "customer_id")
    runs: dict[str, dict[str, Any]] = {
        "plain": {"model": "auto", "margin_rate": 0.3},
        "since": {"model": "nbd", "since": "6 months", "currency": "USD"},
        "without money": {"model": "bg_nbd", "amount": "", "since": "3 months"},
        "links": {"model": "pareto_nbd", "since": "3 months", "peers": peers, **files},
        "dutch": {"model": "mbg_nbd", "language": "nl", "influence": files["influence"]},
    }
    return {name: kw.run(SAMPLE, out=place / name, **settings) for name, settings in runs.items()}


RUNS = ["plain", "since", "without money", "links", "dutch"]


@pytest.mark.parametrize("name", RUNS)
def test_facts_are_as_the_schema_says(made: dict[str, kw.Results], name: str) -> None:
    assert list(faults(Facts, dict(made[name].facts))) == []
    assert made[name].facts["facts_version"] == FACTS_VERSION


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda facts: facts["base"].pop("customers"), "facts.base.customers is missing"),
        (lambda facts: facts["base"].update(height=1), "facts.base.height is in no schema"),
        (lambda facts: facts.update(money="yes"), "facts.money should be bool, but is 'yes'"),
        (lambda facts: facts["pyramid"][0].update(customers=True), "facts.pyramid.0.customers should be int"),
        (lambda facts: facts["movement"]["ledger"]["flow"].pop("net"), "facts.movement.ledger.flow.net is missing"),
        (lambda facts: facts.update(pyramid={}), "facts.pyramid should be list"),
        (lambda facts: facts["stages"]["core"].update(rlv="much"), "facts.stages.core.rlv"),
    ],
)
def test_the_schema_can_be_missed(made: dict[str, kw.Results], change: Any, said: str) -> None:
    facts = json.loads(json.dumps(made["since"].facts))
    change(facts)
    found = list(faults(Facts, facts))
    assert len(found) == 1
    assert found[0].startswith(said)


def test_facts_without_a_version_are_read(made: dict[str, kw.Results]) -> None:
    """As they were written before, and before there was movement, total value or a word for money."""
    new = dict(made["plain"].facts)
    assert new["movement"] is None
    old = {name: value for name, value in new.items() if name not in {"facts_version", "movement", "money_is", "total"}}
    again = upgraded(old, "run.json")
    assert list(faults(Facts, dict(again))) == []
    assert render(old) == render(new | {"total": None})
    with pytest.raises(kw.BadOrders, match="facts of version 99; this klantwaarde reads up to"):
        upgraded(new | {"facts_version": 99}, "run.json")


def test_a_run_from_python_is_that_of_the_command_line(
    made: dict[str, kw.Results], klantwaarde: Cli, tmp_path: Path
) -> None:
    out = tmp_path / "cli"
    said = klantwaarde("run", SAMPLE, "--model", "nbd", "--since", "6 months", "--currency", "USD", "--out", out)
    assert said.code == 0, said.err
    theirs, ours = kw.results(out), made["since"]
    assert {path.name for path in out.iterdir()} == {path.name for path in ours.folder.iterdir()}
    for name in ("customers", "stages", "pyramid", "moves"):
        assert getattr(theirs, name).to_arrow().equals(getattr(ours, name).to_arrow()), name
    assert dict(theirs.facts) | {"generated_at": ""} == dict(ours.facts) | {"generated_at": ""}
    assert theirs.fits.timing.model == ours.fits.timing.model


def test_a_frame_is_read_as_a_file_is(made: dict[str, kw.Results], tmp_path: Path) -> None:
    ours = kw.run(pd.read_parquet(SAMPLE), out=tmp_path / "frame", model="nbd", since="6 months", currency="USD")
    assert ours.customers.to_arrow().equals(made["since"].customers.to_arrow())
    assert ours.facts["title"] == "orders"


def test_mistakes_are_told_as_arguments(tmp_path: Path) -> None:
    with pytest.raises(kw.BadParameters, match=r"Unknown setting: margi_rate\. Did you mean margin_rate"):
        kw.run(SAMPLE, out=tmp_path / "no", margi_rate=1)
    with pytest.raises(kw.BadOrders, match="holds no results of a run"):
        kw.results(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_printed_unless_asked(tmp_path: Path) -> None:
    for verbose in (False, True):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            kw.run(SAMPLE, out=tmp_path / str(verbose), model="nbd", verbose=verbose)
        assert bool(out.getvalue()) is verbose


@pytest.mark.parametrize("name", ["since", "links", "without money"])
def test_the_customers_behind_every_figure_of_movement(made: dict[str, kw.Results], name: str) -> None:
    movement = made[name].facts["movement"]
    assert movement is not None
    table = made[name].moves.to_arrow()
    assert table.column_names == [column for column, _, _ in MOVES]
    assert len(set(table["customer_id"].to_pylist())) == len(table) == len(made[name].moves)
    for line, figures in movement["ledger"]["lines"].items():
        rows = table.filter(pc.equal(table["line"], line))
        assert len(rows) == figures["customers"]
        for when in ("opening", "closing", "change"):
            assert float(pc.sum(rows[when]).as_py() or 0) == pytest.approx(figures[when], abs=1e-9)  # type: ignore[literal-required]
    if movement["statement"] is not None:
        for part in ("unwind", "released", "spend", "frequency", "retention", "new_customers", "model_change"):
            told = movement["statement"][part]  # type: ignore[literal-required]
            assert float(pc.sum(table[part]).as_py()) == pytest.approx(told, abs=1e-9), part
    else:
        assert table["unwind"].null_count == len(table)
    if movement["migration"] is not None:
        for cell in movement["migration"]["cells"]:
            both = pc.and_(pc.equal(table["tier_before"], cell["before"]), pc.equal(table["tier_after"], cell["after"]))
            assert len(table.filter(both)) == cell["customers"]
    for move in movement["flows"]:
        before = table["stage_before"].to_pylist()
        after = table["stage_after"].to_pylist()
        assert (
            sum(pair == (move["before"], move["after"]) for pair in zip(before, after, strict=True))
            == move["customers"]
        )


def test_moves_are_of_runs_that_look_back(made: dict[str, kw.Results]) -> None:
    with pytest.raises(kw.BadParameters, match="a run with since"):
        _ = made["plain"].moves


def test_frames_are_as_pandas_users_expect(made: dict[str, kw.Results]) -> None:
    customers, stages = made["since"].customers.to_pandas(), made["since"].stages.to_pandas()
    assert {str(customers[name].dtype) for name in ("rlv", "value_realised", "revenue", "p_alive")} == {"float64"}
    assert str(customers.first_order.dtype).startswith("datetime64")
    assert customers.tier.dtype == pd.CategoricalDtype(["top", "large", "medium", "small", "inactive"], ordered=True)
    assert stages.stage.dtype == pd.CategoricalDtype(STAGES, ordered=True)
    assert (customers.tier <= "medium").sum() == (
        customers["rank"] <= customers[customers.tier == "medium"]["rank"].max()
    ).sum()
    frame = kw.score(kw.customers(kw.orders(SAMPLE)), made["since"].fits).to_pandas()
    assert frame.tier.dtype == customers.tier.dtype
    assert made["since"].customers.to_polars().shape == customers.shape
    assert len(made["since"].customers) == len(customers)


def test_what_is_printed_is_short(made: dict[str, kw.Results]) -> None:
    assert repr(made["plain"]).startswith("<Results in ")
    assert repr(made["plain"].customers) == "<Table customers.parquet: to_pandas(), to_arrow(), to_polars()>"


def test_facts_that_were_changed_are_refused(made: dict[str, kw.Results], tmp_path: Path) -> None:
    """By their sum; those of a run before there were sums by what the schema says."""
    record = json.loads((made["plain"].folder / "run.json").read_text("utf-8"))
    (tmp_path / "run.json").write_text(json.dumps(record | {"facts": record["facts"] | {"title": "Mine"}}))
    with pytest.raises(kw.BadOrders, match=r"run.json was changed or damaged after the run that wrote it"):
        kw.results(tmp_path)
    del record["facts_sum"], record["facts"]["model"]["choice"]
    (tmp_path / "run.json").write_text(json.dumps(record))
    with pytest.raises(kw.BadOrders, match=r"is damaged: facts.model.choice is missing. Run again"):
        kw.results(tmp_path)
