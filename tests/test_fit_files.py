"""Fits written and read back."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from klantwaarde.errors import BadParameters
from klantwaarde.estimate.fit import fit
from klantwaarde.estimate.load import load_base, load_fit, load_settings
from klantwaarde.estimate.result import Fit, save_fits
from klantwaarde.models import BGNBD, NBD, GammaGamma, ParetoNBD
from klantwaarde.purchases.cells import Cells, SpendCells


def cells() -> Cells:
    rng = np.random.default_rng(3)
    T = rng.uniform(20, 60, 400)
    customer, time = ParetoNBD(0.7, 7.0, 0.8, 12.0).draw(rng, T)
    t_x = np.zeros(400)
    np.maximum.at(t_x, customer, time)
    return Cells(np.bincount(customer, minlength=400), t_x, T, unit="month")


@pytest.fixture(scope="module")
def timing() -> Fit[ParetoNBD]:
    return replace(fit(ParetoNBD, cells()), as_of="2026-05-31")


@pytest.fixture(scope="module")
def spend() -> Fit[GammaGamma]:
    rng = np.random.default_rng(4)
    x = 1 + rng.poisson(2, 300)
    nu = rng.gamma(3.0, 1 / 20, 300)
    return fit(GammaGamma, SpendCells(np.r_[x, 0], np.r_[rng.gamma(4.0 * x) / nu / x, 0]))


def same(one: Fit, other: Fit) -> None:
    for field in fields(Fit):
        if field.name == "covariance":
            assert (one.covariance == other.covariance).all()
        else:
            assert getattr(one, field.name) == getattr(other, field.name), field.name


def test_everything_comes_back_exactly(timing: Fit, spend: Fit, tmp_path: Path) -> None:
    for kept in (timing, spend):
        kept.save(tmp_path / "model.json")
        same(load_fit(tmp_path / "model.json"), kept)
    assert [file.name for file in tmp_path.iterdir()] == ["model.json"]


def test_both_roles_and_settings(timing: Fit, spend: Fit, tmp_path: Path) -> None:
    path = str(tmp_path / "model.json")
    save_fits(path, timing=timing, spend=spend, settings={"margin_rate": 0.3})
    same(load_fit(path), timing)
    same(load_fit(path, role="timing"), timing)
    same(load_fit(path, role="spend"), spend)
    assert load_settings(path) == {"margin_rate": 0.3}
    assert Path(path).stat().st_size < 10_000


def test_infinite_standard_errors_come_back(tmp_path: Path) -> None:
    found = fit(NBD, Cells([4] * 50, [9] * 50, [10] * 50))
    assert found.status == "boundary"
    assert np.isinf(found.covariance).any()
    found.save(tmp_path / "m.json")
    assert "Infinity" not in (tmp_path / "m.json").read_text()
    same(load_fit(tmp_path / "m.json"), found)


def test_a_failed_save_leaves_the_old_file(timing: Fit, tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    timing.save(path)
    before = path.read_text()
    with pytest.raises((TypeError, ValueError)):
        save_fits(path, timing=timing, settings={"what": object()})
    assert path.read_text() == before
    assert [file.name for file in tmp_path.iterdir()] == ["m.json"]


BROKEN = {
    "not JSON": (lambda text: text[:40], "no JSON"),
    "binary": (lambda text: b"\xff\xfe\x00" + text.encode(), "no JSON"),
    "another format": (lambda text: text.replace("klantwaarde-model", "other"), "format"),
    "a list": (lambda _: "[1, 2]", "format"),
    "another version": (lambda text: text.replace('"version": 1', '"version": 2'), "version 2"),
    "unknown model": (lambda text: text.replace("pareto_nbd", "oracle"), "unknown model 'oracle'"),
    "a parameter missing": (lambda text: text.replace('"beta"', '"gamma"'), "beta"),
    "a parameter no number": (
        lambda text: edit(text, "parameters", {"r": "1", "alpha": 1, "s": 1, "beta": 1}),
        "r = '1'",
    ),
    "a parameter infinite": (
        lambda text: edit(text, "parameters", {"r": float("inf"), "alpha": 1, "s": 1, "beta": 1}),
        "Infinity is no finite number",
    ),
    "a parameter negative": (
        lambda text: edit(text, "parameters", {"r": -1, "alpha": 1, "s": 1, "beta": 1}),
        "not positive",
    ),
    "covariance of another size": (lambda text: edit(text, "covariance", [[1.0]]), "4 by 4"),
    "covariance NaN": (lambda text: edit(text, "covariance", [[float("nan")] * 4] * 4), "NaN is no finite number"),
    "cells that are NaN": (lambda text: edit(text, "cells", float("nan")), "NaN is no finite number"),
    "a double overflows": (
        lambda text: text.replace('"settings": {', '"settings": {"x": 1e999', 1),
        "1e999 is no",
    ),
    "negative variance": (lambda text: edit(text, "covariance", [[-1.0] * 4] * 4), "variance"),
    "ragged covariance": (lambda text: edit(text, "covariance", [[1.0], [1.0, 2.0]]), "damaged"),
    "no fit in it": (lambda text: json.dumps({**json.loads(text), "timing": None}), "no timing or spend fit"),
    "a fit that is a word": (lambda text: json.dumps({**json.loads(text), "timing": "yes"}), "damaged"),
}


def edit(text: str, name: str, value: object) -> str:
    content = json.loads(text)
    content["timing"][name] = value
    return json.dumps(content)


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_give_one_clear_error(case: str, timing: Fit, tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    timing.save(path)
    breaks, words = BROKEN[case]
    broken = breaks(path.read_text())
    path.write_bytes(broken if isinstance(broken, bytes) else broken.encode())
    with pytest.raises(BadParameters, match=words):
        load_fit(path)


@pytest.mark.parametrize("base", [{"first_order": 5}, {"first_order": "soon"}, "yes", [1]])
def test_what_a_file_keeps_of_its_customers_is_a_day(base: object, timing: Fit, tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    timing.save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base": base}))
    with pytest.raises(BadParameters, match="damaged: what it keeps of its customers"):
        load_base(path)


def test_missing_files_and_roles(timing: Fit, tmp_path: Path) -> None:
    with pytest.raises(BadParameters, match="cannot be read"):
        load_fit(tmp_path / "nowhere.json")
    with pytest.raises(BadParameters, match="cannot be read"):
        load_fit(tmp_path)
    timing.save(tmp_path / "m.json")
    with pytest.raises(BadParameters, match="holds no spend fit; it holds: timing"):
        load_fit(tmp_path / "m.json", role="spend")
    with pytest.raises(BadParameters, match="no report fit"):
        load_fit(tmp_path / "m.json", role="report")


def test_each_role_takes_its_own_kind(timing: Fit, spend: Fit, tmp_path: Path) -> None:
    with pytest.raises(BadParameters, match="gamma_gamma is no timing model"):
        save_fits(tmp_path / "m.json", timing=spend)
    with pytest.raises(BadParameters, match="pareto_nbd is no spend model"):
        save_fits(tmp_path / "m.json", spend=timing)


def test_a_loaded_fit_is_a_start(tmp_path: Path) -> None:
    found = fit(BGNBD, cells())
    found.save(tmp_path / "m.json")
    again = fit(BGNBD, cells(), start=load_fit(tmp_path / "m.json").model)
    np.testing.assert_allclose(again.model, found.model, rtol=1e-5)
