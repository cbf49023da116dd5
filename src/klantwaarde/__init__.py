"""What each customer is worth, and where each customer stands in the relation."""

from importlib.metadata import version

from klantwaarde.asset.decomposition import factor_effects
from klantwaarde.asset.equity import future_cohorts
from klantwaarde.asset.ledger import Ledger, ledger
from klantwaarde.asset.migration import Migration, migration
from klantwaarde.asset.pyramid import pyramid
from klantwaarde.asset.statement import Statement, statement
from klantwaarde.beside.attributes import attributes
from klantwaarde.beside.links import Links, influence, referrals
from klantwaarde.doctor.doctor import sheet
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
from klantwaarde.job.call import run
from klantwaarde.lifecycle.calibration import calibration
from klantwaarde.lifecycle.history import stage_history
from klantwaarde.lifecycle.hmm import PoissonHMM
from klantwaarde.lifecycle.hmm_fit import HMMFit, choose_states, fit_hmm
from klantwaarde.lifecycle.stages import Stages, cross, stages
from klantwaarde.lifecycle.transitions import stage_sizes, state_value
from klantwaarde.models import BGNBD, MBGNBD, NBD, GammaGamma, ParetoNBD
from klantwaarde.models.quantities import cet, dert, det, expected_purchases, log_likelihood, p_active, p_alive
from klantwaarde.network.attribution import attribution_matrix
from klantwaarde.network.influence import Influence, estimate_influence, influence_matrix
from klantwaarde.network.referral import Referrals, crv, responsibility
from klantwaarde.network.seeds import Seeds, plain_ranking, seeds, spread
from klantwaarde.outcome.folder import Results, results
from klantwaarde.purchases.cells import Cells, SpendCells
from klantwaarde.purchases.customers import Customers, customers
from klantwaarde.purchases.datasets import cdnow, cdnow_sample
from klantwaarde.purchases.orders import Orders, orders
from klantwaarde.purchases.simulate import simulate
from klantwaarde.validate.backtest import backtest
from klantwaarde.validate.choose import choose, fits
from klantwaarde.validate.frontier import frontier_calibration
from klantwaarde.validate.potential import mask_category, split_wallet
from klantwaarde.value.books import Books, books, conservation
from klantwaarde.value.cross_sell import cross_sell
from klantwaarde.value.peers import fit_peers
from klantwaarde.value.potential import frontier, headroom
from klantwaarde.value.score import Scored, score
from klantwaarde.value.terms import Beside, Fits, Terms

__version__ = version("klantwaarde")

__all__ = [
    "BGNBD",
    "MBGNBD",
    "NBD",
    "BadOrders",
    "BadParameters",
    "Beside",
    "Books",
    "Cells",
    "Customers",
    "Fit",
    "Fits",
    "GammaGamma",
    "HMMFit",
    "Influence",
    "KlantwaardeError",
    "Ledger",
    "Links",
    "Migration",
    "MissingExtra",
    "NotConverged",
    "Orders",
    "OutputBusy",
    "ParetoNBD",
    "PoissonHMM",
    "Referrals",
    "Results",
    "Scored",
    "Seeds",
    "SpendCells",
    "Stages",
    "Statement",
    "Terms",
    "attributes",
    "attribution_matrix",
    "backtest",
    "books",
    "calibration",
    "cdnow",
    "cdnow_sample",
    "cet",
    "choose",
    "choose_states",
    "conservation",
    "cross",
    "cross_sell",
    "crv",
    "customers",
    "dert",
    "det",
    "estimate_influence",
    "expected_purchases",
    "factor_effects",
    "fit",
    "fit_hmm",
    "fit_peers",
    "fits",
    "frontier",
    "frontier_calibration",
    "future_cohorts",
    "headroom",
    "influence",
    "influence_matrix",
    "ledger",
    "load_fit",
    "log_likelihood",
    "mask_category",
    "migration",
    "orders",
    "p_active",
    "p_alive",
    "plain_ranking",
    "pyramid",
    "referrals",
    "responsibility",
    "results",
    "run",
    "save_fits",
    "score",
    "seeds",
    "sheet",
    "simulate",
    "split_wallet",
    "spread",
    "stage_history",
    "stage_sizes",
    "stages",
    "state_value",
    "statement",
]
