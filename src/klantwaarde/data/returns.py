"""Money given back on a later day: which purchases stood, and what of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from klantwaarde.engine.protocol import Engine
from klantwaarde.engine.statement import statement

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from klantwaarde.data.orders import Orders


def create_ties(engine: Engine, lines: str, *, numbered: bool) -> str:
    """The name of a view of the lines of customers who gave something back, each with the day that it is netted on.

    numbered: whether lines carry order numbers, which say to which order a return belongs.
    """
    name = engine.new_name("tied")
    engine.view(name, statement("tied" if numbered else "untied", lines=lines))
    return name


def create_netted(orders: Orders, known: dt.date) -> str | None:
    """The name of a table of the days that returns changed, as known at a day; None where nothing is given back."""
    if not orders.has_money or not orders.profile["negative"]:
        return None
    name = orders.engine.new_name("netted")
    orders.engine.create(name, statement("netted", tied=orders.tied), {"as_of": known})
    return name


def create_stood(engine: Engine, occasions: str, netted: str | None) -> str:
    """The name of a view of these occasions with what is left of each, after a table of `create_netted`."""
    if netted is None:
        return occasions
    name = engine.new_name("stood")
    engine.view(name, statement("stood", occasions=occasions, netted=netted))
    return name


def stood_at(orders: Orders, known: dt.date) -> str:
    """The name of a view of the occasions with what stands of each, as known at a day."""
    return create_stood(orders.engine, orders.occasions, create_netted(orders, known))


def netted_totals(engine: Engine, netted: str | None) -> Mapping[str, Any] | None:
    """How many returns changed other days, or found no purchase, and their money."""
    return None if netted is None else engine.one(statement("netted_totals", netted=netted))
