"""What a person prints is short, says what it is, and is no SQL; tables in notebooks escape what they hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

import klantwaarde as kw
from klantwaarde.shown import html_table

SUMMARISED = ("estimate", "standard_error", "low", "high")


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    orders = kw.orders(kw.datasets.cdnow_sample())
    scored = []
    for day in ("1998-03-31", "1998-06-30"):
        base = kw.customers(orders, day)
        fit, spend = kw.fit(kw.BGNBD, base.cells()), kw.fit(kw.GammaGamma, base.spend())
        scored.append(kw.score(base, kw.Fits(fit, spend)))
    return {
        "orders": orders,
        "customers": base,
        "fit": fit,
        "spend": spend,
        "scored": scored[1],
        "stages": kw.stages(scored[1], orders),
        "ledger": kw.ledger(*scored, orders),
        "statement": kw.statement(*scored, orders),
        "migration": kw.migration(*scored),
    }


KNOWN = {
    "orders": "6,919 lines, 1997-01-01 to 1998-06-30",
    "customers": "<Customers as of 1998-06-30: 2,357",
    "fit": "<Fit bg_nbd (r=",
    "spend": "<Fit gamma_gamma (p=",
    "scored": "2,357 customers, by bg_nbd and gamma_gamma",
    "stages": "<Stages as of 1998-06-30",
    "ledger": "<Ledger of 1998-03-31 to 1998-06-30",
    "statement": "<Statement: ",
    "migration": "<Migration, frozen ranks: ",
}


@pytest.mark.parametrize("name", KNOWN)
def test_it_is_short(name: str, made: dict[str, Any]) -> None:
    said = repr(made[name])
    assert KNOWN[name] in said
    assert len(said) < 250
    assert "select" not in said.lower()


@pytest.mark.parametrize("name", ["fit", "ledger", "statement", "migration"])
def test_a_notebook_shows_a_table(name: str, made: dict[str, Any]) -> None:
    table = made[name]._repr_html_()
    assert table.startswith("<table>")
    rows = {"fit": 4, "ledger": 9, "statement": 9, "migration": 7}[name]
    assert table.count("<tr>") == rows + 1
    assert len(table) < 4_000


def test_cells_are_no_markup() -> None:
    assert html_table(("<b>",), [("<script>", 1)]).count("<b>") == 0
    assert "&lt;script&gt;" in html_table(("x",), [("<script>",)])


def test_a_summary_holds_an_interval_of_the_logarithm(made: dict[str, Any]) -> None:
    fit = made["fit"]
    told = fit.summary(0.9)
    assert tuple(told.columns) == SUMMARISED
    assert told.index.tolist() == list(fit.model._fields)
    np.testing.assert_allclose(told.estimate, fit.model)
    log_error = told.standard_error / told.estimate
    np.testing.assert_allclose(np.log(told.high / told.estimate), norm.ppf(0.95) * log_error, rtol=1e-12)
    np.testing.assert_allclose(told.low * told.high, told.estimate**2, rtol=1e-12)
    with pytest.raises(kw.BadParameters, match="between 0 and 1"):
        fit.summary(95)


def test_what_the_data_do_not_tell_has_no_end() -> None:
    fit = kw.fit(kw.BGNBD, kw.Cells([0, 0, 0], [0, 0, 0], [10, 20, 30], [5, 5, 5]))
    told = fit.summary()
    unknown = ~np.isfinite(told.standard_error)
    assert unknown.any()
    assert (told.low[unknown] == 0).all()
    assert np.isinf(told.high[unknown]).all()
