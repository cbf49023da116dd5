"""Lines that come again: equal ones, order totals on every line, orders in several exports; dropped where asked for."""

from __future__ import annotations

from typing import Any, NamedTuple

from klantwaarde.engine.relation import Relation, query
from klantwaarde.errors import BadParameters, named


class Mends(NamedTuple):
    """Which lines that come again are dropped."""

    distinct: bool = False
    one_total: bool = False
    latest: bool = False

    @property
    def by_number(self) -> bool:
        """Whether order numbers say what is dropped."""
        return self.one_total or self.latest

    def check(self, order_id: str | None, refunded: str | None = None) -> None:
        """Raise BadParameters without an order number to go by, and where a refund might be counted per line."""
        if self.one_total and refunded is not None:
            raise BadParameters(
                f"{named('one_total_per_order')} and {named('refunded')} do not go together: lines of one order cannot "
                "say whether each repeats the refund. Give one line per order."
            )
        asked = {"one_total_per_order": self.one_total, "latest_per_order": self.latest}
        for name in [name for name, is_asked in asked.items() if is_asked and order_id is None]:
            raise BadParameters(f"{named(name)} goes by the order number: name its column with {named('order_id')}.")

    def mended(self, lines: Relation) -> Relation:
        """The lines without those that an order number says come again."""
        for name in ("latest_per_order",) * self.latest + ("one_total_per_order",) * self.one_total:
            lines = query(name, lines=lines).view(name)
        return lines


NO_MENDS = Mends()


def dropped(before: Relation, after: Relation) -> dict[str, Any]:
    """How many lines, and how much money, are in one relation of lines and not in another that is part of it."""
    one, other = (query("lines_counted", lines=lines).one() for lines in (before, after))
    money = one["amount"] - (other["amount"] or 0) if one["amount"] is not None else None
    return {"dropped": int(one["lines"] - other["lines"]), "dropped_amount": money}
