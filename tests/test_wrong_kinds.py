"""Things handed in at the wrong place: one error that says what was given and what is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import klantwaarde as kw

AS_OF = "2024-01-31"


class Scene:
    """A small base, its fits and scores."""

    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        days = pd.to_datetime("2022-03-01") + pd.to_timedelta(np.arange(0, 690, 30), unit="D")
        rows = [(f"c{n}", day, float(rng.gamma(4, 10))) for n in range(30) for day in days[: 2 + n % 7]]
        self.frame = pd.DataFrame(rows, columns=["customer_id", "date", "amount"])
        self.orders = kw.orders(self.frame)
        self.customers = kw.customers(self.orders, AS_OF)
        self.fit = kw.fit(kw.ParetoNBD, self.customers.cells())
        self.spend = kw.fit(kw.GammaGamma, self.customers.spend())
        self.fits = kw.Fits(self.fit, self.spend)
        self.scored = kw.score(self.customers, self.fits)
        self.links = kw.referrals(pd.DataFrame({"referrer_id": ["c1"], "referred_id": ["c2"]}), self.customers)
        self.moved = kw.influence(pd.DataFrame({"source_id": ["c1"], "target_id": ["c2"]}), self.customers)


@pytest.fixture(scope="module", name="scene")
def _scene() -> Scene:
    return Scene()


MODEL = kw.ParetoNBD(0.5, 10.0, 0.5, 10.0)
WRONG: dict[str, tuple[Callable[[Scene], Any], list[str]]] = {
    "score of a frame": (
        lambda s: kw.score(s.frame, s.fits),
        ["type Customers", "DataFrame (of pandas)"],
    ),
    "score of orders": (lambda s: kw.score(s.orders, s.fits), ["type Customers", "Orders was handed in"]),
    "score with a model": (lambda s: kw.score(s.customers, MODEL), ["type Fits", "ParetoNBD", "kw.fits("]),
    "score with a class": (lambda s: kw.score(s.customers, kw.ParetoNBD), ["type Fits", "the class ParetoNBD"]),
    "fits with a spend model": (lambda s: kw.Fits(s.fit, s.spend.model), ["spend", "GammaGamma was"]),
    "fits the other way round": (lambda s: kw.Fits(s.spend, s.fit), ["spend model", "timing model first"]),
    "fits of two timing models": (lambda s: kw.Fits(s.fit, s.fit), ["timing model", "kw.GammaGamma"]),
    "score the other way round": (lambda s: kw.score(s.fits, s.customers), ["type Customers", "Fits was handed in"]),
    "score with terms as a dict": (lambda s: kw.score(s.customers, s.fits, {"tau": 0.9}), ["type Terms", "dict"]),
    "terms with links beside": (lambda s: kw.Beside(referrals=s.frame), ["type Links", "kw.referrals("]),
    "pyramid of a frame": (lambda s: kw.pyramid(s.frame), ["type Scored", "DataFrame", "kw.score("]),
    "stages the other way round": (lambda s: kw.stages(s.orders, s.scored), ["type Scored", "Orders was handed in"]),
    "stages of scores twice": (lambda s: kw.stages(s.scored, s.scored), ["type Orders", "Scored was handed in"]),
    "p_alive of a fit": (lambda s: kw.models.p_alive(s.fit, 1, 1.0, 2.0), ["a model", "Fit", "fit.model"]),
    "cet of a class": (lambda _: kw.models.cet(kw.NBD, 1.0, 1, 1.0, 2.0), ["a model", "the class NBD"]),
    "likelihood of a fit": (lambda s: kw.models.log_likelihood(s.fit, 1, 1.0, 2.0), ["a model", "Fit", "fit.model"]),
    "purchases of a fit": (lambda s: kw.models.expected_purchases(s.fit, 1.0), ["a model", "fit.model"]),
    "fit of an unknown name": (lambda s: kw.fit("pareto", s.customers.cells()), ["'pareto'", "pareto_nbd"]),
    "fit of a model": (lambda s: kw.fit(MODEL, s.customers.cells()), ["ParetoNBD", "its class"]),
    "fit of a frame": (lambda s: kw.fit(kw.ParetoNBD, s.frame), ["Cells", "DataFrame"]),
    "ledger of orders": (lambda s: kw.ledger(s.orders, s.orders), ["table", "Orders was handed in", "kw.score"]),
    "sheet of orders": (lambda s: kw.doctor(s.orders), ["type Customers", "Orders was handed in", "kw.customers"]),
    "customers of a frame": (lambda s: kw.customers(s.frame), ["type Orders", "DataFrame (of pandas)", "kw.orders"]),
    "crv of links": (
        lambda s: kw.network.crv(s.links, np.ones(2)),
        ["Links was handed in", "Referrals(links.source"],
    ),
    "shares of links": (lambda s: kw.network.attribution_matrix(2, s.links), ["Links", "links.size"]),
    "shares of influence": (lambda s: kw.network.attribution_matrix(2, None, s.moved), ["Links", "links.weight"]),
    "matrix of links": (
        lambda s: kw.network.influence_matrix(s.moved, 2),
        ["Links", "links.weight", "influence=links"],
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_was_given_and_what_is_needed(scene: Scene, what: str) -> None:
    call, words = WRONG[what]
    with pytest.raises(kw.KlantwaardeError) as caught:
        call(scene)
    assert [word for word in words if word not in str(caught.value)] == []
    assert "has no attribute" not in str(caught.value)


def test_a_model_may_be_named(scene: Scene) -> None:
    assert kw.fit("pareto_nbd", scene.customers.cells()).model == scene.fit.model
    assert kw.fit("gamma_gamma", scene.customers.spend()).model == scene.spend.model


def test_arrays_from_links_as_the_error_says(scene: Scene) -> None:
    links, delta = scene.links, scene.scored.terms.delta
    made = kw.network.Referrals(
        links.source, links.target, links.anyway, links.acceleration / 7, links.incentive, links.acquisition, delta
    )
    assert kw.network.crv(made, np.array([1.0, 10.0])).tolist() == [5.0, 0.0]
    moved = scene.moved
    told = {"source": moved.source, "target": moved.target, "weight": moved.weight}
    assert kw.network.influence_matrix(told, moved.size, 0.2).toarray().tolist() == [[0, 0.2], [0, 0]]


@pytest.mark.parametrize("lazy", [False, True])
def test_plain_tables_of_a_ledger_may_be_polars(lazy: bool) -> None:
    polars = pytest.importorskip("polars")
    before = {"customer_id": ["a", "b"], "stage": ["core", "core"], "value": [10.0, 20.0]}
    after = {"customer_id": ["a", "b"], "stage": ["core", "lost"], "value": [15.0, 0.0]}
    expected = kw.ledger(before, after).total
    frames = [polars.DataFrame(one) for one in (before, after)]
    assert kw.ledger(*(one.lazy() if lazy else one for one in frames)).total == expected
