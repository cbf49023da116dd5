"""Nodes that are together in as many sets as possible: greedy, exact counts, no estimates."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import sparse

from klantwaarde.network.cascade import steps

if TYPE_CHECKING:
    from klantwaarde.network.reverse import Sets
    from klantwaarde.typing import Array

GREEDY = 1 - math.exp(-1)


class Budget(NamedTuple):
    """At most `most` nodes; with costs, which are above 0, at most `money` in all."""

    most: int
    cost: Array | None = None
    money: float = np.inf

    def largest(self, nodes: int) -> int:
        """The most nodes that this allows."""
        if self.cost is None:
            return min(self.most, nodes)
        payable = int(np.searchsorted(np.cumsum(np.sort(self.cost)), self.money, side="right"))
        return min(self.most, payable)


class Cover(NamedTuple):
    """Nodes in the order chosen, sets that they cover, and no choice within the budget covers more than `bound`."""

    nodes: Array
    covered: int
    bound: float
    full: bool = False  # it ended because `most` nodes were chosen, not because of money


class Index(NamedTuple):
    """Sets, and the sets of each node."""

    sets: Sets
    first: Array
    of_node: Array

    def found_in(self, node: int) -> Array:
        """Numbers of the sets that contain this node."""
        return self.of_node[self.first[node] : self.first[node + 1]]


def index(sets: Sets, nodes: int) -> Index:
    """The sets of each of 0 to nodes - 1."""
    small = max(len(sets.node), sets.number) < 2**31
    start = sets.start.astype(np.int32) if small else sets.start
    ones = np.ones(len(sets.node), dtype=np.int8)
    turned = sparse.csr_array((ones, sets.node, start), shape=(sets.number, nodes)).tocsc()
    return Index(sets, turned.indptr, turned.indices)


def cover(by: Index, budget: Budget) -> Cover:
    """Greedy cover: without costs 1 - 1/e of the most that can be covered (Nemhauser, Wolsey & Fisher 1978).

    With costs the best of three: by sets, by sets for the money, and the best single node, at least (1 - 1/e) / 2 of
    the most (Leskovec et al. 2007, "Cost-effective outbreak detection in networks") if `most` does not bind.
    """
    by_sets = _greedy(by, budget, None)
    if budget.cost is None:
        return by_sets._replace(bound=min(by_sets.bound, by_sets.covered / GREEDY))
    ways = [_greedy(by, budget, budget.cost), by_sets, _greedy(by, budget._replace(most=1), None)]
    best = max(ways, key=lambda way: way.covered)
    return best._replace(bound=min(way.bound for way in ways[:2]), full=ways[0].full)


def _greedy(by: Index, budget: Budget, per: Array | None) -> Cover:
    start, node_of = by.sets.start, by.sets.node
    count, uncovered = np.diff(by.first).astype(np.int64), np.ones(by.sets.number, dtype=bool)
    chosen: list[int] = []
    money, covered, bound = budget.money, 0, math.inf
    while len(chosen) < budget.most:
        if len(chosen).bit_count() <= 1:  # after 0, 1, 2, 4, 8 ... choices: each time would cost more than it tells
            bound = min(bound, covered + _most_more(count, budget))
        node = _next(count, budget.cost, money, per)
        if node is None:
            break
        new = by.found_in(node)
        new = new[uncovered[new]]
        uncovered[new] = False
        covered += len(new)
        length = start[new + 1] - start[new]
        np.subtract.at(count, node_of[np.repeat(start[new], length) + steps(length)], 1)
        money -= 0 if budget.cost is None else budget.cost[node]
        chosen.append(node)
    bound = min(bound, covered + _most_more(count, budget))
    return Cover(np.array(chosen, dtype=np.int64), covered, bound, len(chosen) == budget.most)


def _next(count: Array, cost: Array | None, money: float, per: Array | None) -> int | None:
    """The node that covers most, or most for its cost, among those that can be paid; the first of several."""
    worth = count if cost is None else np.where(cost <= money, count if per is None else count / per, 0)
    node = int(np.argmax(worth))
    return node if worth[node] > 0 else None


def _most_more(count: Array, budget: Budget) -> float:
    """No choice within the budget covers more sets than this besides those covered already."""
    most = budget.largest(len(count))
    return float(np.partition(count, len(count) - most)[len(count) - most :].sum()) if most else 0.0
