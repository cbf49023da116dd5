"""The linear system T = V + phi T of a network in which value is passed up along links.

Hubbell (1965), "An input-output approach to clique identification", Sociometry 28(4): the sum of all walks. Solved by
adding walks one link longer at a time, which costs one pass over the links each; what long walks come to is foreseen.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from klantwaarde.errors import BadParameters, NotConverged
from klantwaarde.network.forest import subtree_sums
from klantwaarde.numerics import cores

if TYPE_CHECKING:
    from collections.abc import Callable

    from klantwaarde.typing import Array

TOLERANCE = 1e-12
FLOOR = 1e-6  # of the mean: customers with less than a millionth of it need fewer digits
EVERY = 6  # passes after which their pace is known
SOON = 15  # passes to come from which it pays to foresee them as a series
ALIKE = 0.9  # of a step that has to have one sign for the series to be that of the slowest walks
LATE = 60  # and from which it pays to solve for the rest at once
LONGEST = 60_000  # passes: columns that give 0.9995 away are done by then
HELPS = 1e-3  # of the residual that a solution at once has to leave at most
ROUNDING = 1e-13
DENSE = 1_500  # customers whose system is solved by elimination: 0.1 s
SPLIT = 200_000  # links from which a pass over them is shared by threads
EDGE = 1e-12  # how far below one a spectral radius has to be


class Passing:
    """phi as a product with a vector, over the rows that hold links only, shared by threads where it pays."""

    def __init__(self, phi: Any, workers: int) -> None:
        held = np.flatnonzero(np.diff(phi.indptr))
        few = len(held) < phi.shape[0] // 2
        self.rows: Any = held if few else slice(None)
        # Rows without links take no room in the data, so that leaving them out moves nothing.
        starts = np.append(phi.indptr[:-1][self.rows], phi.indptr[-1])
        self.size = len(starts) - 1
        cuts = np.searchsorted(starts, np.linspace(0, phi.indptr[-1], workers + 1))
        cuts[0], cuts[-1] = 0, self.size
        self.blocks = [
            sparse.csr_array(
                (
                    phi.data[starts[low] : starts[high]],
                    phi.indices[starts[low] : starts[high]],
                    starts[low : high + 1] - starts[low],
                ),
                shape=(high - low, phi.shape[1]),
            )
            for low, high in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True)
        ]

    def product(self, pool: ThreadPoolExecutor | None, values: Array) -> Array:
        """Product of phi and values, of the rows that hold links; shape (rows,)."""
        if pool is None or len(self.blocks) == 1:
            return np.concatenate([block @ values for block in self.blocks])
        return np.concatenate(list(pool.map(lambda block: block @ values, self.blocks)))


def passed(phi: Any, values: Array) -> Array:
    """Product of phi and values; phi CSR of shape (n, n), values (n,)."""
    with ExitStack() as stack:
        passing, pool = _opened(phi, stack)
        result = np.zeros(phi.shape[0])
        result[passing.rows] = passing.product(pool, values)
        return result


def accountable(phi: Any, value: Array, tolerance: float = TOLERANCE) -> Array:
    """T = value + phi T; phi CSR of shape (n, n), value (n,).

    Exact where each customer is attributed to one other at most. Otherwise stops when the rest is below tolerance of
    the sum of |T|, by the column sums of |phi| where those are below one, and of each customer's own terms. Raises
    BadParameters where the spectral radius is not below one, NotConverged where walks count so long that no end comes.
    """
    sizes = abs(phi) if (phi.data < 0).any() else phi
    norm = float(column_sums(sizes).max(initial=0.0))
    if norm < 1 and phi.nnz <= phi.shape[0] and np.bincount(phi.indices, minlength=1).max() <= 1:
        return _of_one_referrer(phi, value)
    if norm >= 1 and spectral_radius(phi) >= 1 - EDGE:
        raise BadParameters(
            "phi has a spectral radius of one or more: value passed up along its cycles never ends. Give its links "
            "smaller weights, or cap the sums of |phi| per column below one."
        )
    with ExitStack() as stack:
        passing, pool = _opened(phi, stack)
        return _solved(passing, lambda x: passing.product(pool, x), value, norm, tolerance)


def _of_one_referrer(phi: Any, value: Array) -> Array:
    """T where each column holds one link at most: twenty doublings reach through any chain, and round any cycle."""
    links = phi.tocoo()
    parent, weight = np.full(phi.shape[0], -1), np.zeros(phi.shape[0])
    parent[links.col], weight[links.col] = links.row, links.data
    return subtree_sums(parent, weight, value)


def column_sums(phi: Any) -> Array:
    """Sums of the columns of a sparse matrix; shape (columns,)."""
    return np.asarray(phi.T @ np.ones(phi.shape[0]))


def spectral_radius(phi: Any) -> float:
    """The largest |eigenvalue| of phi, or a bound above it that is below one; 0 without cycles.

    An eigenvalue lives on the links within one strongly connected part.
    """
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415 - loaded where it is used

    links = phi.tocoo()
    _, part = connected_components(phi, connection="strong")
    inside = (part[links.row] == part[links.col]) & (links.data != 0)
    if not inside.any():
        return 0.0
    nodes, where = np.unique(np.concatenate([links.row[inside], links.col[inside]]), return_inverse=True)
    row, col = where.reshape(2, -1)
    core = sparse.csr_array((links.data[inside], (row, col)), shape=(len(nodes), len(nodes)))
    bound = min(float(column_sums(abs(core)).max()), float(column_sums(abs(core).T).max()))
    return bound if bound < 1 else _largest_eigenvalue(core)


def _largest_eigenvalue(core: Any) -> float:
    from scipy.sparse.linalg import ArpackNoConvergence, eigs  # noqa: PLC0415 - loaded where it is used

    if core.shape[0] <= DENSE:
        return float(np.abs(np.linalg.eigvals(core.toarray())).max())
    try:
        found = eigs(core, k=4, which="LM", return_eigenvectors=False, v0=np.ones(core.shape[0]), tol=1e-9)
    except ArpackNoConvergence as error:
        raise NotConverged(
            "The spectral radius of phi was not found. Cap the sums of |phi| per column below one."
        ) from error
    return float(np.abs(found).max())


def _opened(phi: Any, stack: ExitStack) -> tuple[Passing, ThreadPoolExecutor | None]:
    workers = min(cores(), 8) if phi.nnz >= SPLIT else 1
    pool = stack.enter_context(ThreadPoolExecutor(workers)) if workers > 1 else None
    return Passing(phi, workers), pool


def _solved(passing: Passing, product: Callable[[Array], Array], value: Array, norm: float, tolerance: float) -> Array:
    """Walks added one link longer at a time; every few passes the rest is added as far as it can be foreseen."""
    total, rows = np.array(value, dtype=float), passing.rows
    own, terms = np.array(total[rows]), np.abs(total[rows])
    sizes, sums, foresight = [np.inf], [np.inf], _Foresight()
    for turn in range(1, LONGEST):
        step = product(total)
        step += own
        step -= total[rows]
        total[rows] += step
        size = np.abs(step)
        terms += size
        sizes.append(float(size.sum()))
        sums.append(float(step.sum()))
        if _small(size, terms, total, norm, tolerance) or _stuck(sizes, terms):
            return total
        if turn % EVERY == 0:
            rest = foresight.rest(passing, product, step, sizes, sums)
            if rest is not None:
                total[rows] += rest
                terms += np.abs(rest)
    raise NotConverged(
        "Value passed up along phi did not settle: its cycles keep nearly all of it. Cap the sums of |phi| per column, "
        "for example at 0.95."
    )


class _Foresight:
    """What all longer walks will add: as a geometric series; where that does not help, at once; or not foreseen."""

    def __init__(self) -> None:
        self.series, self.at_once, self.promised = True, True, np.inf

    def rest(
        self, passing: Passing, product: Callable[[Array], Array], step: Array, sizes: list[float], sums: list[float]
    ) -> Array | None:
        """To be added after a step; sizes and sums of all steps so far."""
        coming, pace = _passes(sizes), sums[-1] / sums[-2] if sums[-2] else 0.0
        self.series = self.series and sizes[-1] <= self.promised
        alike = abs(sums[-1]) > ALIKE * sizes[-1]
        if self.series and alike and coming > SOON and 0 < pace < 1:
            self.promised = sizes[-1] * (sizes[-1] / sizes[-2]) ** EVERY
            return step * (pace / (1 - pace))
        if self.at_once and coming > LATE:
            # The next step is phi times this one.
            wide = np.zeros(passing.blocks[0].shape[1])
            wide[passing.rows] = step
            found = _rest(passing, product, product(wide))
            self.at_once = found is not None
            return found
        return None


def _passes(sizes: list[float]) -> float:
    """Passes that it takes to become TOLERANCE of what it is now, at the pace of the last one."""
    pace = sizes[-1] / sizes[-2] if sizes[-2] > 0 else 0.0
    return float(np.log(TOLERANCE) / np.log(pace)) if 0 < pace < 1 else np.inf if pace else 0.0


def _stuck(sizes: list[float], terms: Array) -> bool:
    """Whether steps of the size of rounding no longer shrink: as near as doubles come."""
    return sizes[-1] >= sizes[-2] and sizes[-1] <= ROUNDING * float(terms.sum())


def _small(size: Array, terms: Array, total: Array, norm: float, tolerance: float) -> bool:
    """Whether what longer walks can add is below tolerance, in sum and for each customer; size is |step|."""
    beyond = norm / (1 - norm) if norm < 1 else 1.0
    added = float(size.sum())
    if added == 0:
        return True
    if beyond * added > tolerance * float(np.abs(total).sum()):
        return False
    floor = FLOOR * float(terms.mean())
    return bool((size <= tolerance * (terms + floor)).all())


def _rest(passing: Passing, product: Callable[[Array], Array], residual: Array) -> Array | None:
    """What solves (I - phi) rest = residual on the rows that hold links, to some digits; None if not found."""
    from scipy.sparse.linalg import LinearOperator, bicgstab  # noqa: PLC0415 - loaded where it is used

    rows = passing.rows
    if passing.size <= DENSE:
        square = sparse.vstack(passing.blocks, format="csc")[:, rows].toarray()
        return np.asarray(np.linalg.solve(np.eye(passing.size) - square, residual))
    wide = np.zeros(passing.blocks[0].shape[1])

    def left(x: Array) -> Array:
        wide[rows] = x.ravel()
        return np.asarray(x.ravel() - product(wide))

    scale = float(np.abs(residual).max()) or 1.0
    operator = LinearOperator((passing.size, passing.size), matvec=left, dtype=float)
    found, _ = bicgstab(operator, residual / scale, rtol=1e-8, atol=0.0, maxiter=100)
    found = np.asarray(found) * scale
    left_over = float(np.abs(residual - left(found)).sum())
    return found if left_over <= HELPS * float(np.abs(residual).sum()) else None
