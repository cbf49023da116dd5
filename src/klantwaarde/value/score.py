"""Scores: one row for every customer of the input."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from klantwaarde.calendar import check_unit
from klantwaarde.engine.protocol import Engine
from klantwaarde.engine.relation import Relation, query, registered
from klantwaarde.errors import BadParameters, expect, named
from klantwaarde.estimate.fit import spend_line
from klantwaarde.estimate.result import Fit
from klantwaarde.models import quantities
from klantwaarde.purchases.customers import Customers
from klantwaarde.purchases.frames import grouped_in_order
from klantwaarde.purchases.schema import SCHEMA_VERSION, SCORED, TIERS
from klantwaarde.sources.guard import refuse_inputs
from klantwaarde.sources.written import check_target_file, write_rows
from klantwaarde.value.old_calls import from_old_call
from klantwaarde.value.potential import headroom_orders
from klantwaarde.value.terms import Basis, Beside, Fits, Terms, basis
from klantwaarde.value.tiers import TierSizes, tier_sizes
from klantwaarde.value.total_value import COMPUTED, Totals, totals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

    from klantwaarde.models import ParetoNBD
    from klantwaarde.typing import Array, AttritionModel


@dataclass(frozen=True, repr=False)
class Scored:
    """The scored customers, lazy in the engine until asked for; docs/scored.md says what each column means."""

    ordered: Relation
    """The customers with all that has to be computed before they are sorted, the best first."""
    terms: Basis
    sizes: TierSizes
    customers: Customers
    fits: Fits
    valued: Relation
    """The same customers without order, tier and rank, all columns of the customer table among them."""
    potential: Fit[Any] | None
    """The Pareto/NBD fit that headroom rests on; None where headroom was not asked for."""
    total: Totals
    """What rests on links, peers and categories."""

    def __repr__(self) -> str:
        """Short: how many, when, and by which models."""
        models = " and ".join(fit.name for fit in (self.fits.timing, self.fits.spend) if fit is not None)
        return f"<Scored as of {self.terms.as_of}: {self.customers.totals['customers']:,} customers, by {models}>"

    @property
    def engine(self) -> Engine:
        """Where they are scored."""
        return self.customers.engine

    @property
    def fit(self) -> Fit[Any]:
        """The timing model's fit."""
        return self.fits.timing

    @property
    def spend(self) -> Fit[Any] | None:
        """The spend model's fit; None where the orders carry no amounts."""
        return self.fits.spend

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
        """A data frame, best customer first: money as floats, days as timestamps, tiers as ordered categories."""
        return grouped_in_order(self.rows.pandas(), {"tier": TIERS})

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
    fits: Fits,
    terms: Terms | None = None,
    beside: Beside | None = None,
    *,
    keep: bool = False,
    **old: Any,
) -> Scored:
    """Every customer with history, chances, expected orders and spend, value in total, tier and rank.

    fits: the models that value them, which `fits(customers)` makes. terms: the assumptions (default: those of
    `Terms()`). beside: links, attributes and categories, where there are any. keep: hold what is computed of every
    customer in the engine, where more than one thing is made of it.

    A timing fit, a spend fit and every assumption may still be given one by one, with a DeprecationWarning.
    """
    expect(customers, Customers, "customers", "make them of orders with kw.customers(kw.orders(source), as_of)")
    if old or not isinstance(fits, Fits):
        fits, terms, beside = from_old_call(fits, terms, beside, old)
    terms, beside = terms or Terms(), beside or Beside()
    expect(terms, Terms, "terms", "kw.Terms(margin_rate=0.3) makes them")
    expect(beside, Beside, "beside", "kw.Beside(referrals=links) makes it")
    if fits.spend is not None and not customers.orders.has_money:
        raise BadParameters("A spend model was given, but the orders carry no amounts.")
    valued_by = basis(customers, fits.unit, terms)
    customers = customers.in_unit(fits.unit)  # from here on there is one unit, in which the fit's parameters are
    pareto = fits.pareto(customers) if terms.headroom or beside.peers is not None else None
    active = query("active", customers=customers.table, has_money=customers.orders.has_money).one()["customers"]
    ceiling = None if pareto is None else pareto.model_in(fits.unit)
    scores = cell_scores(customers.day_cells, fits.timing, valued_by, ceiling, terms.tau)
    valued = value_of(customers, valued_by, scores, fits.spend)
    if keep or beside.referrals or beside.influence or beside.category is not None:
        valued = valued.kept("valued", on_disk=True)
    total = totals(customers, valued, valued_by, fits.timing, beside, pareto, terms.tau)
    more = () if total.empty else COMPUTED
    ordered = query("scored", valued=total.rows, more=more, rank_by=terms.rank_by)
    return Scored(ordered, valued_by, tier_sizes(active), customers, fits, valued, pareto, total)


def value_of(customers: Customers, terms: Basis, scores: pa.Table, spend: Fit[Any] | None) -> Relation:
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


def cell_scores(
    cells: pa.Table, fit: Fit[Any], terms: Basis, pareto: ParetoNBD | None = None, tau: float = 0.9
) -> pa.Table:
    """The scores of each distinct history (x, t_x_days, t_days); headroom is empty without a Pareto/NBD.

    Means over draws, where the parameters are draws (draws, 1): in blocks, so that memory does not grow with them.
    """
    days = check_unit(terms.unit)
    x, t_x, T = (np.asarray(cells.column(name), dtype=float) for name in ("x", "t_x_days", "t_days"))
    history = (x, t_x / days, T / days)
    scores = _over_draws(fit.model, functools.partial(_scores, terms.horizon_days / days, terms.delta), history)
    room = pa.nulls(len(x), pa.float64())
    if pareto is not None:
        ceiling = functools.partial(_headroom, terms.delta, tau)
        room = pa.array(_over_draws(pareto, ceiling, history)["headroom_orders"])
    histories = {name: cells.column(name) for name in ("x", "t_x_days", "t_days")}
    return pa.table(histories | scores | {"headroom_orders": room})


def _over_draws(
    model: AttritionModel, ask: Callable[..., dict[str, Array]], history: tuple[Array, Array, Array]
) -> dict[str, Array]:
    """The scores; means over the draws where the parameters are draws of a posterior."""
    return quantities.over_draws(ask, model, *history) if quantities.draws_of(model) else ask(model, *history)


def _scores(horizon: float, delta: float, model: AttritionModel, x: Array, t_x: Array, T: Array) -> dict[str, Array]:
    dert = quantities.dert(model, delta, x, t_x, T)
    return {
        "p_alive": quantities.p_alive(model, x, t_x, T),
        "p_active": quantities.p_active(model, horizon, x, t_x, T),
        "expected_orders": quantities.cet(model, horizon, x, t_x, T),
        "dert": dert,
        "lifetime": dert / model.given_alive(x, 0.0, T).rate(),
    }


def _headroom(delta: float, tau: float, model: ParetoNBD, x: Array, t_x: Array, T: Array) -> dict[str, Array]:
    return {"headroom_orders": headroom_orders(model, delta, x, t_x, T, tau)}


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
