"""Links between customers: who brought whom (referrals), and who influences whom (influence), by stated rules.

Every line that is read is either a link or counted by the rule that took it away; nothing is fatal but a source that
cannot be understood. RULES says each rule in words. Ids are compared in the engine: whole numbers as numbers, texts
without blanks around them and without a ".0" behind whole numbers; where one side holds numbers and the other text,
texts that are whole numbers count as these ("007" is 7). Of customers that then look alike the one written just so is
taken. The texts nan, none, null, n/a and <NA> are no ids.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from klantwaarde.beside import link_findings, link_rules
from klantwaarde.beside.link_findings import NUMBERS, RULES, Finding
from klantwaarde.beside.link_join import Read, floats, joined, numbered, read_links, usable, whole
from klantwaarde.beside.link_rows import Manner, opened
from klantwaarde.beside.link_rules import Columns
from klantwaarde.engine.protocol import Engine
from klantwaarde.engine.relation import Relation
from klantwaarde.engine.statement import identifier
from klantwaarde.errors import BadParameters

if TYPE_CHECKING:
    from klantwaarde.purchases.customers import Customers
    from klantwaarde.typing import Array
    from klantwaarde.wording.message import Message

Kind = Literal["referrals", "influence"]
Days = np.ndarray[Any, np.dtype[np.datetime64]]


@dataclass(frozen=True, eq=False)
class Links:
    """Links between nodes 0..size-1: the linked customers first (`customers` of them), then outsiders.

    source, target: (links,) nodes; day: (links,) datetime64[D], NaT where not known; weight: (links,), 1 for referrals.
    Of referrals only (empty arrays for influence): anyway, the chance of having come anyway, and whether it was given;
    acceleration in days, incentive and acquisition in money, 0 where not given. `nodes` is a table in the engine:
    node, customer_id (null for outsiders), id (as text), is_customer. read = len(links) + the findings' `dropped`.
    Made by `referrals` and `influence`.
    """

    kind: Kind
    engine: Engine
    told: str
    nodes: Relation
    size: int
    customers: int
    source: link_rules.Ints
    target: link_rules.Ints
    day: Days
    weight: Array
    anyway: Array
    anyway_given: link_rules.Mask
    acceleration: Array
    incentive: Array
    acquisition: Array
    read: int
    findings: tuple[Finding, ...]
    notes: tuple[Message, ...]

    def __len__(self) -> int:
        return len(self.source)

    def count(self, kind: str) -> int:
        """How often a rule applied; 0 where it did not."""
        return sum(finding.count for finding in self.findings if finding.kind == kind)

    def at_nodes(self, table: Relation | str, column: str) -> Array:
        """A column of a table of customers at the nodes, (size,); 0 for outsiders, and for who is not in it."""
        value = f"coalesce(cast(v.{identifier(column)} as double), 0.0) as value"
        joined = (
            f"select n.node, {value} from {self.nodes} as n left join {table} as v on v.customer_id = n.customer_id"
        )
        return floats(self.engine.arrow(f"select node, value from ({joined}) as j order by node"), "value")


def referrals(
    source: Any,
    customers: Customers,
    referrer_id: str = "referrer_id",
    referred_id: str = "referred_id",
    date: str | None = None,
    incentive: str | None = None,
    anyway: str | None = None,
    acceleration: str | None = None,
    acquisition: str | None = None,
    *,
    default_anyway: float = 0.5,
    date_format: str | None = None,
    decimal: Literal[".", ","] | None = None,
    encoding: str = "utf-8",
    table: str | None = None,
    query: str | None = None,
) -> Links:
    """Who brought whom: a forest of referrals among the customers, one referrer each.

    source: what `orders` reads: a CSV or Parquet path, a data frame, a database. date: the day of the referral.
    incentive: money paid for it. anyway: the chance that the referred one would have come anyway (where not given,
    `default_anyway`). acceleration: days gained by it. acquisition: money saved on acquiring. Columns that are not
    named are taken from date, incentive_cost, p_anyway, acceleration_days and acquisition_saved, where there are such.
    The rules are in RULES, what they did in `findings`.
    Raises BadOrders for a source that cannot be read or lacks the ids, BadParameters for arguments.
    """
    if not 0 <= default_anyway <= 1:
        raise BadParameters(f"default_anyway={default_anyway!r} is no chance. Give a number from 0 to 1.")
    manner = Manner(date_format, decimal, encoding, table, query)
    usual = {"anyway": "p_anyway", "acceleration": "acceleration_days", "incentive": "incentive_cost"}
    named = {"anyway": anyway, "acceleration": acceleration, "incentive": incentive, "acquisition": acquisition}
    wished = {"date": (date, "date")} | {part: (named[part], usual.get(part, "acquisition_saved")) for part in NUMBERS}
    needed = {"referrer_id": referrer_id, "referred_id": referred_id}
    read = read_links("referrals", opened(customers.engine, source, "referrals", manner), needed, wished, manner)
    return _links("referrals", customers, read, default_anyway=default_anyway, negative=False)


def influence(
    source: Any,
    customers: Customers,
    source_id: str = "source_id",
    target_id: str = "target_id",
    weight: str | None = None,
    date: str | None = None,
    *,
    negative: Literal["drop", "keep"] = "drop",
    date_format: str | None = None,
    decimal: Literal[".", ","] | None = None,
    encoding: str = "utf-8",
    table: str | None = None,
    query: str | None = None,
) -> Links:
    """Who influences whom: one weighted link per pair, circles allowed.

    source: what `orders` reads. weight: the strength of a link, above zero (default: 1 each); negative="keep" lets
    negative word of mouth stand, with which values need not stay positive. date: since when the link is there. Columns
    that are not named are taken from weight and date, where there are such. The rules are in RULES, what they did in
    `findings`. Raises BadOrders for a source that cannot be read or lacks the ids, BadParameters for arguments.
    """
    if negative not in {"drop", "keep"}:
        raise BadParameters(f"negative={negative!r} is not understood. Choose from 'drop', 'keep'.")
    manner = Manner(date_format, decimal, encoding, table, query)
    wished = {"date": (date, "date"), "weight": (weight, "weight")}
    needed = {"source_id": source_id, "target_id": target_id}
    read = read_links("influence", opened(customers.engine, source, "influence", manner), needed, wished, manner)
    return _links("influence", customers, read, default_anyway=0.5, negative=negative == "keep")


def _links(kind: Kind, customers: Customers, read: Read, *, default_anyway: float, negative: bool) -> Links:
    engine, referral = customers.engine, kind == "referrals"
    given, candidates, judged, same = joined(customers, read, referral=referral, negative=negative)
    counts = engine.one(
        "select count(*) as nodes, count(*) filter (where is_customer) as customers, "
        f"count(*) filter (where alike > 1) as alike from {candidates}"
    )
    columns = usable(engine, judged, referral=referral)
    tidy = link_rules.forest if referral else link_rules.merged
    columns, tallies = tidy(columns, counts["nodes"])
    tallies = [*link_findings.faults(engine, judged), *tallies, *link_findings.marked(columns, kind)]
    nodes, used = numbered(engine, candidates, columns, counts["nodes"])
    lines = int(engine.one(f"select count(*) as n from {given}")["n"])
    findings = [*link_findings.findings(engine, given, tallies), *link_findings.hubs(engine, given, columns)]
    as_numbers = counts["customers"] if same.rule == "numbers" else 0
    for what, count in (
        ("ids as numbers", as_numbers),
        ("ids alike", counts["alike"]),
        ("empty", int(read.source.empty)),
    ):
        findings += [Finding(what, count, 0, RULES[what])] if count else []
    for name in (judged, candidates, given):
        engine.drop(name)
    ends = _renumbered(columns, used)
    given_anyway = ~np.isnan(columns.anyway)
    return Links(
        kind=kind,
        engine=engine,
        told=read.source.told,
        nodes=nodes,
        size=int(used.sum()),
        customers=int(used[: counts["customers"]].sum()),
        source=ends[0],
        target=ends[1],
        day=columns.day.astype("datetime64[D]"),
        weight=columns.weight,
        anyway=np.where(given_anyway, columns.anyway, default_anyway),
        anyway_given=given_anyway,
        acceleration=np.nan_to_num(columns.acceleration, nan=0.0),
        incentive=np.nan_to_num(columns.incentive, nan=0.0),
        acquisition=np.nan_to_num(columns.acquisition, nan=0.0),
        read=lines,
        findings=tuple(findings),
        notes=read.notes,
    )


def _renumbered(links: Columns, used: link_rules.Mask) -> tuple[link_rules.Ints, link_rules.Ints]:
    new = np.cumsum(used) - 1
    return new[links.source], new[links.target]


def together(*several: Links) -> tuple[Links, ...]:
    """The same links over one numbering of all their nodes: what an account of referrals and influence needs."""
    engine = several[0].engine
    rows = " union ".join(f"select id, customer_id, is_customer from {links.nodes}" for links in several)
    out = []
    ranked = engine.ranked(f"select * from ({rows}) as u order by is_customer desc, id")
    numbered_rows = f"select cast(rank - 1 as bigint) as node, customer_id, id, is_customer from ({ranked}) as r"
    name = Relation(engine, numbered_rows).kept("nodes")
    counts = engine.one(f"select count(*) as nodes, count(*) filter (where is_customer) as customers from {name}")
    for links in several:
        pairs = f"select o.node as old, n.node as new from {links.nodes} as o join {name} as n"
        new = whole(
            engine.arrow(
                f"select new from ({pairs} on n.id = o.id and n.is_customer = o.is_customer) as p order by old"
            ),
            "new",
        )
        out.append(
            replace(
                links,
                nodes=name,
                size=counts["nodes"],
                customers=counts["customers"],
                source=new[links.source],
                target=new[links.target],
            )
        )
    return tuple(out)
