"""What each customer is worth, and where each customer stands in the relation.

A run is `run(orders, out=...)`, and its results are read by `results(folder)`. Step by step: `orders`, `customers`,
`fits`, `score`; then `stages`, `ledger`, `statement`, `migration` and `pyramid` between two days. A function in lower
case returns the value of that name in upper case. Arrays in, arrays out: `models`, `network`, `hmm`, `validate`.
"""

import warnings
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from klantwaarde import asset, estimate, lifecycle, models, network, validate, value
from klantwaarde.asset.ledger import Ledger, ledger
from klantwaarde.asset.migration import Migration, migration
from klantwaarde.asset.pyramid import pyramid
from klantwaarde.asset.statement import Statement, statement
from klantwaarde.beside.attributes import attributes
from klantwaarde.beside.links import Links, influence, referrals
from klantwaarde.doctor.doctor import sheet as doctor
from klantwaarde.errors import (
    BadOrders,
    BadParameters,
    KlantwaardeError,
    MissingExtra,
    NotConverged,
    OutputBusy,
)
from klantwaarde.estimate.fit import fit
from klantwaarde.estimate.load import load_fit
from klantwaarde.estimate.prior import Prior
from klantwaarde.estimate.result import Fit
from klantwaarde.job.call import run
from klantwaarde.lifecycle import hmm_fit as hmm
from klantwaarde.lifecycle.stages import Stages, stages
from klantwaarde.models import BGNBD, MBGNBD, NBD, GammaGamma, ParetoNBD
from klantwaarde.outcome.folder import Results, results
from klantwaarde.purchases import datasets
from klantwaarde.purchases.cells import Cells, SpendCells
from klantwaarde.purchases.customers import Customers, customers
from klantwaarde.purchases.orders import Orders, orders
from klantwaarde.purchases.simulate import simulate
from klantwaarde.validate.backtest import backtest
from klantwaarde.validate.choose import choose, fits
from klantwaarde.value.score import Scored, score
from klantwaarde.value.terms import Beside, Fits, Terms

__version__ = version("klantwaarde")

__all__ = [  # noqa: RUF022 - in the order of a day's work
    "run",
    "results",
    "orders",
    "customers",
    "fits",
    "score",
    "stages",
    "ledger",
    "statement",
    "migration",
    "pyramid",
    "referrals",
    "influence",
    "attributes",
    "doctor",
    "fit",
    "load_fit",
    "choose",
    "backtest",
    "simulate",
    # what they take and return
    "Terms",
    "Fits",
    "Beside",
    "Cells",
    "SpendCells",
    "Prior",
    "Results",
    "Orders",
    "Customers",
    "Links",
    "Fit",
    "Scored",
    "Stages",
    "Ledger",
    "Statement",
    "Migration",
    "NBD",
    "BGNBD",
    "MBGNBD",
    "ParetoNBD",
    "GammaGamma",
    # what can go wrong
    "KlantwaardeError",
    "BadOrders",
    "BadParameters",
    "NotConverged",
    "OutputBusy",
    "MissingExtra",
    # where the rest is
    "asset",
    "datasets",
    "estimate",
    "hmm",
    "lifecycle",
    "models",
    "network",
    "validate",
    "value",
]

MOVED = {
    "models": "cet dert det expected_purchases log_likelihood p_active p_alive",
    "network": "Books Influence Referrals Seeds attribution_matrix books conservation crv estimate_influence "
    "influence_matrix plain_ranking responsibility seeds spread",
    "hmm": "HMMFit PoissonHMM choose_states fit_hmm",
    "validate": "frontier_calibration mask_category split_wallet",
    "lifecycle": "calibration cross stage_history stage_sizes state_value",
    "value": "cross_sell fit_peers frontier headroom",
    "asset": "factor_effects future_cohorts",
    "estimate": "save_fits",
    "datasets": "cdnow cdnow_sample",
}
"""Names that were here before, and where they are now."""
RENAMED = {"sheet": "doctor"}


def _moved(name: str) -> Any:
    """What has another place now, with a warning. Raises AttributeError for what never was here."""
    home = next((place for place, names in MOVED.items() if name in names.split()), None)
    if home is None and name not in RENAMED:
        raise AttributeError(f"module 'klantwaarde' has no attribute {name!r}")
    place = f"{home}.{name}" if home else RENAMED[name]
    warnings.warn(f"kw.{name} goes in a later version: write kw.{place}.", DeprecationWarning, stacklevel=3)
    found: Any = globals()[home] if home else globals()[RENAMED[name]]
    return getattr(found, name) if home else found


if not TYPE_CHECKING:  # a type checker is to miss what has moved

    def __getattr__(name: str) -> Any:
        return _moved(name)
