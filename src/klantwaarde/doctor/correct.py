"""Findings on whether each order line says what happened: doubles, returns, ids."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from klantwaarde.doctor.finding import Check, Setting, plain
from klantwaarde.engine.statement import identifier
from klantwaarde.purchases import duplicates
from klantwaarde.purchases.returns import netted_totals
from klantwaarde.wording.message import Message, message

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from klantwaarde.purchases.customers import Customers

LARGE_LINE = 0.005  # of all money moved, in one line
UNMATCHED = Decimal("0.01")  # of all money moved, given back without a purchase before it


def equal_lines(base: Customers) -> Iterator[Check]:
    """Lines that repeat an earlier one in every column."""
    orders, (count, examples) = base.orders, duplicates.equal_lines(base)
    dropped = orders.duplicates == "drop"
    code = f"equal_lines_{('dropped' if dropped else 'kept') if count else 'none'}"
    code += "" if orders.batches is None else "_new"
    mend = bool(count) and not dropped
    yield Check(
        "correct",
        "equal lines",
        "warning" if mend else "info",
        count,
        message(code, n=count),
        None if orders.mends.by_number else plain(orders.profile["dropped_amount"]),
        examples,
        message("equal_lines_remedy") if mend else None,
        Setting("duplicates", "drop") if mend else None,
    )


def batches(base: Customers) -> Iterator[Check]:
    """What cannot be seen of orders that an earlier run merged."""
    merged = base.orders.batches
    if merged is not None:
        code = "batches_merged_latest" if base.orders.mends.latest else "batches_merged"
        yield Check("correct", "batches", "info", merged, message(code, n=merged))


def returns(base: Customers) -> Iterator[Check]:
    """Negative lines, on which days they count, and lines of zero."""
    profile = base.orders.profile
    if not base.orders.has_money:
        return
    negative, zero = profile["negative"], profile["zero"]
    yield Check(
        "correct",
        "returns",
        "info",
        negative,
        message("returns" if negative else "returns_none", n=negative),
        plain(profile["negative_amount"]),
        tuple(base.orders.examples("amount < 0")) if negative else (),
    )
    yield from _late_returns(base)
    said = message("zero_amounts" if zero else "zero_amounts_none", n=zero)
    yield Check("correct", "zero amounts", "info", zero, said)


def _late_returns(base: Customers) -> Iterator[Check]:
    """What was given back on another day than that of its purchase."""
    found = netted_totals(base.netted)
    if found is None:
        return
    untied = found["matched_days"] + found["unmatched_days"]
    lost = -found["unmatched"] > UNMATCHED * base.orders.profile["gross_amount"]
    if found["tied_lines"] + untied:
        yield Check(
            "correct",
            "returns on later days",
            "warning" if lost else "info",
            found["tied_lines"] + untied,
            _late_text(found),
            plain(found["tied"] + found["matched"] + found["unmatched"]),
            (),
            *_late_remedy(lost=lost, number=bool(found["matched_days"]) and not base.orders.numbered),
        )


def _late_text(found: Mapping[str, Any]) -> Message:
    names = ("tied", "matched", "unmatched")
    moneys = {f"{name}_money": abs(found[name]) for name in names}
    days = {name: message("customer_days", n=found[f"{name}_days"]) for name in names[1:]}
    cancelled = message("purchases", n=found["cancelled"])
    return message("late_returns", tied=message("lines", n=found["tied_lines"]), cancelled=cancelled, **days, **moneys)


def _late_remedy(*, lost: bool, number: bool) -> tuple[Message | None, Setting | None]:
    if lost:
        return message("late_returns_remedy_unmatched"), None
    return (message("late_returns_remedy"), Setting("order_id")) if number else (None, None)


def rounding(base: Customers) -> Iterator[Check]:
    """Amounts with more decimals than are kept."""
    count = base.orders.profile["rounded"]
    if count:
        said, remedy = message("rounded", n=count), message("rounded_remedy")
        yield Check("correct", "rounded amounts", "warning", count, said, remedy=remedy)


def no_margin(base: Customers) -> Iterator[Check]:
    """Lines without a margin, where margins are given."""
    if not base.orders.has_margin:
        return
    count = base.orders.profile["no_margin"]
    yield Check(
        "complete",
        "lines without margin",
        "warning" if count else "info",
        count,
        message("no_margin" if count else "no_margin_none", n=count),
        remedy=message("no_margin_remedy") if count else None,
    )


def large_lines(base: Customers) -> Iterator[Check]:
    """Single lines that hold much of all money."""
    gross = base.orders.profile["gross_amount"]
    if not gross or base.orders.profile["lines"] < 1 / LARGE_LINE:
        return
    condition = f"abs(amount) > {float(gross) * LARGE_LINE!r}"
    count = base.engine.one(f"select count(*) as n from {base.orders.all_lines} where {condition}")["n"]
    if count:
        yield Check(
            "correct",
            "very large lines",
            "warning",
            count,
            message("large_lines", n=count, share=LARGE_LINE),
            examples=tuple(base.orders.examples(condition)),
            remedy=message("large_lines_remedy"),
        )


def occasions(base: Customers) -> Iterator[Check]:
    """Lines that became one occasion, and occasions that net below zero."""
    lines = base.orders.profile["lines"] - base.orders.profile["set_aside"] - base.after["lines"]
    days = base.totals["occasions"]
    said = message("lines_merged", lines=message("lines", n=lines), occasions=message("occasions", n=days))
    yield Check("correct", "lines merged", "info", lines - days, said)
    if base.orders.has_money:
        found = netted_totals(base.netted)
        below = found["days_below_zero"] if found else 0
        said = message("below_zero" if below else "below_zero_none", n=below)
        yield Check("correct", "days below zero", "info", below, said, plain(base.totals["returned"]))


def no_purchase(base: Customers) -> Iterator[Check]:
    """Customers with returns only, or with purchases that all came back."""
    count = base.totals["customers"] - base.totals["with_purchase"]
    if count:
        only = base.engine.rows(f"select customer_id from {base.table} where orders = 0 order by customer_id limit 3")
        yield Check(
            "correct",
            "customers without a purchase",
            "warning",
            count,
            message("only_returns", n=count),
            examples=tuple(message("example_customer", customer=str(row["customer_id"])) for row in only),
            remedy=message("only_returns_remedy"),
        )


def similar_ids(base: Customers) -> Iterator[Check]:
    """Ids that differ only in capitals or blanks."""
    if base.table.columns()["customer_id"] != "VARCHAR":
        return
    alike = f"select count(distinct customer_id) - count(distinct lower(trim(customer_id))) as n from {base.table}"
    count = base.engine.one(alike)["n"]
    if not count:
        return
    pairs = base.engine.rows(
        f"select min(customer_id) as one, max(customer_id) as other from {base.table} where customer_id not like '%@%' "
        "group by lower(trim(customer_id)) having count(distinct trim(customer_id)) > 1 order by one limit 3"
    )
    if not pairs:  # e-mail addresses, and ids that differ in blanks only, are another finding
        return
    yield Check(
        "correct",
        "customer ids that look alike",
        "warning",
        count,
        message("alike_ids", n=count),
        examples=tuple(message("example_alike", **pair) for pair in pairs),
        remedy=message("alike_ids_remedy"),
    )


def shared_orders(base: Customers) -> Iterator[Check]:
    """Order numbers of more than one customer."""
    columns = base.orders.columns
    if columns.order_id is None:
        return
    order, customer = identifier(columns.order_id), identifier(columns.customer_id)
    shared = f"select {order} as number from {base.orders.source} where {order} is not null group by {order}"
    several = f"({shared} having count(distinct {customer}) > 1) as s"
    count = base.engine.one(f"select count(*) as n from {several}")["n"]
    first = base.engine.rows(f"select number from {several} order by number limit 3") if count else []
    yield Check(
        "correct",
        "orders of two customers",
        "warning" if count else "info",
        count,
        message("shared_orders" if count else "shared_orders_none", n=count),
        examples=tuple(message("example_order", order=str(row["number"])) for row in first),
        remedy=message("shared_orders_remedy") if count else None,
    )


def readings(base: Customers) -> Iterator[Check]:
    """How columns were read that came as text."""
    for note in base.orders.notes:
        yield Check("correct", "how columns are read", "info", 0, note)


CORRECT = (
    batches,
    equal_lines,
    returns,
    rounding,
    no_margin,
    large_lines,
    occasions,
    no_purchase,
    similar_ids,
    shared_orders,
    readings,
)
