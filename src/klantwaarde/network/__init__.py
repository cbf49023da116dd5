"""What customers are worth through other customers: referrals and influence."""

from klantwaarde.network.attribution import attribution_matrix
from klantwaarde.network.books import Books, books, conservation
from klantwaarde.network.influence import Influence, estimate_influence, influence_matrix
from klantwaarde.network.referral import Referrals, crv, responsibility
from klantwaarde.network.seeds import Seeds, plain_ranking, seeds, spread

__all__ = [
    "Books",
    "Influence",
    "Referrals",
    "Seeds",
    "attribution_matrix",
    "books",
    "conservation",
    "crv",
    "estimate_influence",
    "influence_matrix",
    "plain_ranking",
    "responsibility",
    "seeds",
    "spread",
]
