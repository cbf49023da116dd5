"""Lines of links joined with the customers in the engine: which are usable, and which nodes they name."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from klantwaarde.beside.link_findings import NUMBERS
from klantwaarde.beside.link_rows import (
    Ids,
    Manner,
    Opened,
    closed,
    day_reading,
    filled,
    found_columns,
    ids,
    number_reading,
)
from klantwaarde.beside.link_rules import Columns, Ints, Mask
from klantwaarde.engine.protocol import Engine
from klantwaarde.engine.relation import Relation, named, query, registered
from klantwaarde.engine.statement import statement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klantwaarde.purchases.customers import Customers
    from klantwaarde.typing import Array
    from klantwaarde.wording.message import Message


class Read(NamedTuple):
    """An open source of links: its id columns, the SQL of everything else, and what is to be told about reading it."""

    source: Opened
    ends: tuple[str, str]
    selected: str
    notes: tuple[Message, ...]


def read_links(
    what: str,
    source: Opened,
    needed: Mapping[str, str],
    wished: Mapping[str, tuple[str | None, str]],
    manner: Manner,
) -> Read:
    """The columns of a source of links, how they are read, and the SQL of all but the ids."""
    columns = found_columns(source.types, what, needed, wished)
    first, second = needed.values()
    date = columns.pop("date")
    readings = {} if date is None else {"day": day_reading(source, date, manner)}
    readings |= {
        part: number_reading(source, column, manner) for part, column in columns.items() if part in wished and column
    }
    given = {part: filled(name, source.types[name]) for part, name in {**columns, "day": date}.items() if name}
    usable = {part: reading.sql for part, reading in readings.items()}
    usable |= {part: _within(usable[part], part) for part in NUMBERS if part in usable}
    bad = {part: f"{given[part]} and ({sql}) is null" for part, sql in usable.items() if part != "weight"}
    marks = [
        f"case when {bad[part]} then {4 << n} else 0 end" for n, part in enumerate(("day", *NUMBERS)) if part in bad
    ]
    weight = usable.get("weight", "cast(1 as double)")
    values = [f"{usable.get(part, 'cast(null as double)')} as {part}" for part in NUMBERS]
    parts = [f"{usable.get('day', 'cast(null as date)')} as day", f"{weight} as weight", *values]
    notes = tuple(reading.rule for reading in readings.values() if reading.rule is not None)
    return Read(source, (first, second), ", ".join([*parts, f"{' + '.join(marks) or '0'} as marks"]), notes)


def _within(number: str, part: str) -> str:
    """SQL of a number where it is a chance, or not negative."""
    fits = f"({number}) between 0 and 1" if part == "anyway" else f"({number}) >= 0"
    return f"case when {fits} then {number} end"


class Joined(NamedTuple):
    """Tables in the engine: the lines, the nodes that they may name, and the lines judged; how ids were compared."""

    given: str
    candidates: str
    judged: str
    ids: Ids


def joined(customers: Customers, read: Read, *, referral: bool, negative: bool) -> Joined:
    """The lines with the customers that they name, and the first rule that takes each away, if any."""
    engine, whose = customers.engine, customers.table.columns()["customer_id"]
    same = ids([whose, *(read.source.types[end] for end in read.ends)], folds=customers.orders.chosen.folds)
    given, known, candidates, judged = (engine.new_name(name) for name in ("given", "known", "candidates", "judged"))
    _create_given(engine, given, read, same)
    key = same.key(engine, str(customers.table), "customer_id", whose)
    engine.view(known, f"select {key} as key, customer_id, first_order from {customers.table}")
    ranked = engine.ranked(statement("links_nodes", given=given, known=known))
    engine.create(candidates, f"select *, cast(rank - 1 as bigint) as node from ({ranked}) as r")
    told: dict[str, Any] = {"as_of": customers.as_of, "today": dt.datetime.now(tz=dt.UTC).date()}
    told |= {"referral": referral, "negative": negative}
    engine.create(judged, statement("links_judged", given=given, nodes=candidates), told)
    return Joined(given, candidates, judged, same)


def _create_given(engine: Engine, given: str, read: Read, same: Ids) -> None:
    """The lines with keys and values, in the customers' engine, whichever engine read them."""
    source, lines = read.source, engine.new_name("lines")
    first, second = (same.key(source.engine, source.name, end, source.types[end]) for end in read.ends)
    selected = f"{first} as source_key, {second} as target_key, {read.selected}"
    source.engine.view(lines, f"select {selected} from {source.name}")
    sql = source.engine.numbered(lines)
    if source.engine is not engine:
        sent = engine.new_name("sent")
        engine.register(sent, source.engine.arrow(sql))
        sql = f"select * from {sent}"
    engine.create(given, sql)
    closed(source)


def usable(engine: Engine, judged: str, *, referral: bool) -> Columns:
    """The lines that no rule took away, in their order. The columns of the other kind stay empty."""
    wanted = NUMBERS if referral else ("weight",)
    table = engine.arrow(
        f"select line, source, target, day, {', '.join(wanted)}, marks from {judged} where fault is null"
    )
    none = np.empty(0)
    line, source, target, marks = (whole(table, name) for name in ("line", "source", "target", "marks"))
    day = table.column("day").cast(pa.date32()).to_numpy().astype("datetime64[D]").astype(np.int64)
    weight = np.ones(len(line)) if referral else floats(table, "weight")
    anyway, acceleration, incentive, acquisition = (floats(table, name) if name in wanted else none for name in NUMBERS)
    columns = Columns(line, source, target, day, weight, anyway, acceleration, incentive, acquisition, marks)
    return columns if np.all(np.diff(line) > 0) else columns.where(np.argsort(line, kind="stable"))


def numbered(engine: Engine, candidates: str, links: Columns, nodes: int) -> tuple[Relation, Mask]:
    """The table of the nodes that are linked, numbered anew in their order, and which candidates they are."""
    used = np.zeros(nodes, dtype=bool)
    used[links.source] = used[links.target] = True
    chosen = np.flatnonzero(used)
    numbers = registered(engine, "numbers", pa.table({"candidate": chosen, "new_node": np.arange(len(chosen))}))
    nodes_ = query("links_numbered", candidates=named(engine, candidates), numbers=numbers).kept("nodes")
    engine.one(f"select count(*) as n from {nodes_}")  # now: a lazy engine would ask for candidates that are gone
    return nodes_, used


def whole(table: pa.Table, name: str) -> Ints:
    """A column of whole numbers."""
    return np.asarray(table.column(name).cast(pa.int64()).to_numpy(), dtype=np.int64)


def floats(table: pa.Table, name: str) -> Array:
    """A column of numbers; NaN where there is none."""
    return np.asarray(table.column(name).cast(pa.float64()).to_numpy(), dtype=float)
