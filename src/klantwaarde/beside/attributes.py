"""Attributes of customers beside the orders: life stage, channel, acquisition cost, whatever a file says of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from klantwaarde.beside.link_findings import Finding
from klantwaarde.beside.link_rows import Ids, Manner, Opened, closed, filled, found_columns, ids, number_reading, opened
from klantwaarde.engine import types as of_type
from klantwaarde.engine.protocol import Engine
from klantwaarde.engine.relation import Relation
from klantwaarde.engine.statement import identifier, statement
from klantwaarde.errors import BadOrders
from klantwaarde.sources.asked import refuse_confused
from klantwaarde.sources.parse import EXAMPLES, Reading
from klantwaarde.wording.message import Message, message

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from klantwaarde.purchases.customers import Customers

UNKNOWN = "unknown"
"""The word for an attribute that is text and not there."""

USUAL_NUMBERS = ("acquisition_cost",)

RULES = {
    "no id": message("rule_row_without_id"),
    "not a customer": message("rule_not_a_customer"),
    "several rows": message("rule_several_rows"),
    "without attributes": message("rule_without_attributes"),
    "bad number": message("rule_bad_number"),
    "ids as numbers": message("rule_ids_as_numbers"),
    "empty": message("rule_empty_attributes"),
}


@dataclass(frozen=True)
class Attributes:
    """What is known of customers beside their orders, in the engine.

    `table`: customer_id and the attributes, one row per customer that the source names. `view`: the same for every
    customer of the base, texts 'unknown' and numbers empty where nothing is known. `columns`: the attributes, with
    their types as DuckDB calls them. read = customers + the findings' `dropped`.
    Made by `attributes`.
    """

    engine: Engine
    told: str
    table: Relation
    view: Relation
    columns: dict[str, str]
    customers: int
    read: int
    findings: tuple[Finding, ...]
    notes: tuple[Message, ...]

    def count(self, kind: str) -> int:
        """How often a rule applied; 0 where it did not."""
        return sum(finding.count for finding in self.findings if finding.kind == kind)

    def levels(self, column: str) -> dict[str, int]:
        """The values of an attribute with the number of customers of the base, the most frequent first."""
        value = f"coalesce(cast({identifier(column)} as varchar), '{UNKNOWN}')"
        rows = self.engine.rows(
            f"select level, count(*) as n from (select {value} as level from {self.view}) as v "
            "group by level order by n desc, level"
        )
        return {row["level"]: row["n"] for row in rows}


def attributes(
    source: Any,
    customers: Customers,
    customer_id: str = "customer_id",
    *,
    numbers: Sequence[str] | None = None,
    decimal: Literal[".", ","] | None = None,
    encoding: str = "utf-8",
    table: str | None = None,
    query: str | None = None,
) -> Attributes:
    """One row of attributes per customer, whatever other columns the source has.

    source: what `orders` reads. numbers: the columns of text that hold numbers (default: acquisition_cost, where it is
    there); all other text stays text, blank text is unknown. Ids are compared as for `links`; the first row of a
    customer counts; rows that name no customer are counted and dropped. The rules are in RULES.
    Raises BadOrders for a source that cannot be read or lacks a column, BadParameters for arguments.
    """
    manner = Manner(None, decimal, encoding, table, query)
    read = opened(customers.engine, source, "attributes", manner)
    named = {f"numbers, {name}": name for name in (numbers or ())}
    found_columns(read.types, "attributes", {"customer_id": customer_id, **named}, {})
    others = [name for name in read.types if name != customer_id]
    if "customer_id" in (name.lower() for name in others):
        raise BadOrders(f"The attributes have a column customer_id beside {customer_id!r}. Rename or leave out one.")
    if numbers is None and USUAL_NUMBERS[0] not in read.types:
        refuse_confused("numbers", USUAL_NUMBERS[0], others, "attributes")
    counted = [name for name in (USUAL_NUMBERS if numbers is None else numbers) if name in read.types]
    counted += [name for name in others if name not in counted and read.types[name] in of_type.FLOATS]
    readings = {name: number_reading(read, name, manner) for name in counted}
    matched, same = _matched(customers, read, customer_id, others, readings)
    notes = tuple(reading.rule for reading in readings.values() if reading.rule is not None)
    made = _tables(customers, matched, others)
    findings = _findings(customers, read, matched, counted, same)
    kept = customers.engine.one(f"select count(*) as n from {made[0]}")["n"]
    lines = customers.engine.one(f"select count(*) as n from {matched}")["n"]
    types = made[0].columns()
    customers.engine.drop(matched)
    columns = {name: types[name] for name in others}
    return Attributes(customers.engine, read.told, *made, columns, kept, lines, findings, notes)


def attribute_columns(source: Any, engine: Engine) -> Mapping[str, str]:
    """The columns of a source of attributes with their types: to be checked before anything is counted."""
    read = opened(engine, source, "attributes", Manner())
    closed(read)
    return read.types


def _matched(
    customers: Customers, read: Opened, customer_id: str, others: list[str], readings: Mapping[str, Reading]
) -> tuple[str, Ids]:
    """A table of the lines with key, value_0, value_1, ... and bad_0, ..., customer_id and fault; how ids compare."""
    engine, source = customers.engine, read.engine
    whose = customers.table.columns()["customer_id"]
    same = ids([whose, read.types[customer_id]], folds=customers.orders.chosen.folds)
    values = [f"{_value(read, name, readings)} as value_{n}" for n, name in enumerate(others)]
    bad = [
        f"{filled(name, read.types[name])} and ({reading.sql}) is null as bad_{n}"
        for n, (name, reading) in enumerate(readings.items())
    ]
    lines, given, known, matched = (engine.new_name(name) for name in ("lines", "given", "known", "matched"))
    key = f"{same.key(source, read.name, customer_id, read.types[customer_id])} as key"
    source.view(lines, f"select {', '.join([key, *values, *bad])} from {read.name}")
    if source is engine:
        engine.view(given, engine.numbered(lines))
    else:
        engine.register(given, source.arrow(source.numbered(lines)))
    key_of = same.key(engine, str(customers.table), "customer_id", whose)
    engine.view(
        known,
        f"select {key_of} as key, customer_id from {customers.table}",
    )
    engine.create(matched, statement("attributes_matched", given=given, known=known))
    closed(read)
    return matched, same


def _value(read: Opened, name: str, readings: Mapping[str, Reading]) -> str:
    """SQL of an attribute."""
    if name in readings:
        return readings[name].sql
    kind, column = read.types[name], identifier(name)
    if of_type.is_nothing(kind):
        return "cast(null as varchar)"
    return f"nullif(trim({column}), '')" if kind == "VARCHAR" else column


def _tables(customers: Customers, matched: str, others: list[str]) -> tuple[Relation, Relation]:
    """The table of customers with attributes, and the view of all customers with theirs."""
    engine = customers.engine
    named = [f"value_{n} as {identifier(name)}" for n, name in enumerate(others)]
    usable = f"select {', '.join(['customer_id', *named])} from {matched} where fault is null"
    table = Relation(engine, usable).kept("attributes")
    types = table.columns()
    known = [
        f"coalesce(a.{identifier(name)}, '{UNKNOWN}') as {identifier(name)}"
        if types[name] == "VARCHAR"
        else f"a.{identifier(name)}"
        for name in others
    ]
    joined = f"from {customers.table} as c left join {table} as a on a.customer_id = c.customer_id"
    return table, Relation(engine, f"select {', '.join(['c.customer_id', *known])} {joined}").view("attributes_of_all")


def _findings(customers: Customers, read: Opened, matched: str, counted: list[str], same: Ids) -> tuple[Finding, ...]:
    engine = customers.engine
    faults = {
        row["fault"]: row["n"] for row in engine.rows(f"select fault, count(*) as n from {matched} group by fault")
    }
    made = [
        Finding(kind, faults[kind], faults[kind], RULES[kind], _examples(engine, matched, f"fault = '{kind}'"))
        for kind in ("no id", "not a customer", "several rows")
        if kind in faults
    ]
    for n, name in enumerate(counted):
        bad = f"fault is null and bad_{n}"
        count = engine.one(f"select count(*) as n from {matched} where {bad}")["n"]
        rule = message("rule_bad_number_of", column=f"{name!r}")
        made += [Finding("bad number", count, 0, rule, _examples(engine, matched, bad))] if count else []
    named = faults.get(None, 0)
    rest = {
        "without attributes": customers.totals["customers"] - named,
        "ids as numbers": named if same.rule == "numbers" else 0,
        "empty": int(read.empty),
    }
    return (*made, *(Finding(kind, count, 0, RULES[kind]) for kind, count in rest.items() if count))


def _examples(engine: Engine, matched: str, condition: str) -> tuple[Message, ...]:
    told = "cast(key as varchar)"
    rows = engine.rows(f"select line, {told} as id from {matched} where {condition} order by line limit {EXAMPLES}")
    return tuple(message("example_id", row=row["line"], id=row["id"]) for row in rows)
