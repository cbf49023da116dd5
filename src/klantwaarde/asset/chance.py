"""Moves that chance alone makes: where customers would stand if nobody changed.

Of every customer the posterior predictive distribution of the money of the time to come: so many purchases (the timing
model given the history), each of a gamma-gamma customer given all that he paid; added to what of the past still counts.
Most moves in a value pyramid are of this kind (Malthouse & Blattberg 2005, "Can we predict customer lifetime value?",
Journal of Interactive Marketing 19(1)); what moves beyond it is a sign of change.

The variance of a count of moves is the sum of the customers' p (1 - p), and that of the parameters' estimates. That the
model itself may be wrong is in no p-value: a significant excess says that customers changed, or that the model does not
fit them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from scipy.special import betainc, ndtr

from klantwaarde.errors import BadParameters
from klantwaarde.estimate.blocks import by_threads
from klantwaarde.models import quantities
from klantwaarde.purchases.schema import TIERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from klantwaarde.estimate.result import Fit
    from klantwaarde.models import GammaGamma
    from klantwaarde.typing import Array, AttritionModel

ENTRIES = 200_000  # customers x counts at a time
PART = 2_000  # customers whose chances say how far the parameters' errors reach
NOTHING = 1e-9  # the chance of a count that is left out
STEP = 1e-3  # relative, of a parameter


class Histories(NamedTuple):
    """What is known of customers at the first date. All of shape (customers,); times in the unit of the model."""

    x: Array
    t_x: Array
    T: Array
    paid: Array
    """Money of all x + 1 purchases: who stands high by a large first purchase is known by it."""
    kept: Array
    """What of the past still counts at the second date, as measured there (margin, or orders without amounts)."""
    kept_active: Array
    """The same in money as paid: above 0, the customer is active whatever comes."""


class Excess(NamedTuple):
    """A number of moves against what chance makes of it."""

    actual: int
    expected: float
    deviation: float
    """Standard deviation under no change, the parameters' errors included."""
    p: float
    """Two-sided, by the normal approximation; 1 where nothing can move."""

    @property
    def excess(self) -> float:
        """Moves beyond chance; negative: fewer than chance makes."""
        return self.actual - self.expected


class Chance(NamedTuple):
    """Moves under no change of the customers looked at."""

    customers: int
    """How many were looked at: all who had bought, or a sample by a hash of the id."""
    of: int
    """How many had bought at the first date."""
    expected: Array
    """Customers by tier before and after, under no change; shape (5, 5), rows sum to the actual ones."""
    deviation: Array
    """Standard deviations of its cells, by p (1 - p) alone."""
    actual: Array
    ups: Excess
    downs: Excess


def tier_chances(
    model: AttritionModel,
    spend: GammaGamma | None,
    ahead: float,
    told: Histories,
    thresholds: Array,
    margin_rate: float = 1.0,
) -> Array:
    """Chance of each customer to stand in each of TIERS after the time `ahead`; shape (customers, 5), rows sum to 1.

    thresholds: floors of top, large and medium, falling, as measured. spend None: an order counts as 1.
    margin_rate: what is measured per unit of money paid.
    """
    alive = quantities.p_alive(model, told.x, told.t_x, told.T)
    population = model.given_alive(told.x, 0.0, told.T)
    fields = np.broadcast_arrays(*(np.asarray(field) for field in _fields(population)), told.x)[:-1]
    build: Any = type(population)
    enough = np.broadcast_to(population.most_counts(ahead), told.x.shape)
    result = np.empty((len(told.x), len(TIERS)))
    order = np.argsort(enough, kind="stable")

    def block(rows: Array) -> None:
        _, one_of, which = np.unique(
            np.stack([told.x[rows], told.T[rows]]), axis=1, return_index=True, return_inverse=True
        )
        part = build(*(field[rows[one_of]] for field in fields))  # given alive, x and T say all
        counts = alive[rows, None] * part.counts(ahead, int(enough[rows].max()))[which]
        counts[:, 0] += 1 - alive[rows]
        some = Histories(*(column[rows] for column in told))
        result[rows] = _tiers(counts, _passing(spend, some, counts), some, thresholds, margin_rate)

    by_threads(block, _blocks(order, enough[order]))
    return result


def _fields(model: AttritionModel) -> tuple[Any, ...]:
    # Models are NamedTuples, which a Protocol cannot say.
    return tuple(cast("Any", model))


def _blocks(order: Array, enough: Array) -> list[Array]:
    """Rows in parts of about ENTRIES customers x counts; enough rises along order."""
    parts, start = [], 0
    while start < len(order):
        stop = start + max(1, ENTRIES // int(enough[start] + 1))
        while stop - start > 1 and (min(stop, len(order)) - start) * (enough[min(stop, len(order)) - 1] + 1) > ENTRIES:
            stop = start + (stop - start + 1) // 2
        parts.append(order[start:stop])
        start = stop
    return parts


def _passing(spend: GammaGamma | None, told: Histories, counts: Array) -> Callable[[Array], Array]:
    """P(the money of k purchases >= what is needed), for k = 1, 2, ...; of needed (rows,): shape (rows, most).

    counts: chances of k = 0 ... most; where they are nothing, nothing is computed.

    Given nu the money is Gamma(p k, nu), and nu ~ Gamma(q + p n, gamma + paid), n being all purchases: the share
    (gamma + paid) / (money + gamma + paid) is Beta(q + p n, p k).
    """
    k = np.arange(1, counts.shape[1])
    matters = counts[:, 1:] > NOTHING
    if spend is None:
        return lambda needed: (k >= needed[:, None]).astype(float)
    p, q, gamma = (float(each) for each in spend)
    shape, scale = q + p * (told.x + 1), gamma + np.maximum(told.paid, 0)

    def passing(needed: Array) -> Array:
        lack = np.maximum(needed, 0)
        share = (scale / (lack + scale))[:, None]
        return np.asarray(betainc(shape[:, None], p * k, share, where=matters, out=np.ones(matters.shape)))

    return passing


def _tiers(counts: Array, passing: Callable[[Array], Array], told: Histories, thresholds: Array, rate: float) -> Array:
    def chance(needed: Array, without: Array) -> Array:
        """Chance to pass: by what is kept alone, or by k purchases."""
        return np.asarray(counts[:, 0] * without + np.sum(counts[:, 1:] * passing(needed), axis=1))

    active = chance(-told.kept_active, told.kept_active > 0)
    above = [chance((floor - told.kept) / rate, (told.kept >= floor) & (told.kept_active > 0)) for floor in thresholds]
    cumulative = np.minimum.accumulate(np.stack([np.ones_like(active), active, *above[::-1]]), axis=0)
    return np.asarray(-np.diff(cumulative, axis=0, append=0)[::-1].T)


def chance_of(
    timing: Fit[Any],
    spend: Fit[Any] | None,
    ahead: float,
    told: Histories,
    thresholds: Array,
    before: Array,
    after: Array,
    *,
    margin_rate: float = 1.0,
    of: int | None = None,
) -> Chance:
    """Actual moves against those under no change. before, after: place in TIERS of each customer, 0 the top.

    The parameters' errors, from the fits' covariance, are added to the deviations of ups and downs; a parameter that
    the data do not determine is taken as it is. Raises BadParameters where nobody is given.
    """
    if not len(told.x):
        raise BadParameters("There is no customer with a purchase at the first date.")

    def ask(model: AttritionModel, money: GammaGamma | None, some: slice) -> Array:
        part = Histories(*(column[some] for column in told))
        return tier_chances(model, money, ahead, part, thresholds, margin_rate)

    chances = ask(timing.model, None if spend is None else spend.model, slice(None))
    moves = {"ups": np.arange(len(TIERS)) < before[:, None], "downs": np.arange(len(TIERS)) > before[:, None]}
    slopes = _slopes(timing, spend, ask, moves)
    excess = {name: _excess(chances, mask, after, slopes[name]) for name, mask in moves.items()}
    here = np.equal.outer(np.arange(len(TIERS)), before).astype(float)
    actual = here @ np.equal.outer(after, np.arange(len(TIERS))).astype(float)
    deviation = np.sqrt(here @ (chances * (1 - chances)))
    return Chance(len(before), of or len(before), here @ chances, deviation, actual.astype(int), **excess)


def _excess(chances: Array, mask: Array, after: Array, parameter_share: float) -> Excess:
    """parameter_share: standard deviation of the expected share of customers, by the parameters' errors."""
    each = (chances * mask).sum(axis=1)
    actual, expected = int(mask[np.arange(len(after)), after].sum()), float(each.sum())
    variance = float((each * (1 - each)).sum()) + (parameter_share * len(each)) ** 2
    deviation = float(np.sqrt(max(variance, 0.0)))
    p = float(2 * ndtr(-abs(actual - expected) / deviation)) if deviation > 0 else float(actual == expected)
    return Excess(actual, expected, deviation, p)


def _slopes(
    timing: Fit[Any], spend: Fit[Any] | None, ask: Callable[..., Array], moves: dict[str, Array]
) -> dict[str, float]:
    """Standard deviation of the mean chance to move, by the parameters' errors (delta method)."""
    some = slice(0, PART)
    variance = dict.fromkeys(moves, 0.0)
    for fit in (timing, spend):
        if fit is None:
            continue
        known = np.flatnonzero(np.isfinite(np.diag(fit.covariance)))
        gradient: dict[str, list[float]] = {name: [] for name in moves}
        for place in known:
            shifted = [_shifted(fit.model, int(place), sign * STEP) for sign in (1, -1)]
            pairs = [(one, spend and spend.model) if fit is timing else (timing.model, one) for one in shifted]
            up, down = (ask(*pair, some) for pair in pairs)
            width = 2 * STEP * float(fit.model[place])
            for name, mask in moves.items():
                gradient[name].append(float(((up - down) * mask[some]).sum(axis=1).mean() / width))
        inner = np.asarray(fit.covariance)[np.ix_(known, known)]
        for name, slope in gradient.items():
            variance[name] += float(np.asarray(slope) @ inner @ np.asarray(slope))
    return {name: float(np.sqrt(max(each, 0.0))) for name, each in variance.items()}


def _shifted(model: Any, place: int, by: float) -> Any:
    return type(model)(*(value * (1 + by) if n == place else value for n, value in enumerate(model)))
