"""Scores: one row for every customer of the input."""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pyarrow as pa

from klantwaarde import quantities
from klantwaarde.calendar import check_unit, read_discount_rate, read_margin_rate
from klantwaarde.data.customers import Customers
from klantwaarde.data.guard import refuse_inputs
from klantwaarde.data.names import SCHEMA_VERSION, SCORED
from klantwaarde.data.written import check_target_file, write_rows
from klantwaarde.engine.protocol import Engine
from klantwaarde.engine.relation import Relation, query, registered
from klantwaarde.errors import BadParameters, expect, named
from klantwaarde.estimate.fit import fit as fit_model
from klantwaarde.estimate.fit import spend_line
from klantwaarde.estimate.result import Fit
from klantwaarde.models import ParetoNBD
from klantwaarde.value.discount import continuous_rate, horizon_days
from klantwaarde.value.indirect import ESTIMATE
from klantwaarde.value.potential import headroom_orders
from klantwaarde.value.tiers import TierSizes, tier_sizes
from klantwaarde.value.totals import COMPUTED, Given, Totals, Wishes, share_of, totals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from klantwaarde.data.attributes import Attributes
    from klantwaarde.data.links import Links
    from klantwaarde.typing import Array

RankBy = Literal["last_year", "rlv", "realised"]


@dataclass(frozen=True)
class Terms:
    """The assumptions under which customers are valued."""

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


@dataclass(frozen=True, repr=False)
class Scored:
    """The scored customers, lazy in the engine until asked for; docs/scored.md says what each column means."""

    ordered: Relation
    """The customers with all that has to be computed before they are sorted, the best first."""
    terms: Terms
    sizes: TierSizes
    customers: Customers
    fit: Fit[Any]
    spend: Fit[Any] | None
    valued: Relation
    """The same customers without order, tier and rank, all columns of the customer table among them."""
    potential: Fit[Any] | None
    """The Pareto/NBD fit that headroom rests on; None where headroom was not asked for."""
    total: Totals
    """What rests on links, peers and categories."""

    def __repr__(self) -> str:
        """Short: how many, when, and by which models."""
        models = " and ".join(fit.name for fit in (self.fit, self.spend) if fit is not None)
        return f"<Scored as of {self.terms.as_of}: {self.customers.totals['customers']:,} customers, by {models}>"

    @property
    def engine(self) -> Engine:
        """Where they are scored."""
        return self.customers.engine

    @functools.cached_property
    def rows(self) -> Relation:
        """The scored customers, the best first; on Spark, asking for them runs the sort."""
        return self._placed(self.ordered.ranked())

    @property
    def sql(self) -> str:
        """SQL of the scored customers, the best first."""
        return self.rows.sql

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters of that statement."""
        return self.rows.parameters

    def _placed(self, ranked: Relation) -> Relation:
        """The output over the ranked customers; empty columns come after the sort, which would carry them."""
        terms, sizes = self.terms, self.sizes
        if self.total.empty:
            ranked = query("untotalled", valued=ranked, expected_margin_rate=terms.margin_rate)
        cuts = {"top": sizes.top, "large": sizes.large, "medium": sizes.medium}
        return query("placed", ranked=ranked, days_per_unit=check_unit(terms.unit), **cuts)

    def to_arrow(self) -> pa.Table:
        """An Arrow table, best customer first; money already spent as DECIMAL."""
        return self.rows.arrow()

    def to_pandas(self) -> pd.DataFrame:
        """A data frame, best customer first; money as floats."""
        return self.rows.pandas()

    def to_polars(self) -> Any:
        """A polars frame, best customer first. Raises MissingExtra where polars is not installed."""
        return self.rows.polars()

    def write(self, path: str | Path, partition_by: Sequence[str] = ()) -> Path:
        """A file, best customer first, whole or not at all: .parquet (its footer holds the terms), .csv or .xlsx.

        partition_by: a folder of Parquet instead, with a folder per value of these columns (such as tier=top); `rank`
        tells the order, the rows of a partition come in any. Raises BadParameters for a column that is no name of a
        group, for another ending, and for a path that holds what is read here, or what klantwaarde did not write.
        """
        check_partitions(partition_by)
        told = {
            "klantwaarde_schema": str(SCHEMA_VERSION),
            "as_of": str(self.terms.as_of),
            "unit": self.terms.unit,
            "horizon": self.terms.horizon,
            "annual_discount_rate": str(self.terms.annual_discount_rate),
            "margin_rate": str(self.terms.margin_rate),
            "rank_by": self.terms.rank_by,
        }
        refuse_inputs(Path(path), "path", self.engine.inputs)
        check_target_file(Path(path), "path", [name for name, _, _ in SCORED], parted=bool(partition_by))
        with self.ordered.held() as ranked:
            write_rows(self._placed(ranked), Path(path), told, partition_by)
        return Path(path)


def check_partitions(columns: Sequence[str]) -> None:
    """Raise BadParameters unless these columns hold names of groups, of which there are few."""
    groups = [name for name, unit, _ in SCORED if unit == "name"]
    for column in columns:
        if column not in groups:
            raise BadParameters(
                f"{named('partition_by', column)} is no column of groups. Choose from {', '.join(groups)}."
            )


def score(
    customers: Customers,
    fit: Fit[Any],
    spend: Fit[Any] | None = None,
    *,
    annual_discount_rate: float | str = 0.10,
    margin_rate: float | str | None = None,
    horizon: str | dt.date = "12 months",
    rank_by: RankBy = "last_year",
    potential: Fit[Any] | None = None,
    headroom: bool = True,
    tau: float = 0.9,
    referrals: Links | None = None,
    influence: Links | None = None,
    influence_share: float | str = ESTIMATE,
    attributes: Attributes | None = None,
    peers: str | None = None,
    category: str | None = None,
    keep: bool = False,
) -> Scored:
    """Every customer with history, chances, expected orders and spend, value in total, tier and rank.

    fit: a timing model; spend: a spend model, None where the orders carry no amounts (money columns are then empty).
    Rates are fractions or text such as "10%".
    annual_discount_rate: effective, per year. margin_rate: margin per unit of revenue (default 1: value is revenue;
    not to be given where the orders carry margins). horizon: of p_active and expected_orders, a duration or a day.
    rank_by: margin of the last year, residual value (rlv), or all margin realised.
    potential: the Pareto/NBD fit that headroom rests on, made here unless given or `fit` is one; headroom: False saves
    it, and leaves potential empty. tau: the quantile of purchase rates that is the ceiling.
    referrals, influence, attributes: made by the functions of these names.
    influence_share: the socially induced share of value of who is influenced, or "estimate" (0 where it cannot be told
    from similarity). peers: the attribute whose levels are peer cells. category: a column of the orders, for
    cross-sell. keep: hold what is computed of every customer in the engine, where more than one thing is made of it.
    """
    _expect(customers, fit, spend)
    terms = _terms(customers, fit, annual_discount_rate, margin_rate, horizon, rank_by)
    customers = customers.in_unit(terms.unit)  # from here on there is one unit, in which the fit's parameters are
    if spend is not None and not customers.orders.has_money:
        raise BadParameters("A spend model was given, but the orders carry no amounts.")
    whole = pareto_fit(customers, fit, potential) if headroom or peers is not None else None
    pareto = None if whole is None else whole.model_in(terms.unit)
    active = query("active", customers=customers.table, has_money=customers.orders.has_money).one()["customers"]
    valued = value_of(customers, terms, cell_scores(customers.day_cells, fit, terms, pareto, tau), spend)
    if keep or referrals or influence or category is not None:
        valued = valued.kept("valued", on_disk=True)
    total = totals(
        customers,
        valued,
        Wishes(
            terms.delta,
            tau,
            terms.margin_rate,
            terms.horizon_days,
            fit,
            whole,
            share_of(influence_share),
            peers,
            category,
        ),
        Given(referrals, influence, attributes),
    )
    more = () if total.empty else COMPUTED
    ordered = query("scored", valued=total.rows, more=more, rank_by=terms.rank_by)
    return Scored(ordered, terms, tier_sizes(active), customers, fit, spend, valued, whole, total)


def value_of(customers: Customers, terms: Terms, scores: pa.Table, spend: Fit[Any] | None) -> Relation:
    """The customers with their scores and values under the terms. scores: of every history, as `cell_scores` gives."""
    engine, orders = customers.engine, customers.orders
    lines = spend_lines(int(customers.totals["orders_most"] or 1) - 1, spend)
    return query(
        "valued",
        customers=customers.table,
        cell_scores=registered(engine, "cell_scores", scores),
        spend_lines=registered(engine, "spend_lines", lines),
        as_of=customers.as_of,
        has_money=orders.has_money,
        has_margin=orders.has_margin,
        margin_rate=Decimal(str(terms.margin_rate)).quantize(Decimal("0.000001")),
        expected_margin_rate=terms.margin_rate,
    )


def _expect(customers: object, fit: object, spend: object) -> None:
    """Raise BadParameters unless the arguments are of their kinds."""
    expect(customers, Customers, "customers", "make them of orders with kw.customers(kw.orders(source), as_of)")
    expect(fit, Fit, "fit", "kw.fit(kw.ParetoNBD, customers.cells()) makes one; a model alone lacks its unit of time")
    expect(spend, (Fit, type(None)), "spend", "kw.fit(kw.GammaGamma, customers.spend()) makes one")


def _terms(
    customers: Customers,
    fit: Fit[Any],
    annual: float | str,
    margin_rate: float | str | None,
    horizon: str | dt.date,
    rank_by: RankBy,
) -> Terms:
    if rank_by not in get_args(RankBy):
        raise BadParameters(f"{named('rank_by', rank_by)} is not one of {', '.join(get_args(RankBy))}.")
    if fit.unit is None:
        raise BadParameters(f"{fit.name} is a spend model. Give the timing model first, then the spend model.")
    days = horizon_days(horizon, customers.as_of)
    delta = continuous_rate(annual, check_unit(fit.unit))
    rate = _margin_rate(customers, margin_rate)
    known = margin_rate is not None or customers.orders.has_margin
    return Terms(read_discount_rate(annual), rate, str(horizon), days, rank_by, customers.as_of, fit.unit, delta, known)


def _margin_rate(customers: Customers, given: float | str | None) -> float:
    if customers.orders.has_margin:
        check_margin_rate(given, has_margin=True)
        known = query("margins", lines=customers.orders.lines, as_of=customers.as_of).one()
        return float(known["margin"] / known["amount"]) if known["amount"] else 1.0
    return check_margin_rate(given, has_margin=False)


def check_margin_rate(given: float | str | None, *, has_margin: bool) -> float:
    """The margin per unit of revenue, 1 where none was given. Raises BadParameters where it cannot be."""
    if has_margin and given is not None:
        raise BadParameters(f"The orders carry margins of their own; leave {named('margin_rate')} out.")
    return 1.0 if given is None else read_margin_rate(given)


def pareto_fit(customers: Customers, fit: Fit[Any], given: Fit[Any] | None = None) -> Fit[Any]:
    """The Pareto/NBD fit that potential rests on: the one given, the scoring fit, or one made here.

    Only there do more orders in the same lifetime mean more value: with dropout per purchase, a faster customer is
    gone sooner. Raises BadParameters for a fit of another model.
    """
    found = given or (fit if fit.name == "pareto_nbd" else fit_model(ParetoNBD, customers.cells()))
    if found.name != "pareto_nbd":
        raise BadParameters(f"Potential rests on a Pareto/NBD fit, but {found.name} was given.")
    return found


def cell_scores(
    cells: pa.Table, fit: Fit[Any], terms: Terms, pareto: ParetoNBD | None = None, tau: float = 0.9
) -> pa.Table:
    """The scores of each distinct history (x, t_x_days, t_days); headroom is empty without a Pareto/NBD."""
    days = check_unit(terms.unit)
    x, t_x, T = (np.asarray(cells.column(name), dtype=float) for name in ("x", "t_x_days", "t_days"))
    history = (x, t_x / days, T / days)
    horizon = terms.horizon_days / days
    scores: dict[str, Array] = {
        "p_alive": quantities.p_alive(fit.model, *history),
        "p_active": quantities.p_active(fit.model, horizon, *history),
        "expected_orders": quantities.cet(fit.model, horizon, *history),
        "dert": quantities.dert(fit.model, terms.delta, *history),
    }
    scores["lifetime"] = scores["dert"] / fit.model.given_alive(x, 0.0, history[2]).rate()
    room = pa.nulls(len(x), pa.float64())
    if pareto is not None:
        room = pa.array(headroom_orders(pareto, terms.delta, *history, tau))
    histories = {name: cells.column(name) for name in ("x", "t_x_days", "t_days")}
    return pa.table(histories | scores | {"headroom_orders": room})


def spend_lines(most: int, spend: Fit[Any] | None) -> pa.Table:
    """Expected spend as a line in zbar, one per x up to the most; x = 0 is the population's mean."""
    if spend is None:
        return pa.table(
            {
                "x": pa.array([0], pa.int64()),
                "intercept": pa.nulls(1, pa.float64()),
                "slope": pa.nulls(1, pa.float64()),
            }
        )
    x = np.arange(max(most, 0) + 1)
    intercept, slope = spend_line(spend, x)
    return pa.table({"x": x, "intercept": intercept, "slope": slope})
