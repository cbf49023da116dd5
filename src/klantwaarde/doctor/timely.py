"""Findings on dates, and on whether there is enough ground for the models."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from klantwaarde.doctor.finding import Check, Setting, plain
from klantwaarde.engine.relation import query
from klantwaarde.wording.message import message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from klantwaarde.purchases.customers import Customers
    from klantwaarde.purchases.window import Apart

FEW_REPEATERS = 100  # below it standard errors of the timing models exceed a third of the parameters on CDNOW-like data
LARGE_SHARE = 0.10  # of revenue, with one customer
PEAK = 1.4  # orders per day in the last RECENT days against the rest of the year
RECENT = 61
YEAR = 365
STALE = 31


def window(base: Customers) -> Iterator[Check]:
    """Where the observation ends, and what comes after it."""
    for note in base.notes:
        remedy = message("observation_end_remedy")
        yield Check("timely", "end of observation", "info", 0, note, remedy=remedy, setting=Setting("as_of"))
    after = base.after["lines"]
    left_out = message("customers", n=base.after["customers"])
    said = message("after_the_end" if after else "after_the_end_none", n=after, day=base.as_of, customers=left_out)
    yield Check("timely", "orders after the end", "info", after, said, plain(base.after["amount"]))
    last = base.totals["last_order"]
    quiet = (base.as_of - last).days if last else 0
    if quiet > STALE:
        yield Check(
            "timely",
            "silence before the end",
            "warning",
            quiet,
            message("silence", n=quiet),
            remedy=message("silence_remedy"),
            setting=Setting("as_of"),
        )


def strays(base: Customers) -> Iterator[Check]:
    """Lines that stand apart from all others, after or before them."""
    found = base.window
    if found is not None and found.late is not None:
        yield _apart(base, found.late, "lines that stand apart at the end", "after", found.late.beside)
    if found is not None and found.early is not None:
        yield _apart(base, found.early, "lines that stand apart at the start", "before", found.early.beside)


def _apart(base: Customers, found: Apart, check: str, side: str, day: dt.date) -> Check:
    what = {"lines": message("lines", n=found.lines), "customers": message("customers", n=found.customers)}
    days = {"first": found.first, "last": found.last, "day": day}
    gap = message("days", n=(found.first - day if side == "after" else day - found.last).days)
    code = "apart_before" if side == "before" else f"apart_{'observed' if found.last <= base.as_of else 'ignored'}"
    return Check(
        "timely",
        check,
        "warning",
        found.lines,
        message(code, **what, **days, gap=gap),
        plain(found.amount),
        tuple(base.orders.examples(f"day between date '{found.first}' and date '{found.last}'")),
        message(f"{code}_remedy", day=day),
        None if side == "before" else Setting("as_of", str(day) if code == "apart_observed" else None),
    )


def odd_dates(base: Customers) -> Iterator[Check]:
    """Dates that can hardly be right: in the future, or before computers had shops."""
    profile, orders = base.orders.profile, base.orders
    if profile["future"]:
        last = profile["last_day"]
        code = "future_until" if last and last > profile["today"] else "future"
        yield Check(
            "timely",
            "dates in the future",
            "warning",
            profile["future"],
            message(code, n=profile["future"], day=last),
            examples=tuple(orders.examples(f"day > date '{profile['today']}'")),
            remedy=message("future_remedy"),
            setting=Setting("as_of"),
        )
    if profile["long_ago"]:
        yield Check(
            "timely",
            "dates long ago",
            "warning",
            profile["long_ago"],
            message("long_ago", n=profile["long_ago"]),
            examples=tuple(orders.examples("day < date '1971-01-01'")),
            remedy=message("long_ago_remedy"),
        )
    if profile["zones"] > 1:
        yield Check(
            "timely",
            "mixed time zones",
            "warning",
            profile["zones"],
            message("zones", column=f"{orders.columns.date!r}", n=profile["zones"]),
            remedy=message("zones_remedy"),
        )


def enough(base: Customers) -> Iterator[Check]:
    """Length of history, and customers who came back."""
    first, repeaters = base.totals["first_order"], base.totals["repeat_customers"]
    days = (base.as_of - first).days if first else 0
    if days < YEAR:
        said, remedy = message("short_history", days=message("days", n=days + 1)), message("short_history_remedy")
        yield Check("ground", "less than a year of data", "warning", days, said, remedy=remedy)
    if repeaters < FEW_REPEATERS:
        said = message("few_repeaters" if repeaters else "few_repeaters_none", n=repeaters)
        remedy = message("few_repeaters_remedy")
        yield Check("ground", "few repeat customers", "warning", repeaters, said, remedy=remedy)


def spend(base: Customers) -> Iterator[Check]:
    """Repeat purchases for which nobody paid anything."""
    repeaters = base.totals["repeat_customers"]
    if base.orders.has_money and repeaters and not base.totals["repeat_payers"]:
        yield Check(
            "ground",
            "no repeat purchase was paid",
            "warning",
            repeaters,
            message("nothing_paid_again", customers=repeaters),
            remedy=message("nothing_paid_again_remedy"),
        )


def peak(base: Customers) -> Iterator[Check]:
    """A window that ends in a peak."""
    first = base.totals["first_order"]
    days = min((base.as_of - first).days if first else 0, YEAR) - RECENT
    if days < RECENT:
        return
    ends = {"recent": base.as_of - dt.timedelta(days=RECENT), "year_ago": base.as_of - dt.timedelta(days=YEAR)}
    pace = query("pace", lines=base.orders.lines, as_of=base.as_of, **ends).one()
    ratio = (pace["recent"] / RECENT) / (pace["earlier"] / days) if pace["earlier"] else 0.0
    if ratio > PEAK:
        yield Check(
            "ground",
            "the window ends in a peak",
            "warning",
            pace["recent"],
            message("peak", days=RECENT, ratio=ratio),
            remedy=message("peak_remedy"),
            setting=Setting("as_of"),
        )


def concentration(base: Customers) -> Iterator[Check]:
    """One customer with a large share of the revenue."""
    totals = base.totals
    if not totals["positive_revenue"] or totals["customers"] < 1 / LARGE_SHARE:
        return
    part = float(totals["largest_revenue"] / totals["positive_revenue"])
    if part > LARGE_SHARE:
        largest = base.engine.one(f"select customer_id from {base.table} order by revenue desc, customer_id limit 1")
        yield Check(
            "ground",
            "one customer with a large share",
            "warning",
            1,
            message("large_share", share=part),
            plain(totals["largest_revenue"]),
            (message("example_customer", customer=str(largest["customer_id"])),),
            message("large_share_remedy"),
        )


TIMELY = (window, strays, odd_dates)
GROUND = (enough, spend, peak, concentration)
