"""The referral forest: who was brought by whom, how deep, and which links close a cycle.

Everything is found by doubling: parents, then parents of parents, then four links up. A chain of a million takes
twenty passes, not a million.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from klantwaarde.beside.link_rules import last_of_circles
from klantwaarde.beside.links import Links
from klantwaarde.errors import BadOrders, BadParameters

if TYPE_CHECKING:
    from typing import Any

    from klantwaarde.typing import Array

NAMED = 5  # rows that an error names
SPARSE = 8  # a sum per customer goes over all of them unless fewer than one in so many take part


class Forest(NamedTuple):
    """parent and depth of every customer, shape (n,): -1 and 0 for those whom nobody brought.

    cut: places, in the links given, of those left out because they closed a cycle; one per cycle, in rising order.
    """

    parent: Array
    depth: Array
    cut: Array

    @property
    def cycles(self) -> int:
        """How many cycles were cut."""
        return len(self.cut)


def forest(referrer: Array, referred: Array, n: int, joined: Array | None = None) -> Forest:
    """The forest of n customers in which referrer[k] brought referred[k]; indices 0 .. n - 1.

    joined: when each link came about (numbers or dates, one per link). A cycle is cut at its latest link, at the last
    row among equals; without dates at its last row. An unknown date counts as latest. Raises BadOrders for links to
    nobody or to oneself, and for customers brought twice.
    """
    above, below = links(referrer, referred, n)
    _refuse_twice(below, n)
    if joined is not None and np.shape(joined) != below.shape:
        raise BadParameters(f"joined must hold one date per link, {len(below)}, but has shape {np.shape(joined)}.")
    parent = np.full(n, -1)
    parent[below] = above
    depth, lost = _climbed(parent)
    if not len(lost):
        return Forest(parent, depth, np.empty(0, dtype=int))
    cut = last_of_circles(parent, _order(joined, below, n))
    parent[cut] = -1
    row = np.full(n, -1)
    row[below] = np.arange(len(below))
    return Forest(parent, _climbed(parent)[0], np.sort(row[cut]))


def links(referrer: Array, referred: Array, n: float = np.inf) -> tuple[Array, Array]:
    """The links as indices, checked: whole numbers within 0 .. n - 1, of the same length, none to oneself."""
    above, below = np.atleast_1d(referrer), np.atleast_1d(referred)
    if above.shape != below.shape or above.ndim != 1:
        raise BadOrders(f"referrer and referred must be two columns of one length, not {above.shape}, {below.shape}.")
    bad = ~(_within(above, n) & _within(below, n))
    if bad.any():
        raise BadOrders(
            f"{_named(bad)} a referrer or a referred customer that is no index of 0 .. {n - 1:g}. Number the customers "
            "from 0, referrers who never bought included."
        )
    above, below = above.astype(np.intp), below.astype(np.intp)
    if (above == below).any():
        raise BadOrders(f"{_named(above == below)} a customer who referred himself. Leave such rows out.")
    return above, below


def refuse_links(given: object) -> None:
    """Raise BadParameters for links as `referrals` and `influence` read them, where arrays are needed."""
    if not isinstance(given, Links):
        return
    arrays = (
        "Referrals(links.source, links.target, links.anyway, links.acceleration / 7, links.incentive, "
        "links.acquisition, delta), with acceleration and delta in the unit of the fit, here weeks"
        if given.kind == "referrals"
        else '{"source": links.source, "target": links.target, "weight": links.weight}'
    )
    raise BadParameters(
        f"Arrays of links are needed here, but Links was handed in, as kw.{given.kind} reads them from a table. For "
        f"the value of customers give score kw.Beside({given.kind}=links). As arrays they are {arrays}; the "
        "number of nodes is links.size."
    )


def subtree_sums(parent: Array, weight: Array, value: Array) -> Array:
    """R of R[i] = value[i] + sum over children y of weight[y] R[y]; all of shape (n,).

    parent: -1 for none; where it has cycles, their weights have to multiply to less than one in size. After k passes R
    holds the walks shorter than 2^k; a pass adds to them the same walks 2^k links further down.
    """
    total = np.array(value, dtype=float)
    y = np.flatnonzero(parent >= 0)
    jump, share = np.array(parent), np.array(weight, dtype=float)
    while len(y):
        up, part = jump[y], share[y]
        _add(total, up, part * total[y])
        further, product = jump[up], part * share[up]
        jump[y], share[y] = further, product
        # A product of shares that has become 0 adds nothing further up.
        y = y[(further >= 0) & (product != 0)]
    return total


def _add(total: Array, where: Array, amount: Array) -> None:
    if len(where) * SPARSE < len(total):
        np.add.at(total, where, amount)
    else:
        total += np.bincount(where, weights=amount, minlength=len(total))


def _climbed(parent: Array) -> tuple[Array, Array]:
    """Depths, and the customers on cycles that those below cycles end in (with repetition)."""
    jump, depth = np.array(parent), (parent >= 0).astype(np.int64)
    y = np.flatnonzero(parent >= 0)
    for _ in range(len(parent).bit_length()):
        up = jump[y]
        further, more = jump[up], depth[up]
        jump[y], depth[y] = further, depth[y] + more
        y = y[further >= 0]
        if not len(y):
            break
    return depth, jump[y]


def _order(joined: Array | None, below: Array, n: int) -> Array:
    """Place of each referred customer's link in the order in which links came about."""
    rows = np.arange(len(below)) if joined is None else np.argsort(joined, kind="stable")
    order = np.full(n, -1)
    order[below[rows]] = np.arange(len(rows))
    return order


def _refuse_twice(below: Array, n: int) -> None:
    twice = np.bincount(below, minlength=n)[below] > 1
    if twice.any():
        raise BadOrders(f"{_named(twice)} a customer with more than one referrer. Keep one link per customer.")


def _within(index: Array, n: float) -> Any:
    if index.dtype.kind not in "iuf":
        return np.zeros(index.shape, dtype=bool)
    return (index >= 0) & (index < n) & (np.floor(index) == index)


def _named(bad: Array) -> str:
    rows = np.flatnonzero(bad)
    more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    return f"Row{'s' if len(rows) > 1 else ''} {', '.join(map(str, rows[:NAMED]))}{more} of the links hold"
