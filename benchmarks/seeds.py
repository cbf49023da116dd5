"""Whom to seed, on a large made-up network: seconds, memory, and what the seeds are worth against plain rankings.

    python -m benchmarks.seeds [nodes] [links] [k] [epsilon]
    python -m benchmarks.seeds 1000000 5000000 50 0.1

Both ends of a link are drawn by power laws that have nothing to do with each other; each link into a customer has a
chance of one over their number. Value is log-normal and has nothing to do with the network: the harder case for a
choice by network, the easier one for a ranking by value.
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np
from scipy import sparse

from klantwaarde.network.seeds import plain_ranking, seeds, spread
from klantwaarde.network.solve import accountable

EXPONENT, FLATTENED = 0.7, 10  # weight of the i-th node, (i + 10)^-0.7: degrees with a tail of exponent 1 + 1 / 0.7
SOCIAL = 0.10  # share of a customer's value that others have caused, for the ranking by accountable value
RUNS = 200


def network(nodes: int, links: int, rng: np.random.Generator) -> sparse.csr_array:
    """Sparse (nodes, nodes), weighted cascade."""
    weight = (np.arange(nodes) + FLATTENED) ** -EXPONENT
    ends = []
    for _ in range(2):
        share = np.cumsum(rng.permutation(weight))
        drawn = np.searchsorted(share, np.sort(rng.random(links)) * share[-1])
        ends.append(rng.permutation(np.minimum(drawn, nodes - 1)))
    graph = sparse.csr_array((np.ones(links), (ends[0], ends[1])), shape=(nodes, nodes))
    graph.data = 1.0 / np.bincount(graph.indices, minlength=nodes)[graph.indices]
    return graph


def peak_gb() -> float:
    """The most memory this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main(nodes: int = 1_000_000, links: int = 5_000_000, k: int = 50, epsilon: float = 0.1) -> None:
    """Print it all."""
    rng = np.random.default_rng(1)
    graph, value = network(nodes, links, rng), rng.lognormal(4, 1, nodes)
    ranked = accountable(SOCIAL * graph, value)
    print(f"{nodes:,} nodes, {graph.nnz:,} links, k = {k}, epsilon = {epsilon}; {peak_gb():.2f} GB before")
    start, used = time.perf_counter(), time.process_time()
    found = seeds(graph, value, k, epsilon, np.random.default_rng(2), score=ranked)
    took, used = time.perf_counter() - start, time.process_time() - used
    print(f"seeds: {took:.1f} s ({used:.1f} s of processors), peak {peak_gb():.2f} GB, sets {tuple(found.sets)}")
    print(f"guarantee {found.guarantee:.3f}, certified {found.certified:.3f}, confidence {found.confidence:.6f}")
    print(f"spread {found.spread}\nplain  {found.plain_spread}\nmore   {found.advantage}\nof     {found.total:.0f}")
    degree = np.diff(graph.indptr)
    choices = {"seeds": found.nodes, "accountable value": found.plain}
    choices |= {"value": plain_ranking(value, k), "links out": plain_ranking(degree, k)}
    for name, nodes_of in choices.items():
        start = time.perf_counter()
        told = spread(graph, value, nodes_of, RUNS, np.random.default_rng(3))
        took = time.perf_counter() - start
        print(f"{name:18} simulated forward: {told.mean:14.0f} +- {told.standard_error:8.0f} ({took:.1f} s)")


if __name__ == "__main__":
    given = sys.argv[1:]
    main(*(int(float(text)) for text in given[:3]), *(float(text) for text in given[3:4]))
