"""One file per model. A model is a value: the parameters of a population."""

from typing import Any

from klantwaarde.models.bg_nbd import BGNBD
from klantwaarde.models.gamma_gamma import GammaGamma
from klantwaarde.models.mbg_nbd import MBGNBD
from klantwaarde.models.nbd import NBD
from klantwaarde.models.pareto_nbd import ParetoNBD
from klantwaarde.models.quantities import cet, dert, det, expected_purchases, log_likelihood, p_active, p_alive

__all__ = [
    "BGNBD",
    "MBGNBD",
    "MODELS",
    "NBD",
    "SPEND_MODELS",
    "GammaGamma",
    "ParetoNBD",
    "cet",
    "dert",
    "det",
    "expected_purchases",
    "log_likelihood",
    "p_active",
    "p_alive",
]

MODELS: dict[str, Any] = {"nbd": NBD, "bg_nbd": BGNBD, "mbg_nbd": MBGNBD, "pareto_nbd": ParetoNBD}
"""Timing models by the name that settings and files use."""

SPEND_MODELS: dict[str, Any] = {"gamma_gamma": GammaGamma}
"""Spend models by the name that settings and files use."""
