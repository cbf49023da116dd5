"""Customers as they stand at one date, in the engine: what ledger, statement and migration compare two of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import pyarrow as pa

from klantwaarde.beside.attributes import Attributes
from klantwaarde.engine.duckdb import DuckDB
from klantwaarde.engine.protocol import Engine
from klantwaarde.engine.relation import Relation, query, registered
from klantwaarde.engine.relation import named as named_rows
from klantwaarde.errors import BadOrders, BadParameters, kind_of, named
from klantwaarde.lifecycle.rules import STAGES
from klantwaarde.lifecycle.stages import Before
from klantwaarde.lifecycle.stages import stages as stages_by_rule
from klantwaarde.value.score import Scored

if TYPE_CHECKING:
    from klantwaarde.purchases.orders import Orders

FACTORS = ("margin", "rate", "lifetime", "released", "expected", "realised")
"""What the statement wants to know of a customer at one date: factors of the value, and the margin of the period."""

NO_VALUE = (
    "have no value, or none that is finite and below 10^13: fill it in, look at the spend fit's status, or give money "
    "in thousands"
)
FAULTS = {
    "no_id": "have no customer_id: leave them out",
    "twice": "name a customer a second time: keep one row per customer",
    "no_stage": "have no stage: give the stages of all customers, as of the same day",
    "other_stage": f"have another stage than {', '.join(STAGES)}: rename it",
    "no_value": NO_VALUE,
}


@runtime_checkable
class Lazy(Protocol):
    """Anything lazy in an engine: a statement, ready to run."""

    @property
    def sql(self) -> str:
        """Its text."""
        ...

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Its parameters."""
        ...


@dataclass(frozen=True)
class Standing:
    """customer_id, stage, first_order and value (DECIMAL), one row per customer, kept in the engine.

    Of scored customers also with is_active and measure, which place them in the pyramid, and is_scored: not so for
    whom stages alone know. source: what it was made from; as_of: its day, where that is known; factored_to: the second
    date of the statement of which it holds the factors, too.
    """

    table: Relation
    source: Any
    as_of: dt.date | None
    factored_to: dt.date | None = None

    @property
    def engine(self) -> Engine:
        """Where they are kept."""
        return self.table.engine


def pair_engine(before: Any, after: Any) -> Engine:
    """The one engine of two sources; a new one where both are plain tables. Raises BadParameters for two engines."""
    engines = [source.engine for source in (before, after) if isinstance(source, Scored)]
    if len(engines) == 2 and engines[0] is not engines[1]:
        raise BadParameters(
            "before and after live in two engines. Make both from the same orders: kw.customers(orders, as_of) twice."
        )
    if len(engines) == 2 and before.terms.as_of >= after.terms.as_of:
        raise BadParameters(f"before ({before.terms.as_of}) must lie earlier than after ({after.terms.as_of}).")
    return engines[0] if engines else DuckDB()


class Factored(NamedTuple):
    """The valued customers with each of FACTORS as factor_margin and so on."""

    rows: Relation
    to: dt.date
    """The second date: what a period brings depends on its length."""


def standing(engine: Engine, source: Any, stages: Any = None, factored: Factored | None = None) -> Standing:
    """One date's customers with stage and value; money rounded once per customer, to four decimals.

    source: Scored, with stages (a table or lazy statement with columns customer_id and stage, one row per customer; the
    ones that were kept; or the standing itself, made before), or a plain table (Arrow, data frame, mapping) with
    customer_id, stage and value (or rlv). factored: for the scored customers' factors. Raises BadOrders, counting the
    rows.
    """
    if isinstance(stages, Standing):
        return of_source(stages, source)
    if isinstance(stages, Before) and isinstance(source, Scored) and stages.as_of != source.terms.as_of:
        raise BadParameters(f"These stages are of {stages.as_of}, the scores of {source.terms.as_of}: take one date's.")
    if isinstance(source, Scored):
        as_of, table = source.terms.as_of, _of_scored(engine, source, stages, factored)
    else:
        as_of, table = None, _of_plain(engine, source, stages)
    _refuse_faults(table, "value_faults" if isinstance(stages, Before) else "ledger_faults")
    return Standing(table, source, as_of, factored.to if factored else None)


def of_source(made: Standing, source: Any) -> Standing:
    """The standing, made of that source. Raises BadParameters for another one."""
    if made.source is not source:
        raise BadParameters("The standing handed in was made of other customers: take it from a ledger of these two.")
    return made


def _of_scored(engine: Engine, scored: Scored, stages: Any, factored: Factored | None) -> Relation:
    if stages is None:
        raise BadParameters("Scored customers have no stage. Give their orders, or stages=(before, after).")
    known = stages.table if isinstance(stages, Before) else stages
    names = known_table(engine, known, "stages", ("customer_id", "stage"))
    more = [f"v.{factor}" for factor in FACTORS] if factored else ()
    joined = query("ledger_standing", placed=placing(scored, factored), stages=names, more=more)
    return joined.kept("standing", on_disk=True)


def placing(scored: Scored, factored: Factored | None = None) -> Relation:
    """What places each customer in the pyramid, and the value."""
    valued = factored.rows if factored else scored.valued
    more = [f"factor_{factor} as {factor}" for factor in FACTORS] if factored else ()
    named = {"priced": is_priced(scored), "rank_by": scored.terms.rank_by}
    return query("migration_standing", valued=valued, more=more, **named)


def is_priced(scored: Scored) -> bool:
    """Whether value is money; without amounts or a spend model it is discounted orders."""
    return scored.spend is not None and scored.customers.orders.has_money


def _of_plain(engine: Engine, source: Any, stages: Any) -> Relation:
    given = known_table(engine, source, "customers", ("customer_id",))
    has = given.columns()
    value = next((name for name in ("value", "rlv") if name in has), None)
    if value is None or ("stage" not in has and stages is None):
        raise BadOrders(f"The customers need columns stage and value; there are {', '.join(has)}.")
    rows = given.padded(stage="varchar", first_order="date").select("customer_id", "stage", "first_order", value=value)
    if stages is None:
        return query("ledger_plain", customers=rows).kept("standing")
    names = known_table(engine, stages, "stages", ("customer_id", "stage"))
    return query("ledger_plain_staged", customers=rows, stages=names).kept("standing")


def _refuse_faults(table: Relation, looked_for: str) -> None:
    found = query(looked_for, standing=table).one()
    told = [f"{found[name]} row(s) {what}" for name, what in FAULTS.items() if found.get(name)]
    if told:
        raise BadOrders(f"The customers cannot be used ({found['customers']} rows): {'; '.join(told)}.")


def known_table(engine: Engine, source: Any, what: str, needed: tuple[str, ...]) -> Relation:
    """A source in the engine: a lazy statement, or an Arrow table, data frame or mapping of columns.

    A text is the name of a table that is there already.
    """
    found = _known(engine, source, what)
    has = found.columns()
    missing = [column for column in needed if column not in has]
    if missing:
        raise BadOrders(f"The {what} have no column {', '.join(missing)}; there are {', '.join(has)}.")
    return found


def _known(engine: Engine, source: Any, what: str) -> Relation:
    if isinstance(source, str):
        return named_rows(engine, source)
    if isinstance(source, Relation) and source.table is not None:
        return source
    if isinstance(source, Lazy):
        return Relation(engine, source.sql, source.parameters).kept(what)
    return registered(engine, what, arrow_table(source, what))


def arrow_table(source: Any, what: str) -> pa.Table:
    """A table as Arrow. Raises BadOrders for what is none."""
    if isinstance(source, pa.Table):
        return source
    try:
        if type(source).__module__.split(".")[0] == "polars":
            return (source.collect() if hasattr(source, "collect") else source).to_arrow()
        if isinstance(source, Mapping):
            return pa.table(dict(source))
        return pa.Table.from_pandas(source, preserve_index=False)
    except (TypeError, AttributeError, ValueError) as error:
        raise BadOrders(
            f"The {what} must be a table (Arrow, data frame, mapping of columns) or, of customers, what kw.score made, "
            f"but {kind_of(source)} was handed in."
        ) from error


def moved(before: Standing, after: Standing) -> Relation:
    """Every customer of either date, with the ledger's line, opening and closing value.

    Where the first standing is factored, with its factors as margin_before and so on.
    """
    more = [f"b.{factor} as {factor}_before" for factor in FACTORS] if before.factored_to else ()
    return query("ledger_moved", joined=query("ledger_joined", before=before.table, after=after.table, more=more))


def both_standings(
    before: Any, after: Any, stages: tuple[Any, Any] | None, orders: Orders | None
) -> tuple[Standing, Standing]:
    """The two dates' customers in one engine, with the stages given or else, of scored ones, by rule."""
    engine = pair_engine(before, after)
    first, second = both_stages(before, after, stages, orders)
    return standing(engine, before, first), standing(engine, after, second)


def both_stages(before: Any, after: Any, stages: tuple[Any, Any] | None, orders: Orders | None) -> tuple[Any, Any]:
    """The stages given or else, of scored customers, by rule."""
    if stages is None and isinstance(before, Scored) and isinstance(after, Scored):
        bought = orders or before.customers.orders
        found = stages_by_rule(before, bought).kept()
        return found, stages_by_rule(after, bought, previous=found).kept()
    return stages or (None, None)


def labels(customers: Relation, by: str | None, attributes: Any = None) -> Relation:
    """customer_id and label. by: cohort_month, cohort_quarter, or a column of the attributes.

    attributes: a table with customer_id and the column, or what `kw.attributes` gives.
    """
    if by is None:
        return customers.none("customer_id", label="varchar")
    if by in COHORTS:
        return query(by, customers=customers)
    if attributes is None:
        raise BadParameters(
            f"{named('by', by)} is none of {', '.join(COHORTS)}. Give {named('attributes')} with that column."
        )
    known = attributes.view if isinstance(attributes, Attributes) else attributes
    table = known_table(customers.engine, known, "attributes", ("customer_id", by))
    _refuse_twice(table)
    return query("labels", attributes=table.select("customer_id", label=by))


COHORTS = ("cohort_month", "cohort_quarter")
"""Ways to group customers by their first order: statements of these names."""


def _refuse_twice(table: Relation) -> None:
    found = query("named_twice", attributes=table).one()
    if found["twice"]:
        raise BadOrders(f"{found['twice']} row(s) name a customer a second time: keep one row per customer.")
