"""The attribution matrix: which share of each customer's value is owed to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import sparse

from klantwaarde.errors import BadParameters
from klantwaarde.network.forest import links, refuse_links
from klantwaarde.network.referral import Referrals
from klantwaarde.network.solve import column_sums

if TYPE_CHECKING:
    from collections.abc import Mapping

OMEGA = 0.5
"""Share of what a referral brought that goes to the referrer: of two who are both needed, each gets half."""

PSI_MAX = 0.95
"""The most of a customer that is attributed to others."""


class Attribution(NamedTuple):
    """phi[i, j]: share of j's total value attributed to i, CSR (n, n); its parts by kind of link, which sum to it.

    capped: customers of whom more than the ceiling would have been given away, whose shares were scaled down to it.
    """

    phi: Any
    parts: dict[str, Any]
    capped: int


def attribution_matrix(
    n: int,
    referrals: Referrals | Mapping[str, Any] | None = None,
    influence: Any = None,
    *,
    omega: float = OMEGA,
    psi_max: float = PSI_MAX,
) -> Attribution:
    """Shares owed to referrers, omega theta, and to influencers, a sparse matrix (source, target) of shares.

    omega 1/2 is for the books, 1 for responsibility. A column whose |shares| sum to more than psi_max is scaled down
    to it, so that the books always close; negative influence counts with its size there.
    """
    _check(omega, psi_max)
    parts = {
        "referral": _referral_shares(n, referrals, omega),
        "influence": _influence_shares(n, influence),
    }
    sizes = column_sums(sum(abs(part) for part in parts.values()))
    over = sizes > psi_max
    factor = sparse.diags_array(np.where(over, psi_max / np.where(over, sizes, 1.0), 1.0), format="csr")
    scaled = {name: (part @ factor).tocsr() if over.any() else part for name, part in parts.items()}
    return Attribution(sparse.csr_array(scaled["referral"] + scaled["influence"]), scaled, int(over.sum()))


def _referral_shares(n: int, referrals: Referrals | Mapping[str, Any] | None, omega: float) -> Any:
    if referrals is None:
        return sparse.csr_array((n, n))
    made = Referrals.of(referrals)
    above, below = links(made.referrer, made.referred, n)
    return sparse.csr_array((omega * made.incremental, (above, below)), shape=(n, n))


def _influence_shares(n: int, influence: Any) -> Any:
    if influence is None:
        return sparse.csr_array((n, n))
    refuse_links(influence)
    shares = sparse.csr_array(influence, dtype=float)
    if shares.shape != (n, n) or not np.isfinite(shares.data).all():
        raise BadParameters(f"influence must hold finite shares in shape ({n}, {n}), not {shares.shape}.")
    return shares


def _check(omega: float, psi_max: float) -> None:
    if not 0 <= omega <= 1:
        raise BadParameters(f"omega must lie in 0 .. 1, but is {omega}.")
    if not 0 < psi_max < 1:
        raise BadParameters(f"psi_max must lie between 0 and 1, but is {psi_max}.")
