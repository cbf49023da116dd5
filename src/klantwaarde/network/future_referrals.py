"""What customers are expected to bring: the value of referrals still to come.

Referrals are a second stream of events while a customer is there, at a rate that is gamma-distributed over customers.
Someone who may have left had less time to refer than has passed: counted in full, that time would make the rate too low
(by half, in a base like CDNOW's), so that both cases are weighed with the chance to be there. Potential, not equity:
never added to the books.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import digamma, xlogy

from klantwaarde.errors import BadOrders, BadParameters
from klantwaarde.estimate.point import Objective, ascent, better
from klantwaarde.models import NBD
from klantwaarde.models.quantities import p_alive as chance_to_refer
from klantwaarde.models.zi_nbd import ZINBD
from klantwaarde.network.referral import Referrals, credit
from klantwaarde.numerics import log_rising

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klantwaarde.typing import Array, AttritionModel, Values

SURE = 0.05  # chance of finding people who never refer where there are none


class ForwardFit(NamedTuple):
    """The model of referrals that is used, both that were fitted, and the test between them.

    log_likelihoods: of the counts, plain and inflated; p_value: the chance of as large a gain where all refer.
    arrived: whether both searches ended at an optimum.
    """

    model: NBD | ZINBD
    plain: NBD
    inflated: ZINBD
    log_likelihoods: tuple[float, float]
    p_value: float
    arrived: bool


class ForwardLine(NamedTuple):
    """Referral rate = intercept + slope k for k referrals so far, times at_zero where k = 0; each of the shape of T."""

    intercept: Array
    slope: Array
    at_zero: Array


def forward_fit(
    k: Array,
    T: Array,
    n: Array | None = None,
    *,
    p_alive: Values = 1.0,
    gone_at: Values = 0.0,
    level: float = SURE,
) -> ForwardFit:
    """NBD, or ZINBD where the test finds people who never refer; maximum likelihood.

    k referrals in time T as a customer, n customers each (default 1); p_alive: chance to be there still by purchases,
    gone_at: time of leaving if not (`departure`). Shapes (cells,) or numbers; times of one unit u, the rates per u. The
    test is a likelihood ratio; having none who never refer lies on the edge of what can be, so that under it the ratio
    is 0 half the time and chi-squared with one degree otherwise (Self & Liang 1987, Journal of the American Statistical
    Association 82(398)). Raises BadOrders for counts that are not whole, and for referrals in no time.
    """
    seen = _seen(k, T, 1.0 if n is None else n, p_alive, gone_at)
    if not seen.n.sum():
        raise BadOrders("There are no customers to learn a referral rate from.")
    unit = float(np.average(seen.T, weights=seen.n)) or 1.0
    scaled = seen._replace(T=seen.T / unit, gone_at=seen.gone_at / unit)
    (plain, low, one), (inflated, high, other) = (_best(scaled, never) for never in (False, True))
    nbd, zinbd = NBD(plain[0], plain[1] * unit), ZINBD(inflated[0], inflated[1] * unit, inflated[2])
    chance = mixture_p(2 * (high - low))
    used = zinbd if chance < level else nbd
    return ForwardFit(used, nbd, zinbd, (low, high), chance, one and other)


def departure(model: AttritionModel, x: Array, t_x: Array, T: Array) -> Array:
    """When a customer left who has gone: as the model says, else at the last purchase."""
    left_at = getattr(model, "left_at", None)
    if left_at is None:
        return np.broadcast_arrays(np.asarray(t_x, dtype=float), x, T)[0]
    return np.asarray(left_at(x, t_x, T))


def alive_with_referrals(model: NBD | ZINBD, k: Values, T: Values, p_alive: Values, gone_at: Values) -> Array:
    """P(alive | purchases and referrals): many referrals speak for a long time there. Shape as broadcast."""
    seen = _seen(k, T, 1.0, p_alive, gone_at)
    alive, gone, never = _branches(np.array(model, dtype=float), seen, _rising(model[0], seen.k))
    weight = np.exp(alive - np.logaddexp(np.logaddexp(alive, gone), never))
    if len(model) == 3:  # who never refers is there by purchases alone
        weight += seen.p_alive * np.exp(never - np.logaddexp(np.logaddexp(alive, gone), never))
    shape = np.broadcast_shapes(*map(np.shape, (k, T, p_alive, gone_at)))
    return np.asarray(weight.reshape(shape))


def mixture_p(likelihood_ratio: float) -> float:
    """Chance of a ratio as large where the truth lies on the edge: half a point at 0, half chi-squared(1)."""
    from scipy.stats import chi2  # noqa: PLC0415 - loaded where it is used

    return 1.0 if likelihood_ratio <= 0 else float(chi2.sf(likelihood_ratio, 1)) / 2


def forward_line(model: NBD | ZINBD, T: Values) -> ForwardLine:
    """The referral rate as a line in the number of referrals, per distinct T: what a table is joined with."""
    none, one = (model.given_alive(k, 0.0, T).rate() for k in (0.0, 1.0))
    return ForwardLine(none, np.asarray(one - none), chance_to_refer(model, 0.0, 0.0, T))


def forward_rate(model: NBD | ZINBD, k: Values, T: Values) -> Array:
    """Referrals expected per unit of time of a customer who is there, after k referrals in T: (r + k) / (alpha + T)."""
    line = forward_line(model, T)
    rate = line.intercept + line.slope * k
    return np.asarray(np.where(np.equal(k, 0), line.at_zero * rate, rate))


def forward_value(rate: Values, lifetime: Values, newcomer: Values) -> Array:
    """Value of referrals still to come, F: rate times discounted expected lifetime times value of a new customer.

    rate: of `forward_rate`; lifetime: P(alive) times its discounted length, in the rate's unit; newcomer: money.
    """
    for values, name in ((rate, "rate"), (lifetime, "lifetime")):
        if not (np.isfinite(values) & np.greater_equal(values, 0)).all():
            raise BadParameters(f"{name} must be finite and not negative.")
    if not np.isfinite(newcomer).all():
        raise BadParameters("newcomer must be finite.")
    return np.asarray(np.multiply(rate, lifetime) * newcomer)


def newcomer_credit(referrals: Referrals | Mapping[str, Any], value: Array) -> float:
    """What one more referral is worth: mean over those made of theta value + pi acquisition saved - incentive.

    value: what referred customers were worth on joining, by customer, shape (n,).
    """
    made = Referrals.of(referrals)
    if not len(made.referrer):
        raise BadOrders("Without a single referral nothing is known of what one brings.")
    worth = np.asarray(value, dtype=float)
    if worth.ndim != 1 or len(worth) <= max(made.referrer.max(), made.referred.max()) or not np.isfinite(worth).all():
        raise BadParameters("value must be finite numbers, one per customer.")
    return float(credit(made, worth).mean())


class _Seen(NamedTuple):
    """Cells of customers, each of shape (cells,)."""

    k: Array
    T: Array
    n: Array
    p_alive: Array
    gone_at: Array


def _seen(*columns: Values) -> _Seen:
    seen = _Seen(*np.broadcast_arrays(*(np.atleast_1d(np.asarray(values, dtype=float)).ravel() for values in columns)))
    good = np.logical_and.reduce([np.isfinite(values) & (values >= 0) for values in seen])
    good &= (np.floor(seen.k) == seen.k) & (seen.p_alive <= 1) & (seen.gone_at <= seen.T)
    good &= (seen.k == 0) | (seen.p_alive * seen.T > 0) | ((1 - seen.p_alive) * seen.gone_at > 0)
    if not good.all():
        rows = np.flatnonzero(~good)
        raise BadOrders(
            f"{len(rows)} cells, the first in row {rows[0]}, cannot be: k must be whole, T and n finite and not "
            "negative, p_alive in 0 .. 1, gone_at in 0 .. T, and referrals need some time to be made in."
        )
    return seen


def _best(seen: _Seen, never: bool) -> tuple[Array, float, bool]:
    """(parameters, log-likelihood, whether an optimum) of cells with T in units of its mean."""
    rate = max(float((seen.n * seen.k).sum() / max((seen.n * seen.T).sum(), 1e-300)), 1e-6)
    edges = np.log([(1e-6, 1e4), (1e-9, 1e9), (1e-6, 1e4)])[: 3 if never else 2]
    objective = Objective(_objective(seen), edges[:, 0], edges[:, 1])
    starts = [np.log([r, r / rate, 0.5])[: len(edges)] for r in (0.3, 2.0)]
    found = better(*(ascent(objective, start) for start in starts))
    return np.exp(found.z), found.value, found.arrived


def _objective(seen: _Seen) -> Any:
    """Function of z = log(parameters): the log-likelihood and its gradient."""

    def function(z: Array) -> tuple[float, Array]:
        theta = np.exp(z)
        r, alpha = theta[:2]
        branches = _branches(theta, seen, _rising(r, seen.k))
        refers = np.logaddexp(*branches[:2])
        total = np.logaddexp(refers, branches[2])
        weights = [np.exp(branch - total) for branch in branches]
        slope = [_slopes(r, alpha, seen.k, time) for time in (seen.T, seen.gone_at)]
        by_k = _by_count(lambda k: digamma(r + k) - digamma(r), seen.k)
        by_r = (weights[0] + weights[1]) * by_k + weights[0] * slope[0][0] + weights[1] * slope[1][0]
        by_alpha = weights[0] * slope[0][1] + weights[1] * slope[1][1]
        gradient = [r * by_r, alpha * by_alpha]
        if len(theta) > 2:
            gradient.append(weights[2] - theta[2] / (1 + theta[2]))
        # Not a product of vectors: BLAS starts threads for it, which cost more than the sum.
        return float((seen.n * total).sum()), np.array([float((seen.n * part).sum()) for part in gradient])

    return function


def _branches(theta: Array, seen: _Seen, rising: Array) -> tuple[Array, Array, Array]:
    """Log of the chance of the count, but for k!, jointly with being there, having gone, and never referring."""
    r, alpha = theta[:2]
    never = theta[2] if len(theta) > 2 else 0.0
    with np.errstate(divide="ignore"):
        chances = np.log(seen.p_alive), np.log1p(-seen.p_alive)
        none = np.where(seen.k == 0, np.log(never), -np.inf) - np.log1p(never)
    each = [
        chance + rising - r * np.log1p(time / alpha) - seen.k * np.log(alpha + time) + xlogy(seen.k, time)
        for chance, time in zip(chances, (seen.T, seen.gone_at), strict=True)
    ]
    return each[0] - np.log1p(never), each[1] - np.log1p(never), none


def _slopes(r: float, alpha: float, k: Array, time: Array) -> tuple[Array, Array]:
    """Derivatives of a branch by r, the part that holds no k alone, and by alpha."""
    return -np.log1p(time / alpha), np.asarray((r * time / alpha - k) / (alpha + time))


def _rising(r: Values, k: Array) -> Array:
    return _by_count(lambda count: log_rising(r, count), k)


def _by_count(function: Any, k: Array) -> Array:
    """Values once per distinct count."""
    counts, where = np.unique(k, return_inverse=True)
    return np.asarray(function(counts)[where.reshape(k.shape)])
