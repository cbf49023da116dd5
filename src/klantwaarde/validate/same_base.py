"""Whether orders to be scored are all orders up to now, or the newest ones only, in which everyone is a newcomer."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from klantwaarde.engine.relation import query
from klantwaarde.errors import BadOrders, named
from klantwaarde.estimate.load import load_base, load_fit

if TYPE_CHECKING:
    from pathlib import Path

    from klantwaarde.purchases.customers import Customers

GONE = 0.5
"""Share of the customers of the fit below which the others were not left out by chance, nor at their own request."""
LATER = 1 / 3
"""Share of the time that the fit saw: histories that begin after it are cut. A sliding window moves less in between."""


def refuse_new_orders(base: Customers, path: str | Path) -> None:
    """Raise BadOrders where the base lacks most of what the models in a file were fitted on.

    It has to begin within the first third of the time that the fit saw, and to hold half of its customers. A base as of
    a day before the fit's is another question, and passes.
    """
    fit = load_fit(path, "timing")
    if fit.as_of is None or dt.date.fromisoformat(fit.as_of) > base.as_of:
        return
    then, begins = dt.date.fromisoformat(fit.as_of), base.totals["first_order"]
    reasons = [_cut(begins, then, load_base(path).get("first_order")), _missing(base, then, fit.customers)]
    if told := [reason for reason in reasons if reason]:
        raise BadOrders(
            f"These are not all orders up to {base.as_of}: {' and '.join(told)}. Scored alone, customers of years "
            f"count as newcomers. Give all orders, old and new (or keep them with {named('state')}); for another base, "
            f"to which the models shall apply, add {named('new_base')}."
        )


def _cut(begins: dt.date | None, then: dt.date, first: str | None) -> str | None:
    if begins is None or first is None:
        return None
    began = dt.date.fromisoformat(first)
    late = (begins - began).days > LATER * (then - began).days
    return f"they begin on {begins}, while those that the models were fitted on begin on {began}" if late else None


def _missing(base: Customers, then: dt.date, customers: float) -> str | None:
    known = int(query("known_by", customers=base.table, day=then).one()["n"])
    if known >= GONE * customers:
        return None
    return f"{known:,} customers have bought up to {then}, where the models saw {customers:,.0f}"
