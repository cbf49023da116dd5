"""The facts of what changed between two days, each with its type."""

from __future__ import annotations

from typing import TypedDict

from klantwaarde.outcome.kinds import Number, Sentence


class Flow(TypedDict):
    """Active customers from one day to another."""

    opening: int
    new: int
    won_back: int
    lost: int
    closing: int
    intra_new: int
    intra_won_back: int
    intra_lost: int
    net: int


class Gross(TypedDict):
    """The same with each turn within the period."""

    won: int
    won_back: int
    lost: int


class Line(TypedDict):
    """A line of the ledger."""

    customers: int
    opening: Number
    closing: Number
    change: Number


class Account(TypedDict):
    """The ledger of all, or of those with one label; lines by name."""

    label: str
    flow: Flow
    gross: Gross
    lines: dict[str, Line]
    opening: Number
    closing: Number
    won_value: Number
    lost_value: Number


class Pair(TypedDict):
    """Margin of the period beside what was expected."""

    realised: Number
    expected: Number


class Memo(TypedDict):
    """The same of known customers and of new ones."""

    known: Pair
    new: Pair


class Statement(TypedDict):
    """Why the value changed: opening + unwind - released + ... = closing."""

    opening: Number
    unwind: Number
    released: Number
    spend: Number
    frequency: Number
    retention: Number
    new_customers: Number
    model_change: Number
    closing: Number
    experience: Number
    expected_closing: Number
    by_line: dict[str, Number]
    memo: Memo


class Move(TypedDict):
    """Customers who went from one tier to another."""

    before: str
    after: str
    customers: int
    opening: Number
    closing: Number


class Thresholds(TypedDict):
    """The money that parted the tiers at the first day."""

    top: Number
    large: Number
    medium: Number


class Side(TypedDict):
    """Moves in one direction beside those that chance makes."""

    actual: int
    expected: Number
    deviation: Number
    p: Number
    excess: Number


class Chance(TypedDict):
    """Moves beside those that chance alone makes, of so many customers."""

    customers: int
    of: int
    ups: Side
    downs: Side


class Migration(TypedDict):
    """Who rose and fell in the pyramid."""

    cells: list[Move]
    ups: int
    downs: int
    thresholds: Thresholds | None
    chance: Chance | None


class Ends(TypedDict):
    """Customers per stage at both days."""

    before: dict[str, int]
    after: dict[str, int]


class StageMove(TypedDict):
    """Customers who went from one stage to another; before is None for who was not there yet."""

    before: str | None
    after: str
    customers: int


class Movement(TypedDict):
    """What changed between two days."""

    start: str
    end: str
    rules: str
    cuts: Sentence
    lost_told: Sentence | None
    stages: Ends
    days_in_stage: dict[str, Number]
    ledger: Account
    accounts: list[Account]
    statement: Statement | None
    migration: Migration | None
    migration_unequal: Sentence | None
    flows: list[StageMove]
