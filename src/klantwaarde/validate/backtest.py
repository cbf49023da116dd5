"""Does it predict? Fit before a date, compare after it, per model and against baselines."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from klantwaarde.calendar import check_unit, read_day
from klantwaarde.errors import BadParameters
from klantwaarde.estimate.fit import fit, spend_line
from klantwaarde.estimate.result import Fit
from klantwaarde.models import MODELS, GammaGamma, quantities
from klantwaarde.purchases.customers import Customers
from klantwaarde.purchases.split import holdout
from klantwaarde.validate import metrics
from klantwaarde.wording.message import Message, message, several

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    import pyarrow as pa

    from klantwaarde.purchases.orders import Orders
    from klantwaarde.typing import Array

SAME_RATE, NOTHING = "same rate as before", "nothing"
BASELINES = (SAME_RATE, NOTHING)
RIVALS = {SAME_RATE: "same_rate", NOTHING: "nothing_at_all"}
"""What a baseline is called in a sentence, as a code."""


class Score(NamedTuple):
    """One predictor's errors; see validate/metrics.py for the definitions."""

    predictor: str
    measure: str
    predicted: float
    actual: float
    total_error: float | None
    mae: float
    wmae: float | None
    rmse: float
    pearson: float | None
    spearman: float | None
    gini: float | None
    capture: float | None
    capture_max: float | None


@dataclass(frozen=True)
class Backtest:
    """What was predicted at the split and what happened after it."""

    split: dt.date
    end: dt.date
    customers: int
    scores: tuple[Score, ...]
    fits: tuple[Fit[Any], ...]
    verdict: Message

    def to_pandas(self) -> pd.DataFrame:
        """One row per predictor and measure (orders, money)."""
        import pandas as pd  # noqa: PLC0415 - half a second and 40 MB that fits and scores do without

        return pd.DataFrame(self.scores)

    def of(self, predictor: str, measure: str = "orders") -> Score:
        """The score of one predictor."""
        return next(score for score in self.scores if (score.predictor, score.measure) == (predictor, measure))


class _History(NamedTuple):
    x: Array
    t_x: Array
    T: Array
    zbar: Array
    revenue: Array


def backtest(
    orders: Orders,
    split: str | dt.date,
    *,
    end: str | dt.date | None = None,
    models: Sequence[str | type[Any]] = tuple(MODELS),
    unit: str = "week",
    money: bool = True,
) -> Backtest:
    """Models fitted on orders up to `split`, compared with the orders in (split, end].

    end: default as for `customers`. models: classes, or names such as "pareto_nbd". Customers who first
    bought after the split are not in it. Orders: purchases; money: the amounts of these purchases, compared where the
    orders carry amounts and someone had bought again before the split.
    """
    check_models([model for model in models if isinstance(model, str)])
    day = read_day(split, "split")
    last = orders.default_as_of() if end is None else read_day(end, "end")
    before, table = holdout(orders, day, last, unit)
    history, actual, paid = _arrays(table, unit)
    horizon = (last - day).days / check_unit(unit)
    fits: list[Fit[Any]] = [fit(model, before.cells()) for model in models]
    predicted = {found.name: quantities.cet(found.model, horizon, *history[:3]) for found in fits}
    predicted |= _baselines(history, horizon)
    scores = [_score(name, "orders", actual, values) for name, values in predicted.items()]
    if money and orders.has_money:
        scores += _money_scores(before, history, predicted, paid)
    verdict = several("sentences", [_verdict(scores, len(actual)), *doubts(fits)])
    return Backtest(day, last, len(actual), tuple(scores), tuple(fits), verdict)


def check_models(names: Sequence[str]) -> None:
    """Raise BadParameters for a name that is no timing model."""
    unknown = [name for name in names if name not in MODELS]
    if unknown:
        raise BadParameters(
            f"{', '.join(name or repr(name) for name in unknown)} is no timing model. Choose from {', '.join(MODELS)}."
        )


def _arrays(table: pa.Table, unit: str) -> tuple[_History, Array, Array]:
    days = check_unit(unit)
    column = {name: np.asarray(table.column(name).cast("float64"), dtype=float) for name in table.column_names}
    history = _History(
        column["x"],
        column["t_x_days"] / days,
        column["t_days"] / days,
        column["zbar"],
        np.nan_to_num(column["revenue"]),
    )
    return history, column["actual_orders"], np.nan_to_num(column["actual_amount"])


def _baselines(history: _History, horizon: float) -> dict[str, Array]:
    seen = history.T > 0
    rate = np.divide(history.x, history.T, out=np.zeros_like(history.x), where=seen)
    return {SAME_RATE: rate * horizon, NOTHING: np.zeros_like(history.x)}


def _money_scores(before: Customers, history: _History, predicted: dict[str, Array], money: Array) -> list[Score]:
    if not (history.zbar > 0).any():
        return []  # nobody came back with money before the split: there is no spend to go by
    spend = _expected_spend(before, history)
    own = np.where(history.x > 0, history.zbar, 0.0)
    return [
        _score(name, "money", money, values * (own if name in BASELINES else spend))
        for name, values in predicted.items()
    ]


def _expected_spend(before: Customers, history: _History) -> Array:
    found = fit(GammaGamma, before.spend())
    intercept, slope = spend_line(found, history.x)
    return np.asarray(intercept + slope * history.zbar)


def _score(predictor: str, measure: str, y: Array, p: Array) -> Score:
    return Score(
        predictor,
        measure,
        float(p.sum()),
        float(y.sum()),
        metrics.total_error(y, p),
        metrics.mae(y, p),
        metrics.wmae(y, p),
        metrics.rmse(y, p),
        metrics.pearson(y, p),
        metrics.spearman(y, p),
        metrics.normalised_gini(y, p),
        metrics.top_decile_capture(y, p),
        metrics.top_decile_capture(y, y),
    )


def doubts(fits: Sequence[Fit[Any]]) -> list[Message]:
    """A sentence on the fits that did not end at an optimum, if there are any."""
    doubtful = [
        message("doubtful_fit", model=found.name, reason=found.reason)
        for found in fits
        if found.status == "not converged"
    ]
    return [message("doubtful_fits", fits=several("clauses", doubtful))] if doubtful else []


def _verdict(scores: Sequence[Score], customers: int) -> Message:
    """One plain sentence: which predictor to trust, if any."""
    orders = [score for score in scores if score.measure == "orders"]
    models = [score for score in orders if score.predictor not in BASELINES]
    if not models or orders[0].actual == 0:
        return message("tried_nothing")
    best = min(models, key=lambda score: score.mae)
    rate = next(score for score in orders if score.predictor == SAME_RATE)
    nothing = next(score for score in orders if score.predictor == NOTHING)
    rival = min(rate, nothing, key=lambda score: score.mae)
    found = {"model": best.predictor, "customers": customers, "predicted": best.predicted, "actual": best.actual}
    found |= {"error": best.total_error, "mae": best.mae}
    if rival.mae < best.mae:
        return message("tried_no_use", **found, rival=message(RIVALS[rival.predictor]), rate=rival.mae)
    return message("tried_best", **found, rate=rate.mae, rate_error=rate.total_error)
