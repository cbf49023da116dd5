"""A hidden Markov model of the relation: customers move between states, and a state buys at a Poisson rate.

Netzer, Lattin & Srinivasan (2008), "A hidden Markov model of customer relationship dynamics", Marketing Science 27(2);
here the moves do not depend on the time, and purchases per period are counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from klantwaarde.errors import BadOrders, BadParameters
from klantwaarde.lifecycle import forward, logs
from klantwaarde.lifecycle.counts import block_of, each, observed, slices, table_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from klantwaarde.lifecycle.counts import Block
    from klantwaarde.typing import Array


class PoissonHMM(NamedTuple):
    """K states: chances to begin in them, to move from row to column per period, and purchases per period.

    Counts are of shape (customers, periods): whole numbers, and masked, negative or NaN where nothing is known. A
    customer begins in the first period that tells something; there is no state before. A later period without a
    number is missing: the state moves on unseen.
    """

    start: Array  # (K,)
    transition: Array  # (K, K)
    rates: Array  # (K,)

    def log_likelihood(self, counts: Array) -> Array:
        """Log probability of the counts of each customer (customers,); -inf if no path of states allows them.

        0 for a customer of whom no period tells anything.
        """
        table = table_of(counts)
        found = np.empty(len(table))

        def fill(model: PoissonHMM, block: Block) -> None:
            found[block.rows] = forward.forward(model, block).log_likelihood

        _by_block(self, table, fill)
        return np.minimum(found, 0.0)  # rounding of a certainty

    def posterior(self, counts: Array, *, last: bool = False) -> Array:
        """Chance of each state given all counts: (customers, periods, K), or (customers, K) of the last period.

        0 in all states before the first period that tells something. Raises BadOrders for impossible counts.
        """
        table, ask = table_of(counts), forward.last_state if last else forward.posterior
        found = np.empty((len(table), *table.shape[1:][: not last], len(self.rates)))

        def fill(model: PoissonHMM, block: Block) -> None:
            log_likelihood, state = ask(model, block)
            refuse_impossible(log_likelihood, block.rows)
            found[block.rows] = np.moveaxis(state, -1, 0)

        _by_block(self, table, fill)
        return found

    def most_likely_path(self, counts: Array) -> Array:
        """The likeliest sequence of states (customers, periods), -1 before a customer begins. Raises as posterior."""
        table = table_of(counts)
        found = np.empty(table.shape, dtype=np.int16)

        def fill(model: PoissonHMM, block: Block) -> None:
            told = forward.emissions(model.rates, block.y)
            log_b = told.relative[:, told.codes].transpose(1, 0, 2)
            weight, path = logs.best_paths(model, log_b, block.before, block.born)
            refuse_impossible(weight, block.rows)
            found[block.rows] = path.T

        _by_block(self, table, fill)
        return found

    def draw(self, rng: np.random.Generator, customers: int, periods: int) -> tuple[Array, Array]:
        """(counts, states), both (customers, periods): the story, simulated."""
        start, transition, rates = checked(self)
        states = np.empty((customers, periods), dtype=np.int16)
        for t in range(periods):
            chances = np.cumsum(transition, axis=1)[states[:, t - 1]] if t else np.cumsum(start)[None]
            states[:, t] = (rng.random((customers, 1)) > chances[:, :-1]).sum(axis=1)
        return rng.poisson(rates[states]), states


def _by_block(model: PoissonHMM, table: Array, fill: Callable[[PoissonHMM, Block], None]) -> None:
    """Calls fill on every block of the rows of the counts, on all cores; only blocks are copied."""
    model = checked(model)

    def one(rows: slice) -> None:
        fill(model, block_of(observed(table[rows], rows.start), np.arange(rows.start, rows.stop)))

    each(one, slices(len(table), table.shape[1], len(model.rates)))


def refuse_impossible(log_likelihood: Array, rows: Array) -> None:
    """Raises BadOrders if a row has a probability of 0."""
    bad = np.isneginf(log_likelihood)
    if bad.any():
        raise BadOrders(
            f"the counts of row {rows[bad].min()} cannot happen under this model: every path of states has probability "
            f"0. {bad.sum():,} rows of its block are so; allow the move or the purchase, or leave them out."
        )


def checked(model: PoissonHMM) -> PoissonHMM:
    """The model with arrays of numbers; BadParameters if they are no chances or no rates."""
    start, transition, rates = (np.asarray(values, dtype=float) for values in model)
    states = len(rates) if rates.ndim == 1 else 0
    if states == 0 or start.shape != (states,) or transition.shape != (states, states):
        raise BadParameters(
            f"start {start.shape}, transition {transition.shape} and rates {rates.shape} must be (K,), (K, K), (K,)."
        )
    if not (np.all(rates >= 0) and np.all(np.isfinite(rates))):
        raise BadParameters(f"rates must be finite and not negative, but are {rates}.")
    chances(start, "start")
    chances(transition, "transition")
    return PoissonHMM(start, transition, rates)


def chances(values: Array, name: str) -> None:
    """Raises BadParameters unless values are not negative and sum to 1 along the last axis, within 1e-8."""
    total = values.sum(axis=-1)
    if not (np.all(values >= 0) and np.all(np.abs(total - 1) <= 1e-8)):
        raise BadParameters(f"{name} must be chances that sum to 1 in each row, but the sums are {total}.")
