"""Customers as they stand at one date, in the engine: what ledger, statement and migration compare two of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import pyarrow as pa

from klantwaarde.data.names import MONEY
from klantwaarde.engine.duckdb import DuckDB
from klantwaarde.engine.protocol import Engine
from klantwaarde.engine.statement import identifier, selecting, statement
from klantwaarde.errors import BadOrders, BadParameters, kind_of, named
from klantwaarde.lifecycle.rules import STAGES
from klantwaarde.lifecycle.stages import Before
from klantwaarde.lifecycle.stages import stages as stages_by_rule
from klantwaarde.value.score import Scored

if TYPE_CHECKING:
    from klantwaarde.data.orders import Orders

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
    """A table in the engine with customer_id, stage, first_order and value (DECIMAL), one row per customer.

    Of scored customers also with is_active and measure, which place them in the pyramid, and is_scored: not so for
    whom stages alone know. source: what it was made from; as_of: its day, where that is known; factored_to: the second
    date of the statement of which it holds the factors, too.
    """

    engine: Engine
    table: str
    source: Any
    as_of: dt.date | None
    factored_to: dt.date | None = None


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
    """The statement of the valued customers with each of FACTORS as factor_margin and so on, and its parameters."""

    sql: str
    parameters: Mapping[str, Any]
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
    table, as_of = engine.new_name("standing"), None
    if isinstance(source, Scored):
        as_of = source.terms.as_of
        _create_scored(engine, table, source, stages, factored)
    else:
        _create_plain(engine, table, source, stages)
    _refuse_faults(engine, table, "value_faults" if isinstance(stages, Before) else "ledger_faults")
    return Standing(engine, table, source, as_of, factored.to if factored else None)


def of_source(made: Standing, source: Any) -> Standing:
    """The standing, made of that source. Raises BadParameters for another one."""
    if made.source is not source:
        raise BadParameters("The standing handed in was made of other customers: take it from a ledger of these two.")
    return made


def _create_scored(engine: Engine, table: str, scored: Scored, stages: Any, factored: Factored | None) -> None:
    if stages is None:
        raise BadParameters("Scored customers have no stage. Give their orders, or stages=(before, after).")
    known = stages.table if isinstance(stages, Before) else stages
    names = known_table(engine, known, "stages", ("customer_id", "stage"))
    sql, parameters = placing(engine, scored, factored)
    placed = engine.new_name("placed")
    joined = statement("ledger_standing", placed=placed, stages=names)
    if factored:
        joined = selecting(joined, *(f"v.{factor}" for factor in FACTORS))
    engine.create(table, inside(placed, sql, joined), parameters, on_disk=True)


def placing(engine: Engine, scored: Scored, factored: Factored | None = None) -> tuple[str, dict[str, Any]]:
    """SQL of what places each customer in the pyramid, and of the value, with its parameters."""
    valued = engine.new_name("valued")
    sql, parameters = (factored.sql, factored.parameters) if factored else (scored.valued, scored.parameters)
    placed = statement("migration_standing", valued=valued)
    if factored:
        placed = selecting(placed, *(f"factor_{factor} as {factor}" for factor in FACTORS))
    more = {"priced": is_priced(scored), "rank_by": scored.terms.rank_by}
    return inside(valued, sql, placed), {**parameters, **more}


def is_priced(scored: Scored) -> bool:
    """Whether value is money; without amounts or a spend model it is discounted orders."""
    return scored.spend is not None and scored.customers.orders.has_money


def _create_plain(engine: Engine, table: str, source: Any, stages: Any) -> None:
    given = known_table(engine, source, "customers", ("customer_id",))
    has = engine.columns(given)
    value = next((name for name in ("value", "rlv") if name in has), None)
    if value is None or ("stage" not in has and stages is None):
        raise BadOrders(f"The customers need columns stage and value; there are {', '.join(has)}.")
    stage, joined = "c.stage", ""
    if stages is not None:
        names = known_table(engine, stages, "stages", ("customer_id", "stage"))
        stage, joined = "s.stage", f"left join {names} as s on s.customer_id = c.customer_id"
    first = "c.first_order" if "first_order" in has else "cast(null as date)"
    engine.create(
        table,
        f"select c.customer_id, cast({stage} as varchar) as stage, {first} as first_order, "
        f"case when c.{value} between -1e13 and 1e13 then cast(c.{value} as {MONEY}) end as value "
        f"from {given} as c {joined}",
    )


def _refuse_faults(engine: Engine, table: str, looked_for: str) -> None:
    found = engine.one(statement(looked_for, standing=table))
    told = [f"{found[name]} row(s) {what}" for name, what in FAULTS.items() if found.get(name)]
    if told:
        raise BadOrders(f"The customers cannot be used ({found['customers']} rows): {'; '.join(told)}.")


def inside(name: str, sql: str, outer: str) -> str:
    """A statement over another, which it knows by a name; no part of the inner one may have the same."""
    return f"with {name} as (\n{sql}\n)\nselect * from (\n{outer}\n) as outcome"


def known_table(engine: Engine, source: Any, what: str, needed: tuple[str, ...]) -> str:
    """The name of a source in the engine: a lazy statement, or an Arrow table, data frame or mapping of columns.

    A text is the name of a table that is there already.
    """
    name = source if isinstance(source, str) else engine.new_name(what)
    if isinstance(source, str):
        pass
    elif isinstance(source, Lazy):
        engine.create(name, source.sql, source.parameters)
    else:
        engine.register(name, arrow_table(source, what))
    has = engine.columns(name)
    missing = [column for column in needed if column not in has]
    if missing:
        raise BadOrders(f"The {what} have no column {', '.join(missing)}; there are {', '.join(has)}.")
    return name


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


def moved(before: Standing, after: Standing) -> str:
    """The name of a view of every customer of either date, with the ledger's line, opening and closing value.

    Where the first standing is factored, with its factors as margin_before and so on.
    """
    engine = before.engine
    name, joined = engine.new_name("moved"), engine.new_name("joined")
    sql = statement("ledger_joined", before=before.table, after=after.table)
    if before.factored_to:
        sql = selecting(sql, *(f"b.{factor} as {factor}_before" for factor in FACTORS))
    engine.view(name, inside(joined, sql, statement("ledger_moved", joined=joined)))
    return name


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


def labels(engine: Engine, customers: str, by: str | None, attributes: Any = None) -> str:
    """The name of a view of customer_id and label. by: cohort_month, cohort_quarter, or a column of the attributes.

    attributes: a table with customer_id and the column, or what `kw.attributes` gives.
    """
    name = engine.new_name("labels")
    if by is None:
        engine.view(name, f"select customer_id, cast(null as varchar) as label from {customers} where 1 = 0")
    elif by in COHORTS:
        year = "cast(year(first_order) as varchar)"
        engine.view(
            name,
            f"select customer_id, concat({year}, {COHORTS[by]}) as label from {customers} "
            "where first_order is not null",
        )
    else:
        told = attributes.view if hasattr(attributes, "view") and isinstance(attributes.view, str) else None
        if attributes is None:
            raise BadParameters(
                f"{named('by', by)} is none of {', '.join(COHORTS)}. Give {named('attributes')} with that column."
            )
        table = told or known_table(engine, attributes, "attributes", ("customer_id", by))
        _refuse_twice(engine, table)
        engine.view(name, f"select customer_id, cast({identifier(by)} as varchar) as label from {table}")
    return name


COHORTS = {
    "cohort_month": "'-', lpad(cast(month(first_order) as varchar), 2, '0')",
    "cohort_quarter": "'Q', cast(quarter(first_order) as varchar)",
}
"""Ways to group customers by their first order, with the SQL that follows the year."""


def _refuse_twice(engine: Engine, table: str) -> None:
    found = engine.one(f"select count(customer_id) - count(distinct customer_id) as twice from {table}")
    if found["twice"]:
        raise BadOrders(f"{found['twice']} row(s) name a customer a second time: keep one row per customer.")
