"""The chance that a referred customer would have joined anyway, pi: four ways to know it, the best first.

1 `randomised`: some customers were not offered to refer. 2 `matched`: how fast look-alike prospects join whom nobody
referred. 3 `declared`: referred customers were asked. 4 `prior`: nothing is known. Whatever the way, show results over
`band` too (`klantwaarde.network.referral.sensitivity`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import betaln

from klantwaarde.errors import BadOrders, BadParameters
from klantwaarde.network.referral import BAND

if TYPE_CHECKING:
    from klantwaarde.typing import Array, Values

LEVEL = 0.95
NAMED = 5
VAST = 1e100  # a window over an exposure of next to nothing: finite, and its chance is 1
GRID = (np.arange(80) + 0.5) / 80  # of means and of shrinkage: finer grids change the fourth digit


class Anyway(NamedTuple):
    """The chance to have joined anyway, per cell or for all: estimate and interval (low, high), and how it is known.

    estimate, low, high: shape () or (cells,). band: the chances to show results for besides.
    """

    estimate: Array
    low: Array
    high: Array
    method: str
    band: tuple[float, ...] = BAND


def anyway(*known: Anyway | None) -> Anyway:
    """The first of these that is known, given in the order of trust; the prior if none is."""
    return next((result for result in known if result is not None), prior())


def prior(a: float = 5.0, b: float = 5.0, level: float = LEVEL) -> Anyway:
    """Beta(a, b): by default a half, as in the data of Kumar, Petersen & Leone (2007), and 0.21 to 0.79."""
    if not (0 < a < np.inf and 0 < b < np.inf):
        raise BadParameters(f"a and b must be finite and above 0, but are {a} and {b}.")
    low, high = _beta_interval(np.asarray(a), np.asarray(b), level)
    return Anyway(np.asarray(a / (a + b)), low, high, "prior")


def randomised(treated: int, treated_joins: int, control: int, control_joins: int, level: float = LEVEL) -> Anyway:
    """Chance from an experiment: the rate of joining without the offer over that with it, at most one.

    treated, control: prospects of those who were and were not offered to refer, drawn at random; joins: how many of
    them joined. Interval by the score test for a ratio (Koopman 1984, Biometrics 40(2)). Raises BadOrders where nobody
    with the offer joined, or counts cannot be.
    """
    counts = (treated, treated_joins, control, control_joins)
    if min(treated, control) < 1 or not (0 <= treated_joins <= treated and 0 <= control_joins <= control):
        raise BadOrders(f"Counts of an experiment must have 0 <= joins <= prospects and prospects, but are {counts}.")
    if treated_joins == 0:
        raise BadOrders("Nobody joined with the offer, so that the experiment says nothing. Wait, or use the prior.")
    ratio = (control_joins / control) / (treated_joins / treated)
    low, high = _ratio_interval(control_joins, control, treated_joins, treated, level)
    estimate, bottom, top = np.minimum([ratio, low, high], 1.0)
    return Anyway(estimate, bottom, top, "randomised")


def matched(joins: Array, exposure: Array, window: Values, level: float = LEVEL) -> Anyway:
    """Chance to join by oneself within a window, from prospects alike whom nobody referred.

    joins and exposure: how many joined, and the time that prospects were there to join, by cell and period after
    becoming a prospect, shape (cells, periods) (or (periods,) for one cell); window: time of each period that belongs
    to the window, shape (periods,) or (cells, periods). The hazard is constant within a period:
    pi = 1 - exp(-sum of window joins / exposure). Interval of Fay & Feuer (1997, Statistics in Medicine 16(7)) for
    weighted Poisson counts. Raises BadOrders for a period of the window without exposure.
    """
    came, there, wide = np.broadcast_arrays(*(np.asarray(values, dtype=float) for values in (joins, exposure, window)))
    _check_prospects(came, there, wide)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        weight = np.where(wide > 0, np.minimum(wide / there, VAST), 0.0)
    hazard, variance = (weight * came).sum(axis=-1), (weight**2 * came).sum(axis=-1)
    low, high = _poisson_interval(hazard, variance, weight.max(axis=-1, initial=0.0), level)
    return Anyway(-np.expm1(-hazard), -np.expm1(-low), -np.expm1(-high), "matched")


def declared(yes: Array, asked: Array, level: float = LEVEL) -> Anyway:
    """Chance by cell from answers to "would you have come anyway?"; yes and asked: counts, shape (cells,).

    Cells are Beta(mean m, size k), so that small ones shrink towards the others, as much as the cells are alike. m has
    the Beta(5, 5) prior and k / (1 + k) a uniform one; both are integrated out on a grid, since a few cells do not say
    how alike they are. The interval is that of a Beta with the posterior's mean and variance.
    """
    said, of = np.broadcast_arrays(*(np.atleast_1d(np.asarray(values, dtype=float)) for values in (yes, asked)))
    bad = ~((said >= 0) & (said <= of) & np.isfinite(of))
    if bad.any():
        raise BadOrders(f"{_named(bad)} need 0 <= yes <= asked, both finite.")
    a, b, weight = _grid_posterior(said, of)
    mean, second = np.zeros(said.shape), np.zeros(said.shape)
    for shape_a, shape_b, share in zip(a, b, weight, strict=True):
        size = shape_a + shape_b + of
        at = (shape_a + said) / size
        mean += share * at
        second += share * at * (at * size + 1) / (size + 1)
    size = mean * (1 - mean) / (second - mean**2) - 1
    return Anyway(mean, *_beta_interval(mean * size, (1 - mean) * size, level), "declared")


def _grid_posterior(said: Array, of: Array) -> tuple[Array, Array, Array]:
    """(a, b, posterior weight) of the Beta between cells; shape (grid,)."""
    mean, alike = (values.ravel() for values in np.meshgrid(GRID, GRID))
    size = alike / (1 - alike)
    a, b = mean * size, (1 - mean) * size
    log_weight = 4 * np.log(mean * (1 - mean))  # Beta(5, 5)
    cells, times = np.unique(np.stack([said, of]), axis=1, return_counts=True)
    for answered, questioned, count in zip(*cells, times, strict=True):
        log_weight += count * (betaln(a + answered, b + questioned - answered) - betaln(a, b))
    weight = np.exp(log_weight - log_weight.max())
    near = weight > 1e-9 * weight.max()
    return a[near], b[near], weight[near] / weight[near].sum()


def _beta_interval(a: Array, b: Array, level: float) -> tuple[Array, Array]:
    from scipy import stats  # noqa: PLC0415 - loaded where it is used

    tail = _tail(level)
    return np.asarray(stats.beta.ppf(tail, a, b)), np.asarray(stats.beta.ppf(1 - tail, a, b))


def _poisson_interval(hazard: Array, variance: Array, largest: Array, level: float) -> tuple[Array, Array]:
    """Bounds of a weighted sum of Poisson counts; largest: the largest weight, what one more event could add."""
    from scipy import stats  # noqa: PLC0415 - loaded where it is used

    tail = _tail(level)
    some = hazard > 0
    degrees = np.where(some, 2 * hazard**2 / np.where(some, variance, 1.0), 1.0)
    low = np.where(some, variance / np.where(some, 2 * hazard, 1.0) * stats.chi2.ppf(tail, degrees), 0.0)
    mean, spread = hazard + largest, variance + largest**2
    any_ = mean > 0
    degrees = np.where(any_, 2 * mean**2 / np.where(any_, spread, 1.0), 1.0)
    high = np.where(any_, spread / np.where(any_, 2 * mean, 1.0) * stats.chi2.ppf(1 - tail, degrees), 0.0)
    return low, high


def _ratio_interval(x: int, n: int, y: int, m: int, level: float) -> tuple[float, float]:
    """Ratios (x / n) / (y / m) that the score test does not reject; y > 0."""
    from scipy import stats  # noqa: PLC0415 - loaded where it is used
    from scipy.optimize import brentq  # noqa: PLC0415 - loaded where it is used

    limit = float(stats.chi2.ppf(1 - 2 * _tail(level), 1))
    found = (x / n) / (y / m)

    def excess(log_ratio: float) -> float:
        return _score(float(np.exp(log_ratio)), (x, n, y, m)) - limit

    middle = np.log(found) if x else np.log(0.5 / n)
    low = float(np.exp(brentq(excess, middle - 50, middle))) if x else 0.0
    top = brentq(excess, middle, middle + 50) if excess(middle) < 0 else middle
    return low, float(np.exp(top))


def _score(ratio: float, counts: tuple[int, int, int, int]) -> float:
    """Koopman's chi-squared: misfit of both arms at the likeliest rates that have this ratio."""
    x, n, y, m = counts
    b = n * ratio + x + m + y * ratio
    root = b**2 - 4 * (n + m) * ratio * (x + y)
    other = 2 * (x + y) / (b + np.sqrt(max(root, 0.0)))
    p, q = min(other * ratio, 1 - 1e-15), min(other, 1 - 1e-15)
    return float((x - n * p) ** 2 / (n * p * (1 - p)) + (y - m * q) ** 2 / (m * q * (1 - q)))


def _check_prospects(joins: Array, exposure: Array, window: Array) -> None:
    if joins.ndim not in {1, 2}:
        raise BadOrders(f"joins must have shape (cells, periods), but has {joins.shape}.")
    fine = [np.isfinite(values) & (values >= 0) for values in (joins, exposure, window)]
    fine.append(np.floor(joins) == joins)
    bad = np.asarray(~np.logical_and.reduce(fine) | ((exposure == 0) & ((joins > 0) | (window > 0))))
    if bad.any():
        cells = _named(np.asarray(np.atleast_2d(bad).any(axis=1)))
        raise BadOrders(
            f"{cells} need whole counts, exposure and window that are finite and not negative, and exposure in every "
            "period of the window. Join cells, or shorten the window."
        )


def _tail(level: float) -> float:
    if not 0 < level < 1:
        raise BadParameters(f"level must lie between 0 and 1, but is {level}.")
    return (1 - level) / 2


def _named(bad: Array) -> str:
    cells = np.flatnonzero(bad)
    more = f" and {len(cells) - NAMED} more" if len(cells) > NAMED else ""
    return f"Cell{'s' if len(cells) > 1 else ''} {', '.join(map(str, cells[:NAMED]))}{more}"
