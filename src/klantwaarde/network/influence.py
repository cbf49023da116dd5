"""Influence estimated and falsified: how much buying was set off by the recent buying of linked customers.

Friends are alike and buy alike, in like seasons, without influencing each other; what looks like contagion is mostly
that (Aral, Muchnik & Sundararajan 2009, PNAS 106(51); Shalizi & Thomas 2011). So the estimate compares a customer with
himself: his orders in the days right after a linked customer's order, against his own orders in the weeks after it,
net of the calendar. `excitation` has the equation, `strength` the estimate, `null` what similarality alone would show.

Seasons that clusters of customers have of their own, and that go round in under some 60 days, are no parabola over the
window: name the clusters as segments, or take a shorter window. p_form tells when the lags look like that.

What cannot be told apart, by anyone, from orders and links alone: influence, and friends doing things together at
once, as a visit to the shop or an event that only they know of. Randomised exposure tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from klantwaarde.errors import BadOrders, BadParameters
from klantwaarde.network.excitation import Arrows, Histories, Lags, Rates, Sums, contrast_sums, sums
from klantwaarde.network.grid import Observed, observed
from klantwaarde.network.influence_links import influence_matrices, influence_matrix, social_shares
from klantwaarde.network.null import calendar, gamma_rates, shifts
from klantwaarde.network.strength import Strength, strength

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from klantwaarde.typing import Array

__all__ = ["Influence", "Null", "estimate_influence", "influence_matrices", "influence_matrix", "social_shares"]

DECAYS = (1.0, 2.0, 5.0, 10.0)  # days; the decay is sought between the first and the last
WINDOW = 56.0  # days: several decays, little against a year
REPLICATES = 99
GATHERED = 60_000_000  # orders looked up in all replicates: fewer replicates of more orders
LEVEL = 0.05  # above that p-value a figure is not clear of the null
ODD = 0.01  # below that p-value the lags do not look like anything that fades

INFLUENCE = "beyond similarity"
SIMILARITY = "not distinguishable from similarity"


class Null(NamedTuple):
    """The share that orders moved in time would show."""

    mean: float
    deviation: float
    upper: float  # 95 % of replicates are below
    replicates: int


@dataclass(frozen=True)
class Influence:
    """The socially induced share of all orders that are evidence, and whether it can be told from similarity."""

    share: float
    """Orders set off by linked customers' orders over all; from 0."""
    interval: tuple[float, float]
    used_share: float
    """For later calculations: share less what the null shows on average; 0 if not distinguishable, unless forced."""
    verdict: str
    distinguishable: bool
    p_value: float
    """Chance of as clear a figure under the null: the larger of the shifted orders' and the normal's."""
    p_reversed: float | None
    """Directed links: chance of so much more after than before sources' orders, if time made no difference."""
    p_form: float
    """Chance of lags as odd as these, if influence fades exponentially and seasons are slow."""
    null: Null
    decay: float
    """Days, mean of the exponential."""
    decay_interval: tuple[float, float]
    strength: float
    """Orders expected to be set off at a target by one order of a source linked with weight 1."""
    target_share: Array
    """(customers,): the part of each customer's orders that others set off; adds up to share, not used_share."""
    source: Array
    target: Array
    link_share: Array
    """(links,): part of the target's orders that the source set off; sums to target_share per target."""
    orders: int
    """Orders that are evidence."""
    future_orders: int
    merged_links: int
    own_links: int

    @property
    def used_target_share(self) -> Array:
        """(customers,): target_share as far as it may be used."""
        return self.target_share * (self.used_share / self.share if self.share > 0 else 0.0)


def estimate_influence(
    orders: Mapping[str, Any],
    links: Mapping[str, Any],
    *,
    directed: bool = True,
    as_of: Any = None,
    start: Any = None,
    segment: Any = None,
    customers: int | None = None,
    decays: Sequence[float] = DECAYS,
    window: float = WINDOW,
    step: float = 1.0,
    same_day: bool = True,
    replicates: int | None = None,
    level: float = 0.95,
    force: bool = False,
    seed: int = 0,
) -> Influence:
    """Share of buying set off by linked customers' recent orders, with an interval and its own falsification.

    orders: customer (index from 0) and time (days, or dates). links: source, target, optionally weight (default 1) and
    date, from which the source's orders count. A customer's window runs from the first order, which is a birth and no
    evidence, or from `start` (one, or one per customer; then every order from there is evidence), to as_of (default
    the last order). segment: customers who share a calendar of their own, as an array of indices; without it one
    calendar holds for all, and segments' own seasons must be slow against the window.

    Lags are counted in whole steps; same_day adds the part that an exponential puts into the first step, which nobody
    can see. Raises BadOrders for tables that cannot be used or windows too short to follow an order.
    """
    lags = _lags(decays, window, step)
    seen = observed(orders, links, as_of=as_of, start=start, directed=directed, step=step, customers=customers)
    rates = _rates(seen.histories, segment, _week(step))
    count = _replicates(replicates, seen.histories)
    moved = shifts(np.random.default_rng(seed), count, len(rates.leaning), _week(step))
    found = sums(seen.histories, seen.arrows, lags, rates, shifts=moved)
    _enough(found, lags, seen.histories)
    fit = strength(found, lags.decays, level=level)
    p_reversed = _p_reversed(seen.histories, seen.arrows, lags, rates, fit, found) if directed else None
    return _told(seen, found, fit, p_reversed, step=step, unseen=_unseen(fit.decay, same_day=same_day), force=force)


def _told(
    seen: Observed, found: Sums, fit: Strength, p_reversed: float | None, *, step: float, unseen: float, force: bool
) -> Influence:
    evidence, p_value = _evidence(seen.histories), _p_value(found)
    scale = unseen / float(evidence.sum())
    clear = p_value < LEVEL and (p_reversed is None or p_reversed < LEVEL) and fit.misfit >= ODD and fit.induced > 0
    share, low, high = (float(min(max(count * scale, 0.0), 1.0)) for count in (fit.induced, *fit.interval))
    null = _null(found, fit, scale)
    target_share = _target_shares(found, fit, seen.histories, evidence, unseen)
    return Influence(
        share=share,
        interval=(low, high),
        used_share=max(share - max(null.mean, 0.0), 0.0) if clear or force else 0.0,
        verdict=INFLUENCE if clear else SIMILARITY,
        distinguishable=clear,
        p_value=p_value,
        p_reversed=p_reversed,
        p_form=fit.misfit,
        null=null,
        decay=fit.decay * step,
        decay_interval=(fit.decay_interval[0] * step, fit.decay_interval[1] * step),
        strength=float(fit.strength * unseen),
        target_share=target_share,
        source=seen.arrows.source,
        target=seen.arrows.target,
        link_share=_link_shares(seen.histories, seen.arrows, target_share),
        orders=int(evidence.sum()),
        future_orders=seen.future,
        merged_links=seen.merged,
        own_links=seen.of_themselves,
    )


def _lags(decays: Sequence[float], window: float, step: float) -> Lags:
    tried = np.asarray(decays, dtype=float)
    if not (np.isfinite(step) and step > 0):
        raise BadParameters(f"step must be a finite number of days above 0; given was {step}.")
    if (
        tried.ndim != 1
        or len(tried) < 3
        or np.any(~np.isfinite(tried))
        or np.any(np.diff(tried) <= 0)
        or tried[0] < step
    ):
        raise BadParameters(
            f"decays must be three or more, rising, from one step ({step} days) on; given were {decays}."
        )
    if not (np.isfinite(window) and window >= 4 * tried[-1]):
        raise BadParameters(
            f"window must be at least four times the longest decay, {tried[-1]} days; given was {window}."
        )
    return Lags(tried / step, round(window / step))


def _week(step: float) -> int:
    """Steps in a week, 1 if steps do not make weeks."""
    steps = round(7 / step)
    return steps if steps >= 1 and abs(steps * step - 7) < 1e-9 else 1


def _evidence(histories: Histories) -> Array:
    """(customers,): orders that are evidence."""
    customer = np.repeat(np.arange(len(histories.first)), np.diff(histories.offset))
    return np.bincount(customer[histories.counted], minlength=len(histories.first)).astype(float)


def _rates(histories: Histories, segment: Any, week: int) -> Rates:
    """Weights close to one over each customer's rate: busy customers are noisy.

    The gamma posterior's mean rate after the customer's other orders; an order weighs by a rate in which it is not
    counted, an expectation by the rate with all (Slivnyak and Mecke's formula), so that the weights make no bias.
    """
    n, bought = len(histories.first), _evidence(histories)
    length = (histories.last - histories.first).astype(float)
    if not bought.any():
        raise BadOrders("no customer has an order after the first one: there is no buying to explain.")
    r, a = gamma_rates(bought, length)
    leaning, weight = ((r / a) * (a + length) / (r + count) for count in (np.maximum(bought - 1, 0), bought))
    labels = np.zeros(n, dtype=np.int64) if segment is None else np.asarray(segment)
    if labels.shape != (n,) or labels.dtype.kind not in "iu" or np.any(labels < 0):
        raise BadParameters(f"segment must be one index from 0 for each of {n} customers.")
    return Rates(calendar(histories, labels, week), labels, leaning, weight)


def _replicates(asked: int | None, histories: Histories) -> int:
    if asked is None:
        return int(np.clip(GATHERED // max(len(histories.day), 1), 19, REPLICATES))
    if asked < 10:
        raise BadParameters(f"replicates must be 10 or more to tell a deviation; given was {asked}.")
    return asked


def _enough(found: Sums, lags: Lags, histories: Histories) -> None:
    K = len(lags.decays)
    if not np.all(np.diag(found.square)[:K] > 0):
        raise BadOrders(
            f"no order of a linked customer could be followed for {lags.window} steps within the target's window of at "
            f"most {int(np.max(histories.last - histories.first))}, with an order of the target in it; "
            "give a shorter window or a longer history."
        )


def _unseen(decay: float, *, same_day: bool) -> float:
    """All orders set off over those of later steps: an order at a random moment of its step, an exponential lag."""
    return float(1 / (decay * -np.expm1(-1 / decay))) if same_day else 1.0


def _null(found: Sums, fit: Strength, scale: float) -> Null:
    shares = found.shifted @ fit.combination * scale
    upper = float(np.quantile(shares, 0.95))
    return Null(float(shares.mean()), float(shares.std(ddof=1)), upper, len(shares))


def _p_value(found: Sums) -> float:
    """One-sided, of the standardised contrasts' sum: no decay is chosen, so none has to be paid for.

    Once against the shifted orders, once against the sum of squares over targets: the first is exact for orders that
    may be moved, the second keeps the season whole. The larger counts.
    """
    from scipy import stats  # noqa: PLC0415 - loaded where it is used

    replicates, K = found.shifted.shape
    scale = 1 / np.sqrt(np.diag(found.square)[:K])
    seen, moved = float(found.total[:K] @ scale), found.shifted @ scale
    spread = max(float(moved.std(ddof=1)), 1e-300) * np.sqrt(1 + 1 / replicates)
    by_shifts = stats.t.sf((seen - moved.mean()) / spread, replicates - 1)
    return float(max(by_shifts, stats.norm.sf(seen / np.sqrt(scale @ found.square[:K, :K] @ scale))))


def _p_reversed(
    histories: Histories, arrows: Arrows, lags: Lags, rates: Rates, fit: Strength, found: Sums
) -> float | None:
    """One-sided, of links that go one way: as much buying before sources' orders as after them is no influence."""
    from scipy import stats  # noqa: PLC0415 - loaded where it is used

    n = len(histories.first)
    there, back = arrows.target * n + arrows.source, arrows.source * n + arrows.target
    one_way = ~np.isin(there, back)
    if not one_way.any():
        return None
    kept = Arrows(*(column[one_way] for column in arrows))
    K = len(lags.decays)
    after = (found.total[:K], found.square[:K, :K])
    if not one_way.all():
        after = contrast_sums(histories, kept, lags, rates)
    before = contrast_sums(*_reversed(histories, kept), lags, rates._replace(calendar=rates.calendar[:, ::-1]))
    (gain, noise), (mirrored, echo) = (
        (float(total @ fit.combination), float(fit.combination @ square @ fit.combination))
        for total, square in (after, before)
    )
    return float(stats.norm.sf((gain - mirrored) / np.sqrt(max(noise + echo, 1e-300))))


def _reversed(histories: Histories, arrows: Arrows) -> tuple[Histories, Arrows]:
    """Time running backwards; a link's date is dropped, since what came before it ought to show nothing either."""
    end = histories.days - 1
    mirrored = histories._replace(day=end - histories.day, first=end - histories.last, last=end - histories.first)
    return mirrored, arrows._replace(since=np.zeros(len(arrows.since)))


def _target_shares(found: Sums, fit: Strength, histories: Histories, evidence: Array, unseen: float) -> Array:
    """(customers,): expected orders set off, over these and the expected ones of the customer's own base rate.

    The base rate is the gamma posterior's mean given the orders that were not set off.
    """
    induced = max(fit.strength, 0.0) * unseen * np.maximum(found.exposure @ fit.between, 0.0)
    rest, length = np.maximum(evidence - induced, 0.0), (histories.last - histories.first).astype(float)
    r, a = gamma_rates(rest, length)
    base = (r + rest) / (a + length) * length
    return np.asarray(np.divide(induced, induced + base, out=np.zeros_like(induced), where=induced > 0))


def _link_shares(histories: Histories, arrows: Arrows, target_share: Array) -> Array:
    """Each target's share divided among sources by weight times orders that counted in the target's window."""
    customer = np.repeat(np.arange(len(histories.first)), np.diff(histories.offset))
    key = customer * np.int64(histories.days + 1) + histories.day
    begin = np.maximum(histories.first[arrows.target], arrows.since)
    ends = arrows.source * np.int64(histories.days + 1)
    upto = np.searchsorted(key, ends + histories.last[arrows.target], "right")
    part = arrows.weight * np.maximum(upto - np.searchsorted(key, ends + begin, "left"), 0)
    whole = np.bincount(arrows.target, part, minlength=len(target_share))[arrows.target]
    divided = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    return np.asarray(divided * target_share[arrows.target])
