"""How strong the excitation is and how fast it fades: from sums over links to a share with an interval.

Contrasts of several exponentials (the instruments) meet what one exponential of unknown decay would make of them: a
generalised method of moments with one parameter found by formula, the strength, and one on a grid, the decay. Targets
are independent given their past, so the noise is the sum of squares of each target's contribution (Hansen 1982,
Econometrica 50(4)).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from klantwaarde.network.excitation import Sums
    from klantwaarde.typing import Array

TRIED = 81  # decays on a logarithmic grid: 3.5 % apart
PASSES = 3  # the noise is measured around the estimate, which needs the noise


class Strength(NamedTuple):
    """Expected orders set off by one linked order of weight 1, decay in steps, orders set off in all."""

    strength: float
    decay: float
    between: Array  # (K,): share of each tried decay in what is interpolated to this one
    induced: float
    interval: tuple[float, float]  # of `induced`
    decay_interval: tuple[float, float]
    combination: Array  # (K,): induced orders are combination @ contrasts
    misfit: float  # p-value of the contrasts' disagreement; K - 2 degrees of freedom, K at strength 0


def strength(found: Sums, decays: Array, *, level: float) -> Strength:
    """Strength and decay, both with an interval at the level, by the profile of the distance.

    An interval for the orders set off holds every strength that some decay makes acceptable: with a weak effect the
    decay is hardly known, and nothing may be linearised.
    """
    from scipy import stats  # noqa: PLC0415 - loaded where it is used

    tried = np.geomspace(decays[0], decays[-1], TRIED)
    shares = between(tried, decays)
    exposure = shares @ found.exposure.sum(axis=0)
    K = len(decays)
    expected = shares @ found.total[K:].reshape(K, K).T  # (tried, instruments), per strength
    noise = found.square[:K, :K]
    for _ in range(PASSES):
        precision = np.linalg.pinv(noise, rcond=1e-10, hermitian=True)
        fit = _profile(found.total[:K], expected, precision)
        best = int(np.argmin(fit.distance))
        noise = _noise(found, shares[best], fit.strength[best])
    # Influence sets orders off: a strength below zero is none. Acceptable strengths of each decay, cut at zero:
    room = stats.chi2.ppf(level, 1) - (fit.free_distance - fit.distance[best])
    reach = np.sqrt(np.maximum(room, 0)) * fit.error
    kept = (room >= 0) & (fit.free_strength + reach >= 0)
    low, high = (np.maximum(fit.free_strength + sign * reach, 0)[kept] * exposure[kept] for sign in (-1, 1))
    combination = exposure[best] * fit.error[best] ** 2 * (expected[best] @ precision)
    return Strength(
        float(fit.strength[best]),
        float(tried[best]),
        shares[best],
        float(fit.strength[best] * exposure[best]),
        (float(low.min()), float(high.max())),
        (float(tried[kept].min()), float(tried[kept].max())),
        combination,
        float(stats.chi2.sf(fit.distance[best], K - 2 if fit.strength[best] > 0 else K)),
    )


class _Profile(NamedTuple):
    free_strength: Array  # best for each decay, of any sign
    free_distance: Array  # what it leaves unexplained
    strength: Array  # best of those not below zero
    distance: Array
    error: Array  # standard error


def _profile(contrast: Array, expected: Array, precision: Array) -> _Profile:
    information = np.einsum("tk,kl,tl->t", expected, precision, expected)
    free = expected @ precision @ contrast / information
    left = contrast - free[:, None] * expected
    free_distance = np.einsum("tk,kl,tl->t", left, precision, left)
    kept = np.maximum(free, 0)
    return _Profile(
        free, free_distance, kept, free_distance + (kept - free) ** 2 * information, 1 / np.sqrt(information)
    )


def _noise(found: Sums, share: Array, size: float) -> Array:
    """Sum over targets of the squared residuals, (K, K)."""
    K = len(share)
    residual = np.hstack([np.eye(K), np.kron(np.eye(K), -size * share[None, :])])
    return np.asarray(residual @ found.square @ residual.T)


def between(tried: Array, decays: Array) -> Array:
    """(tried, K): Lagrange's polynomials in log decay; what depends on the decay depends on it smoothly."""
    x, nodes = np.log(tried), np.log(decays)
    rows = []
    for k, node in enumerate(nodes):
        others = np.delete(nodes, k)
        rows.append(np.prod((x[:, None] - others) / (node - others), axis=1))
    return np.stack(rows, axis=1)
