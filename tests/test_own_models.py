"""Models of a user's own: written here, with two and with six parameters, they go wherever a model goes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.special import gammainc, gammaln

import klantwaarde as kw
from klantwaarde.typing import Array, AttritionModel, Parameter, Values

COUNTS = 60


class Steady(NamedTuple):
    """Everybody buys at the same rate and leaves at the same rate: nothing differs between customers."""

    rate_: Values
    leaving: Values

    @staticmethod
    def parameters() -> tuple[Parameter, ...]:
        return Parameter("rate_", -1, ()), Parameter("leaving", -1, (0.3, 1.0))

    def log_branches(self, x: Values, t_x: Values, T: Values) -> tuple[Array, Array]:
        both = np.add(self.rate_, self.leaving)
        bought = x * np.log(self.rate_)
        with np.errstate(divide="ignore"):
            gone = np.log(self.leaving / both) - both * t_x + np.log(-np.expm1(-both * np.subtract(T, t_x)))
        return np.asarray(bought - both * T), np.asarray(bought + gone)

    def given_alive(self, x: Values, t_x: Values, T: Values) -> Steady:  # noqa: ARG002
        same = np.zeros(np.broadcast_shapes(np.shape(x), np.shape(T)))
        return Steady(self.rate_ + same, self.leaving + same)

    def rate(self) -> Array:
        return np.asarray(self.rate_)

    def rate_quantile(self, tau: Values) -> Array:
        return np.asarray(self.rate_ + 0 * np.asarray(tau))

    def silence(self, t: Values) -> Array:
        return np.asarray(np.exp(-np.multiply(self.rate_, t)))

    def silent_for(self, chance: Values) -> Array:
        return np.asarray(-np.log(chance) / self.rate_)

    def time_scale(self) -> Array:
        return np.asarray(1 / np.asarray(self.leaving))

    def purchases(self, t: Values) -> Array:
        return np.asarray(self.rate_ * -np.expm1(-np.multiply(self.leaving, t)) / self.leaving)

    def active(self, t: Values) -> Array:
        both = np.add(self.rate_, self.leaving)
        return np.asarray(self.rate_ / both * -np.expm1(-both * t))

    def discounted(self, delta: Values) -> Array:
        return np.asarray(self.rate_ / np.add(self.leaving, delta))

    def reach(self, t: Values, m: Values) -> Array:
        return np.asarray(self.counts(float(t), 99)[:, int(m) :].sum(axis=-1))

    def counts(self, t: float, most: int) -> Array:
        rate, leaving = (np.atleast_1d(np.asarray(one, dtype=float))[:, None] for one in self)
        k = np.arange(most + 1)
        stays = np.exp(-(rate + leaving) * t + k * np.log(rate * t) - gammaln(k + 1))
        share = rate / (rate + leaving)
        found = stays + (1 - share) * share**k * gammainc(k + 1, (rate + leaving) * t)
        found[:, -1] += np.maximum(1 - found.sum(axis=1), 0)
        return np.asarray(found / found.sum(axis=1, keepdims=True))

    def most_counts(self, t: float) -> Array:
        mean = np.multiply(self.rate_, t)
        return np.asarray(np.ceil(mean + 10 * np.sqrt(mean) + 10), dtype=int)

    def born(self) -> tuple[Values, Steady]:
        return 1.0, self

    def draw(self, rng: np.random.Generator, T: Array) -> tuple[Array, Array]:
        life = np.minimum(rng.exponential(1 / float(self.leaving), T.shape), T)
        row = np.repeat(np.arange(len(T)), rng.poisson(float(self.rate_) * life))
        place = (1 - rng.random(len(row))) * life[row]
        order = np.lexsort((place, row))
        return row[order], place[order]


class Segments(NamedTuple):
    """Three kinds of customers, each with its rate, in shares 1 : odds2 : odds3; all leave at one rate."""

    rate1: Values
    rate2: Values
    rate3: Values
    odds2: Values
    odds3: Values
    leaving: Values

    @staticmethod
    def parameters() -> tuple[Parameter, ...]:
        rates = Parameter("rate1", -1, ()), Parameter("rate2", -1, (6.0,)), Parameter("rate3", -1, (0.3,))
        return (*rates, *(Parameter(name, 0, (0.5, 2.0)) for name in ("odds2", "odds3")), Parameter("leaving", -1))

    def _kinds(self) -> list[tuple[Array, Steady]]:
        odds = [np.asarray(one, dtype=float) for one in (1.0, self.odds2, self.odds3)]
        rates = (self.rate1, self.rate2, self.rate3)
        return [(one / sum(odds), Steady(rate, self.leaving)) for one, rate in zip(odds, rates, strict=True)]

    def _mixed(self, ask: Any) -> Array:
        return np.asarray(sum(share * ask(kind) for share, kind in self._kinds()))

    def log_branches(self, x: Values, t_x: Values, T: Values) -> tuple[Array, Array]:
        each = [(share, kind.log_branches(x, t_x, T)) for share, kind in self._kinds()]
        alive, gone = (np.logaddexp.reduce([np.log(share) + branch[n] for share, branch in each]) for n in (0, 1))
        return np.asarray(alive), np.asarray(gone)

    def given_alive(self, x: Values, t_x: Values, T: Values) -> Segments:  # noqa: ARG002
        def ratio(rate: Values) -> Array:
            return np.asarray(np.exp(x * np.log(np.divide(rate, self.rate1)) - np.subtract(rate, self.rate1) * T))

        odds2, odds3 = self.odds2 * ratio(self.rate2), self.odds3 * ratio(self.rate3)
        same = np.zeros(np.shape(odds2))
        return Segments(self.rate1 + same, self.rate2 + same, self.rate3 + same, odds2, odds3, self.leaving + same)

    def rate(self) -> Array:
        return self._mixed(lambda kind: kind.rate())

    def rate_quantile(self, tau: Values) -> Array:
        kinds = sorted(self._kinds(), key=lambda one: float(np.mean(one[1].rate_)))
        below, found = np.asarray(0.0), kinds[-1][1].rate_
        for share, kind in kinds:
            found = np.where((below < tau) & (below + share >= tau), kind.rate_, found)
            below = below + share
        return np.asarray(found)

    def silence(self, t: Values) -> Array:
        return self._mixed(lambda kind: kind.silence(t))

    def silent_for(self, chance: Values) -> Array:
        low = np.zeros(np.broadcast_shapes(np.shape(chance), np.shape(self.odds2)))
        high = -np.log(chance) / np.minimum(np.minimum(self.rate1, self.rate2), self.rate3) + low
        for _ in range(80):
            middle = (low + high) / 2
            late = self.silence(middle) < chance
            low, high = np.where(late, low, middle), np.where(late, middle, high)
        return np.asarray((low + high) / 2)

    def time_scale(self) -> Array:
        return np.asarray(1 / np.asarray(self.leaving))

    def purchases(self, t: Values) -> Array:
        return self._mixed(lambda kind: kind.purchases(t))

    def active(self, t: Values) -> Array:
        return self._mixed(lambda kind: kind.active(t))

    def discounted(self, delta: Values) -> Array:
        return self._mixed(lambda kind: kind.discounted(delta))

    def reach(self, t: Values, m: Values) -> Array:
        return np.asarray(sum(share * kind.reach(t, m) for share, kind in self._kinds()))

    def counts(self, t: float, most: int) -> Array:
        parts = (np.atleast_1d(share)[:, None] * kind.counts(t, most) for share, kind in self._kinds())
        return np.asarray(sum(parts))

    def most_counts(self, t: float) -> Array:
        return np.asarray(np.max([kind.most_counts(t) for _, kind in self._kinds()], axis=0))

    def born(self) -> tuple[Values, Segments]:
        return 1.0, self

    def draw(self, rng: np.random.Generator, T: Array) -> tuple[Array, Array]:
        shares = np.array([float(share) for share, _ in self._kinds()])
        which = rng.choice(3, len(T), p=shares)
        rows, places = [], []
        for number, (_, kind) in enumerate(self._kinds()):
            mine = np.flatnonzero(which == number)
            row, place = kind.draw(rng, T[mine])
            rows.append(mine[row])
            places.append(place)
        row, place = np.concatenate(rows), np.concatenate(places)
        order = np.lexsort((place, row))
        return row[order], place[order]


TRUE = {Steady: Steady(0.15, 0.02), Segments: Segments(0.12, 0.6, 0.02, 0.4, 0.8, 0.015)}
MODELS = pytest.mark.parametrize("Model", TRUE, ids=lambda Model: Model.__name__)


@MODELS
def test_it_plays_the_role(Model: Any) -> None:
    """What it answers hangs together: counts with chances and means, the gone with an integral, silences with times."""
    model = TRUE[Model]
    assert isinstance(model, AttritionModel)
    rows = Model(*(np.array([value]) for value in model))
    chances = rows.counts(26.0, COUNTS)[0]
    assert 1 - chances[0] == pytest.approx(float(model.active(26.0)), rel=1e-9)
    assert chances @ np.arange(COUNTS + 1) == pytest.approx(float(model.purchases(26.0)), rel=1e-6)
    assert float(model.silence(model.silent_for(0.2))) == pytest.approx(0.2, rel=1e-9)
    steady = TRUE[Steady]
    died, _ = quad(
        lambda u: steady.rate_**3 * np.exp(-steady.rate_ * u) * steady.leaving * np.exp(-steady.leaving * u), 9, 30
    )
    assert np.exp(steady.log_branches(3.0, 9.0, 30.0)[1]) == pytest.approx(died, rel=1e-9)


@MODELS
def test_it_goes_wherever_a_model_goes(Model: Any, tmp_path: Any) -> None:
    made = kw.simulate(TRUE[Model], 1_500, spend=kw.GammaGamma(6.0, 4.0, 60.0), seed=3, end="2025-12-31")
    orders = kw.orders(made)
    days = ("2025-06-30", "2025-12-31")
    scored, staged = [], []
    for day in days:
        base = kw.customers(orders, day)
        fit = kw.fit(Model, base.cells())
        assert fit.status in {"converged", "boundary"}, fit.reason
        assert fit.model_in("day").rate() == pytest.approx(fit.model.rate() / 7)
        fits = kw.fits(base, Model)
        assert fits.timing.model == fit.model
        scored.append(kw.score(base, fits, kw.Terms(margin_rate=0.3, headroom=True)))
        staged.append(kw.stages(scored[-1], orders))
    assert np.log(fit.model.rate() / TRUE[Model].rate()) == pytest.approx(0, abs=0.2), "what was simulated is found"
    frame = scored[-1].to_pandas()
    told = frame[["p_alive", "expected_orders", "dert", "rlv", "potential"]].to_numpy()
    assert np.isfinite(told).all()
    assert (told >= 0).all()
    assert frame.p_alive.between(0, 1).all()
    books = kw.ledger(*scored, orders)
    assert books.total.closing == sum(line.closing for line in books.total.lines.values())
    assert books.total.flow.opening + books.total.flow.net == books.total.flow.closing
    period = kw.statement(*scored, orders)
    assert period.expected_closing + period.experience + period.new_customers + period.model_change == period.closing
    moves = kw.migration(*scored, expected=300)
    assert moves.chance is not None
    assert sum(band.customers for band in kw.pyramid(scored[-1])) == len(frame)
    tried = kw.backtest(orders, days[0], models=[Model, "nbd"])
    assert tried.of(Model.__name__).predicted == pytest.approx(tried.of(Model.__name__).actual, rel=0.25)
    assert sum(staged[-1].counts().values()) == len(frame)
    assert isinstance(staged[-1].to_pandas(), pd.DataFrame)
    with pytest.raises(kw.BadParameters, match=f"{Model.__name__} is no timing model"):
        fit.save(tmp_path / "m.json")  # who reads a file has to know its model
