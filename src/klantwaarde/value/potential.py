"""Potential of a customer: what the relation would be worth at the purchase rate of the best of the peers.

Headroom keeps the customer's own margin per purchase and own survival, and lets the rate be the tau-quantile Lambda of
the rates in the population (a quantile of potential, not of expected spending: Perlich, Rosset, Lawrence & Zadrozny,
2007, "High-quantile modeling for customer wallet estimation", KDD):

    P = margin  P(alive)  A  max(0, Lambda - lambda_hat),    DERT = P(alive) A lambda_hat

lambda_hat = (r + x) / (alpha + T) is the customer's own rate, A = E[1 / (mu + delta)] the discounted lifetime given
alive. Headroom is a ceiling, not a forecast, and never part of customer equity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from klantwaarde.errors import BadParameters
from klantwaarde.models import ParetoNBD
from klantwaarde.models.quantities import dert

if TYPE_CHECKING:
    from klantwaarde.models import GammaGamma
    from klantwaarde.typing import Array, Values

Mode = Literal["ceiling", "credible"]


def frontier(model: ParetoNBD, tau: Values = 0.9) -> Array:
    """Lambda: the tau-quantile of the purchase rates of a population, Gamma(r, alpha), per unit of time.

    Of the rates themselves, free of the noise of counts. Shape: the model's parameters and tau, broadcast.
    """
    return _pareto(model).rate_quantile(_share(tau))


def headroom(
    model: ParetoNBD,
    delta: Values,
    x: Values,
    t_x: Values,
    T: Values,
    margin: Values,
    tau: Values = 0.9,
    mode: Mode = "ceiling",
) -> Array:
    """Headroom in money: expected margin per purchase times headroom_orders; a margin below 0 has none.

    delta: continuous discount rate per unit of the fit. Arguments and parameters broadcast. Raises BadParameters.
    """
    if not np.isfinite(margin).all():
        raise BadParameters("margin, the money expected per purchase, must be finite: put 0 where nothing is known.")
    return np.asarray(np.maximum(margin, 0.0) * headroom_orders(model, delta, x, t_x, T, tau, mode))


def headroom_orders(
    model: ParetoNBD,
    delta: Values,
    x: Values,
    t_x: Values,
    T: Values,
    tau: Values = 0.9,
    mode: Mode = "ceiling",
) -> Array:
    """Discounted purchases without end, beyond those expected, at the rate of the frontier: P(alive) A (Lambda - own)+.

    mode "ceiling" takes Lambda as it is. "credible" takes no rate that the customer's own history makes unlikely:
    min(Lambda, tau-quantile of Gamma(r + x, alpha + T)), which keeps new customers from a large relative headroom.
    """
    if mode not in get_args(Mode):
        raise BadParameters(f"mode={mode!r} is not one of {', '.join(get_args(Mode))}.")
    best, own = frontier(model, tau), _rate(model, x, T)
    if mode == "credible":
        best = np.minimum(best, model.given_alive(x, 0.0, T).rate_quantile(_share(tau)))
    return np.asarray(dert(model, delta, x, t_x, T) / own * np.maximum(best - own, 0.0))


def lifetime(model: ParetoNBD, delta: Values, x: Values, t_x: Values, T: Values) -> Array:
    """Discounted expected residual lifetime, P(alive) A = DERT / lambda_hat, in units of the fit."""
    return np.asarray(dert(_pareto(model), delta, x, t_x, T) / _rate(model, x, T))


def margin_upside(
    model: ParetoNBD, spend: GammaGamma, tau: Values = 0.9, x: Values = 0.0, zbar: Values = 0.0, T: Values = 0.0
) -> Array:
    """The tau-quantile of money per unit of time while alive, lambda p / nu, of a customer with this history.

    p (gamma + x zbar) / (alpha + T) times the quantile of BetaPrime(r + x, q + p x); without a history that of the
    population. An interval around current value, no potential: it is widest for those who already spend most.
    """
    return _pareto(model).money_quantile(spend, _share(tau), x, zbar, T)


def _rate(model: ParetoNBD, x: Values, T: Values) -> Array:
    """lambda_hat: expected purchases per unit of time of someone with this history, given alive."""
    return model.given_alive(x, 0.0, T).rate()


def _share(tau: Values) -> Array:
    """A checked share. Raises BadParameters."""
    share = np.asarray(tau, dtype=float)
    if not ((share > 0) & (share < 1)).all():
        raise BadParameters(f"tau={tau} must lie between 0 and 1: 0.9 is the rate that one in ten customers exceeds.")
    return share


def _pareto(model: object) -> ParetoNBD:
    """A checked model. Raises BadParameters."""
    if isinstance(model, ParetoNBD):
        return model
    raise BadParameters(
        f"Potential rests on a Pareto/NBD fit, not on {type(model).__name__}. Where customers may leave at each "
        "purchase, a higher rate hastens their leaving: lifetime purchases tend to 1 / p whatever the rate, and no "
        "rate is a potential. Fit ParetoNBD to the same cells for potential and keep the other model for scores."
    )
