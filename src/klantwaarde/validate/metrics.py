"""How well predictions fit what happened; definitions beside each. y: actual, p: predicted, one value per customer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from klantwaarde.typing import Array


def total_error(y: Array, p: Array) -> float | None:
    """Sum of predictions over sum of actuals, minus one; None where nothing happened."""
    return float(p.sum() / y.sum() - 1) if y.sum() else None


def mae(y: Array, p: Array) -> float:
    """Mean of |p - y| per customer."""
    return float(np.abs(p - y).mean())


def wmae(y: Array, p: Array) -> float | None:
    """Sum of |p - y| over sum of y; None where nothing happened."""
    return float(np.abs(p - y).sum() / y.sum()) if y.sum() else None


def rmse(y: Array, p: Array) -> float:
    """Root of the mean of (p - y)^2."""
    return float(np.sqrt(np.square(p - y).mean()))


def pearson(y: Array, p: Array) -> float | None:
    """Correlation of predictions and actuals; None where either does not vary."""
    dy, dp = y - y.mean(), p - p.mean()
    scale = np.sqrt(np.square(dy).sum() * np.square(dp).sum())
    return float((dy * dp).sum() / scale) if scale > 0 else None


def spearman(y: Array, p: Array) -> float | None:
    """Correlation of ranks, of twelve digits: what rounding parts is a tie. None where either does not vary."""
    return pearson(_ranks(_twelve_digits(y)), _ranks(_twelve_digits(p)))


def _twelve_digits(values: Array) -> Array:
    size = np.where(values == 0, 1.0, np.abs(values))
    unit = 10.0 ** (np.floor(np.log10(size)) - 11)
    return np.asarray(np.rint(values / unit) * unit)


def normalised_gini(y: Array, p: Array) -> float | None:
    """Gini of y ordered by p over Gini of y ordered by y; None where y does not vary."""
    best = _gini(y, y)
    return _gini(y, p) / best if best > 0 else None


def top_decile_capture(y: Array, p: Array) -> float | None:
    """Share of the sum of y held by the 10 % of customers with the highest p; at most top_decile_capture(y, y)."""
    count = -(-len(y) // 10)
    return float(_ordered(y, p)[:count].sum() / y.sum()) if y.sum() else None


def _ranks(values: Array) -> Array:
    """Ranks from 1 up, equal values sharing their mean rank."""
    # Not scipy.stats.rankdata: nothing else in a run without links loads scipy.stats, which takes a second and 22 MB.
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    shared: Array = (np.cumsum(sizes) - (sizes - 1) / 2)[group]
    return shared


def _ordered(y: Array, p: Array) -> Array:
    """Actuals by falling p; customers with equal p share their y equally, so that row order does not matter."""
    order = np.argsort(-p, kind="stable")
    _, group, sizes = np.unique(-p[order], return_inverse=True, return_counts=True)
    means = np.bincount(group, weights=y[order]) / sizes
    shared: Array = means[group]
    return shared


def _gini(y: Array, p: Array) -> float:
    total = y.sum()
    if total <= 0:
        return 0.0
    held = np.cumsum(_ordered(y, p)) / total
    return float(2 * held.mean() - 1 - 1 / len(y))
