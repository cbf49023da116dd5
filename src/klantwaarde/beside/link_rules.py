"""Rules on links as arrays: one referrer each, no circles of referrals, one link per pair; each counted.

Everything here is about nodes 0..m-1; which customers they are is the engine's affair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from klantwaarde.sources.parse import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from klantwaarde.typing import Array

Ints = np.ndarray[Any, np.dtype[np.int64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]

HUB = 1000
"""Links of one source from which on it is named."""

DATELESS = np.iinfo(np.int64).min
"""A day that is missing, as a number (NumPy's)."""


@dataclass(frozen=True)
class Tally:
    """How often a rule applied, and the first lines it applied to."""

    kind: str
    count: int
    lines: tuple[int, ...]
    dropped: int = 0


class Columns(NamedTuple):
    """Links as arrays of equal length, in the order of their lines."""

    line: Ints
    source: Ints
    target: Ints
    day: Ints
    weight: Array
    anyway: Array
    acceleration: Array
    incentive: Array
    acquisition: Array
    marks: Ints

    def where(self, chosen: Mask | Ints) -> Columns:
        """These links only; columns that are not used stay empty."""
        return Columns(*(column[chosen] if len(column) else column for column in self))


def tally(kind: str, lines: Ints, *, dropped: bool) -> Tally:
    """The lines that a rule applied to, counted."""
    few = np.partition(lines, EXAMPLES)[:EXAMPLES] if len(lines) > EXAMPLES else lines
    return Tally(kind, len(lines), tuple(sorted(few.tolist())), len(lines) if dropped else 0)


def forest(links: Columns, nodes: int) -> tuple[Columns, list[Tally]]:
    """Links with at most one per target and without circles, and what was taken away."""
    first, same = first_referrers(links)
    tallies = [
        tally("repeated", links.line[same], dropped=True),
        tally("second referrer", links.line[~first & ~same], dropped=True),
    ]
    links = links.where(first)
    closing = closing_links(links, nodes)
    tallies.append(tally("circle cut", links.line[closing], dropped=True))
    return links.where(~closing), tallies


def first_referrers(links: Columns) -> tuple[Mask, Mask]:
    """Per link: whether it is the first of its target (by day, then line), and whether it only repeats that one.

    Links without a day come after those with one.
    """
    order = np.lexsort((links.line, _late(links.day), links.target))
    target, source = links.target[order], links.source[order]
    begins = np.append(True, target[1:] != target[:-1])[: len(target)]
    leader = source[begins][np.cumsum(begins) - 1]
    first, same = np.empty_like(begins), np.empty_like(begins)
    first[order], same[order] = begins, ~begins & (source == leader)
    return first, same


def closing_links(links: Columns, nodes: int) -> Mask:
    """Per link, whether it closes a circle: the latest of the circle's links, by day, then line.

    Each target has one link, so circles have no link in common and cutting one of each leaves a forest. A link without
    a day counts as later than any other, as it does among several referrers: what is not known gives way.
    """
    parent, place = np.full(nodes, -1, dtype=np.int64), np.zeros(nodes, dtype=np.int64)
    parent[links.target] = links.source
    order = np.lexsort((links.line, _late(links.day)))
    place[links.target[order]] = np.arange(len(order))
    return np.isin(links.target, last_of_circles(parent, place))


def last_of_circles(parent: Ints, place: Ints) -> Ints:
    """The nodes, one per circle, whose own link came last of their circle's; rising.

    parent: (m,), -1 for none; place: (m,), of each node's own link in the order in which links came about.
    """
    circle = circles(parent)
    on = np.flatnonzero(circle >= 0)
    order = on[np.lexsort((place[on], circle[on]))]
    ends = np.append(circle[order][1:] != circle[order][:-1], True)[: len(order)]
    return np.sort(order[ends])


def _late(day: Ints) -> Ints:
    """The days, those that are not known after all others."""
    return np.where(day == DATELESS, np.iinfo(np.int64).max, day)


def circles(parent: Ints) -> Ints:
    """Per node, the least node of the circle it is on; -1 where it is on none. parent: (m,), -1 for none.

    Pointer jumping: after k doublings everybody looks 2^k steps up. Who has not come out at the top after m steps is on
    a circle or below one, and stands where he looks: on the circle. O(m log depth).
    """
    m = len(parent)
    jump = np.append(np.where(parent < 0, m, parent), m)
    climbing = np.flatnonzero(jump[:m] < m)
    for _ in range(m.bit_length()):
        if not len(climbing):
            break
        jump[climbing] = jump[jump[climbing]]
        climbing = climbing[jump[climbing] < m]
    on = np.unique(jump[climbing])
    up, least = np.searchsorted(on, parent[on]), on.copy()
    for _ in range(len(on).bit_length()):
        least, up = np.minimum(least, least[up]), up[up]
    label = np.full(m, -1, dtype=np.int64)
    label[on] = least
    return label


def merged(links: Columns, nodes: int) -> tuple[Columns, list[Tally]]:
    """One link per pair: weights summed, the earliest known day, the first line; sums of zero are taken away."""
    pair = links.source * nodes + links.target
    order = np.argsort(pair)
    pair = pair[order]
    begins = np.append(True, pair[1:] != pair[:-1])[: len(pair)]
    starts = np.flatnonzero(begins)
    if not len(starts):
        return links, []
    line, late = links.line[order], _late(links.day)[order]
    first, day = np.minimum.reduceat(line, starts), np.minimum.reduceat(late, starts)
    again = line[line != np.repeat(first, np.diff(np.append(starts, len(line))))]
    joined = Columns(
        line=first,
        source=pair[starts] // nodes,
        target=pair[starts] % nodes,
        day=np.where(day == np.iinfo(np.int64).max, DATELESS, day),
        weight=np.add.reduceat(links.weight[order], starts),
        anyway=links.anyway,
        acceleration=links.acceleration,
        incentive=links.incentive,
        acquisition=links.acquisition,
        marks=np.bitwise_or.reduceat(links.marks[order], starts),
    )
    gone = joined.line[joined.weight == 0]
    joined = joined.where(joined.weight != 0) if len(gone) else joined
    return joined, [
        tally("repeated", again, dropped=True),
        tally("cancelled", gone, dropped=True),
        tally("circle kept", joined.line[in_circles(joined, nodes)], dropped=False),
    ]


def in_circles(links: Columns, nodes: int) -> Mask:
    """Per link, whether one can come back along other links: both ends in one strong component. Sorted by source."""
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415 - loaded where it is used

    starts = np.concatenate([[0], np.cumsum(np.bincount(links.source, minlength=nodes))])
    ones = np.ones(len(links.line), dtype=np.int8)
    graph = csr_array((ones, links.target, starts), shape=(nodes, nodes))
    _, component = connected_components(graph, directed=True, connection="strong")
    found: Mask = component[links.source] == component[links.target]
    return found


def hubs(links: Columns) -> Iterator[tuple[int, int]]:
    """The sources with at least HUB links: (a line of theirs, how many); the largest first."""
    counts = np.bincount(links.source)
    large = np.flatnonzero(counts >= HUB)
    for node in large[np.argsort(-counts[large], kind="stable")]:
        yield int(links.line[np.argmax(links.source == node)]), int(counts[node])
