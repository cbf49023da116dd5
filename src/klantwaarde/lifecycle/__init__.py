"""How customers move between the stages of a relation, and what a stage is worth."""

from klantwaarde.lifecycle.calibration import calibration
from klantwaarde.lifecycle.history import stage_history
from klantwaarde.lifecycle.stages import cross
from klantwaarde.lifecycle.transitions import stage_sizes, state_value

__all__ = ["calibration", "cross", "stage_history", "stage_sizes", "state_value"]
