"""How much of a change of a product each of its factors made.

Shapley: the mean over all orders in which the factors may change one after another; exact for any numbers, zero and
negative ones too. LMDI-I (Ang 2005, "The LMDI approach to decomposition analysis", Energy Policy 33): the share of each
factor in the change of the logarithm; for positive products, factors of zero by their limits.
"""

from __future__ import annotations

from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from klantwaarde.errors import BadParameters

if TYPE_CHECKING:
    from klantwaarde.typing import Array

Method = Literal["shapley", "lmdi"]
MOST = 16  # factors: Shapley takes 2^(factors - 1) products for each
EQUAL = 1e-4  # relative difference below which the logarithmic mean is a series; the next term is below 1e-17


def factor_effects(before: Array, after: Array, method: Method = "shapley") -> Array:
    """What each factor did to the product, shape (customers, factors); rows sum to the change of the product.

    before, after: factors of shape (customers, factors), or (factors,) of one customer. lmdi: factors must not be
    negative; where some fall to zero, or rise from it, they share the change alike (the limit for factors that vanish
    together). Raises BadParameters, naming the first row that cannot be.
    """
    check_method(method)
    start, end = np.broadcast_arrays(*(np.asarray(given, dtype=float) for given in (before, after)))
    if start.ndim == 0 or start.ndim > 2 or not 1 <= start.shape[-1] <= MOST:
        raise BadParameters(f"factors must have shape (customers, 1 to {MOST} factors), but have {start.shape}.")
    _refuse(~(np.isfinite(start) & np.isfinite(end)), "factors must be finite")
    return np.asarray(_shapley(start, end) if method == "shapley" else _lmdi(start, end))


def check_method(method: str) -> None:
    """Raises BadParameters for a method that is none."""
    if method not in get_args(Method):
        raise BadParameters(f"method={method!r} is not one of {', '.join(get_args(Method))}.")


def _shapley(start: Array, end: Array) -> Array:
    """Delta f_k times the weighted sum, over the sets of other factors that changed before, of their product."""
    count = start.shape[-1]
    effects = np.zeros_like(start)
    for k in range(count):
        others = [j for j in range(count) if j != k]
        for size in range(count):
            weight = 1 / (count * comb(count - 1, size))
            for changed in combinations(others, size):
                rest = [j for j in others if j not in changed]
                effects[..., k] += weight * end[..., list(changed)].prod(-1) * start[..., rest].prod(-1)
    return np.asarray(effects * (end - start))


def _lmdi(start: Array, end: Array) -> Array:
    _refuse((start < 0) | (end < 0), "lmdi takes no negative factors: take shapley")
    first, last = start.prod(-1), end.prod(-1)
    edge = ((start == 0) | (end == 0)) & ~((start == 0) & (end == 0))
    shared = (last - first)[..., None] * edge / np.maximum(edge.sum(-1), 1)[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.divide(end, start))
    inner = logarithmic_mean(first, last)[..., None] * np.where(np.isfinite(logs), logs, 0.0)
    return np.where((first > 0) & (last > 0), inner.T, shared.T).T


def logarithmic_mean(a: Array, b: Array) -> Array:
    """(a - b) / ln(a / b), a where both are equal, 0 where one is 0; a, b >= 0."""
    a, b = np.broadcast_arrays(np.asarray(a, dtype=float), np.asarray(b, dtype=float))
    middle = a / 2 + b / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = (a - b) / middle  # ln(a / b) = 2 artanh(apart / 2)
        mean = middle * np.where(np.abs(apart) < EQUAL, 1 - apart**2 / 12, apart / (np.log(a) - np.log(b)))
    return np.where((a > 0) & (b > 0), mean, 0.0)


def _refuse(bad: Array, rule: str) -> None:
    if bad.any():
        row = np.argwhere(np.atleast_2d(bad))[0]
        raise BadParameters(f"{rule}, but row {row[0]}, factor {row[1]} is not.")
