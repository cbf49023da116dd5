"""Parameters from data: likelihoods with their gradients, searches, diagnoses, fits and their files."""

from klantwaarde.estimate.result import save_fits

__all__ = ["save_fits"]
