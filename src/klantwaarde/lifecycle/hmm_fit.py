"""Fits of the hidden Markov model by EM, and the number of its states by customers held out.

Chances have a Dirichlet prior of 1 + prior, so that no move is ruled out for not having been seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from klantwaarde.errors import BadOrders, BadParameters
from klantwaarde.lifecycle.counts import observed, table_of
from klantwaarde.lifecycle.em import LEFT, Asked, Run, climb, ordered, parts_of, started
from klantwaarde.lifecycle.hmm import PoissonHMM
from klantwaarde.wording.message import Message, message

__all__ = ["HMMFit", "PoissonHMM", "choose_states", "fit_hmm"]

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from klantwaarde.lifecycle.em import Parameters
    from klantwaarde.typing import Array

RACE, RACE_STEPS = 10_000, 25  # customers and steps of the race between starts
CHOICE = 50_000  # customers to choose the number of states by, and as many to fit each number to
ROUGHLY = 1.0  # log-likelihood left to gain when numbers of states are compared: too little to sway the choice
MOST = 50  # states
ALIKE, RARE = 0.02, 1e-3  # rates so close, or a share of all periods so small: a state that means little


class HeldOut(NamedTuple):
    """What a number of states says of customers that it was not fitted to."""

    states: int
    log_likelihood: float  # mean per customer held out
    behind: float  # how far that mean is below the best number's
    standard_error: float  # of `behind`, from its differences customer by customer


@dataclass(frozen=True, eq=False)
class HMMFit:
    """A hidden Markov model fitted to counts.

    models holds one model per segment, {"all": model} without segments. They share their rates: a state means the
    same in every segment. States are ordered by rate, a lost state first. log_likelihood is that of all customers;
    history is that of the fitted ones plus the log prior after each step, and never falls. status is "converged",
    "doubtful" (converged, but `reason` names states that mean little) or "not converged". customers have at least one
    period that tells something, `unobserved` have none and count for nothing; `fitted` of them were used by EM, all or
    a random sample.
    """

    models: Mapping[Any, PoissonHMM]
    log_likelihood: float
    history: tuple[float, ...]
    status: str
    reason: Message
    customers: int
    fitted: int
    unobserved: int
    held_out: tuple[HeldOut, ...] = ()

    @property
    def model(self) -> PoissonHMM:
        """The model, where there are no segments; else BadParameters."""
        if len(self.models) > 1:
            raise BadParameters(f"the fit has a model for each segment: take one of models, {list(self.models)}.")
        return next(iter(self.models.values()))


def fit_hmm(
    counts: Array,
    states: int | Sequence[int] = (2, 3, 4, 5),
    *,
    lost: bool = False,
    segments: Array | None = None,
    prior: float = 0.01,
    starts: int = 5,
    steps: int = 1000,
    sample: int | None = 200_000,
    seed: int = 0,
) -> HMMFit:
    """The fit to counts (customers, periods), which are as PoissonHMM takes them.

    Of several numbers of states the fewest that are not behind by more than a standard error (choose_states). lost:
    the first state buys nothing and is never left. segments (customers,): a label each; segments have their own start
    and transition, and share the rates. sample: EM uses so many customers, drawn at random; None is all. Raises
    BadOrders for counts that are none, BadParameters for settings that cannot be.
    """
    asked = Asked(lost, prior, starts, steps, seed)
    numbers = _checked(states, asked)
    if sample is not None and sample < 1:
        raise BadParameters(f"sample={sample!r} must be a number of customers, or None for all.")
    y, groups, labels, unobserved = _told(counts, segments)
    mixed = np.random.default_rng(seed).permutation(len(y))
    some = mixed[:sample]
    held_out = _held_out(y[some], groups[some], numbers, asked) if len(numbers) > 1 else ()
    number = fewest(held_out) if held_out else numbers[0]
    run = _best(y[some], groups[some], number, asked, len(labels))
    found = ordered(run.parameters, lost=lost)
    return HMMFit(
        {label: found.model(at) for at, label in enumerate(labels)},
        float(_by_customer(found, y, groups).sum()),
        run.history,
        *_settled(run),
        customers=len(y),
        fitted=len(some),
        unobserved=unobserved,
        held_out=held_out,
    )


def choose_states(
    counts: Array,
    states: Sequence[int] = (2, 3, 4, 5),
    *,
    lost: bool = False,
    segments: Array | None = None,
    prior: float = 0.01,
    starts: int = 5,
    steps: int = 1000,
    seed: int = 0,
) -> tuple[HeldOut, ...]:
    """How well each number of states, fitted to a random half of the customers, foretells the other half.

    At most 50,000 customers in each half. Arguments as fit_hmm.
    """
    asked = Asked(lost, prior, starts, steps, seed)
    numbers = _checked(states, asked)
    y, groups, _, _ = _told(counts, segments)
    return _held_out(y, groups, numbers, asked)


def fewest(held_out: Sequence[HeldOut]) -> int:
    """The fewest states that are not behind the best by more than a standard error (Breiman et al., 1984)."""
    return min(each.states for each in held_out if each.behind <= each.standard_error)


def _held_out(y: Array, groups: Array, numbers: tuple[int, ...], asked: Asked) -> tuple[HeldOut, ...]:
    if len(y) < 2:
        raise BadOrders("one customer cannot be fitted and held out: give more customers, or one number of states.")
    mixed = np.random.default_rng((asked.seed, 1)).permutation(len(y))
    half = min(len(y) // 2, CHOICE)
    fitted, held = mixed[:half], mixed[half : 2 * half]
    found, segments = [], int(groups.max()) + 1
    for number in numbers:
        run = _best(y[fitted], groups[fitted], number, asked, segments, ROUGHLY)
        found.append(_by_customer(run.parameters, y[held], groups[held]))
    best = max(found, key=np.mean)
    behind = [best - each for each in found]
    return tuple(
        HeldOut(number, float(each.mean()), float(gap.mean()), float(gap.std() / np.sqrt(half)))
        for number, each, gap in zip(numbers, found, behind, strict=True)
    )


def _by_customer(parameters: Parameters, y: Array, groups: Array) -> Array:
    found = np.empty(len(y))
    for segment in range(len(parameters.start)):
        rows = groups == segment
        found[rows] = parameters.model(segment).log_likelihood(y[rows])
    return found


def _best(y: Array, groups: Array, states: int, asked: Asked, segments: int, enough: float = LEFT) -> Run:
    """EM on all of y from the start that wins a race of a few steps on the first customers, who are in no order."""
    few = parts_of(y[:RACE], groups[:RACE], states)
    first = [started(y[:RACE], segments, states, asked, which) for which in range(asked.starts if states > 1 else 1)]
    raced = [climb(one, few, asked, RACE_STEPS) for one in first]
    leader = max(raced, key=lambda run: run.history[-1]).parameters
    return climb(leader, parts_of(y, groups, states), asked, asked.steps, enough)


def _settled(run: Run) -> tuple[str, Message]:
    """(status, reason)."""
    if run.left >= LEFT:
        return "not converged", message("states_more_steps", steps=len(run.history), left=float(run.left))
    rates, share = np.sort(run.parameters.rates), run.held / run.held.sum()
    faults = []
    if np.any(np.diff(rates) <= ALIKE * rates[1:]):
        faults.append(message("states_alike"))
    if np.any(share < RARE):
        faults.append(message("states_rare", share=float(share.min())))
    if faults:
        both = faults[0] if len(faults) == 1 else message("pair", one=faults[0], other=faults[1])
        return "doubtful", message("states_doubtful", faults=both)
    return "converged", message("states_settled", left=LEFT)


def _checked(states: int | Sequence[int], asked: Asked) -> tuple[int, ...]:
    """The numbers of states; BadParameters for what cannot be."""
    numbers = tuple(np.atleast_1d(states).tolist())
    fewest_states = 2 if asked.lost else 1
    if not numbers or not all(isinstance(each, int) and fewest_states <= each <= MOST for each in numbers):
        raise BadParameters(f"states={states!r} must be whole numbers from {fewest_states} to {MOST}.")
    if not 0 <= asked.prior < np.inf:
        raise BadParameters(f"prior={asked.prior!r} must be finite and not negative: 0 is maximum likelihood.")
    if asked.starts < 1 or asked.steps < 1:
        raise BadParameters(f"starts={asked.starts!r} and steps={asked.steps!r} must be at least 1.")
    return numbers


def _told(counts: Array, segments: Array | None) -> tuple[Array, Array, list[Any], int]:
    """(counts of customers with a period that tells something, segment numbers, labels, customers without)."""
    table = table_of(counts)
    names = np.zeros(len(table), dtype=int) if segments is None else np.asarray(segments)
    if names.shape != (len(table),):
        raise BadParameters(f"segments have the shape {names.shape}; give one label for each of {len(table):,} rows.")
    y = observed(table)
    told = (y >= 0).any(axis=1)
    if not told.any():
        raise BadOrders("no customer has a period that tells something: every count is masked, negative or NaN.")
    labels, groups = _numbered(names[told])
    return y[told], groups, labels if segments is not None else ["all"], int(np.sum(~told))


def _numbered(names: Array) -> tuple[list[Any], Array]:
    try:
        labels, groups = np.unique(names, return_inverse=True)
    except TypeError as error:
        raise BadParameters(f"segments cannot be sorted ({error}): give labels of one type, none missing.") from error
    if labels.dtype.kind == "f" and np.isnan(labels).any():
        raise BadParameters("segments are NaN in some rows: give those a label of their own, or leave them out.")
    return labels.tolist(), groups
