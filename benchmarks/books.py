"""python -m benchmarks.books [nodes] [links] [forest]: the books of a large network, and the sweep over a forest.

Seconds and peak memory of `kw.network.books` on a random network (each of `nodes` customers gives 0.4 of himself away
over `links` links), next to its floor, one pass over the matrix, and to SciPy's own GMRES on the same equation, whose
answer is compared first; and of `forest` and `responsibility` on a random referral forest of `forest` customers.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy
from scipy import sparse
from scipy.sparse.linalg import gmres

import klantwaarde as kw
from klantwaarde.job.pipeline import peak_memory_mb
from klantwaarde.network.forest import forest

GIVEN = 0.4


def network(nodes: int, links: int, rng: np.random.Generator) -> Any:
    """phi with column sums of GIVEN."""
    source, target = rng.integers(nodes, size=links), rng.integers(nodes, size=links)
    phi = sparse.coo_array((rng.random(links), (source, target)), shape=(nodes, nodes)).tocsr()
    given = np.asarray(phi.sum(axis=0)).ravel()
    return (phi @ sparse.diags_array(GIVEN / np.where(given > 0, given, 1.0))).tocsr()


def tree(nodes: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """Three in ten were brought by someone who was there before, more often by who was there long before."""
    brought = np.flatnonzero(rng.random(nodes) < 0.3)
    brought = brought[brought > 0]
    return (brought * rng.random(len(brought)) ** 2).astype(np.int64), brought


def timed(name: str, step: Callable[[], Any]) -> Any:
    """The step's answer; its seconds, the best of three, are printed."""
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        answer = step()
        seconds.append(time.perf_counter() - began)
    print(f"{name:<46} {min(seconds):8.2f} s   (of three: {', '.join(f'{s:.2f}' for s in seconds)})")
    return answer


def main(nodes: int = 3_000_000, links: int = 12_000_000, size: int = 10_000_000) -> None:
    """Print the lines."""
    rng = np.random.default_rng(1)
    value, phi = rng.gamma(0.5, 200.0, nodes), network(nodes, links, rng)
    print(f"books: {nodes:,} customers, {phi.nnz:,} links, {GIVEN} given away; SciPy {scipy.__version__}")
    kept = timed("kw.network.books", lambda: kw.network.books(value, phi))
    print(f"{'gap of the books':<46} {kw.network.conservation(kept):8.1e} of the sum of |accountable|")
    timed("floor: one pass over the matrix (phi @ value)", lambda: phi @ value)
    system = sparse.linalg.aslinearoperator(sparse.eye_array(nodes, format="csr") - phi)
    peer = timed("peer: scipy gmres, to 1e-12", lambda: gmres(system, value, rtol=1e-12, restart=30)[0])
    print(f"{'largest difference of the answers':<46} {np.abs(peer / kept.accountable - 1).max():8.1e} relative")
    worth, (above, below) = rng.gamma(0.5, 200.0, size), tree(size, rng)
    theta = np.full(size, 0.5)
    print(f"sweep: {size:,} customers, {len(below):,} brought by others")
    found = timed("forest", lambda: forest(above, below, size))
    timed("responsibility", lambda: kw.network.responsibility(found, theta, worth))
    timed("floor: one pass (bincount of the referrers)", lambda: np.bincount(above, worth[below], minlength=size))
    print(f"generations {int(found.depth.max())}; peak memory {peak_memory_mb():,.0f} MB")


if __name__ == "__main__":
    main(*(int(float(word)) for word in sys.argv[1:]))
