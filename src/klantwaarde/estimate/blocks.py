"""Sums over millions of rows: blocks that fit the cache, threads, and one order of adding."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from scipy.special import digamma

from klantwaarde.numerics import BLOCK, cores, log_rising

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from klantwaarde.typing import Array

STEPS = 16_384  # whole numbers summed one by one in Rising; customers with more orders go through gammaln

B = TypeVar("B", bound=tuple[object, ...])
T = TypeVar("T")


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(cores(), thread_name_prefix="klantwaarde")


if hasattr(os, "register_at_fork"):  # threads do not come along: a pool of the parent's would never answer
    os.register_at_fork(after_in_child=_threads.cache_clear)


def blocks(*columns: Array) -> list[tuple[Array, ...]]:
    """Views of BLOCK rows each of columns of one length."""
    starts = range(0, len(columns[0]), BLOCK)
    return [tuple(np.ascontiguousarray(column[i : i + BLOCK]) for column in columns) for i in starts]


def by_threads(kernel: Callable[[Any], T], parts: Sequence[Any]) -> list[T]:
    """kernel(part) of each, in order. NumPy and scipy.special release the interpreter lock, so threads suffice."""
    return [kernel(part) for part in parts] if len(parts) == 1 else list(_threads().map(kernel, parts))


def block_sums(kernel: Callable[[B], Array], rows: Sequence[B]) -> Array:
    """Sum of kernel(block) over the blocks, added in their order: the same on every run.

    Whatever the threads do.
    """
    found = by_threads(kernel, rows)
    return found[0] if len(rows) == 1 else np.asarray(np.sum(found, axis=0))


class Rising(NamedTuple):
    """Sums over customers of log(Gamma(r + x) / Gamma(r)), x whole.

    As sums over j of (customers with x > j) log(r + j): no special function and no cancellation, however
    large r; x above STEPS adds a difference of gammaln.
    """

    steps: Array  # j = 0, 1, ...
    above: Array  # customers with x > j
    far: Array  # distinct x > STEPS
    customers: Array  # with each of them

    @classmethod
    def of(cls, x: Array, n: Array) -> Rising:
        """From rows of x shared by n customers."""
        near = np.bincount(np.minimum(x, STEPS).astype(np.int64), weights=n)
        far, where = np.unique(x[x > STEPS], return_inverse=True)
        above = near[::-1].cumsum()[::-1][1:]
        return cls(
            np.arange(len(above), dtype=float),
            above,
            far,
            np.bincount(where, weights=n[x > STEPS], minlength=len(far)),
        )

    def log(self, r: float) -> tuple[float, float]:
        """The sum of log(Gamma(r + x) / Gamma(r)) and its derivative to r."""
        value, slope = self.above @ np.log(r + self.steps), self.above @ (1 / (r + self.steps))
        return float(value + self._far_log(r)), float(slope + self._far_slope(r))

    def log_ratio(self, b: float, a: float) -> tuple[float, float, float]:
        """The sum of log(B(a, b + x) / B(a, b)) and its derivatives to a and b; exact where a vanishes."""
        low, high = b + self.steps, a + b + self.steps
        value = self._far_log(b) - self._far_log(a + b) - self.above @ np.log1p(a / low)
        to_a = -(self.above @ (1 / high)) - self._far_slope(a + b)
        to_b = self.above @ (a / (low * high)) + self._far_slope(b) - self._far_slope(a + b)
        return float(value), float(to_a), float(to_b)

    def _far_log(self, r: float) -> float:
        return float(self.customers @ log_rising(r + STEPS, self.far - STEPS))

    def _far_slope(self, r: float) -> float:
        return float(self.customers @ (digamma(r + self.far) - digamma(r + STEPS)))
