"""Terms, Fits and Beside: checked when they are made; calls as they were give the same answers, with a warning."""

from __future__ import annotations

import datetime as dt
import warnings
from typing import Any

import pandas as pd
import pytest

import klantwaarde as kw


@pytest.fixture(scope="module", name="base")
def _base() -> kw.Customers:
    return kw.customers(kw.orders(kw.datasets.cdnow_sample()), "1997-09-30")


@pytest.fixture(scope="module", name="fits")
def _fits(base: kw.Customers) -> kw.Fits:
    return kw.fits(base, "bg_nbd", potential=True)


def test_rates_are_read_once() -> None:
    assert kw.Terms("10%", "30%") == kw.Terms(0.1, 0.3)
    assert kw.Beside(influence_share="5%") == kw.Beside(influence_share=0.05)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: kw.Terms(annual_discount_rate=0), "must be above 0"),
        (lambda: kw.Terms(margin_rate=30), "Did you mean 30%"),
        (lambda: kw.Terms(horizon="soon"), "horizon"),
        (lambda: kw.Terms(rank_by="height"), "last_year, rlv, realised"),
        (lambda: kw.Terms(tau=1.0), "between 0 and 1"),
        (lambda: kw.Beside(influence_share=1.5), "influence_share"),
        (lambda: kw.Beside(peers="town"), "give attributes= too"),
    ],
)
def test_refused_when_made(made: Any, said: str) -> None:
    with pytest.raises(kw.BadParameters, match=said):
        made()


def test_fits_are_those_of_the_parts(base: kw.Customers, fits: kw.Fits) -> None:
    assert fits.timing.model == kw.fit(kw.BGNBD, base.cells()).model
    assert fits.spend is not None
    assert fits.spend.model == kw.fit(kw.GammaGamma, base.spend()).model
    assert fits.potential is not None
    assert fits.potential.model == kw.fit(kw.ParetoNBD, base.cells()).model
    assert {fits.timing.as_of, fits.spend.as_of, fits.potential.as_of} == {"1997-09-30"}
    assert kw.fits(base, kw.ParetoNBD, potential=True).potential is None  # the timing fit serves


def test_fits_by_what_predicts_better(base: kw.Customers) -> None:
    assert kw.fits(base).timing.name == kw.choose(base).model


def test_fits_without_money() -> None:
    bare = kw.customers(kw.orders(kw.datasets.cdnow_sample(), amount=None), "1997-09-30")
    assert kw.fits(bare, "nbd").spend is None


def test_headroom_only_where_asked(base: kw.Customers, fits: kw.Fits) -> None:
    assert kw.score(base, fits).to_pandas().potential.isna().all()
    assert kw.score(base, fits, kw.Terms(headroom=True)).to_pandas().potential.gt(0).any()


OLD: dict[str, Any] = {
    "by place": (lambda base, f: kw.score(base, f.timing, f.spend), {}),
    "by name": (lambda base, f: kw.score(base, f.timing, spend=f.spend, margin_rate=0.3), {"margin_rate": 0.3}),
    "terms": (
        lambda base, f: kw.score(base, f.timing, f.spend, horizon=dt.date(1998, 1, 1), rank_by="rlv", tau=0.8),
        {"horizon": "1998-01-01", "rank_by": "rlv", "tau": 0.8},
    ),
    "no headroom": (lambda base, f: kw.score(base, f.timing, f.spend, headroom=False), {"headroom": False}),
}


@pytest.mark.parametrize("name", OLD)
def test_calls_as_they_were(base: kw.Customers, fits: kw.Fits, name: str) -> None:
    call, terms = OLD[name]
    with pytest.warns(DeprecationWarning, match=r"kw\.Fits\(fit, spend\)") as said:
        old = call(base, fits)
    assert said[0].filename == __file__
    new = kw.score(base, fits, kw.Terms(**({"headroom": True} | terms)))
    pd.testing.assert_frame_equal(old.to_pandas(), new.to_pandas())


def test_what_nobody_knows_is_refused(base: kw.Customers, fits: kw.Fits) -> None:
    with pytest.raises(TypeError, match="margin"):
        kw.score(base, fits, margin=0.3)
    with pytest.raises(kw.BadParameters, match=r"within kw\.Terms"):
        kw.score(base, fits, kw.Terms(), margin_rate=0.3)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda base, f: kw.score(base, f.timing, kw.Terms(), margin_rate=0.3), "margin_rate within kw.Terms"),
        (lambda base, f: kw.score(base, f.timing, None, kw.Beside(), category="kind"), "category within kw.Terms"),
        (lambda base, f: kw.score(base, f, spend=f.spend), "spend within kw.Terms"),
    ],
)
def test_nothing_that_is_given_is_lost(base: kw.Customers, fits: kw.Fits, call: Any, said: str) -> None:
    with pytest.raises(kw.BadParameters, match=said):
        call(base, fits)


def test_a_spend_fit_given_twice(base: kw.Customers, fits: kw.Fits) -> None:
    any_call: Any = kw.score
    with pytest.raises(TypeError, match="multiple values for argument 'spend'"):
        any_call(base, fits.timing, fits.spend, spend=fits.spend)


def test_new_calls_warn_of_nothing(base: kw.Customers, fits: kw.Fits) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        scored = kw.score(base, fits, kw.Terms(margin_rate="30%"), kw.Beside())
    assert [str(one.message) for one in said] == []
    assert scored.terms.margin_rate == 0.3
