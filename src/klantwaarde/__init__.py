"""What each customer is worth, and where each customer stands in the relation."""

from importlib.metadata import version

from klantwaarde.asset.pyramid import pyramid
from klantwaarde.data.cells import Cells, SpendCells
from klantwaarde.data.customers import Customers, customers
from klantwaarde.data.datasets import cdnow, cdnow_sample
from klantwaarde.data.doctor import sheet
from klantwaarde.data.orders import Orders, orders
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
from klantwaarde.estimate.result import Fit, save_fits
from klantwaarde.models import BGNBD, MBGNBD, NBD, GammaGamma, ParetoNBD
from klantwaarde.quantities import cet, dert, det, expected_purchases, log_likelihood, p_active, p_alive
from klantwaarde.simulate import simulate
from klantwaarde.validate.backtest import backtest
from klantwaarde.validate.choose import choose
from klantwaarde.value.score import Scored, score

__version__ = version("klantwaarde")

__all__ = [
    "BGNBD",
    "MBGNBD",
    "NBD",
    "BadOrders",
    "BadParameters",
    "Cells",
    "Customers",
    "Fit",
    "GammaGamma",
    "KlantwaardeError",
    "MissingExtra",
    "NotConverged",
    "Orders",
    "OutputBusy",
    "ParetoNBD",
    "Scored",
    "SpendCells",
    "backtest",
    "cdnow",
    "cdnow_sample",
    "cet",
    "choose",
    "customers",
    "dert",
    "det",
    "expected_purchases",
    "fit",
    "load_fit",
    "log_likelihood",
    "orders",
    "p_active",
    "p_alive",
    "pyramid",
    "save_fits",
    "score",
    "sheet",
    "simulate",
]
