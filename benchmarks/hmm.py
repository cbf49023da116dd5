"""Seconds and peak memory of the hidden Markov model: python benchmarks/hmm.py [customers to fit] [to score]."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable

import numpy as np

from klantwaarde.lifecycle.em import Asked, Parameters, climb, parts_of
from klantwaarde.lifecycle.hmm import PoissonHMM
from klantwaarde.lifecycle.hmm_fit import fit_hmm

PERIODS = 24
MODEL = PoissonHMM(np.full(4, 0.25), np.full((4, 4), 0.05) + 0.8 * np.eye(4), np.array([0.02, 0.5, 2.0, 6.0]))


def drawn(customers: int) -> np.ndarray:
    """Counts of a byte, drawn a part at a time."""
    rng, counts = np.random.default_rng(0), np.empty((customers, PERIODS), dtype=np.uint8)
    for start in range(0, customers, 250_000):
        part = counts[start : start + 250_000]
        part[:] = MODEL.draw(rng, len(part), PERIODS)[0]
    return counts


def tell(what: str, task: Callable[[], object]) -> None:
    began = time.perf_counter()
    task()
    seconds, peak = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{what:<60} {seconds:8.2f} s   peak so far {peak:5.2f} GB", flush=True)


def main(fitted: int, scored: int) -> None:
    y = drawn(fitted).astype(np.int8)
    parts = parts_of(y, np.zeros(fitted, dtype=int), 4)
    model = Parameters(MODEL.start[None], MODEL.transition[None], MODEL.rates)
    asked = Asked(lost=False, prior=0.01, starts=1, steps=1, seed=0)
    for _ in range(3):
        tell(f"one step of EM, {fitted:,} customers", lambda: climb(model, parts, asked, 1))
    tell(f"a fit to a sample of 200,000, likelihood of {fitted:,}", lambda: fit_hmm(y, 4))
    tell(f"likeliest paths of {fitted:,}", lambda: MODEL.most_likely_path(y))
    del y
    y = drawn(scored)
    tell(f"state in the last period, {scored:,} customers", lambda: MODEL.posterior(y, last=True))


if __name__ == "__main__":
    main(*map(int, (sys.argv[1:] + ["1000000", "10000000"][len(sys.argv) - 1 :])))
