"""What settings name, opened: the orders, the terms, and what is known besides; refused before the work."""

from __future__ import annotations

import datetime as dt
import glob
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from klantwaarde.beside.attributes import attribute_columns, attributes
from klantwaarde.beside.links import influence, referrals
from klantwaarde.calendar import FEWEST, read_day
from klantwaarde.errors import BadParameters, named
from klantwaarde.job.settings import SOURCE, Settings, check_sides
from klantwaarde.purchases.customers import Customers
from klantwaarde.purchases.grouped import check_group
from klantwaarde.purchases.orders import Orders, orders
from klantwaarde.sources.uri import is_database
from klantwaarde.value.peers_and_categories import refuse_missing_attribute
from klantwaarde.value.terms import Beside, RankBy, Terms


def read_orders(settings: Settings, source: Any = None) -> Orders:
    """The orders that the settings name, or those of a source that is no name, such as a frame."""
    if not settings.orders and source is None:
        raise BadParameters(f"No orders were named. Give a file, or {named('orders')} in the settings.")
    names = {name: getattr(settings, name) for name in SOURCE if name != "orders"}
    if settings.amount == "" or (settings.quantity is not None and settings.amount == "auto"):
        names["amount"] = None
    names |= {name: getattr(settings, name) for name in ("memory_limit", "engine", "master")}
    check_files(settings)
    read = orders(settings.orders if source is None else source, **names)
    check_columns(settings, read)
    if settings.state is None:  # with a state, what was merged before counts too
        check_periods(settings, read)
    return read


def terms(settings: Settings, *, headroom: bool = False) -> Terms:
    """The assumptions that the settings name."""
    return Terms(
        settings.annual_discount_rate,
        settings.margin_rate,
        settings.horizon,
        cast("RankBy", settings.rank_by),  # Settings has checked it
        headroom=headroom,
    )


def beside(settings: Settings, base: Customers) -> Beside:
    """What the settings name besides the orders, opened."""
    readers: dict[str, Callable[..., Any]] = {"referrals": referrals, "influence": influence, "attributes": attributes}
    named = {name: getattr(settings, name) for name in readers}
    found: dict[str, Any] = {name: readers[name](path, base) for name, path in named.items() if path is not None}
    return Beside(**found, influence_share=settings.share(), peers=settings.peers, category=settings.category)


def check_periods(given: Settings, read: Orders) -> None:
    """Raise BadParameters unless horizon and since fit the orders: before anything is counted or fitted."""
    as_of = read.default_as_of() if given.as_of is None else read_day(given.as_of, "as_of")
    day, first = check_sides(given, as_of), read.profile["first_day"]
    if day is not None and day < first:
        told = named("since", given.since)
        raise BadParameters(f"{told} begins on {day}, before the first order, of {first}. Give a later day.")
    if day is not None and (day - first).days < FEWEST:
        raise BadParameters(
            f"{named('since', given.since)} begins on {day}, {(day - first).days} days after the first order, of "
            f"{first}; models need {FEWEST} days of orders. Give {first + dt.timedelta(days=FEWEST)} or later."
        )


def check_files(given: Settings) -> None:
    """Raise BadParameters for files beside the orders that are not there."""
    for name in ("referrals", "influence", "attributes"):
        path = getattr(given, name)
        if path is not None and not is_database(path) and not glob.has_magic(path) and not Path(path).exists():
            raise BadParameters(f"{named(name, path)}: there is no such file.")


def check_columns(given: Settings, read: Orders) -> None:
    """Raise BadOrders for columns that are not there, before anything is counted or fitted."""
    if given.category is not None:
        check_group(read, given.category, "category")
    if given.peers is not None and given.attributes is not None:
        known = attribute_columns(given.attributes, read.engine)
        refuse_missing_attribute(known, given.peers)
