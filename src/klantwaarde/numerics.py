"""Quadrature, series and blocks of rows, for regions where the textbook form fails; no domain words."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from klantwaarde.typing import Array, Values

BLOCK = 16_384  # rows whose dozen temporaries stay in cache: one big block took eight times as long for BG/NBD

CUT = 45.0  # e^-45 = 3e-20: what lies beyond adds nothing to a double
NODES = 24  # with the cut agrees with 200 nodes to 1e-11; 16 nodes give 1e-5
LONG, LONG_NODES = (
    6.0,
    48,
)  # intervals longer than e^6 need more: 24 nodes then miss by up to 1e-5, 48 by 2e-13


def _legendre(nodes: int) -> tuple[tuple[float, float], ...]:
    """(node, weight) of Gauss-Legendre on (0, 1)."""
    x, w = np.polynomial.legendre.leggauss(nodes)
    return tuple(zip(((x + 1) / 2).tolist(), (w / 2).tolist(), strict=True))


SURE_NODES = 64  # of any length errs by 4e-14 at most, over a million random points
LEGENDRE, LEGENDRE_LONG, LEGENDRE_SURE = _legendre(NODES), _legendre(LONG_NODES), _legendre(SURE_NODES)


def log_rising(r: Values, x: Values) -> Array:
    """Logarithm of Gamma(r + x) / Gamma(r), shape as broadcast."""
    return np.asarray(special.gammaln(np.add(r, x)) - special.gammaln(r))


class ProductNode(NamedTuple):
    """Nodes of the integral of (alpha + u)^-p (beta + u)^-q, along a first axis: their shares and where they lie."""

    share: Array
    log_alpha: Array  # log((alpha + u) / (alpha + lower))
    log_beta: Array  # log((beta + u) / (beta + lower))
    per_alpha: Array  # (alpha + lower) / (alpha + u)
    per_beta: Array  # (beta + lower) / (beta + u)


def product_nodes(
    p: Values,
    q: Values,
    alpha: Values,
    beta: Values,
    lower: Values,
    upper: Values,
    rule: tuple[tuple[float, float], ...] | None = None,
) -> Iterator[ProductNode]:
    """Nodes of the integral of ((alpha+u)/(alpha+lower))^-p ((beta+u)/(beta+lower))^-q du / (m + lower).

    m = min(alpha, beta). Substituted v = log((m + u) / (m + lower)), cut where the integrand has fallen by
    e^-45: without the cut even 64 nodes miss a peak as narrow as 1/p. One node at a time, so that memory stays at a few
    arrays of the arguments' shape; of few rows all at once, because calls cost more than sums there. rule: of nodes and
    weights, by the longest interval unless given.
    """
    first, interval = _interval(p, q, alpha, beta, lower, upper)
    for share, v, grown, far_grown, log_far in _nodes(*interval, rule):
        per_near, per_far = 1 / (1 + grown), 1 / (1 + far_grown)
        yield ProductNode(
            share,
            np.where(first, v, log_far),
            np.where(first, log_far, v),
            np.where(first, per_near, per_far),
            np.where(first, per_far, per_near),
        )


def _interval(
    p: Values, q: Values, alpha: Values, beta: Values, lower: Values, upper: Values
) -> tuple[Array, tuple[Array, Array, Array, Array]]:
    """(whether alpha is the smaller one, (its power, the other's, near / far, length in v))."""
    first = np.less_equal(alpha, beta)
    near, far = np.where(first, alpha, beta) + lower, np.where(first, beta, alpha) + lower
    near_power, far_power = np.where(first, p, q), np.where(first, q, p)
    with np.errstate(over="ignore"):
        reach = np.minimum(near * np.expm1(CUT / near_power), far * np.expm1(CUT / far_power))
    length = np.log1p(np.minimum(np.subtract(upper, lower), reach) / near)
    return first, (near_power, far_power, near / far, length)


def _nodes(
    near_power: Array, far_power: Array, ratio: Array, length: Array, rule: tuple[tuple[float, float], ...] | None
) -> Iterator[tuple[Array, Array, Array, Array, Array]]:
    """(share, v, e^v - 1, growth of the far one, its logarithm) at each node."""
    usual = LEGENDRE if np.max(length, initial=0.0) < LONG else LEGENDRE_LONG
    falls = 1 - near_power
    for node, weight in _batches(rule or usual, np.ndim(length), every=np.size(length) <= AT_ONCE):
        v = length * node
        grown = np.expm1(v)
        far_grown = ratio * grown
        log_far = np.log1p(far_grown)
        power = falls * v
        power -= far_power * log_far
        share = np.exp(power, out=power)
        share *= weight * length
        yield share, v, grown, far_grown, log_far


def _product_sum(
    p: Values,
    q: Values,
    alpha: Values,
    beta: Values,
    lower: Values,
    upper: Values,
    rule: tuple[tuple[float, float], ...] | None = None,
) -> Array:
    """The integral that product_nodes takes apart."""
    _, interval = _interval(p, q, alpha, beta, lower, upper)
    return np.asarray(sum(over_nodes(share) for share, *_ in _nodes(*interval, rule)))


AT_ONCE = 1_024
"""Rows of which all nodes are looked at together: their arrays stay in the cache."""


def _batches(rule: tuple[tuple[float, float], ...], axes: int, *, every: bool) -> Iterator[tuple[Array, Array]]:
    """Nodes and weights along a new first axis: all of them, or one at a time."""
    nodes, weights = np.array(rule).T.reshape(2, -1, *(1,) * axes)
    size = len(nodes) if every else 1
    for start in range(0, len(nodes), size):
        yield nodes[start : start + size], weights[start : start + size]


def over_nodes(values: Array) -> Array:
    """The sum over the first axis."""
    return np.asarray(values[0] if len(values) == 1 else values.sum(axis=0))


def log_product_integral(p: Values, q: Values, alpha: Values, beta: Values, lower: Values, upper: Values) -> Array:
    """Logarithm of the integral of (alpha+u)^-p (beta+u)^-q over lower < u < upper; -inf if that is empty."""
    total = _product_sum(p, q, alpha, beta, lower, upper)
    scale = np.log(np.minimum(alpha, beta) + lower) - p * np.log(np.add(alpha, lower)) - q * np.log(np.add(beta, lower))
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(total) + scale)


def product_integral(p: Values, q: Values, alpha: Values, beta: Values, upper: Values) -> Array:
    """Integral of ((alpha+u)/alpha)^-p ((beta+u)/beta)^-q over 0 < u < upper: positive terms, no logarithm of them."""
    return np.asarray(np.minimum(alpha, beta) * _product_sum(p, q, alpha, beta, 0.0, upper, LEGENDRE_SURE))


STEP = 0.22  # errs by |Gamma(k + 2 pi i / STEP)| / Gamma(k): below 1e-14 up to k = 5, and beyond that with
PEAK_STEP = 0.5  # of a standard deviation, 1 / sqrt(k)


def gamma_nodes(shape: Values, slack: Values) -> tuple[Array, Array]:
    """(weight, y): trapezoid nodes of the mean over y ~ Gamma(shape, 1), in log y, along a new last axis.

    Cut where the density has fallen by e^-45, on the left by e^-(45 + slack): slack is the log of how far the
    averaged function may rise above its mean as y -> 0. For shape >= 1: else the left tail is 1 / shape long.
    """
    shape = np.asarray(shape, dtype=float)
    d = _grid(_reach_left(shape, CUT + slack), _reach_right(shape, CUT), 1 / np.sqrt(shape))
    return _normalised(shape[..., None] * (d - np.expm1(d))), shape[..., None] * np.exp(d)


def beta_nodes(a: Values, b: Values, slack: Values) -> tuple[Array, Array, Array]:
    """(weight, p, 1 - p): nodes of the mean over p ~ Beta(a, b), in logit p; as gamma_nodes, for a, b >= 1.

    p is y_a / (y_a + y_b) of two gamma variables: where both have fallen by a factor, p's density has, too.
    """
    a, b = np.broadcast_arrays(np.asarray(a, dtype=float), np.asarray(b, dtype=float))
    left = _reach_left(a, CUT + slack) + _reach_right(b, CUT + slack)
    right = _reach_right(a, CUT) + _reach_left(b, CUT)
    d = _grid(left, right, np.sqrt(1 / a + 1 / b))
    share, rest = (a / (a + b))[..., None], (b / (a + b))[..., None]
    moved = share * np.expm1(d)
    weight = _normalised(a[..., None] * d - (a + b)[..., None] * np.log1p(moved))
    return weight, share * np.exp(d) / (1 + moved), rest / (1 + moved)


def _reach_left(shape: Array, fall: Values) -> Array:
    """How far left of its mode, in log y, the density of Gamma(shape) has fallen by e^-fall or a bit more.

    The fall at distance d is shape (e^-d - 1 + d), and e^-d - 1 + d >= c at d = c + min(1, sqrt(2 c)).
    """
    c = fall / shape
    return np.asarray(c + np.minimum(1, np.sqrt(2 * c)))


def _reach_right(shape: Array, fall: Values) -> Array:
    """As _reach_left; e^d - 1 - d >= c at d = log(1 + c + sqrt(2 c))."""
    c = fall / shape
    return np.asarray(np.log1p(c + np.sqrt(2 * c)))


def _grid(left: Array, right: Array, deviation: Array) -> Array:
    spans = (left + right) / np.minimum(STEP, PEAK_STEP * deviation)
    nodes = int(np.ceil(np.max(spans, initial=1.0)))
    return np.asarray(-left[..., None] + (left + right)[..., None] * (np.arange(nodes + 1) / nodes))


def _normalised(log_weight: Array) -> Array:
    # The trapezoid's own sum is the constant, not a gamma function, which loses digits at shapes of 1e5.
    weight = np.exp(log_weight)
    return np.asarray(weight / weight.sum(axis=-1, keepdims=True))


def one_or_more(r: Values, z: Values) -> Array:
    """1 - (1 + z)^-r: the chance that NBD(r), of mean r z, is 1 or more; z >= 0."""
    return np.asarray(-np.expm1(np.negative(r) * np.log1p(z)))


def two_or_more(r: Values, z: Values) -> Array:
    """1 - (1 + z)^-r (1 + r z / (1 + z)): the chance that NBD(r), of mean r z, is 2 or more; z >= 0.

    For r z << 1 the difference cancels; the series in w = z / (1 + z) does not.
    """
    w, log_grown = np.divide(z, np.add(1, z)), np.log1p(z)
    none = np.exp(-r * log_grown)
    rest = 1 + (r + 3) * w / 4 * (1 + (r + 4) * w / 5 * (1 + (r + 5) * w / 6))
    series = none * r * (r + 1) / 2 * w**2 * (1 + (r + 2) * w / 3 * rest)
    small = (r + 5) * w < 0.01
    return np.where(small, series, -np.expm1(-r * log_grown) - r * w * none)


def cores() -> int:
    """How many processors this process may use, which in a container or under taskset can be fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_blocks(function: Callable[..., Array], size: int, *arrays: Values, workers: int = 1) -> Array:
    """Values of function(*arrays), `size` at a time, so that what it needs stays in cache.

    function gets arrays of one value or of one value per row. Arrays that are broadcast against each other, such as
    draws (draws, 1) against rows (rows,), are cut before they are spread out: beside the result, memory is that of a
    block. Several workers are threads: NumPy and scipy.special release the interpreter lock.
    """
    shape = np.broadcast_shapes(*(np.shape(array) for array in arrays))
    long = shape[-1] if shape else 1
    spread = [
        np.broadcast_to(array, shape).reshape(-1, long) if np.size(array) > 1 else np.ravel(array) for array in arrays
    ]
    result = np.empty((int(np.prod(shape[:-1])), long))
    outer = max(1, size // max(long, 1))  # lines of the first axes that go together where a line is short

    def fill(start: tuple[int, int]) -> None:
        lines, rows = slice(start[0], start[0] + outer), slice(start[1], start[1] + size)
        block = result[lines, rows]
        answer = function(*(_flat(array[lines, rows]) if array.ndim == 2 else array for array in spread))
        block[...] = np.broadcast_to(answer, block.size).reshape(block.shape)

    starts = [(line, row) for line in range(0, len(result), outer) for row in range(0, long, size)]
    if workers == 1 or len(starts) == 1:
        for start in starts:
            fill(start)
    else:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(fill, starts))
    return result.reshape(shape)


def _flat(block: Array) -> Array:
    """The block as one axis; one value where it holds one only, which broadcasting has repeated."""
    return block[0, :1] if block.shape[0] == 1 and block.strides[1] == 0 else np.ravel(block)


def poisson_points(rng: np.random.Generator, rate: Array, length: Array) -> tuple[Array, Array]:
    """Points of one Poisson process per row on (0, length]: (row, place), sorted by row, then place."""
    row = np.repeat(np.arange(len(length)), rng.poisson(rate * length))
    place = (1 - rng.random(len(row))) * length[row]
    return row, place[np.lexsort((place, row))]
