"""Independent cascades: whoever is reached sets off each of those linked to him, once, with the chance of the link.

Kempe, Kleinberg & Tardos (2003), "Maximizing the spread of influence through a social network", KDD. Thousands of
cascades run at once, one round at a time. Live links are found by skipping over the others: the number of links until
the next live one is geometric, so a node costs as much as it has live links, however many it has. Links of one node
are first put together by chance, within a factor of two, and thinned (Guo et al. 2020, "Influence maximization
revisited", SIGMOD).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import sparse

from klantwaarde.errors import BadParameters
from klantwaarde.network.hash_sets import Visited

if TYPE_CHECKING:
    from klantwaarde.typing import Array

LIVE = 2  # expected live links of a slice, at most: more would mean more rounds of skipping, less more slices


class Edges(NamedTuple):
    """Links that can be live: from, to, chance in (0, 1], one row each; between nodes 0 to nodes - 1."""

    nodes: int
    source: Array
    target: Array
    chance: Array


class Links(NamedTuple):
    """What leaves each node, cut into slices of links of like chance: slices first[i] to first[i + 1] are node i's."""

    first: Array
    start: Array  # of a slice: its first link
    length: Array
    wait: Array  # -1 / log(1 - top): an exponential times this, rounded down, is geometric
    top: Array  # the largest chance in the slice
    end: Array  # of a link: the node that it leads to
    chance: Array
    even: bool  # every link has its slice's top chance, so nothing is thinned


def edges(graph: Any) -> Edges:
    """Links of a square scipy.sparse graph, graph[i, j] the chance that i sets off j.

    Stored twice means two links, which is one of chance 1 - (1 - p)(1 - q). Chance 0 and links to oneself do nothing.
    BadParameters when it is not square and sparse, or a chance is not within 0 and 1.
    """
    matrix: Any = graph
    if not sparse.issparse(graph) or len(matrix.shape) != 2:
        raise BadParameters("graph must be a SciPy sparse matrix: graph[i, j] the chance that i sets off j.")
    table: Any = matrix.tocoo()
    if table.shape[0] != table.shape[1]:
        raise BadParameters(f"graph has shape {table.shape}; it must be square, one row and one column per node.")
    source, target, chance = table.row, table.col, np.asarray(table.data, dtype=float)
    _check_chances(source, target, chance)
    live = (chance > 0) & (source != target)
    if not live.all():
        source, target, chance = source[live], target[live], chance[live]
    return Edges(int(table.shape[0]), source, target, chance)


def _check_chances(source: Array, target: Array, chance: Array) -> None:
    bad = np.flatnonzero(~((chance >= 0) & (chance <= 1)))
    if len(bad):
        i = bad[0]
        raise BadParameters(
            f"{len(bad)} of {len(chance)} chances lie outside 0 to 1, the first graph[{source[i]}, {target[i]}] = "
            f"{chance[i]:.6g}. SciPy adds up what is stored twice; two links p and q are one of 1 - (1 - p)(1 - q)."
        )


def outgoing(given: Edges) -> Links:
    """What each node may set off."""
    return _links(given.nodes, given.source, given.target, given.chance)


def incoming(given: Edges) -> Links:
    """What may set off each node: cascades along these links go back in time."""
    return _links(given.nodes, given.target, given.source, given.chance)


def _links(nodes: int, near: Array, far: Array, chance: Array) -> Links:
    power = np.frexp(chance)[1].astype(np.int64)  # -1073 to 1
    group = near.astype(np.int64) * 2048 + (power + 1100)
    order = np.argsort(group)
    group, chance = group[order], chance[order]
    begin = np.flatnonzero(np.diff(group, prepend=-1))
    size = np.diff(begin, append=len(group))
    top = np.maximum.reduceat(chance, begin) if len(begin) else chance
    even = bool((np.repeat(top, size) == chance).all())
    piece = np.ceil(LIVE / np.maximum(top, 2.0**-30)).astype(np.int64)
    pieces = -(-size // piece)
    which = np.repeat(np.arange(len(begin)), pieces)
    offset = steps(pieces) * piece[which]
    start = begin[which] + offset
    first = np.searchsorted(group[start] // 2048, np.arange(nodes + 1))
    with np.errstate(divide="ignore"):
        wait = -1 / np.minimum(np.log1p(-top[which]), -1e-300)  # times an exponential still finite
    length = np.minimum(size[which] - offset, piece[which])
    return Links(first, start, length, wait, top[which], far[order].astype(np.int32), chance, even)


def steps(counts: Array) -> Array:
    """0 to count - 1 for each count, one after the other."""
    ends = np.cumsum(counts)
    return np.asarray(np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts))


def reached(links: Links, run: Array, node: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """(run, node) of all that cascades reach, each once, those they start from included.

    run, node: int64, where the cascades start; a run may start from several nodes.
    """
    bits = max(len(links.first).bit_length(), 1)
    seen, rounds = Visited(), []
    key = seen.fresh(run << bits | node)
    while len(key):
        rounds.append(key)
        from_run, to = _set_off(links, key >> bits, key & ((1 << bits) - 1), rng)
        key = seen.fresh(from_run << bits | to)
    keys = np.concatenate(rounds) if rounds else key
    return keys >> bits, keys & ((1 << bits) - 1)


def _set_off(links: Links, run: Array, node: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """(run, node) at the far end of every live link of these nodes; a node may come twice."""
    begin = links.first[node]
    slices = links.first[node + 1] - begin
    part = np.repeat(begin, slices) + steps(slices)
    run = np.repeat(run, slices)
    who, link = _live(links, part, rng)
    return run[who], links.end[link].astype(np.int64)


def _live(links: Links, part: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """(which of the slices, link) of the live links in these slices."""
    who, link = [], []
    left, place = np.arange(len(part)), np.zeros(len(part))
    wait, length = links.wait[part], links.length[part]
    while len(left):
        place = place + np.floor(rng.standard_exponential(len(left)) * wait)
        inside = np.flatnonzero(place < length)
        left, place, wait, length = left[inside], place[inside], wait[inside], length[inside]
        who.append(left)
        link.append(links.start[part[left]] + place.astype(np.int64))
        place = place + 1
    if not who:
        return left, left
    slot, edge = np.concatenate(who), np.concatenate(link)
    if links.even:
        return slot, edge
    kept = rng.random(len(edge)) * links.top[part[slot]] < links.chance[edge]
    return slot[kept], edge[kept]
