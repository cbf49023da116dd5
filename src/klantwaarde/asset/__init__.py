"""The customer base as an asset."""

from klantwaarde.asset.decomposition import factor_effects
from klantwaarde.asset.equity import future_cohorts

__all__ = ["factor_effects", "future_cohorts"]
