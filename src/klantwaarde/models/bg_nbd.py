"""BG/NBD: customers buy at a gamma-distributed rate; after each repeat purchase a coin may end it.

Fader, Hardie & Lee (2005), "Counting your customers the easy way", Marketing Science 24(2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import betaln

from klantwaarde.models import counts, gamma_rates
from klantwaarde.models.parameter import ALPHA, A, B, R
from klantwaarde.numerics import (
    beta_nodes,
    gamma_nodes,
    in_blocks,
    log_rising,
    one_or_more,
    poisson_points,
    two_or_more,
)

if TYPE_CHECKING:
    from klantwaarde.typing import Array, Parameter, Values


class BGNBD(NamedTuple):
    """Purchase rate ~ Gamma(r, alpha), dropout chance per repeat purchase ~ Beta(a, b). alpha: time."""

    r: Values
    alpha: Values
    a: Values
    b: Values

    @staticmethod
    def parameters() -> tuple[Parameter, ...]:
        """What is known of each parameter, in order."""
        return R, ALPHA, A, B

    def log_branches(self, x: Values, t_x: Values, T: Values) -> tuple[Array, Array]:
        """(alive, gone), eq. 6: gone is -inf at x = 0, for nobody leaves before a repeat purchase."""
        r, alpha, a, b = self
        buying = log_rising(r, x) + betaln(a, np.add(b, x)) - betaln(a, b)
        alive = buying - r * np.log1p(np.divide(T, alpha)) - x * np.log(np.add(alpha, T))
        ended = np.log(np.divide(a, np.add(b, np.maximum(x, 1)) - 1))  # B(a + 1, b + x - 1) / B(a, b + x)
        gone = buying + ended - r * np.log1p(np.divide(t_x, alpha)) - x * np.log(np.add(alpha, t_x))
        gone = np.where(np.greater(x, 0), gone + np.zeros_like(alive), -np.inf)
        return np.asarray(alive + np.zeros_like(gone)), gone

    def gone_to_alive(self, x: Values, t_x: Values, T: Values) -> Array:
        """Odds of having gone: a / (b + x - 1) ((alpha + T) / (alpha + t_x))^(r + x), and 0 at x = 0."""
        r, alpha, a, b = self
        silent = np.power(np.add(alpha, T) / np.add(alpha, t_x), np.add(r, x))
        return np.where(np.greater(x, 0), np.divide(a, np.add(b, np.maximum(x, 1) - 1)) * silent, 0.0)

    def given_alive(self, x: Values, t_x: Values, T: Values) -> BGNBD:  # noqa: ARG002 - one signature for all
        """BG/NBD(r + x, alpha + T, a, b + x)."""
        return BGNBD(np.add(self.r, x), np.add(self.alpha, T), self.a, np.add(self.b, x))

    def rate(self) -> Array:
        """Expected purchases per unit of time of someone alive, r / alpha."""
        return gamma_rates.rate(self.r, self.alpha)

    def rate_quantile(self, tau: Values) -> Array:
        """The tau-quantile of the purchase rates of those alive, per unit of time."""
        return gamma_rates.rate_quantile(self.r, self.alpha, tau)

    def silence(self, t: Values) -> Array:
        """Chance of no purchase in t of someone alive all the while: (alpha / (alpha + t))^r."""
        return gamma_rates.silence(self.r, self.alpha, t)

    def silent_for(self, chance: Values) -> Array:
        """The time for which someone alive all the while is silent with this chance."""
        return gamma_rates.silent_for(self.r, self.alpha, chance)

    def time_scale(self) -> Array:
        """The time on which what is expected bends: integrals over the future are even in its logarithm."""
        return np.asarray(self.alpha)

    def purchases(self, t: Values) -> Array:
        """E[(1 - (1 + p t / alpha)^-r) / p] over p ~ Beta(a, b); eq. 9 is its 2F1, which overflows."""
        return in_blocks(_purchases, SERIES, self.r, np.divide(t, self.alpha), self.a, self.b)

    def active(self, t: Values) -> Array:
        """Chance of a purchase, 1 - (1 + t / alpha)^-r: no coin stands before the next one."""
        return one_or_more(self.r, np.divide(t, self.alpha))

    def discounted(self, delta: Values) -> Array:
        """E[lambda / (delta + lambda p)], the intensity at t being lambda e^(-lambda p t)."""
        return in_blocks(_discounted, 32, self.r, np.multiply(delta, self.alpha), self.a, self.b)

    def reach(self, t: Values, m: Values) -> Array:
        """Chance of at least m purchases in (0, t] of someone alive at 0."""
        return counts.reach_by_coin(*self, t, m)

    def counts(self, t: float, most: int) -> Array:
        """P(k purchases in (0, t]), k = 0 ... most, of someone alive at 0; parameters (rows,), result (rows, most + 1).

        What lies beyond `most` is added to it.
        """
        return counts.by_coin(*self, t, most)

    def most_counts(self, t: float) -> Array:
        """A count that someone alive hardly ever passes in t, per row."""
        return counts.enough(self.r, self.alpha, t)

    def born(self) -> tuple[Values, BGNBD]:
        """Everyone is alive until the first repeat purchase."""
        return 1.0, self

    def draw(self, rng: np.random.Generator, T: Array) -> tuple[Array, Array]:
        """(customer, time) of repeat purchases in (0, T]; no coin stands before the first of them."""
        rate = rng.gamma(self.r, size=T.shape) / self.alpha
        return first_points(rng, rate, T, coins_survived(rng, self.a, self.b, len(T)) + 1)


SERIES = 4_096
"""Rows whose dozen arrays stay in cache while terms are added."""
TERMS, EVERY = 320, 8
"""At most so many terms, and how often it is looked at whether they are enough."""
ENOUGH = 1e-17
"""Share of the sum that the terms left out may have."""
ALIKE, TABLE = 16, 256
"""Rows that share a population before coefficients are made, and how many of these."""
STEADY, FALLING = 150.0, 0.95
"""The largest r whose coefficients stay far from overflow; by how much the last ones have to fall."""
SLOW, FAR = 0.85, 500.0
"""t / (alpha + t) beyond which terms fall slowly, and log(1 / P(nothing)) beyond which it underflows."""


def _purchases(r: Values, tau: Values, a: Values, b: Values) -> Array:
    """Expected purchases: a series where it is short, quadrature elsewhere."""
    r, tau, a, b = np.broadcast_arrays(*(np.asarray(each, dtype=float) for each in (r, tau, a, b)))
    with np.errstate(over="ignore"):
        short = (tau < SLOW / (1 - SLOW)) & (r * np.log1p(tau) < FAR)
    if short.all():
        found, left = _series(r, tau, a, b)
    else:
        found, left = np.zeros(r.shape), ~short
        found[short], left[short] = _series(r[short], tau[short], a[short], b[short])
    if left.any():
        found[left] = in_blocks(_integrated, 256, r[left], tau[left], a[left], b[left])
    return found


def _series(r: Array, tau: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """As _summed; by coefficients made once where many rows share r, a and b, as customers with equal x do."""
    if r.size < ALIKE or r.max() > STEADY:
        return _summed(r, tau, a, b)
    _, first, group = np.unique(r, return_index=True, return_inverse=True)
    if len(first) * ALIKE > r.size or not ((a == a[first][group]).all() and (b == b[first][group]).all()):
        return _summed(r, tau, a, b)
    w = tau / (1 + tau)
    most = np.zeros(len(first))
    np.maximum.at(most, group, w)
    terms = _coefficients(r[first], a[first], b[first], most)
    if terms is None:
        return _summed(r, tau, a, b)
    total, next_one = terms[0][group], np.empty_like(w)
    for term in terms[1:]:  # Horner's rule: all terms are positive
        total *= w
        total += term.take(group, out=next_one, mode="clip")  # unbuffered, as no other mode is
    return np.asarray(total * w * np.exp(-r * np.log1p(tau))), np.zeros(w.shape, dtype=bool)


def _coefficients(r: Array, a: Array, b: Array, most: Array) -> Array | None:
    """Gamma(r + n) / (Gamma(r) n!) C_n, the last n first, of each population: (terms, populations).

    As many terms as matter next to the first at the largest w of each, and so at any; None where these are too many.
    """
    k = np.arange(TABLE)[:, None]
    well = np.cumprod(np.concatenate([np.ones((1, len(r))), (b + k[:-1]) / (a + b + k[:-1])]), axis=0)
    found = np.cumprod((r + k) / (k + 1), axis=0) * np.cumsum(well, axis=0)
    sizes = found / found[0] * most**k
    if (sizes[-1] > ENOUGH).any() or (sizes[-1] > FALLING * sizes[-2]).any():
        return None
    matter = np.flatnonzero((sizes > ENOUGH).any(axis=1))
    return np.ascontiguousarray(found[matter[-1] + EVERY :: -1] if matter[-1] + EVERY < TABLE else found[::-1])


def _summed(r: Array, tau: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """(expected purchases, which rows would need more terms): the sum over n of P(NBD(r) = n) C_n.

    C_n, purchases made of n for which there would be time, is the sum over k < n of the chance (b)_k / (a + b)_k that k
    coins fell well. All terms are positive.
    """
    w = tau / (1 + tau)
    chance = np.exp(-r * np.log1p(tau))
    well, made, total = np.ones_like(w), np.zeros_like(w), np.zeros_like(w)
    both, left = a + b, np.ones(w.shape, dtype=bool)
    ratio, rest = np.empty_like(w), np.empty_like(w)
    for k in range(TERMS):  # in place: at few rows it is calls and new arrays that cost
        np.add(r, k, out=ratio)
        ratio *= w
        ratio /= k + 1
        chance *= ratio
        made += well
        total += np.multiply(chance, made, out=ratio)
        if k % EVERY == EVERY - 1:
            # Chances fall by (r + k + 1) w / (k + 2) at least from here on, while C_n grows no faster than n.
            falls = (r + (k + 1)) * w / (k + 1)
            left = (falls >= 1) | (ratio * falls > ENOUGH * total * (1 - falls))
            if not left.any():
                break
        np.add(b, k, out=ratio)
        ratio /= np.add(both, k, out=rest)
        well *= ratio
    return total, left


# Both means below are over p ~ Beta(a, b) of a falling function h that levels off as p -> 0. For a < 1 the
# density has an endless tail there, in log p, and for b < 1 one at p -> 1. As the integral of
# d[p^a (1-p)^b (h - h(1))] is 0:
#
#   E[h] = h(1) + b / ((a+b)(a+b+1)) E'[(a+b) (h - h(1)) / (1-p) - h'],     E' over p ~ Beta(a+1, b+1)
#
# Every term is positive, so nothing cancels, and both tails are short, whatever a and b are.


def _by_parts(a: Values, b: Values) -> Array:
    total = np.add(a, b)
    return np.asarray(b / (total * (total + 1)))


def _integrated(r: Values, tau: Values, a: Values, b: Values) -> Array:
    """E[h(p)], h(p) = (1 - (1 + p tau)^-r) / p."""
    weight, p, q = beta_nodes(np.add(a, 1), np.add(b, 1), 2 * np.log1p(np.multiply(r, tau)))
    r_, tau_, total = np.asarray(r)[..., None], np.asarray(tau)[..., None], np.add(a, b)[..., None]
    at_one = one_or_more(r, tau)
    drop = -np.expm1(-r_ * np.log1p(p * tau_)) / p - at_one[..., None]
    slope = two_or_more(r_, p * tau_) / p**2
    return np.asarray(at_one + _by_parts(a, b) * np.sum(weight * (total * drop / q + slope), axis=-1))


def _discounted(r: Values, theta: Values, a: Values, b: Values) -> Array:
    """E[y / (theta + y p)] over y ~ Gamma(r, 1), p ~ Beta(a, b).

    It is r E[h(p)] over y ~ Gamma(r + 1, 1), with h(p) = 1 / (theta + y p).
    """
    slack = np.log1p(np.add(r, 1) / theta)
    share, y = gamma_nodes(np.add(r, 1), slack)
    weight, p, _ = beta_nodes(np.add(a, 1), np.add(b, 1), 2 * slack)
    h = y[..., None] * p[..., None, :]
    h += np.asarray(theta)[..., None, None]
    np.divide(1, h, out=h)  # in place: memory traffic is what this costs
    mean = (h @ weight[..., None])[..., 0]
    square = (np.square(h, out=h) @ weight[..., None])[..., 0]
    at_one = 1 / (np.asarray(theta)[..., None] + y)
    inner = at_one + _by_parts(a, b)[..., None] * y * (np.add(a, b)[..., None] * at_one * mean + square)
    return np.asarray(r * np.sum(share * inner, axis=-1))


def coins_survived(rng: np.random.Generator, a: Values, b: Values, customers: int) -> Array:
    """How often each customer's coin, p ~ Beta(a, b), falls well before it ends it; inf where p is 0."""
    p = rng.beta(a, b, size=customers)
    with np.errstate(divide="ignore", over="ignore"):
        return np.asarray(np.floor(rng.exponential(size=customers) / -np.log1p(-p)))


def first_points(rng: np.random.Generator, rate: Array, T: Array, most: Array) -> tuple[Array, Array]:
    """The first `most` points of each customer's Poisson process on (0, T]."""
    customer, time = poisson_points(rng, rate, T)
    rank = np.arange(len(customer)) - np.searchsorted(customer, customer)
    kept = rank < most[customer]
    return customer[kept], time[kept]
