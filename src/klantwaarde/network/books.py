"""The books: what each customer is worth, directly and through others, counted once.

A customer's value is attributed in part to those who brought or moved him. What one receives another gives away, so
that the sum over all customers stays the customer equity, as in Klier et al. (2014) and Däs et al. (2017), "customer
lifetime network value".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import sparse

from klantwaarde.errors import BadParameters
from klantwaarde.network.solve import accountable, column_sums, passed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klantwaarde.typing import Array

NAMED = 5  # rows or columns that an error names
AGREES = 1e-9  # of what is received in all: how far parts may miss it


class Books(NamedTuple):
    """Five columns of money, one row per customer; each of shape (n,).

    direct + received - attributed_away = attributed, and the sums of direct and attributed are equal. accountable is
    the gross figure, what would go if the customer had never been: it does not add up over customers.
    """

    direct: Array
    received: Array
    attributed_away: Array
    accountable: Array
    attributed: Array


def books(value: Array, phi: Any) -> Books:
    """Books of customers worth `value`, of whose total value phi[i, j] is the share of j that is attributed to i.

    value: money, shape (n,). phi: scipy sparse, shape (n, n), taken as it is: cycles and negative shares are fine, and
    so is a share of a customer in himself, the shortest cycle, which raises accountable but not attributed.
    accountable T = value + phi T; received phi T; attributed_away is the column sum of phi times T; attributed is
    computed from these three, so that it adds up to the sum of value whatever the precision of T.
    Raises BadParameters for values that are not finite, another shape, columns that give one or more away, or a
    spectral radius of one or more, which only negative shares allow.
    """
    direct = _values(value)
    matrix = _matrix(phi, len(direct))
    given = column_sums(matrix)
    _refuse_columns(given >= 1, given)
    total = accountable(matrix, direct)
    received, away = passed(matrix, total), given * total
    return Books(direct, received, away, total, direct + received - away)


def conservation(kept: Books) -> float:
    """|sum of attributed - sum of direct| relative to the sum of |accountable|: 1e-12 or less, or a fault."""
    scale = float(np.abs(kept.accountable).sum())
    return abs(float(kept.attributed.sum()) - float(kept.direct.sum())) / scale if scale else 0.0


def received_parts(kept: Books, parts: Mapping[str, Any]) -> dict[str, Array]:
    """What is received by way of each part of phi, such as {"referral": ..., "influence": ...}; each of shape (n,).

    Raises BadParameters unless the parts together give what the books say is received.
    """
    each = {name: passed(_matrix(part, len(kept.direct)), kept.accountable) for name, part in parts.items()}
    miss = np.abs(kept.received - sum(each.values())).sum()
    if miss > AGREES * sum(float(np.abs(part).sum()) for part in [kept.received, *each.values()]):
        raise BadParameters(
            f"The parts {', '.join(parts)} do not add up to what is received: {miss:.6g} is missing or too much. Give "
            "the parts that the books' phi is the sum of."
        )
    return each


def _values(value: Array) -> Array:
    direct = np.asarray(value, dtype=float)
    if direct.ndim != 1:
        raise BadParameters(f"value must hold one number per customer, but has shape {direct.shape}.")
    if not np.isfinite(direct).all():
        raise BadParameters(f"value must be finite, but is not in {_named(~np.isfinite(direct), 'row')}.")
    return direct


def _matrix(phi: Any, n: int) -> Any:
    """Phi as CSR of doubles, checked."""
    if not sparse.issparse(phi) and np.ndim(phi) != 2:
        raise BadParameters("phi must be a sparse matrix of shape (customers, customers).")
    if phi.shape != (n, n):
        raise BadParameters(f"phi must have shape ({n}, {n}), one row and column per customer, not {phi.shape}.")
    matrix = sparse.csr_array(phi, dtype=float)
    bad = ~np.isfinite(matrix.data)
    if bad.any():
        raise BadParameters(f"phi must be finite, but is not in {_named(np.isin(np.arange(n), matrix.indices[bad]))}.")
    return matrix


def _refuse_columns(bad: Array, given: Array) -> None:
    if bad.any():
        raise BadParameters(
            f"phi attributes the whole of a customer, or more, to others: {_named(bad)} (largest sum "
            f"{given.max():.6g}). Cap the columns below one, for example at 0.95."
        )


def _named(bad: Array, what: str = "column") -> str:
    """The first few places, in words."""
    places = np.flatnonzero(bad)
    rest = f" and {len(places) - NAMED} more" if len(places) > NAMED else ""
    return f"{what}{'s' if len(places) > 1 else ''} {', '.join(map(str, places[:NAMED]))}{rest}"
