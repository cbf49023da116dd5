"""How well it predicts."""

from klantwaarde.validate.frontier import frontier_calibration
from klantwaarde.validate.potential import mask_category, split_wallet

__all__ = ["frontier_calibration", "mask_category", "split_wallet"]
