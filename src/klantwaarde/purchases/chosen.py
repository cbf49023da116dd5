"""The lines of a source that count, as a view over it: the others stay countable, and rows keep their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from klantwaarde.engine import types as of_type
from klantwaarde.engine.protocol import Engine
from klantwaarde.engine.statement import identifier, literal
from klantwaarde.errors import BadOrders, BadParameters, named
from klantwaarde.purchases.identity import no_id, spellings
from klantwaarde.sources.filters import Condition, Status, conditions, holds, statuses

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Cleaning(NamedTuple):
    """What is asked for: conditions, statuses that count, ids folded, placeholders set aside."""

    where: str | Sequence[str] | None = None
    status_column: str | None = None
    status_counts: str | Sequence[str] | None = None
    fold_ids: bool = False
    placeholder_ids: str = "keep"


class Folded(NamedTuple):
    """Ids that were written in several ways: how many spellings became others, and the lines that they were on."""

    spellings: int
    lines: int


class Chosen(NamedTuple):
    """A source in an engine, and the view of its lines that count."""

    source: str
    name: str
    selected: str
    """SQL of the columns, from `s` and, where ids are folded, `m`."""
    joined: str
    condition: str
    """SQL of whether a line of the source counts; empty where all do."""
    conditions: tuple[Condition, ...] = ()
    statuses: tuple[Status, ...] = ()
    status_column: str | None = None
    folds: bool = False
    folded: Folded = Folded(0, 0)

    def numbered(self, engine: Engine) -> str:
        """SQL of the lines that count with a column `line`: their number in the source."""
        if self.source == self.name:
            return engine.numbered(self.source)
        return self.select(engine.numbered(self.source), "s.line")

    def select(self, relation: str, *more: str) -> str:
        """SQL of the lines that count, from a relation with the columns of the source."""
        where = f" where {self.condition}" if self.condition else ""
        kept = f"select * from ({relation}) as r{where}"
        return f"select {', '.join([self.selected, *more])} from ({kept}) as s{self.joined}"


def chosen(engine: Engine, source: str, types: Mapping[str, str], customer_id: str, asked: Cleaning) -> Chosen:
    """The lines of a source that count. Raises BadParameters for conditions that do not go with its columns."""
    if (asked.status_column is None) and asked.status_counts is not None:
        raise BadParameters(f"{named('status_counts')} goes with {named('status_column')}: name the column.")
    wanted = conditions(asked.where, types)
    parts = [holds(engine, one, types[one.column]) for one in wanted]
    found: tuple[Status, ...] = ()
    if asked.status_column is not None:
        found = statuses(engine, source, asked.status_column, asked.status_counts, types)
        parts.append(_counts(asked.status_column, found))
    picked = Chosen(source, source, "", "", " and ".join(parts), wanted, found, asked.status_column, asked.fold_ids)
    return _viewed(engine, picked, types, customer_id, asked)


def _counts(column: str, found: tuple[Status, ...]) -> str:
    counting = ", ".join(literal(status.status) for status in found if status.counts)
    return f"coalesce(trim(cast({identifier(column)} as varchar)), '') in ({counting})"


def _viewed(engine: Engine, picked: Chosen, types: Mapping[str, str], customer_id: str, asked: Cleaning) -> Chosen:
    """With a view of its own, where anything is left out or changed."""
    column, kind = f"s.{identifier(customer_id)}", types[customer_id]
    where = f" where {picked.condition}" if picked.condition else ""
    kept = f"(select * from {picked.source}{where}) as k"
    table = spellings(engine, kept, identifier(customer_id)) if asked.fold_ids and of_type.is_text(kind) else None
    asides = asked.placeholder_ids == "set_aside"
    if not picked.condition and table is None and not asides:
        return picked
    who = column if table is None else f"coalesce(m.kept, {column})"
    if asides:
        who = f"case when not {no_id(column, kind)} then {who} end"
    selected = [f"{who if name == customer_id else f's.{identifier(name)}'} as {identifier(name)}" for name in types]
    joined = "" if table is None else f" left join {table} as m on m.spelling = {column}"
    picked = picked._replace(name=engine.new_name("chosen"), selected=", ".join(selected), joined=joined)
    engine.view(picked.name, picked.select(f"select * from {picked.source}"))
    _refuse_none(engine, picked)
    return picked if table is None else picked._replace(folded=_folded(engine, kept, customer_id, table))


def _folded(engine: Engine, kept: str, customer_id: str, table: str) -> Folded:
    among = f"where {identifier(customer_id)} in (select spelling from {table})"
    found = engine.one(
        f"select count(*) as lines, count(distinct {identifier(customer_id)}) as spellings from {kept} {among}"
    )
    return Folded(found["spellings"], found["lines"])


def _refuse_none(engine: Engine, picked: Chosen) -> None:
    if picked.condition and not engine.rows(f"select 1 as one from {picked.name} limit 1"):
        shown = ", ".join(f"{c.column!r} {c.operator} {', '.join(map(repr, c.values))}" for c in picked.conditions)
        raise BadOrders(f"No line counts: none meets {shown or 'the statuses'}. Check {named('where')}.")


def left_out(engine: Engine, picked: Chosen, amount: str) -> dict[str, Any]:
    """How many lines do not count, and their money; amount: SQL of a line's amount."""
    if not picked.condition:
        return {"left_out": 0, "left_out_amount": None}
    money = f"select {amount} as amount from {picked.source} where not ({picked.condition})"
    found = engine.one(f"select count(*) as n, sum(amount) as amount from ({money}) as left_out")
    return {"left_out": found["n"], "left_out_amount": found["amount"]}
