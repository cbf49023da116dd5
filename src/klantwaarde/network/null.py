"""What similarity alone would show: the calendar of buying, the rates of customers, orders moved in time.

Linked customers are alike: they buy at like rates, in like seasons. The null keeps the links, every customer's number
of orders and, nearly, the season: each target's orders are moved together by two to eight whole weeks, round his own
window. What is left of a link between orders then is similarity (spike trains are tested so: Amarasingham, Harrison,
Hatsopoulos & Geman 2012, J. Neurophysiology 107(2)).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from klantwaarde.network.excitation import Histories
    from klantwaarde.typing import Array

FEWEST, MOST = 2, 8  # weeks
SLOW = 15  # days: seasons much longer than that are seen in their moving sum
RARE = 0.1  # a day with less than that of what is usual weighs no more than ten others


def shifts(rng: np.random.Generator, replicates: int, customers: int, week: int) -> Array:
    """(replicates, customers): whole weeks, forth or back, in steps."""
    size = (replicates, customers)
    weeks = rng.integers(FEWEST, MOST + 1, size, dtype=np.int16) * rng.choice(np.array([-1, 1], np.int16), size)
    return np.asarray(weeks * week)


def calendar(histories: Histories, segment: Array, week: int) -> Array:
    """(segments, days): orders on a day over what is usual per customer, shrunk to 1 where few are known.

    Seasons by their moving sum, then the day of the week, then the day itself, of all customers; then all three again
    within each segment. Segments should be large against anyone's neighbourhood: their calendar takes away whatever
    moves a whole segment at once.
    """
    orders, at_risk = _counted(histories, segment, int(segment.max(initial=0)) + 1)
    common = _peculiar(orders.sum(axis=0), at_risk.sum(axis=0), np.ones(histories.days), week)
    if len(orders) == 1:
        return np.maximum(common, RARE)[None]
    own = [_peculiar(found, risk, common, week) for found, risk in zip(orders, at_risk, strict=True)]
    return np.maximum(own, RARE)


def _counted(histories: Histories, segment: Array, segments: int) -> tuple[Array, Array]:
    """Orders that are evidence, and customers in their window, per segment and day."""
    days = histories.days
    customer = np.repeat(np.arange(len(segment)), np.diff(histories.offset))[histories.counted]
    orders = np.bincount(segment[customer] * days + histories.day[histories.counted], minlength=segments * days)
    begun = np.bincount(segment * (days + 1) + histories.first, minlength=segments * (days + 1))
    ended = np.bincount(segment * (days + 1) + histories.last + 1, minlength=segments * (days + 1))
    at_risk = np.cumsum((begun - ended).reshape(segments, -1), axis=1)[:, :-1]
    return orders.reshape(segments, days).astype(float), at_risk.astype(float)


def _peculiar(orders: Array, at_risk: Array, known: Array, week: int) -> Array:
    """Factor of each day, given a factor already known."""
    from scipy.ndimage import uniform_filter1d  # noqa: PLC0415 - loaded where it is used

    expected = at_risk * known
    expected *= orders.sum() / max(float(expected.sum()), 1e-300)
    width = max(1, SLOW * week // 7)
    season = _shrunk(*(uniform_filter1d(column, width, mode="nearest") * width for column in (orders, expected)))
    weekday = np.arange(len(orders)) % week
    usual = expected * season
    by_weekday = _shrunk(np.bincount(weekday, orders, week), np.bincount(weekday, usual, week))[weekday]
    return np.asarray(known * season * by_weekday * _shrunk(orders, usual * by_weekday))


def _shrunk(found: Array, expected: Array) -> Array:
    """Found over expected, as the mean of a gamma around 1 whose spread is what Poisson noise does not explain."""
    spread = max(0.0, float(np.sum((found - expected) ** 2 - found)) / max(float(np.sum(expected**2)), 1e-300))
    return np.asarray((1 + spread * found) / (1 + spread * expected))


def gamma_rates(orders: Array, length: Array) -> tuple[float, float]:
    """(r, a): rates ~ Gamma(r, a) of customers with that many orders in windows of that length, by moments.

    The NBD of the purchase models; r is at most 1e6, where all customers are alike.
    """
    mean = orders.sum() / max(length.sum(), 1e-300)
    expected = mean * length
    spread = float(np.sum((orders - expected) ** 2 - orders)) / max(float(np.sum(expected**2)), 1e-300)
    r = 1 / max(spread, 1e-6)
    return r, r / max(mean, 1e-300)
