"""Findings on whether each order line says what happened: doubles, returns, ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klantwaarde.data import duplicates
from klantwaarde.data.engine import identifier
from klantwaarde.data.finding import Check, counted, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from klantwaarde.data.customers import Customers

LARGE_LINE = 0.005  # of all money moved, in one line


def equal_lines(base: Customers) -> Iterator[Check]:
    """Lines that repeat an earlier one in every column."""
    orders, (count, examples) = base.orders, duplicates.equal_lines(base)
    dropped = orders.duplicates == "drop"
    whose = "" if orders.batches is None else " of the new batch"
    many = f"{counted(count, f'line{whose} repeats', f'lines{whose} repeat')} an earlier line in every column"
    yield Check(
        "correct",
        "equal lines",
        "info" if dropped or not count else "warning",
        count,
        f"{many} and {'is' if count == 1 else 'are'} {'dropped' if dropped else 'kept'}." if count else f"{many}.",
        plain(orders.profile["dropped_amount"]),
        examples,
        None if dropped or not count else "If they are loading errors, pass duplicates='drop' (--duplicates drop).",
    )


def batches(base: Customers) -> Iterator[Check]:
    """What cannot be seen of orders that an earlier run merged."""
    merged = base.orders.batches
    if merged is not None:
        yield Check(
            "correct",
            "batches",
            "info",
            merged,
            f"{counted(merged, 'batch', 'batches')} merged: counts and money are of all, examples and what looks at "
            "single lines (equal, very large, orders of two customers) of the new one. A line that came in two batches "
            "counts twice.",
        )


def returns(base: Customers) -> Iterator[Check]:
    """Negative lines, and lines of zero."""
    profile = base.orders.profile
    if not base.orders.has_money:
        return
    found = counted(profile["negative"], "line is", "lines are")
    text = f"{found} negative and netted with the customer's other lines of that day."
    yield Check(
        "correct",
        "returns",
        "info",
        profile["negative"],
        text if profile["negative"] else "No line is negative: there are no returns.",
        plain(profile["negative_amount"]),
        tuple(base.orders.examples("amount < 0")) if profile["negative"] else (),
    )
    found = counted(profile["zero"], "line has", "lines have")
    yield Check(
        "correct", "zero amounts", "info", profile["zero"], f"{found} amount zero: counted for timing and in the mean."
    )


def rounding(base: Customers) -> Iterator[Check]:
    """Amounts with more decimals than are kept."""
    count = base.orders.profile["rounded"]
    if count:
        found = counted(count, "amount has", "amounts have")
        yield Check(
            "correct",
            "rounded amounts",
            "warning",
            count,
            f"{found} more than four decimals and {'is' if count == 1 else 'are'} rounded to four; sums are of that.",
            remedy="Give amounts in a larger unit (euros, not millions) or rounded as you want them.",
        )


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
        f"{counted(count, 'line is', 'lines are')} without a margin: none is counted for them in the margin realised; "
        "the margin expected per order comes from the lines that have one.",
        remedy="Fill in the margins." if count else None,
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
            f"{counted(count, 'line is', 'lines are each')} more than {LARGE_LINE:.1%} of all money moved.",
            examples=tuple(base.orders.examples(condition)),
            remedy="Check for typing errors; a large order that was returned on another day counts as a purchase.",
        )


def occasions(base: Customers) -> Iterator[Check]:
    """Lines that became one occasion, and occasions that net below zero."""
    lines = base.orders.profile["lines"] - base.orders.profile["set_aside"] - base.after["lines"]
    days = base.totals["occasions"]
    made = f"{counted(lines, 'line makes', 'lines make')} {counted(days, 'occasion')}"
    yield Check(
        "correct", "lines merged", "info", lines - days, f"{made}: the lines of one customer on one day are one."
    )
    if base.orders.has_money:
        below = days - base.totals["orders"]
        yield Check(
            "correct",
            "days below zero",
            "info",
            below,
            f"{counted(below, 'customer-day nets', 'customer-days net')} below zero: no purchase, the money counts.",
            plain(base.totals["returned"]),
        )


def no_purchase(base: Customers) -> Iterator[Check]:
    """Customers with returns only."""
    count = base.totals["customers"] - base.totals["with_purchase"]
    if count:
        only = base.engine.rows(f"select customer_id from {base.table} where orders = 0 order by customer_id limit 3")
        yield Check(
            "correct",
            "customers without a purchase",
            "warning",
            count,
            f"{counted(count, 'customer has', 'customers have')} only returns; they stay in the output with their "
            "money, without a model score.",
            examples=tuple(f"customer {row['customer_id']}" for row in only),
            remedy="Load the purchases that these returns belong to, if they exist.",
        )


def similar_ids(base: Customers) -> Iterator[Check]:
    """Ids that differ only in capitals or blanks."""
    if base.engine.columns(base.table)["customer_id"] != "VARCHAR":
        return
    alike = f"select count(distinct customer_id) - count(distinct lower(trim(customer_id))) as n from {base.table}"
    count = base.engine.one(alike)["n"]
    if not count:
        return
    pairs = base.engine.rows(
        f"select min(customer_id) as one, max(customer_id) as other from {base.table} "
        "group by lower(trim(customer_id)) having count(*) > 1 order by one limit 3"
    )
    yield Check(
        "correct",
        "customer ids that look alike",
        "warning",
        count,
        f"{counted(count, 'customer id differs', 'customer ids differ')} from another one only in capitals or blanks: "
        "counted apart.",
        examples=tuple(f"{pair['one']!r} and {pair['other']!r}" for pair in pairs),
        remedy="Write each id in one way before loading.",
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
        f"{counted(count, 'order number belongs', 'order numbers belong')} to more than one customer.",
        examples=tuple(f"order {row['number']}" for row in first),
        remedy="Check how orders are tied to customers." if count else None,
    )


def readings(base: Customers) -> Iterator[Check]:
    """How columns were read that came as text."""
    for note in base.orders.notes:
        yield Check("correct", "how columns are read", "info", 0, note[0].upper() + note[1:])


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
