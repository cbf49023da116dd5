"""The data doctor's sheet: are the orders correct, timely and complete, and can models stand on them."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from klantwaarde.data.duckdb import identifier, statement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from klantwaarde.data.customers import Customers

Section = Literal["correct", "timely", "complete", "ground"]
Level = Literal["info", "warning"]
SECTIONS: tuple[Section, ...] = ("correct", "timely", "complete", "ground")

FEW_REPEATERS = 100  # below it standard errors of the timing models exceed a third of the parameters on CDNOW-like data
LARGE_SHARE = 0.10  # of revenue, with one customer
PEAK = 1.4  # orders per day in the last RECENT days against the rest of the year
RECENT = 61
YEAR = 365
STALE = 31
LARGE_LINE = 0.005  # of all money moved, in one line


@dataclass(frozen=True)
class Check:
    """One finding: what, how many, how much money, examples, and what to do."""

    section: Section
    check: str
    level: Level
    count: int
    text: str
    money: float | None = None
    examples: tuple[str, ...] = ()
    remedy: str | None = None


class Sheet(NamedTuple):
    """All findings and one sentence that sums them up."""

    verdict: str
    checks: tuple[Check, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, by section."""
        by_section = {name: [asdict(check) for check in self.checks if check.section == name] for name in SECTIONS}
        return {"verdict": self.verdict, "sections": by_section}

    @property
    def warnings(self) -> tuple[Check, ...]:
        """The findings that ask for something to be done."""
        return tuple(check for check in self.checks if check.level == "warning")


def sheet(base: Customers) -> Sheet:
    """The sheet of the orders behind a customer base."""
    checks = tuple(check for find in _FINDERS for check in find(base))
    warnings = [check for check in checks if check.level == "warning"]
    share = _share(base.orders.profile["set_aside"], base.orders.read)
    verdict = (
        f"{base.orders.read:,} lines read, {base.orders.profile['set_aside']:,} set aside ({share}), "
        f"{base.totals['customers']:,} customers up to {base.as_of}; "
        + (
            f"{len(warnings)} {'thing' if len(warnings) == 1 else 'things'} to look at."
            if warnings
            else "nothing stands out."
        )
    )
    return Sheet(verdict, checks)


def _duplicates(base: Customers) -> Iterator[Check]:
    orders = base.orders
    count = orders.duplicate_lines
    dropped = orders.duplicates == "drop"
    yield Check(
        "correct", "equal lines", "info" if dropped or not count else "warning", count,
        f"{count:,} lines repeat an earlier line in every column; they are {'dropped' if dropped else 'kept'}.",
        _float(orders.profile["dropped_amount"]) if dropped else None, orders.duplicate_examples,
        None if dropped or not count else "If they are loading errors, pass duplicates='drop' (--duplicates drop).",
    )  # fmt: skip


def _returns(base: Customers) -> Iterator[Check]:
    profile = base.orders.profile
    if not base.orders.has_money:
        return
    if not profile["negative"]:
        yield Check("correct", "returns", "info", 0, "No line is negative: there are no returns.")
        return
    yield Check(
        "correct", "returns", "info", profile["negative"],
        f"{profile['negative']:,} lines are negative and are netted with the customer's other lines of that day.",
        _float(profile["negative_amount"]), tuple(base.orders.examples("amount < 0")),
    )  # fmt: skip
    yield Check("correct", "zero amounts", "info", profile["zero"],
                f"{profile['zero']:,} lines have amount zero; they count for timing and in the mean.")  # fmt: skip


def _large_lines(base: Customers) -> Iterator[Check]:
    gross = base.orders.profile["gross_amount"]
    if not gross or base.orders.profile["lines"] < 1 / LARGE_LINE:
        return
    condition = f"abs(amount) > {float(gross) * LARGE_LINE!r}"
    count = base.engine.one(f"select count(*) as n from {base.orders.all_lines} where {condition}")["n"]
    if count:
        yield Check("correct", "very large lines", "warning", count,
                    f"{count:,} line(s) are each more than {LARGE_LINE:.1%} of all money moved.",
                    examples=tuple(base.orders.examples(condition)),
                    remedy="Check them for typing errors; a large order that was returned on another day counts as a "
                    "purchase.")  # fmt: skip


def _occasions(base: Customers) -> Iterator[Check]:
    lines = base.orders.profile["lines"] - base.orders.profile["set_aside"] - base.after["lines"]
    occasions = base.totals["occasions"]
    yield Check("correct", "lines merged", "info", lines - occasions,
                f"{lines:,} lines make {occasions:,} occasions: the lines of one customer on one day are one.")  # fmt: skip
    if base.orders.has_money:
        below = occasions - base.totals["orders"]
        yield Check("correct", "days below zero", "info", below,
                    f"{below:,} customer-days net below zero: no purchase, but the money counts.",
                    _float(base.totals["returned"]))  # fmt: skip


def _no_purchase(base: Customers) -> Iterator[Check]:
    count = base.totals["customers"] - base.totals["with_purchase"]
    if count:
        yield Check("correct", "customers without a purchase", "warning", count,
                    f"{count:,} customers have only returns; they stay in the output with their money, without a model "
                    "score.", remedy="Load the purchases that these returns belong to, if they exist.")  # fmt: skip


def _similar_ids(base: Customers) -> Iterator[Check]:
    kind = base.engine.columns(base.table)["customer_id"]
    if kind != "VARCHAR":
        return
    alike = f"select count(distinct customer_id) - count(distinct lower(trim(customer_id))) as n from {base.table}"
    count = base.engine.one(alike)["n"]
    if count:
        yield Check("correct", "customer ids that look alike", "warning", count,
                    f"{count:,} customer ids differ from another one only in capitals or blanks and are counted apart.",
                    remedy="Write each id in one way before loading.")  # fmt: skip


def _shared_orders(base: Customers) -> Iterator[Check]:
    columns = base.orders.columns
    if columns.order_id is None:
        return
    order, customer = identifier(columns.order_id), identifier(columns.customer_id)
    shared = f"select {order} from {base.orders.source} where {order} is not null group by {order}"
    counted = f"select count(*) as n from ({shared} having count(distinct {customer}) > 1) as s"
    count = base.engine.one(counted)["n"]
    yield Check("correct", "orders of two customers", "warning" if count else "info", count,
                f"{count:,} order numbers belong to more than one customer.",
                remedy="Check how orders are tied to customers." if count else None)  # fmt: skip


def _notes(base: Customers) -> Iterator[Check]:
    for note in base.orders.notes:
        yield Check("correct", "how columns are read", "info", 0, note[0].upper() + note[1:])


def _window(base: Customers) -> Iterator[Check]:
    profile = base.orders.profile
    for note in base.notes:
        yield Check("timely", "end of observation", "info", 0, note)
    after = base.after["lines"]
    yield Check("timely", "orders after the end", "info", after,
                f"{after:,} lines after {base.as_of} are ignored ({base.after['customers']:,} customers).",
                _float(base.after["amount"]))  # fmt: skip
    if profile["future"]:
        yield Check("timely", "dates in the future", "warning", profile["future"],
                    f"{profile['future']:,} lines are dated after today (up to {profile['last_day']}); they are ignored.",
                    examples=tuple(base.orders.examples("day > current_date")),
                    remedy="Correct the dates.")  # fmt: skip
    quiet = (base.as_of - base.totals["last_order"]).days if base.totals["last_order"] else 0
    if quiet > STALE:
        yield Check("timely", "silence before the end", "warning", quiet,
                    f"The last purchase is {quiet} days before the end of observation: everyone looks gone.",
                    remedy="Load the missing orders, or give an earlier as_of.")  # fmt: skip


def _set_aside(base: Customers) -> Iterator[Check]:
    profile, orders = base.orders.profile, base.orders
    for count, money, what, condition in (
        ("no_customer", "no_customer_amount", "a customer", "customer_id is null"),
        ("no_date", "no_date_amount", "a date", "day is null"),
        ("no_amount", None, "a usable amount", "amount is null"),
    ):
        found = profile[count]
        amount = _float(profile[money]) if money else None
        share = f", {_share(amount, profile['amount'])} of the money" if amount and profile["amount"] else ""
        yield Check("complete", f"lines without {what.split()[-1]}", "warning" if found else "info", found,
                    f"{found:,} lines ({_share(found, profile['lines'])} of all{share}) are without {what} and set aside.",
                    amount, tuple(orders.examples(condition)) if found else (),
                    f"Find out where {what} gets lost, and load again." if found else None)  # fmt: skip


def _reconciliation(base: Customers) -> Iterator[Check]:
    if not base.orders.has_money:
        return
    parts = reconciliation(base)
    gap = parts["input"] - parts["scored"] - parts["set_aside"] - parts["after"] - parts["dropped"]
    told = f"input {parts['input']:,.2f} = scored {parts['scored']:,.2f} + set aside {parts['set_aside']:,.2f}"
    told += f" + after the end {parts['after']:,.2f}"
    told += f" + dropped {parts['dropped']:,.2f}" if parts["dropped"] else ""
    yield Check("complete", "money adds up", "warning" if gap else "info", int(bool(gap)), f"{told}; difference {gap:,.2f}.",
                float(gap), remedy="Please report this: it is a fault of ours." if gap else None)  # fmt: skip


def reconciliation(base: Customers) -> dict[str, Decimal]:
    """The input's money and where it went, exactly: input = scored + set_aside + after (+ dropped duplicates)."""
    profile, zero = base.orders.profile, Decimal(0)
    return {
        "input": (profile["amount"] or zero) + (profile["dropped_amount"] or zero),
        "scored": base.totals["revenue"] or zero,
        "set_aside": profile["set_aside_amount"] or zero,
        "after": base.after["amount"] or zero,
        "dropped": profile["dropped_amount"] or zero,
    }


def _ground(base: Customers) -> Iterator[Check]:
    first, repeaters = base.totals["first_order"], base.totals["repeat_customers"]
    days = (base.as_of - first).days if first else 0
    if days < YEAR:
        yield Check("ground", "less than a year of data", "warning", days,
                    f"The orders cover {days} days: seasons cannot be seen, and 'inactive' means less.",
                    remedy="Load a longer history if there is one.")  # fmt: skip
    if repeaters < FEW_REPEATERS:
        text = (
            "No customer ordered on two days"
            if not repeaters
            else f"Only {repeaters:,} customers ordered on two days or more"
        )
        yield Check("ground", "few repeat customers", "warning", repeaters,
                    f"{text}: the models' parameters are uncertain.",
                    remedy="Use a longer history or a larger base; read scores per group, not per customer.")  # fmt: skip


def _peak(base: Customers) -> Iterator[Check]:
    first = base.totals["first_order"]
    days = min((base.as_of - first).days if first else 0, YEAR) - RECENT
    if days < RECENT:
        return
    ends = {
        "recent": base.as_of - dt.timedelta(days=RECENT),
        "year_ago": base.as_of - dt.timedelta(days=YEAR),
    }
    pace = base.engine.one(statement("pace", lines=base.orders.lines), {"as_of": base.as_of} | ends)
    ratio = (pace["recent"] / RECENT) / (pace["earlier"] / days) if pace["earlier"] else 0.0
    if ratio > PEAK:
        yield Check("ground", "the window ends in a peak", "warning", pace["recent"],
                    f"Order lines per day in the last {RECENT} days are {ratio:.1f} times those of the months before: a "
                    "season or growth, which the models take for the customers' own rate.",
                    remedy="Compare with a run that ends before the peak (as_of), and backtest.")  # fmt: skip


def _concentration(base: Customers) -> Iterator[Check]:
    totals = base.totals
    if not totals["positive_revenue"] or totals["customers"] < 1 / LARGE_SHARE:
        return
    share = float(totals["largest_revenue"] / totals["positive_revenue"])
    if share > LARGE_SHARE:
        yield Check("ground", "one customer with a large share", "warning", 1,
                    f"One customer brought {share:.0%} of the revenue; expected spend leans on this customer.",
                    _float(totals["largest_revenue"]),
                    remedy="Check whether it is one customer (a reseller, a cash desk), and consider it apart.")  # fmt: skip


def _share(part: Any, whole: Any) -> str:
    return f"{float(part) / float(whole):.1%}" if whole else "0.0%"


def _float(money: Any) -> float | None:
    return None if money is None else float(money)


_FINDERS: tuple[Callable[[Customers], Iterator[Check]], ...] = (
    _duplicates, _returns, _large_lines, _occasions, _no_purchase, _similar_ids, _shared_orders, _notes, _window,
    _set_aside, _reconciliation, _ground, _peak, _concentration,
)  # fmt: skip
