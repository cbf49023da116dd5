"""Reverse-reachable sets: who could have set off a customer drawn by value.

Borgs, Brautbar, Chayes & Lucier (2014), "Maximizing social influence in nearly optimal time", SODA. The root is drawn
with a chance proportional to its value; then value reached from a set of seeds is on average the value of all, times
the share of sets that contain a seed.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from klantwaarde.network.cascade import reached
from klantwaarde.numerics import cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from klantwaarde.network.cascade import Links
    from klantwaarde.typing import Array

WAVE = 8  # batches between two looks at how large the cascades are: fixed, so that answers do not depend on the machine
FIRST = 4  # cascades in the first batches, when nobody knows yet how large they are
MOST = 1 << 15  # cascades in one batch: 15 bits, which NumPy sorts by counting
ENTRIES = 1 << 19  # nodes reached in one batch, aimed at: about 100 MB for two threads at work


class Sets(NamedTuple):
    """Sets of nodes: set s is node[start[s]:start[s + 1]]."""

    start: Array
    node: Array

    @property
    def number(self) -> int:
        """How many sets."""
        return len(self.start) - 1


class Source(NamedTuple):
    """What sets are drawn from: links backwards, and roots by value."""

    links: Links
    share: Array  # cumulative value, ends in 1

    def roots(self, count: int, rng: np.random.Generator) -> Array:
        """Nodes drawn with a chance proportional to their value, in the order of their number: (count,) int64."""
        at = np.sort(rng.random(count)) * self.share[-1]
        return np.asarray(np.minimum(np.searchsorted(self.share, at, side="right"), self._last))

    @property
    def _last(self) -> int:
        # A product rounded up to the whole would fall beyond the last node that has value.
        return int(np.searchsorted(self.share, self.share[-1]))


def source(links: Links, value: Array) -> Source:
    """From links backwards and value >= 0 with a sum above 0."""
    share = np.cumsum(value / value.max())
    return Source(links, share / share[-1])


def batches(run: Callable[[int, np.random.Generator], Sets], count: int, rng: np.random.Generator) -> Iterator[Sets]:
    """`count` sets in all, run(how many, rng) by run; the same whatever the number of processors.

    Batches grow or shrink with the sets so far, so that one needs little memory.
    """
    left, size, done, entries = count, FIRST, 0, 0
    with ThreadPoolExecutor(cores()) as pool:
        while left:
            each = [min(size, left - i * size) for i in range(WAVE) if left > i * size]
            for sets in pool.map(run, each, rng.spawn(len(each))):
                done, entries = done + sets.number, entries + len(sets.node)
                yield sets
            left -= sum(each)
            size = int(np.clip(ENTRIES * done / max(entries, 1), 1, min(MOST, 4 * size)))


def reverse_sets(drawn: Source, count: int, rng: np.random.Generator) -> Iterator[Sets]:
    """`count` reverse-reachable sets, in batches."""

    def run(size: int, own: np.random.Generator) -> Sets:
        return grouped(*reached(drawn.links, np.arange(size), drawn.roots(size, own), own), size)

    return batches(run, count, rng)


def grouped(run: Array, node: Array, runs: int) -> Sets:
    """Nodes put together by run; runs <= 2^15."""
    order = np.argsort(run.astype(np.int16), kind="stable")
    start = np.append(0, np.cumsum(np.bincount(run, minlength=runs)))
    return Sets(start, node[order].astype(np.int32))


def joined(parts: list[Sets]) -> Sets:
    """One after the other."""
    if not parts:
        return Sets(np.zeros(1, dtype=np.int64), np.empty(0, dtype=np.int32))
    before = np.cumsum([0] + [len(part.node) for part in parts])
    start = [part.start[:-1] + shift for part, shift in zip(parts, before, strict=False)]
    return Sets(np.append(np.concatenate(start), before[-1]), np.concatenate([part.node for part in parts]))
