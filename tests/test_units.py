"""One unit of time, that of the fit: customers counted in another one give the same money."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.conftest import Said

import klantwaarde as kw
from klantwaarde.beside.demo_links import simulated_links
from klantwaarde.calendar import UNITS

Cli = Callable[..., Said]
AS_OF = "1998-03-31"
every_unit = pytest.mark.parametrize("unit", UNITS)


@pytest.fixture(scope="module", name="base")
def _base() -> kw.Customers:
    lines = pd.read_parquet(kw.datasets.cdnow_sample())
    lines["genre"] = np.array(["jazz", "pop", "folk"])[lines.quantity % 3]
    return kw.customers(kw.orders(lines), AS_OF)


@pytest.fixture(scope="module", name="fits")
def _fits(base: kw.Customers) -> tuple[kw.Fit[Any], kw.Fit[Any]]:
    return kw.fit(kw.ParetoNBD, base.cells()), kw.fit(kw.GammaGamma, base.spend())


@pytest.fixture(scope="module", name="beside")
def _beside(base: kw.Customers) -> dict[str, Any]:
    made = simulated_links(base)
    ids = base.to_arrow().column("customer_id").to_pylist()
    kinds = pd.DataFrame({"customer_id": ids, "kind": np.where(np.arange(len(ids)) % 2, "shop", "web")})
    return {
        "referrals": kw.referrals(made.referrals, base),
        "influence": kw.influence(made.influence, base),
        "attributes": kw.attributes(kinds, base),
        "peers": "kind",
        "category": "genre",
        "influence_share": 0.1,
    }


def in_unit(fit: kw.Fit[Any], unit: str, events: float = 0.0) -> kw.Fit[Any]:
    """What a fit to the same customers in another unit finds: times are scaled, and the density of so many of them."""
    days = UNITS[fit.unit or ""] / UNITS[unit]
    scale = {"alpha": days, "beta": days}
    model = fit.model._replace(**{name: value * scale.get(name, 1.0) for name, value in fit.model._asdict().items()})
    likelihood = fit.log_likelihood - events * np.log(days)
    return dataclasses.replace(fit, model=model, unit=unit, log_likelihood=likelihood)


def same(one: pd.DataFrame, other: pd.DataFrame, rel: float = 1e-9) -> bool:
    pd.testing.assert_frame_equal(one, other, check_exact=False, rtol=rel, atol=1e-12)
    return len(one) > 0


@pytest.fixture(scope="module", name="matched")
def _matched(base: kw.Customers, fits: Any, beside: dict[str, Any]) -> pd.DataFrame:
    return kw.score(base, kw.Fits(*fits), kw.Terms(margin_rate=0.3), kw.Beside(**beside)).to_pandas()


@every_unit
def test_the_customers_unit_changes_no_column(
    base: kw.Customers, fits: Any, beside: dict[str, Any], matched: pd.DataFrame, unit: str
) -> None:
    scored = kw.score(base.in_unit(unit), kw.Fits(*fits), kw.Terms(margin_rate=0.3), kw.Beside(**beside))
    assert (scored.terms.unit, scored.customers.unit) == ("week", "week")
    same(scored.to_pandas(), matched)


@every_unit
def test_the_fits_unit_changes_times_alone(
    base: kw.Customers, fits: Any, beside: dict[str, Any], matched: pd.DataFrame, unit: str
) -> None:
    cells = base.cells()
    timing = in_unit(fits[0], unit, float((cells.n * cells.x).sum()))
    for other in ("day", "year"):
        frame = kw.score(
            base.in_unit(other), kw.Fits(timing, fits[1]), kw.Terms(margin_rate=0.3), kw.Beside(**beside)
        ).to_pandas()
        for name in ("t_x", "T"):
            frame[name] *= UNITS[unit] / 7
        # The stream of referrals is fitted anew in each unit, by a search that stops within 1e-6.
        loose = ["future_referrals"]
        assert same(frame.drop(columns=loose), matched.drop(columns=loose), 2e-9)
        assert same(frame[loose], matched[loose], 1e-5)


@every_unit
def test_a_potential_fit_of_another_unit_gives_the_same_headroom(base: kw.Customers, fits: Any, unit: str) -> None:
    timing = kw.fit(kw.MBGNBD, base.cells())
    expected = kw.score(base, kw.Fits(timing, fits[1], potential=fits[0])).to_pandas()
    other = in_unit(fits[0], unit)
    same(kw.score(base, kw.Fits(timing, fits[1], potential=other)).to_pandas(), expected)
    assert unit == "week" or other.model.alpha != fits[0].model.alpha


def test_a_model_in_another_unit_answers_the_same(fits: Any) -> None:
    days = fits[0].model_in("day")
    assert kw.models.dert(days, 0.002, 2, 30.0, 90.0) == pytest.approx(
        kw.models.dert(fits[0].model, 0.014, 2, 30 / 7, 90 / 7)
    )
    assert fits[0].model_in("week") is fits[0].model
    assert fits[1].model_in("day") == fits[1].model


@every_unit
def test_stages_of_customers_in_another_unit(base: kw.Customers, fits: Any, unit: str) -> None:
    first, other = (
        kw.stages(kw.score(one, kw.Fits(*fits)), base.orders).to_pandas() for one in (base, base.in_unit(unit))
    )
    assert same(first, other)


def test_the_statement_between_scores_of_two_units(base: kw.Customers, fits: Any) -> None:
    early = kw.customers(base.orders, "1997-12-31")
    timing = kw.fit(kw.ParetoNBD, early.cells())
    weeks = kw.statement(kw.score(early, kw.Fits(timing, fits[1])), kw.score(base, kw.Fits(*fits)), base.orders)
    mixed = kw.statement(
        kw.score(early, kw.Fits(in_unit(timing, "day"), fits[1])), kw.score(base, kw.Fits(*fits)), base.orders
    )
    for name in ("opening", "unwind", "released", "spend", "frequency", "retention", "new_customers", "closing"):
        assert float(getattr(mixed, name)) == pytest.approx(float(getattr(weeks, name)), rel=1e-6), name


def test_the_state_keeps_the_unit_of_the_model_it_keeps(klantwaarde: Cli, tmp_path: Path) -> None:
    orders = pd.read_parquet(kw.datasets.cdnow_sample())
    orders.to_csv(tmp_path / "first.csv", index=False)
    orders.head(0).to_csv(tmp_path / "none.csv", index=False)
    state = ["--state", str(tmp_path / "state"), "--model", "bg_nbd", "--as-of", AS_OF]
    assert klantwaarde("run", str(tmp_path / "first.csv"), *state, "--out", str(tmp_path / "weeks")).code == 0
    again = [str(tmp_path / "first.csv"), *state, "--keep-model", "--unit", "day", "--since", "3 months"]
    said = klantwaarde("run", *again, "--out", str(tmp_path / "days"))
    assert said.code == 0
    assert "times are in weeks" in said.err
    frames = [pd.read_parquet(tmp_path / name / "customers.parquet") for name in ("weeks", "days")]
    same(*frames)
    assert json.loads((tmp_path / "days" / "run.json").read_text())["settings"]["unit"] == "week"
