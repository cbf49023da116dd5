"""What customers are worth."""

from klantwaarde.value.cross_sell import cross_sell
from klantwaarde.value.peers import fit_peers
from klantwaarde.value.potential import frontier, headroom

__all__ = ["cross_sell", "fit_peers", "frontier", "headroom"]
