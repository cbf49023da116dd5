"""Findings on order numbers: totals on every line, orders that come again, orders that earlier batches have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klantwaarde.doctor.finding import Check, Setting, plain
from klantwaarde.engine.relation import query
from klantwaarde.wording.message import message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from klantwaarde.purchases.customers import Customers

NAMES = ("order_id", "orderid", "order_number", "ordernumber", "order_no", "order", "invoice", "invoice_no",
         "invoiceno", "invoice_id", "ordernummer", "bestelnummer", "factuurnummer", "bestelling")  # fmt: skip
"""Names of columns, in small letters, that say what an order's number is."""


def unnamed(base: Customers) -> Iterator[Check]:
    """A column that looks like an order number and was not named."""
    columns = base.orders.columns
    if base.orders.numbered or columns.order_id is not None or not base.orders.has_money:
        return
    used = {name for name in columns if name is not None}
    like = [name for name in base.engine.columns(base.orders.source) if name.lower() in NAMES and name not in used]
    if like:
        yield Check(
            "correct",
            "order numbers",
            "info",
            0,
            message("order_number_unnamed", column=repr(like[0])),
            remedy=message("order_number_unnamed_remedy"),
            setting=Setting("order_id", like[0]),
        )


def again(base: Customers) -> Iterator[Check]:
    """Orders with one amount on all of several lines, and orders on several days."""
    orders = base.orders
    if orders.columns.order_id is None or not orders.has_money:
        return
    found = query("order_numbers", lines=orders.all_lines).one()
    if found["repeated"]:
        # Two articles may cost the same; where most orders are so, the amount is hardly that of an article.
        usual = 2 * found["repeated"] > found["several"]
        yield Check(
            "correct",
            "order totals on every line",
            "warning" if usual else "info",
            found["repeated"],
            message("order_totals", n=found["repeated"], of=found["several"], money=found["repeated_money"]),
            plain(found["repeated_money"]),
            remedy=message("order_totals_remedy"),
            setting=Setting("one_total_per_order", ""),
        )
    if found["again"]:
        yield Check(
            "correct",
            "orders on several days",
            "warning",
            found["again"],
            message("orders_again", n=found["again"], money=found["again_money"]),
            plain(found["again_money"]),
            remedy=message("orders_again_remedy"),
            setting=Setting("latest_per_order", ""),
        )


def overlapping(base: Customers) -> Iterator[Check]:
    """Orders of the new batch that earlier batches have too."""
    found, replaced = base.orders.overlap, base.orders.mends.latest
    if not found or not found["n"]:
        return
    yield Check(
        "correct",
        "orders of earlier batches",
        "info" if replaced else "warning",
        found["n"],
        message("orders_replaced" if replaced else "orders_overlap", n=found["n"], money=found["money"] or 0),
        plain(found["money"]),
        remedy=None if replaced else message("orders_overlap_remedy"),
        setting=None if replaced else Setting("latest_per_order", ""),
    )


def dropped(base: Customers) -> Iterator[Check]:
    """What was dropped because an order number says that it comes again."""
    profile = base.orders.profile
    if base.orders.mends.by_number:
        said = message("orders_dropped", n=profile["dropped"], money=profile["dropped_amount"] or 0)
        yield Check("correct", "lines dropped", "info", profile["dropped"], said, plain(profile["dropped_amount"]))


NUMBERS = (unnamed, again, overlapping, dropped)
