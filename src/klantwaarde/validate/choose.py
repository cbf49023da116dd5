"""Which model scores: the one that predicts this base's last quarter better."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from klantwaarde.errors import BadOrders
from klantwaarde.purchases.split import observed, sample, three_quarters
from klantwaarde.validate.backtest import Score, backtest, doubts
from klantwaarde.value.terms import Fits, fits_of
from klantwaarde.wording.message import Message, message, several

if TYPE_CHECKING:
    import datetime as dt

    from klantwaarde.purchases.customers import Customers

CANDIDATES = ("mbg_nbd", "pareto_nbd")
MOST = 200_000  # customers; beyond that the errors no longer move in the digits shown


class Choice(NamedTuple):
    """The chosen model and what the choice rests on."""

    model: str
    split: dt.date | None
    scores: tuple[Score, ...]
    reason: Message


def fits(base: Customers, model: type[Any] | str = "auto", *, potential: bool = False) -> Fits:
    """The models that value these customers, fitted: what `score` takes.

    model: a timing model by its class or its name, or "auto" for the one that predicts the last quarter better.
    potential: with the Pareto/NBD that headroom rests on.
    """
    return fits_of(base, choose(base).model if model == "auto" else model, potential=potential)


def choose(base: Customers) -> Choice:
    """MBG/NBD or Pareto/NBD: fitted on the first three quarters, the smaller wMAE on the last quarter wins."""
    first, last = observed(base)
    split = three_quarters(first, last)
    try:
        followed = sample(base, MOST)
        tried = backtest(followed, split, end=last, models=CANDIDATES, unit=base.unit, money=False)
    except BadOrders:
        # Everyone on one day, or no purchase before the split: too little history to compare, not too little to score.
        return Choice(CANDIDATES[0], None, (), message("choice_too_short", model=CANDIDATES[0]))
    scores = tuple(tried.of(name) for name in CANDIDATES)
    if any(score.wmae is None for score in scores):
        return Choice(CANDIDATES[0], split, scores, message("choice_nothing_after", split=split, model=CANDIDATES[0]))
    best = min(scores, key=lambda score: score.wmae or 0.0)
    errors = [message("error_of_model", model=score.predictor, wmae=score.wmae) for score in scores]
    reason = [message("choice_smaller_error", split=split, errors=errors)]
    if (best.wmae or 0.0) > 1:
        # So it is where most customers buy nothing in a short holdout: zero for all errs less, and is of no use.
        reason.append(message("choice_above_one"))
    return Choice(best.predictor, split, scores, several("sentences", [*reason, *doubts(tried.fits)]))
