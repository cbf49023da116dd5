"""From shares and weights of links to the influence matrix: phi_ij = s_j w_ij.

s_j is the part of j's value that others set off, w_ij who of them did: weights of interaction, faded with time, times
how much i has to say on the topic, divided by their sum per target. (As in Kumar, Bhaskaran, Mirchandani & Shah 2013,
Marketing Science 32(2), whose topic index multiplies before normalising.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import sparse

from klantwaarde.errors import BadOrders, BadParameters
from klantwaarde.network.forest import refuse_links

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from klantwaarde.typing import Array, Values

SHARE = 0.10  # assumed where nothing is estimated; always together with SENSITIVITY
SENSITIVITY = (0.0, 0.05, 0.10, 0.20)


class SocialShares(NamedTuple):
    """One row per link: phi = share[target] * weight."""

    source: Array
    target: Array
    weight: Array  # absolute values sum to 1 per target
    share: Array  # (n,) per target; 0 for customers whom nobody is linked to


def social_shares(
    links: Mapping[str, Any],
    n: int,
    *,
    share: Values = SHARE,
    topic: Any = None,
    as_of: float | None = None,
    half_life: float | None = None,
) -> SocialShares:
    """Shares per target and normalised weights per link.

    links: source, target and optionally weight and date (days). share: one number or one per customer, from 0 to
    below 1. topic: per customer, from 0 to 1, how much a source has to say. With half_life, weights halve in that many
    days before as_of; a link without a date does not fade, one after as_of is refused. A negative weight (bad word of
    mouth) keeps its sign, and weights are divided by the sum of absolute values: the shares of a target then sum to
    less than s_j, and the books still close. Links of a customer to himself and of weight 0 are left out.
    """
    refuse_links(links)
    source, target = (np.asarray(links[name], dtype=np.int64) for name in ("source", "target"))
    weight = np.asarray(links["weight"] if "weight" in links else np.ones(len(source)), dtype=float)
    _check(source, target, weight, n)
    if topic is not None:
        weight = weight * _between(topic, "topic", n)[source]
    if half_life is not None:
        weight = weight * _faded(links, as_of, half_life)
    weight = np.where(source == target, 0.0, weight)
    size = np.bincount(target, np.abs(weight), minlength=n)
    kept = (weight != 0) & (size[target] > 0)
    source, target = source[kept], target[kept]
    s = np.where(size > 0, _between(share, "share", n, below=True), 0.0)
    return SocialShares(source, target, weight[kept] / size[target], s)


def influence_matrix(
    links: Mapping[str, Any],
    n: int,
    share: Values = SHARE,
    topic: Any = None,
    *,
    as_of: float | None = None,
    half_life: float | None = None,
) -> sparse.csr_array:
    """(n, n): row i, column j is the share of j's value that i set off; arguments as of social_shares."""
    found = social_shares(links, n, share=share, topic=topic, as_of=as_of, half_life=half_life)
    phi = found.share[found.target] * found.weight
    matrix = sparse.coo_array((phi, (found.source, found.target)), shape=(n, n)).tocsr()
    matrix.sum_duplicates()
    return matrix


def influence_matrices(
    links: Mapping[str, Any], n: int, shares: Sequence[float] = SENSITIVITY, **told: Any
) -> dict[float, sparse.csr_array]:
    """The sensitivity run: a matrix per assumed share."""
    return {float(share): influence_matrix(links, n, share, **told) for share in shares}


def _faded(links: Mapping[str, Any], as_of: float | None, half_life: float) -> Array:
    if not (np.isfinite(half_life) and half_life > 0):
        raise BadParameters(f"half_life must be a finite number of days above 0; given was {half_life}.")
    if "date" not in links or as_of is None:
        raise BadParameters("weights fade from the date of a link to as_of: give links a date, and as_of.")
    date = np.asarray(links["date"], dtype=float)
    age = np.where(np.isnan(date), 0.0, as_of - date)
    if np.any(age < 0):
        row = int(np.argmax(age < 0))
        raise BadOrders(f"{int(np.sum(age < 0))} links are after as_of, the first in row {row}; leave them out.")
    return np.exp2(-age / half_life)


def _between(values: Any, name: str, n: int, *, below: bool = False) -> Array:
    """One number from 0 to 1 per customer."""
    given = np.asarray(values, dtype=float)
    if given.shape not in {(), (n,)}:
        raise BadParameters(f"{name} has shape {given.shape}; give one number, or one for each of {n} customers.")
    bad = ~((given >= 0) & ((given < 1) if below else (given <= 1)))
    if np.any(bad):
        rule = "from 0 to below 1" if below else "from 0 to 1"
        raise BadParameters(
            f"{name} must be {rule}, but {int(np.sum(bad))} are not, as {np.ravel(given)[np.argmax(bad)]}."
        )
    return np.broadcast_to(given, (n,))


def _check(source: Array, target: Array, weight: Array, n: int) -> None:
    if not len(source) == len(target) == len(weight):
        raise BadOrders(
            f"links have {len(source)} sources, {len(target)} targets and {len(weight)} weights; give equally many."
        )
    bad = (source < 0) | (source >= n) | (target < 0) | (target >= n) | ~np.isfinite(weight)
    if np.any(bad):
        row = int(np.argmax(bad))
        raise BadOrders(
            f"{int(np.sum(bad))} links name no customer from 0 to {n - 1} or have no finite weight, first row {row}: "
            f"{source[row]} -> {target[row]}, weight {weight[row]}."
        )
