"""Purchase counts per customer and period, as users have them, made ready for passes over time.

A period that is masked, negative or NaN tells nothing. A customer's story begins in the first period that tells
something: before it there is no customer. Later periods that tell nothing are missing: the state moves on unseen.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from klantwaarde.errors import BadOrders
from klantwaarde.numerics import cores

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from klantwaarde.typing import Array

    In = TypeVar("In")
    Out = TypeVar("Out")

MISSING = -1
NUMBERS = 200_000  # per array of a block: 1.6 MB stay in cache; blocks of 65,536 customers took ten times as long


class Block(NamedTuple):
    """Some customers side by side, those whose story begins first being first."""

    y: Array  # (periods, customers) counts, MISSING where nothing is known
    born: Array  # (periods,) how many customers there are in each period: the first so many columns
    rows: Array  # (customers,) which row of the counts a column is
    weight: Array | None = None  # (customers,) how many customers a column stands for; None is one each

    @property
    def before(self) -> Array:
        """(periods,) how many customers there were in the period before."""
        return np.concatenate([[0], self.born[:-1]])


def observed(counts: Array, first: int = 0) -> Array:
    """Counts as the smallest integers that hold them, MISSING where masked, negative or NaN; else BadOrders.

    first is the number of the first row, for the message.
    """
    values, unknown = np.ma.getdata(counts), np.ma.getmaskarray(counts) if np.ma.isMaskedArray(counts) else None
    if values.dtype.kind not in "iufb":
        raise BadOrders(f"counts are {values.dtype}; give whole numbers, masked or negative where not yet a customer.")
    if values.dtype.kind == "f":
        gone = np.isnan(values)
        unknown = gone if unknown is None else unknown | gone
        values = np.where(unknown, MISSING, values)
    if values.dtype.kind in "uf":
        _whole(values, unknown, first)
    if values.dtype.kind in "if":
        values = np.maximum(values, MISSING)
    top = np.max(values, initial=0, where=True if unknown is None else ~unknown)
    known = values.astype(np.min_scalar_type(-int(top) - 1), copy=False)
    return known if unknown is None else np.where(unknown, known.dtype.type(MISSING), known)


def _whole(values: Array, unknown: Array | None, first: int) -> None:
    bad = (np.floor(values) != values) | (values >= 2**53)
    if unknown is not None:
        bad &= ~unknown
    if bad.any():
        row, period = np.argwhere(bad)[0]
        raise BadOrders(
            f"row {first + row}, period {period} has a count of {values[row, period]}; "
            f"a count is a whole number below 2^53. {np.sum(bad):,} are not: round or mask them."
        )


def table_of(counts: Array) -> Array:
    """Counts as an array of two dimensions with at least one period, masked or not; else BadOrders."""
    table = counts if np.ma.isMaskedArray(counts) else np.asarray(counts)
    if table.ndim != 2 or table.shape[1] == 0:
        raise BadOrders(f"counts have the shape {table.shape}; give one row per customer and one column per period.")
    return table


def block_of(y: Array, rows: Array, weight: Array | None = None) -> Block:
    """The block of the customers y (customers, periods), which are `rows` of the counts."""
    seen, periods = y >= 0, y.shape[1]
    birth = np.where(seen.any(axis=1), seen.argmax(axis=1), periods)
    if (birth == 0).all():
        return Block(np.ascontiguousarray(y.T), np.full(periods, len(y)), rows, weight)
    order = np.argsort(birth, kind="stable")
    born = np.searchsorted(birth[order], np.arange(periods), side="right")
    return Block(np.ascontiguousarray(y[order].T), born, rows[order], None if weight is None else weight[order])


def slices(customers: int, periods: int, states: int) -> list[slice]:
    """Rows cut into blocks that stay in cache."""
    size = int(np.clip(NUMBERS // (periods * states), 256, 16_384))
    return [slice(start, min(start + size, customers)) for start in range(0, customers, size)]


def distinct(y: Array) -> tuple[Array, Array | None]:
    """(rows, how many customers have each), or (y, None) where few customers share a history.

    Equal rows are found by a hash; every row is compared with the one that it is said to equal.
    """
    keys, hashes = np.random.default_rng(1), np.zeros(len(y), dtype=np.uint64)
    for column in y.T:
        hashes += keys.integers(2**63, dtype=np.uint64) * (column + np.int64(2)).astype(np.uint64)
    _, at, inverse, n = np.unique(hashes, return_index=True, return_inverse=True, return_counts=True)
    if len(at) > 0.7 * len(y) or not all(np.array_equal(column[at][inverse], column) for column in y.T):
        return y, None
    return y[at], n.astype(float)


def each(task: Callable[[In], Out], things: Sequence[In]) -> list[Out]:
    """Results of task on all cores, in the order of the things: NumPy releases the interpreter lock."""
    if len(things) == 1:
        return [task(things[0])]
    with ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(task, things))
