"""The customer asset ledger: who came, who went and what they are worth, in numbers that close exactly.

    customers: opening + new + won back - lost = closing         (active: neither prospect nor lost)
    value:     opening + the changes of all lines = closing      (all customers ever seen)

Every customer is on one line, by his stage at both dates:

    new           no customer before, active now                 up, down, same   active at both dates
    won_back      lost before, active now                        still_lost       lost at both dates
    lost          active before, not any more                    prospect         not a customer at either date
    intra_period  no customer before, lost now: won and lost within the period

Money is rounded once per customer to four decimals, so that sums are exact in any order.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from klantwaarde.asset.standing import Standing, both_standings, known_table, labels, moved
from klantwaarde.engine.protocol import Engine
from klantwaarde.engine.relation import Relation, query
from klantwaarde.errors import BadOrders, BadParameters
from klantwaarde.purchases.schema import MONEY
from klantwaarde.shown import html_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from klantwaarde.purchases.orders import Orders
    from klantwaarde.value.score import Scored

BEHIND = (
    "customer_id", "label", "line", "stage_before", "stage_after", "opening", "closing", "change", "won", "won_back",
    "lost",
)  # fmt: skip
"""The columns of the customers behind a line."""
LINES = ("new", "won_back", "lost", "up", "down", "same", "intra_period", "still_lost", "prospect")
STAYED = ("up", "down", "same")
EVENTS = ("won", "won_back", "lost")
ALL, UNKNOWN = "all", "unknown"
NONE = Decimal("0.0000")


class Line(NamedTuple):
    """One line: its customers, and what they were worth at both dates."""

    customers: int = 0
    opening: Decimal = NONE
    closing: Decimal = NONE

    @property
    def change(self) -> Decimal:
        """What the line adds to the value."""
        return self.closing - self.opening


class Flow(NamedTuple):
    """Active customers from one date to the other. `net` flows are by the stages at both dates.

    intra: turns within the period, the same number on both sides: intra_new + intra_won_back = intra_lost.
    """

    opening: int
    new: int
    won_back: int
    lost: int
    closing: int
    intra_new: int
    intra_won_back: int
    intra_lost: int

    @property
    def net(self) -> int:
        """Customers more, or fewer."""
        return self.closing - self.opening

    @property
    def gross(self) -> tuple[int, int, int]:
        """(won, won back, lost), each turn within the period counted."""
        return self.new + self.intra_new, self.won_back + self.intra_won_back, self.lost + self.intra_lost


class Account(NamedTuple):
    """The ledger of all customers, or of those with one label."""

    label: str
    lines: Mapping[str, Line]
    """All of LINES, in order."""
    flow: Flow
    turned: Decimal
    """Value won and lost again, or lost and won back, within the period: the same on both sides of the gross ledger."""
    vanished: int
    """Customers that the second date does not know any more; they are among the lost, or lie still."""

    @property
    def opening(self) -> Decimal:
        """Value of all customers at the first date."""
        return sum((line.opening for line in self.lines.values()), NONE)

    @property
    def closing(self) -> Decimal:
        """Value of all customers at the second date."""
        return sum((line.closing for line in self.lines.values()), NONE)

    @property
    def won_value(self) -> Decimal:
        """Value won, gross: that of the new and the won back, and what turned within the period."""
        return self.lines["new"].change + self.lines["won_back"].change + self.turned

    @property
    def lost_value(self) -> Decimal:
        """Value written down on those lost, gross, as a positive number."""
        return self.turned - self.lines["lost"].change


@dataclass(frozen=True, repr=False)
class Ledger:
    """The books between two dates; the customers behind each line are asked for when wanted."""

    moved: Relation
    """Every customer of either date, kept: line, opening and closing; with the factors where `before` has them."""
    rows: Relation
    """One row per customer: line, stages, opening, closing, change, events; see `customers`."""
    total: Account
    accounts: tuple[Account, ...]
    """By label, where the ledger was asked for by one; they add up to the total."""
    before: Standing
    after: Standing
    stages: Mapping[tuple[str | None, str | None], int]
    """Customers by (stage before, stage after); None where unknown at that date."""

    def __repr__(self) -> str:
        """Short: customers and value at both dates."""
        flow, total = self.total.flow, self.total
        return (
            f"<Ledger of {self.before.as_of or 'before'} to {self.after.as_of or 'after'}: {flow.opening:,} customers "
            f"become {flow.closing:,}, {total.opening:,.2f} becomes {total.closing:,.2f}>"
        )

    def _repr_html_(self) -> str:
        lines = [
            (name, f"{line.customers:,}", f"{line.opening:,.2f}", f"{line.closing:,.2f}", f"{line.change:,.2f}")
            for name, line in self.total.lines.items()
        ]
        return html_table(("line", "customers", "opening", "closing", "change"), lines)

    def customers(self, line: str, label: str | None = None, most: int | None = None) -> pa.Table:
        """The customers behind a line, the largest change first; their sums are the line's.

        label: of one account only; most: how many at most. Raises BadParameters for a line that is none.
        """
        return self.behind(line, label).first(most).arrow()

    def behind(self, line: str, label: str | None = None) -> Relation:
        """The customers behind a line as they are in the engine: for files and for millions."""
        if line not in LINES:
            raise BadParameters(f"line={line!r} is not one of {', '.join(LINES)}.")
        return query("ledger_behind", counted=self.rows, line=line, label=label or "")


def ledger(
    before: Scored | Any,
    after: Scored | Any,
    orders: Orders | None = None,
    *,
    stages: tuple[Any, Any] | None = None,
    by: str | None = None,
    attributes: Any = None,
    events: Any = None,
) -> Ledger:
    """The ledger between two dates.

    before, after: scored customers of the same orders, or plain tables with customer_id, stage and value. stages: the
    stages at both dates, tables or lazy statements with customer_id and stage (default: by rule, from the orders).
    by: cohort_month, cohort_quarter, or a column of `attributes` (customer_id and that column, one row each).
    events: a table of customer_id, event (won, won_back, lost) and perhaps day and value, of what happened between the
    dates: without it only who was won and lost within the period is known to have turned, and is worth what is left.
    Raises BadOrders for rows that cannot be, BadParameters for arguments.
    """
    first, second = both_standings(before, after, stages, orders)
    view = moved(first, second).kept("moved", on_disk=True)
    happened = _happened(first, second, view, events)
    named, otherwise = labels(view, by, attributes), ALL if by is None else UNKNOWN
    counted = query("ledger_counted", moved=view, labels=named, happened=happened, otherwise=otherwise)
    rows = query("ledger_lines", counted=counted).rows()
    _refuse_contradicted(counted, rows)
    accounts = tuple(_account(label, rows) for label in sorted({row["label"] for row in rows}))
    return Ledger(view, counted, _account(None, rows), accounts, first, second, _by_stages(rows))


def _by_stages(rows: list[dict[str, Any]]) -> dict[tuple[str | None, str | None], int]:
    found: Counter[tuple[str | None, str | None]] = Counter()
    for row in rows:
        found[row["stage_before"], row["stage_after"]] += row["customers"]
    return dict(found)


def _happened(first: Standing, second: Standing, view: Relation, events: Any) -> Relation:
    """Events per customer, none where there are none."""
    if events is None:
        counts, values = dict.fromkeys(EVENTS, "bigint"), dict.fromkeys(("value_in", "value_out"), MONEY)
        return view.none("customer_id", **counts, **values).view("happened")
    read = _event_rows(first.engine, events)
    return query("ledger_events", events=read, opened=first.as_of, closed=second.as_of).kept("happened")


def _event_rows(engine: Engine, events: Any) -> Relation:
    """customer_id, day, event and value."""
    given = known_table(engine, events, "events", ("customer_id", "event"))
    other = query("events_unknown", events=given).rows()
    if other:
        told = ", ".join(f"{row['n']} row(s) {row['event']!r}" for row in other)
        raise BadOrders(f"An event is won, won_back or lost, but there are {told}. Rename them or leave them out.")
    dated = given.where_known("day") if "day" in given.columns() else given
    return query("events_read", events=dated.padded(day="date", value=MONEY))


def _refuse_contradicted(counted: Relation, rows: list[Any]) -> None:
    wrong = sum(row["contradicted"] for row in rows)
    if wrong:
        some = query("ledger_contradicted", counted=counted).first(5).rows()
        named = ", ".join(str(row["customer_id"]) for row in some)
        raise BadOrders(
            f"The events of {wrong} customer(s) do not lead from the stage before to the stage after ({named}). Give "
            "all events between the two dates, made by the rules that made the stages."
        )


def _account(label: str | None, rows: list[dict[str, Any]]) -> Account:
    """The account of one label, or of all."""
    mine = [row for row in rows if label in {None, row["label"]}]
    lines = {line: _line([row for row in mine if row["line"] == line]) for line in LINES}
    stayed = sum(lines[line].customers for line in STAYED)
    new, won_back, lost = (lines[line].customers for line in ("new", "won_back", "lost"))
    won, back, gone = (sum(row[event] for row in mine) for event in EVENTS)
    flow = Flow(stayed + lost, new, won_back, lost, stayed + new + won_back, won - new, back - won_back, gone - lost)
    turned = sum((row["turned"] for row in mine), NONE)
    return Account(label or ALL, lines, flow, turned, sum(row["vanished"] for row in mine))


def _line(rows: list[dict[str, Any]]) -> Line:
    return Line(
        sum(row["customers"] for row in rows),
        sum((row["opening"] for row in rows), NONE),
        sum((row["closing"] for row in rows), NONE),
    )
