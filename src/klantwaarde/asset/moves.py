"""The customers behind every figure of movement, in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klantwaarde.asset.statement import PARTS
from klantwaarde.engine.relation import Relation, query
from klantwaarde.purchases.schema import MONEY

if TYPE_CHECKING:
    from klantwaarde.asset.ledger import Ledger
    from klantwaarde.asset.migration import Migration
    from klantwaarde.asset.statement import Statement

MOVES = (
    ("customer_id", "id as it came in", "The customer."),
    ("line", "name", "Line of the ledger: new, won_back, lost, up, down, same, intra_period, still_lost, prospect."),
    ("stage_before", "name", "Stage on the first day; empty for who was not there yet."),
    ("stage_after", "name", "Stage on the last day."),
    ("tier_before", "name", "Tier on the first day by the money that parted them then; absent for who was not there."),
    ("tier_after", "name", "Tier on the last day by the same money."),
    ("opening", "money", "Residual value on the first day."),
    ("unwind", "money", "What a day nearer is worth: part of the statement, as are the next six."),
    ("released", "money", "Margin that was expected in the period; to be subtracted."),
    ("spend", "money", "Because orders are larger or smaller than expected."),
    ("frequency", "money", "Because orders come more or less often."),
    ("retention", "money", "Because the customer is surer, or less sure, to be there."),
    ("new_customers", "money", "Value of who came."),
    ("model_change", "money", "Because the models of the last day are others."),
    ("closing", "money", "Residual value on the last day."),
    ("change", "money", "closing - opening."),
)
"""(column, unit, meaning) of the table."""


def moves(ledger: Ledger, migration: Migration, statement: Statement | None) -> Relation:
    """One row per customer of either day; the sums of its columns are the figures of ledger, statement and pyramid.

    The parts are empty without a statement, which needs amounts.
    """
    parts = statement.rows if statement else ledger.rows.none("customer_id", **dict.fromkeys(PARTS[1:-1], MONEY))
    return query("moves", counted=ledger.rows, migrated=migration.moved, parts=parts)
