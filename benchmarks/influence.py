"""Influence at scale: seconds and memory of the estimate with its null, on simulated orders and links.

    python -m benchmarks.influence [customers] [links per customer]

Three orders per customer on average, over a year; homophily only.
"""

from __future__ import annotations

import json
import resource
import sys
import time

import numpy as np

from klantwaarde.network.influence import estimate_influence


def base(customers: int, degree: int, days: int = 365) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Orders at gamma rates, and links to neighbours in the order of indices."""
    rng = np.random.default_rng(1)
    birth = rng.random(customers) * 0.3 * days
    again = rng.poisson(rng.gamma(1.0, 2.35 / days, customers) * (days - birth))
    customer = np.concatenate([np.arange(customers), np.repeat(np.arange(customers), again)])
    later = np.repeat(birth, again)
    moment = np.concatenate([birth, later + rng.random(len(later)) * (days - later)])
    source = np.repeat(np.arange(customers), degree)
    target = (source + rng.integers(1, 50, len(source))) % customers
    return {"customer": customer, "time": moment}, {"source": source, "target": target}


def main() -> None:
    customers, degree = (
        (int(word) for word in [*sys.argv[1:], "1000000", "10"][:2]) if sys.argv[2:] else (1_000_000, 10)
    )
    orders, links = base(customers, degree)
    began = time.perf_counter()
    found = estimate_influence(orders, links, directed=False, as_of=365.0)
    told = {
        "customers": customers,
        "orders": len(orders["time"]),
        "links": len(links["source"]),
        "seconds": round(time.perf_counter() - began, 1),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "replicates": found.null.replicates,
        "share": found.share,
        "interval": found.interval,
        "p_value": found.p_value,
        "verdict": found.verdict,
    }
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
