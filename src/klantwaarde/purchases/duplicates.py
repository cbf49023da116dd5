"""Lines that are equal in every column of the source."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from klantwaarde.engine.relation import Relation
from klantwaarde.engine.statement import identifier
from klantwaarde.sources.parse import EXAMPLES
from klantwaarde.wording.message import Message, message

if TYPE_CHECKING:
    from klantwaarde.purchases.customers import Customers


class EqualLines(NamedTuple):
    """How many lines repeat an earlier one, and the first few, by row."""

    lines: int
    examples: tuple[Message, ...]


def equal_lines(base: Customers) -> EqualLines:
    """Lines that repeat an earlier line in every column.

    Equal lines are of one customer on one day: so only the customers with more lines than days are looked at, and
    what the customers table leaves out. Of these lines, two that are equal have equal hashes: so first the few
    hashes that occur twice, then only their lines in full. Exact, and a fifth of the work of looking at all lines.
    """
    columns = list(base.engine.columns(base.orders.source))
    every, hashed = ", ".join(map(identifier, columns)), base.engine.row_hash(columns)
    suspects = f"select {hashed} as h from {base.orders.source} where {_suspected(base)}"
    twice = f"select h from ({suspects}) as s group by h having count(*) > 1"
    hashes = Relation(base.engine, twice, {"as_of": base.as_of}).kept("equal_hashes")
    if not hashes.first(1).rows():
        return EqualLines(0, ())
    among = f"from {base.orders.source} where {hashed} in (select h from {hashes})"
    copies = f"select count(*) as copies {among} group by {every}"
    count = int(base.engine.one(f"select coalesce(sum(copies - 1), 0) as n from ({copies}) as c")["n"])
    return EqualLines(count, _examples(base, hashed, hashes) if count else ())


def _suspected(base: Customers) -> str:
    """Lines of customers with more lines than days, and lines that are in no customer's count."""
    customer, day, amount = base.orders.expressions
    crowded = f"select customer_id from {base.table} where lines > occasions"
    left_out = [f"{customer} is null", f"{day} is null", f"{day} > $as_of"]
    left_out += [f"{amount} is null"] if base.orders.has_money else []
    if any(base.orders.mends):
        return "true"  # the customers were counted without the copies
    return f"{customer} in ({crowded}) or {' or '.join(left_out)}"


def _examples(base: Customers, hashed: str, hashes: Relation) -> tuple[Message, ...]:
    numbered = f"select {hashed} as h, line from ({base.orders.chosen.numbered(base.engine)}) as s"
    first = base.engine.rows(
        f"select min(line) as one, max(line) as other from ({numbered}) as n where h in (select h from {hashes}) "
        f"group by h order by one limit {EXAMPLES}"
    )
    return tuple(message("example_equal", row=row["other"], other=row["one"]) for row in first)
