"""Whether potential ranks customers by money that it has not seen, on one's own orders.

True wallets are not observed. Two tests stand in for them:

* split_wallet: a random half of the stores (or brands: substitutes) is taken for the firm, and the other half is the
  wallet elsewhere. Does headroom, from the visible half alone, rank customers by what they spend in the hidden one?
* mask_category: categories (complements) of half of the customers are hidden. Does the sum that cross-sell potential
  is made of, learned from the other half, rank customers by what they spend there?

A score has to beat chance and own spend. Du, Kamakura & Mela (2007, "Size and share of customer wallet", Journal of
Marketing 71(2)) found that what customers spend here says little about what they spend elsewhere. That need not be so:
where households differ more in how much they need than in where they buy it, spend here and elsewhere go together, a
frontier of rates ranks the wrong way round, and split_wallet shows it. With needs ~ Gamma(r) and shares ~ Dirichlet of
total concentration k, they go together for r < k, are independent for r = k, and oppose each other for r > k.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from klantwaarde.errors import BadOrders, BadParameters, named
from klantwaarde.estimate.fit import fit, spend_line
from klantwaarde.models import GammaGamma, ParetoNBD
from klantwaarde.purchases.cells import Cells, SpendCells
from klantwaarde.validate.metrics import _ordered, spearman
from klantwaarde.value.cross_sell import Owned, expected_gains, money_rates, pairwise_chances, spend_scale
from klantwaarde.value.discount import continuous_rate
from klantwaarde.value.potential import headroom

if TYPE_CHECKING:
    from collections.abc import Callable

    from klantwaarde.typing import Array, Values

WEEK = 7.0
TOP = 0.20  # of customers, whose share of hidden spend is told
RANDOM, LEAST_SPENT, MOST_SPENT = "random", "own spend, least first", "own spend, most first"


@dataclass(frozen=True)
class HiddenSpend:
    """How well scores rank customers by spend that they did not see.

    spearman and captured (share of hidden spend held by the top 20 % by score): (repeats, scores). hidden, expected:
    money per repeat, and what the score forecast of it; 0 where it is no forecast. customers: mean number scored.
    without: repeats left out because nothing was hidden; left_out: lines left out for an amount that is not above 0.
    """

    scores: tuple[str, ...]
    spearman: Array
    captured: Array
    hidden: Array
    expected: Array
    customers: float
    without: int
    left_out: int

    def table(self) -> list[dict[str, Any]]:
        """One row per score: mean and standard deviation over repeats, and in what share of them it beats the others.

        Beating means a higher Spearman correlation than every other score of the same repeat.
        """
        best = self.spearman.argmax(axis=1)
        return [
            {
                "score": name,
                "spearman": float(self.spearman[:, at].mean()),
                "spearman_sd": float(self.spearman[:, at].std()),
                "captured": float(self.captured[:, at].mean()),
                "captured_sd": float(self.captured[:, at].std()),
                "best": float((best == at).mean()),
            }
            for at, name in enumerate(self.scores)
        ]


class Lines(NamedTuple):
    """Lines that count, one row each; place is a store, a category or a level; left_out: lines that do not count."""

    customer: Array
    day: Array
    place: Array
    amount: Array
    left_out: int


class Histories(NamedTuple):
    """One row per customer: x, and times in weeks, as of the last day; mean spend of repeat days, and all of it."""

    customer: Array
    x: Array
    t_x: Array
    T: Array
    zbar: Array
    spend: Array


def split_wallet(
    customer: Array,
    day: Array,
    store: Array,
    amount: Array | None = None,
    *,
    last: float | None = None,
    tau: float = 0.9,
    annual_discount_rate: float = 0.10,
    repeats: int = 20,
    seed: int = 0,
) -> HiddenSpend:
    """Headroom from a random half of the stores against spend in the other half, next to chance and own spend.

    One row per line: customer and store (anything that numpy can sort), day number, amount (None: every line counts
    1, and the margin is 1). last: last day observed (default: of the lines). Both models are fitted anew to each
    visible half; customers without a purchase in it are not scored. Raises BadOrders where there are not two stores.
    """
    lines = checked_lines(customer, day, store, amount)
    delta, until = continuous_rate(annual_discount_rate, WEEK), last_day(lines, last)
    stores, rng = _several(lines.place, "stores"), np.random.default_rng(seed)

    def once() -> _Outcome:
        visible = np.isin(lines.place, rng.permutation(stores)[: (len(stores) + 1) // 2])
        seen = histories(lines, visible, until)
        score = _headroom(seen, delta, tau, money=amount is not None)
        hidden = _spend_of(seen.customer, lines, ~visible)
        return _Outcome(hidden, (rng.random(len(hidden)), -seen.spend, seen.spend, score), 0.0)

    return _repeated(once, repeats, (RANDOM, LEAST_SPENT, MOST_SPENT, "headroom"), lines.left_out)


def mask_category(
    customer: Array,
    day: Array,
    category: Array,
    amount: Array | None = None,
    *,
    last: float | None = None,
    masked: int = 1,
    repeats: int = 20,
    seed: int = 0,
    prior: float = 20.0,
    shrinkage: float = 1.0,
) -> HiddenSpend:
    """Cross-sell potential against spend in random categories that are hidden of a random half of the customers.

    Score: time observed x s_i x sum over the hidden categories of P(owns j | owned set) x money per unit of time in j,
    chances and rates learned from the other half. Next to chance and own spend, which is a strong rival: spend in one
    category goes with spend in another. Arguments as in split_wallet; masked: categories hidden at a time.
    """
    lines = checked_lines(customer, day, category, amount)
    until, rng = last_day(lines, last), np.random.default_rng(seed)
    names, place = np.unique(lines.place, return_inverse=True)
    _, who = np.unique(lines.customer, return_inverse=True)
    if not 0 < masked < len(names):
        raise BadParameters(f"masked={masked} of {len(names)} categories leaves none to hide, or none to see.")
    lines = lines._replace(customer=who, place=place)

    def once() -> _Outcome:
        hide = np.isin(np.arange(len(names)), rng.permutation(len(names))[:masked])
        target = rng.random(int(who.max()) + 1) < 0.5
        return _masked(lines, until, hide, target, prior, shrinkage, rng)

    return _repeated(once, repeats, (RANDOM, MOST_SPENT, "cross-sell"), lines.left_out)


class _Outcome(NamedTuple):
    hidden: Array  # money per customer scored
    scores: tuple[Array, ...]
    expected: float


def _repeated(once: Callable[[], _Outcome], repeats: int, names: tuple[str, ...], left_out: int) -> HiddenSpend:
    if repeats < 1:
        raise BadParameters(f"{named('repeats', repeats)} must be 1 or more.")
    drawn = [once() for _ in range(repeats)]
    kept = [one for one in drawn if one.hidden.any()]
    if not kept:
        raise BadOrders("In no repeat did a scored customer spend anything that was hidden: there is nothing to rank.")
    ranks = [[spearman(one.hidden, score) or 0.0 for score in one.scores] for one in kept]
    shares = [[captured(one.hidden, score) for score in one.scores] for one in kept]
    money = np.array([[one.hidden.sum(), one.expected] for one in kept])
    size = float(np.mean([len(one.hidden) for one in kept]))
    return HiddenSpend(
        names, np.array(ranks), np.array(shares), money[:, 0], money[:, 1], size, repeats - len(kept), left_out
    )


def captured(y: Array, score: Array, share: float = TOP) -> float:
    """Share of the sum of y held by this share of customers, those with the highest scores; ties share equally."""
    count = int(np.ceil(share * len(y)))
    return float(_ordered(y, score)[:count].sum() / y.sum())


def _headroom(seen: Histories, delta: float, tau: float, *, money: bool) -> Array:
    """Headroom of each customer from fits to the same customers."""
    model = fit(ParetoNBD, cells(seen)).model
    margin: Values = 1.0
    if money:
        repeaters = seen.x > 0
        spend = fit(GammaGamma, SpendCells(seen.x[repeaters], seen.zbar[repeaters]))
        intercept, slope = spend_line(spend, seen.x)
        margin = intercept + slope * seen.zbar
    return headroom(model, delta, seen.x, seen.t_x, seen.T, margin, tau)


def _masked(
    lines: Lines, until: float, hide: Array, target: Array, prior: float, shrinkage: float, rng: np.random.Generator
) -> _Outcome:
    """One repeat: the panel shows all of its categories, the targets all but those hidden."""
    panel = _owned(lines, ~target[lines.customer], until, len(target), len(hide))
    seen = _owned(lines, target[lines.customer] & ~hide[lines.place], until, len(target), len(hide))
    visible = panel.sparse(rows=~hide[panel.category])
    chances = pairwise_chances(visible, panel.sparse(rows=hide[panel.category]), _any(visible), prior)
    rate, had = money_rates(panel, WEEK), seen.sparse()
    scored = np.flatnonzero(_any(had))
    time = np.zeros(len(target))
    np.maximum.at(time, seen.customer, (until - seen.first + 1) / WEEK)
    gains = expected_gains(had, chances, np.where(hide, np.maximum(rate, 0.0), 0.0))
    score = (time * spend_scale(seen, rate, WEEK, shrinkage) * gains)[scored]
    hidden = _spend_of(scored, lines, hide[lines.place])
    own = np.bincount(seen.customer, seen.spend, len(target))[scored]
    return _Outcome(hidden, (rng.random(len(scored)), own, score), float(score.sum()))


def _any(had: Any) -> Array:
    """1 for customers with anything in a CSR matrix."""
    return np.asarray(np.diff(had.indptr) > 0, dtype=float)


def _owned(lines: Lines, rows: Array, until: float, customers: int, categories: int) -> Owned:
    """Categories by customer, every one counted from the customer's first purchase of all these rows.

    Not from the first in the category: what is asked is money over all the time observed.
    """
    who, day, place, money = (values[rows] for values in lines[:4])
    first = np.full(customers, np.inf)
    np.minimum.at(first, who, day)
    pairs, where = np.unique(who * categories + place, return_inverse=True)
    customer, category = pairs // categories, pairs % categories
    spend = np.bincount(where, money, len(pairs))
    return Owned(customer, category, first[customer], spend, customers, categories, until)


def checked_lines(customer: Array, day: Array, place: Array, amount: Array | None) -> Lines:
    """Checked columns, lines without an amount above 0 left out and counted."""
    who, when, where = np.asarray(customer), np.asarray(day, dtype=float), np.asarray(place)
    money = np.ones(len(who)) if amount is None else np.asarray(amount, dtype=float)
    if not len(who) or len({column.shape for column in (who, when, where, money)}) > 1 or who.ndim != 1:
        told = ", ".join(str(column.shape) for column in (who, when, where, money))
        raise BadOrders(f"The columns of lines are of shapes {told}. Give one value per line in each, and some lines.")
    bad = np.flatnonzero(~(np.isfinite(when) & np.isfinite(money)))
    if len(bad):
        raise BadOrders(f"{len(bad)} line(s) [{bad[0]}...] have a day or an amount that is not finite: leave them out.")
    kept = money > 0
    return Lines(who[kept], np.floor(when[kept]), where[kept], money[kept], int((~kept).sum()))


def last_day(lines: Lines, last: float | None) -> float:
    """The last day observed: as given, else that of the last line. Raises BadParameters for one before it."""
    end = float(lines.day.max()) if len(lines.day) else 0.0
    if last is not None and last < end:
        raise BadParameters(f"last={last:g} lies before the last line, day {end:g}: leave later lines out.")
    return end if last is None else float(last)


def _several(place: Array, name: str) -> Array:
    found = np.unique(place)
    if len(found) < 2:
        raise BadOrders(f"There are {len(found)} {name}: hiding half of them takes two or more.")
    return found


def histories(lines: Lines, rows: Array, until: float) -> Histories:
    """Histories of the customers who have a line among these rows; lines of one day are one purchase."""
    if not rows.any():
        raise BadOrders(f"There is no line up to day {until:g} to fit to.")
    names, who = np.unique(lines.customer[rows], return_inverse=True)
    day, start = lines.day[rows], lines.day[rows].min()
    span = int(until - start) + 1
    keys, where = np.unique(who * span + (day - start).astype(int), return_inverse=True)
    money, owner, when = np.bincount(where, lines.amount[rows]), keys // span, keys % span + start
    first, spend = np.flatnonzero(np.diff(owner, prepend=-1)), np.bincount(owner, money)
    x = np.bincount(owner) - 1.0
    last = np.append(first[1:], len(owner)) - 1
    zbar = np.divide(spend - money[first], x, out=np.zeros_like(spend), where=x > 0)
    times = ((when[last] - when[first]) / WEEK, (until - when[first]) / WEEK)
    return Histories(names, x, *times, zbar, spend)


def cells(seen: Histories) -> Cells:
    """The distinct histories, in weeks."""
    (x, t_x, T), n = np.unique(np.stack([seen.x, seen.t_x, seen.T]), axis=1, return_counts=True)
    return Cells(x, t_x, T, n)


def _spend_of(names: Array, lines: Lines, rows: Array) -> Array:
    """Money of each of the named customers (sorted) in these rows."""
    at = np.searchsorted(names, lines.customer[rows])
    known = np.isin(lines.customer[rows], names)
    return np.bincount(at[known], lines.amount[rows][known], len(names)).astype(float)
