"""Findings on dates, and on whether there is enough ground for the models."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from klantwaarde.data.engine import statement
from klantwaarde.data.finding import Check, counted, plain
from klantwaarde.wording.message import message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from klantwaarde.data.customers import Customers
    from klantwaarde.data.window import Apart

FEW_REPEATERS = 100  # below it standard errors of the timing models exceed a third of the parameters on CDNOW-like data
LARGE_SHARE = 0.10  # of revenue, with one customer
PEAK = 1.4  # orders per day in the last RECENT days against the rest of the year
RECENT = 61
YEAR = 365
STALE = 31

NO_REPEATS = "No customer ordered on two days: rates cannot be told, and expected spend and residual value stay empty."


def window(base: Customers) -> Iterator[Check]:
    """Where the observation ends, and what comes after it."""
    for note in base.notes:
        yield Check("timely", "end of observation", "info", 0, note)
    after = base.after["lines"]
    ignored = counted(after, "line after {0} is", "lines after {0} are").format(base.as_of)
    yield Check(
        "timely",
        "orders after the end",
        "info",
        after,
        f"{ignored} ignored ({counted(base.after['customers'], 'customer')}).",
        plain(base.after["amount"]),
    )
    last = base.totals["last_order"]
    quiet = (base.as_of - last).days if last else 0
    if quiet > STALE:
        yield Check(
            "timely",
            "silence before the end",
            "warning",
            quiet,
            f"The last purchase is {quiet} days before the end of observation: everyone looks gone.",
            remedy="Load the missing orders, or give an earlier as_of.",
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
    )


def odd_dates(base: Customers) -> Iterator[Check]:
    """Dates that can hardly be right: in the future, or before computers had shops."""
    profile, orders = base.orders.profile, base.orders
    if profile["future"]:
        last = profile["last_day"]
        until = f" (up to {last})" if last and last > profile["today"] else ""
        yield Check(
            "timely",
            "dates in the future",
            "warning",
            profile["future"],
            f"{counted(profile['future'], 'line is', 'lines are')} dated after today{until}.",
            examples=tuple(orders.examples(f"day > date '{profile['today']}'")),
            remedy="Correct the dates. Lines after the end of observation (as_of) are ignored.",
        )
    if profile["long_ago"]:
        yield Check(
            "timely",
            "dates long ago",
            "warning",
            profile["long_ago"],
            f"{counted(profile['long_ago'], 'line is', 'lines are')} dated before 1971: often a missing date, or a "
            "time in the wrong unit. Such customers look as if they had been silent for decades.",
            examples=tuple(orders.examples("day < date '1971-01-01'")),
            remedy="Correct the dates, or leave these lines out.",
        )
    if profile["zones"] > 1:
        yield Check(
            "timely",
            "mixed time zones",
            "warning",
            profile["zones"],
            f"Column {orders.columns.date!r} mixes {profile['zones']} ways of writing the time zone; each order counts "
            "on the day as written.",
            remedy="Bring the times to one zone, if orders around midnight matter.",
        )


def enough(base: Customers) -> Iterator[Check]:
    """Length of history, and customers who came back."""
    first, repeaters = base.totals["first_order"], base.totals["repeat_customers"]
    days = (base.as_of - first).days if first else 0
    if days < YEAR:
        yield Check(
            "ground",
            "less than a year of data",
            "warning",
            days,
            f"The orders cover {counted(days, 'day')}: seasons cannot be seen, and 'inactive' means less.",
            remedy="Load a longer history if there is one.",
        )
    if repeaters < FEW_REPEATERS:
        some = f"Only {counted(repeaters, 'customer')} ordered on two days or more"
        yield Check(
            "ground",
            "few repeat customers",
            "warning",
            repeaters,
            f"{some}: the models' parameters are uncertain." if repeaters else NO_REPEATS,
            remedy="Use a longer history or a larger base; read scores per group, not per customer.",
        )


def spend(base: Customers) -> Iterator[Check]:
    """Repeat purchases for which nobody paid anything."""
    repeaters = base.totals["repeat_customers"]
    if base.orders.has_money and repeaters and not base.totals["repeat_payers"]:
        yield Check(
            "ground",
            "no repeat purchase was paid",
            "warning",
            repeaters,
            message("nothing-paid-again", customers=repeaters),
            remedy=message("nothing-paid-again-remedy"),
        )


def peak(base: Customers) -> Iterator[Check]:
    """A window that ends in a peak."""
    first = base.totals["first_order"]
    days = min((base.as_of - first).days if first else 0, YEAR) - RECENT
    if days < RECENT:
        return
    ends = {"recent": base.as_of - dt.timedelta(days=RECENT), "year_ago": base.as_of - dt.timedelta(days=YEAR)}
    pace = base.engine.one(statement("pace", lines=base.orders.lines), {"as_of": base.as_of} | ends)
    ratio = (pace["recent"] / RECENT) / (pace["earlier"] / days) if pace["earlier"] else 0.0
    if ratio > PEAK:
        yield Check(
            "ground",
            "the window ends in a peak",
            "warning",
            pace["recent"],
            f"Order lines per day in the last {RECENT} days are {ratio:.1f} times those of the months before: a season "
            "or growth, which the models take for the customers' own rate.",
            remedy="Compare with a run that ends before the peak (as_of), and backtest.",
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
            f"One customer brought {part:.0%} of the revenue; expected spend leans on this customer.",
            plain(totals["largest_revenue"]),
            (f"customer {largest['customer_id']}",),
            "Check whether it is one customer (a reseller, a cash desk), and consider it apart.",
        )


TIMELY = (window, strays, odd_dates)
GROUND = (enough, spend, peak, concentration)
