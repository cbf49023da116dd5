"""Which model scores: the one that predicts this base's last quarter better."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from klantwaarde.data.split import observed, sample, three_quarters
from klantwaarde.errors import BadOrders
from klantwaarde.validate.backtest import Score, backtest, doubts

if TYPE_CHECKING:
    import datetime as dt

    from klantwaarde.data.customers import Customers

CANDIDATES = ("mbg_nbd", "pareto_nbd")
MOST = 200_000  # customers; beyond that the errors no longer move in the digits shown


class Choice(NamedTuple):
    """The chosen model and what the choice rests on."""

    model: str
    split: dt.date | None
    scores: tuple[Score, ...]
    reason: str


def choose(base: Customers) -> Choice:
    """MBG/NBD or Pareto/NBD: fitted on the first three quarters, the smaller wMAE on the last quarter wins."""
    first, last = observed(base)
    split = three_quarters(first, last)
    try:
        followed = sample(base, MOST)
        tried = backtest(followed, split, end=last, models=CANDIDATES, unit=base.unit, money=False)
    except BadOrders:
        # Everyone on one day, or no purchase before the split: too little history to compare, not too little to score.
        return Choice(
            CANDIDATES[0], None, (), f"The orders cover too few days to compare models, so {CANDIDATES[0]} is taken."
        )
    scores = tuple(tried.of(name) for name in CANDIDATES)
    if any(score.wmae is None for score in scores):
        return Choice(
            CANDIDATES[0],
            split,
            scores,
            f"No orders after {split} to compare with, so {CANDIDATES[0]} is taken.",
        )
    best = min(scores, key=lambda score: score.wmae or 0.0)
    told = ", ".join(f"{score.predictor} {score.wmae:.4f}" for score in scores)
    reason = f"Smaller error (wMAE) after {split}, fitted before it: {told}."
    if (best.wmae or 0.0) > 1:
        # So it is where most customers buy nothing in a short holdout: zero for all errs less, and is of no use.
        reason += " Above 1: per customer, predicting no orders at all would err less; trust totals and ranking."
    return Choice(best.predictor, split, scores, reason + doubts(tried.fits))
