"""What customers are valued by: three values, each checked when it is made.

`Terms` are the assumptions, `Fits` the models, `Beside` what is known besides the orders. `Basis` is what the terms
come to for one base on one day.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from klantwaarde.beside.attributes import Attributes
from klantwaarde.beside.links import Links
from klantwaarde.calendar import check_unit, read_discount_rate, read_margin_rate, read_moment, read_share
from klantwaarde.engine.relation import query
from klantwaarde.errors import BadParameters, expect, named
from klantwaarde.estimate.fit import fit, model_of
from klantwaarde.estimate.result import Fit
from klantwaarde.models import GammaGamma, ParetoNBD
from klantwaarde.value.discount import continuous_rate, horizon_days

if TYPE_CHECKING:
    from klantwaarde.purchases.customers import Customers

RankBy = Literal["last_year", "rlv", "realised"]

ESTIMATE: Literal["estimate"] = "estimate"
"""The share of influence that is estimated from the orders."""


@dataclass(frozen=True)
class Terms:
    """The assumptions under which customers are valued.

    Rates are fractions or text such as "10%". annual_discount_rate: effective, per year. margin_rate: margin per unit
    of revenue (default 1: value is revenue; not to be given where the orders carry margins). horizon: of p_active and
    expected_orders, a duration or a day. rank_by: margin of the last year, residual value (rlv), or all margin
    realised. headroom: whether potential is told, which rests on a Pareto/NBD; tau: the quantile of purchase rates that
    is its ceiling. Raises BadParameters for what cannot be meant.
    """

    annual_discount_rate: float | str = 0.10
    margin_rate: float | str | None = None
    horizon: str | dt.date = "12 months"
    rank_by: RankBy = "last_year"
    headroom: bool = False
    tau: float = 0.9

    def __post_init__(self) -> None:
        """Check once; rates given as text become fractions."""
        if self.rank_by not in get_args(RankBy):
            raise BadParameters(f"{named('rank_by', self.rank_by)} is not one of {', '.join(get_args(RankBy))}.")
        if not isinstance(self.tau, (int, float)) or not 0 < self.tau < 1:
            raise BadParameters(f"{named('tau', self.tau)} is no quantile: it has to lie between 0 and 1.")
        read_moment(self.horizon, "horizon")
        object.__setattr__(self, "annual_discount_rate", read_discount_rate(self.annual_discount_rate))
        if self.margin_rate is not None:
            object.__setattr__(self, "margin_rate", read_margin_rate(self.margin_rate))


@dataclass(frozen=True)
class Fits:
    """The models that value customers.

    timing: of a timing model, in whose unit of time all is computed. spend: of a spend model, None where the orders
    carry no amounts (money is then empty). potential: the Pareto/NBD fit that headroom rests on, where the timing model
    is another; it is made when needed. Raises BadParameters for a fit in the wrong place.
    """

    timing: Fit[Any]
    spend: Fit[Any] | None = None
    potential: Fit[Any] | None = None

    def __post_init__(self) -> None:
        """Check once."""
        expect(self.timing, Fit, "timing", "kw.fits(customers) makes all that is needed; a model alone lacks its unit")
        expect(self.spend, (Fit, type(None)), "spend", "kw.fit(kw.GammaGamma, customers.spend()) makes one")
        if self.timing.unit is None:
            raise BadParameters(
                f"{self.timing.name} is a spend model. Give the timing model first, then the spend model."
            )
        if self.spend is not None and self.spend.unit is not None:
            raise BadParameters(
                f"{self.spend.name} is a timing model. Give a fit of kw.GammaGamma as {named('spend')}."
            )
        if self.potential is not None and self.potential.name != "pareto_nbd":
            raise BadParameters(f"Potential rests on a Pareto/NBD fit, but {self.potential.name} was given.")

    @property
    def unit(self) -> str:
        """The unit of time of the parameters."""
        return str(self.timing.unit)

    def pareto(self, customers: Customers) -> Fit[Any]:
        """The Pareto/NBD fit that potential rests on: the one given, the timing fit, or one made here.

        Only there do more orders in the same lifetime mean more value: with dropout per purchase, a faster customer is
        gone sooner.
        """
        if self.potential is not None:
            return self.potential
        return self.timing if self.timing.name == "pareto_nbd" else fit(ParetoNBD, customers.cells())


@dataclass(frozen=True)
class Beside:
    """What is known besides the orders, and how it is used.

    referrals, influence, attributes: made by the functions of these names. influence_share: the socially induced share
    of value of who is influenced, or "estimate" (0 where it cannot be told from similarity). peers: the attribute whose
    levels are peer cells. category: a column of the orders, for cross-sell. Raises BadParameters for what does not go
    together.
    """

    referrals: Links | None = None
    influence: Links | None = None
    attributes: Attributes | None = None
    influence_share: float | str = ESTIMATE
    peers: str | None = None
    category: str | None = None

    def __post_init__(self) -> None:
        """Check once; a share given as text becomes a fraction."""
        for name in ("referrals", "influence"):
            expect(getattr(self, name), (Links, type(None)), name, f"kw.{name}(file, customers) reads them")
        remedy = "kw.attributes(file, customers) reads them"
        expect(self.attributes, (Attributes, type(None)), "attributes", remedy)
        object.__setattr__(self, "influence_share", read_influence_share(self.influence_share))
        if self.peers is not None and self.attributes is None:
            asked = named("peers", self.peers)
            raise BadParameters(f"{asked} is an attribute of the customers: give {named('attributes')} too.")

    @property
    def links(self) -> tuple[Links | None, Links | None]:
        """Referral and influence links; None where no link is left."""
        return self.referrals or None, self.influence or None

    @property
    def share(self) -> float | Literal["estimate"]:
        """The induced share as a fraction, or "estimate"."""
        return read_influence_share(self.influence_share)

    def check(self, customers: Customers) -> None:
        """Raise BadParameters where what is asked needs amounts that the orders do not carry."""
        asked = [name for name in ("referrals", "influence") if getattr(self, name) is not None]
        asked += ["category"] if self.category else []
        if asked and not customers.orders.has_money:
            raise BadParameters(f"The orders carry no amounts, so that there is no value for {' and '.join(asked)}.")


def read_influence_share(given: float | str) -> float | Literal["estimate"]:
    """The socially induced share of value as a fraction, or "estimate". Raises BadParameters."""
    return ESTIMATE if given == ESTIMATE else read_share(given, "influence_share")


@dataclass(frozen=True)
class Basis:
    """What the terms come to for one base on one day, in the unit of the models."""

    annual_discount_rate: float
    margin_rate: float
    """Margin per unit of revenue that is expected; with margins in the orders, the rate of the whole base."""
    horizon: str
    horizon_days: float
    rank_by: RankBy
    as_of: dt.date
    unit: str
    delta: float
    """Continuous discount rate per unit."""
    margin_known: bool = True
    """Whether the orders or a rate say what margin is made; where neither does, value is revenue."""


def basis(customers: Customers, unit: str, terms: Terms) -> Basis:
    """The terms for these customers. Raises BadParameters for a horizon that has passed, or two sources of margins."""
    has_margin = customers.orders.has_margin
    rate = check_margin_rate(terms.margin_rate, has_margin=has_margin)
    if has_margin:
        rate = _rate_of(customers)
    return basis_on(customers.as_of, unit, terms, rate, known=terms.margin_rate is not None or has_margin)


def basis_on(as_of: dt.date, unit: str, terms: Terms, margin_rate: float, *, known: bool = True) -> Basis:
    """The terms on a day, with the margin rate that is expected."""
    annual = read_discount_rate(terms.annual_discount_rate)
    days = horizon_days(terms.horizon, as_of)
    delta = continuous_rate(annual, check_unit(unit))
    return Basis(annual, margin_rate, str(terms.horizon), days, terms.rank_by, as_of, unit, delta, known)


def _rate_of(customers: Customers) -> float:
    """Margin per unit of revenue of the whole base."""
    known = query("margins", lines=customers.orders.lines, as_of=customers.as_of).one()
    return float(known["margin"] / known["amount"]) if known["amount"] else 1.0


def check_margin_rate(given: float | str | None, *, has_margin: bool) -> float:
    """The margin per unit of revenue, 1 where none was given. Raises BadParameters where it cannot be."""
    if has_margin and given is not None:
        raise BadParameters(f"The orders carry margins of their own; leave {named('margin_rate')} out.")
    return 1.0 if given is None else read_margin_rate(given)


def fits_of(customers: Customers, Model: type[Any] | str, *, potential: bool = False) -> Fits:
    """A timing model and, where there is repeat spend, a spend model fitted to these customers.

    potential: with the Pareto/NBD that headroom rests on.
    """
    found = model_of(Model)
    cells = customers.cells()
    timing: Fit[Any] = fit(found, cells)
    pareto = fit(ParetoNBD, cells) if potential and found is not ParetoNBD else None
    return Fits(timing, spend_fit(customers), pareto)


def spend_fit(customers: Customers) -> Fit[Any] | None:
    """The spend model of these customers; None where nobody came back with money."""
    if not customers.orders.has_money or not customers.totals["repeat_customers"]:
        return None
    cells = customers.spend()
    return fit(GammaGamma, cells) if len(cells) else None
