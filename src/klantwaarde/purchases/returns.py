"""Money given back on a later day: which purchases stood, and what of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from klantwaarde.engine.relation import Relation, query

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from klantwaarde.purchases.orders import Orders


def ties_of(lines: Relation, *, numbered: bool) -> Relation:
    """The lines of customers who gave something back, each with the day that it is netted on.

    numbered: whether lines carry order numbers, which say to which order a return belongs.
    """
    return query("tied" if numbered else "untied", lines=lines).view("tied")


def netted_at(orders: Orders, known: dt.date) -> Relation | None:
    """The days that returns changed, as known at a day, kept; None where nothing is given back."""
    if not orders.has_money or not orders.profile["negative"]:
        return None
    return query("netted", tied=orders.tied, as_of=known).kept("netted")


def stood_of(occasions: Relation, netted: Relation | None) -> Relation:
    """These occasions with what is left of each, after what `netted_at` says."""
    return occasions if netted is None else query("stood", occasions=occasions, netted=netted).view("stood")


def stood_at(orders: Orders, known: dt.date) -> Relation:
    """The occasions with what stands of each, as known at a day."""
    return stood_of(orders.occasions, netted_at(orders, known))


def netted_totals(netted: Relation | None) -> Mapping[str, Any] | None:
    """How many returns changed other days, or found no purchase, and their money."""
    return None if netted is None else query("netted_totals", netted=netted).one()
