"""The data doctor's sheet: are the orders correct, timely and complete, and can models stand on them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from klantwaarde.data.correct import CORRECT
from klantwaarde.data.finding import Check, Section, counted, plain, share
from klantwaarde.data.timely import GROUND, TIMELY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from klantwaarde.data.customers import Customers


class Sheet(NamedTuple):
    """All findings and one sentence that sums them up."""

    verdict: str
    checks: tuple[Check, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, by section."""
        by_section = {
            name: [check.as_dict() for check in self.checks if check.section == name] for name in get_args(Section)
        }
        return {"verdict": self.verdict, "sections": by_section}

    def count(self, name: str) -> int:
        """The count of the finding of this name; 0 where it was not made."""
        return sum(check.count for check in self.checks if check.check == name)

    @property
    def warnings(self) -> tuple[Check, ...]:
        """The findings that ask for something to be done."""
        return tuple(check for check in self.checks if check.level == "warning")


def sheet(base: Customers) -> Sheet:
    """The sheet of the orders behind a customer base."""
    checks = tuple(check for find in (*CORRECT, *TIMELY, *COMPLETE, *GROUND) for check in find(base))
    aside, read = base.orders.profile["set_aside"], base.orders.read
    warned = sum(check.level == "warning" for check in checks)
    verdict = (
        f"{counted(read, 'line')} read, {aside:,} set aside ({share(aside, read)}), "
        f"{counted(base.totals['customers'], 'customer')} up to {base.as_of}; "
    )
    return Sheet(verdict + (f"{counted(warned, 'thing')} to look at." if warned else "nothing stands out."), checks)


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


def _no_customer(base: Customers) -> Iterator[Check]:
    profile = base.orders.profile
    yield _lacking(
        base, "customer", profile["no_customer"], "a customer", "customer_id is null", profile["no_customer_amount"]
    )


def _no_date(base: Customers) -> Iterator[Check]:
    profile = base.orders.profile
    what = "a date (1970-01-01, a computer's day zero, counts as none)" if profile["no_date"] else "a date"
    yield _lacking(base, "date", profile["no_date"], what, "day is null", profile["no_date_amount"])


def _no_amount(base: Customers) -> Iterator[Check]:
    if base.orders.has_money:
        yield _lacking(base, "amount", base.orders.profile["no_amount"], "a usable amount", "amount is null", None)


def _lacking(base: Customers, name: str, count: int, what: str, condition: str, amount: Decimal | None) -> Check:
    profile = base.orders.profile
    # Where returns outweigh sales, a share of the money means nothing.
    sensible = amount is not None and profile["amount"] and 0 <= amount / profile["amount"] <= 1
    money = f", {share(amount, profile['amount'])} of the money" if sensible and amount else ""
    lines = counted(count, "line", "lines")
    return Check(
        "complete",
        f"lines without {name}",
        "warning" if count else "info",
        count,
        f"{lines} ({share(count, profile['lines'])} of all{money}) {'is' if count == 1 else 'are'} without {what} and "
        "set aside.",
        plain(amount),
        tuple(base.orders.examples(condition)) if count else (),
        f"Find out where the {name} gets lost, and load again." if count else None,
    )


def _money_adds_up(base: Customers) -> Iterator[Check]:
    if not base.orders.has_money:
        return
    parts = reconciliation(base)
    gap = parts["input"] - parts["scored"] - parts["set_aside"] - parts["after"] - parts["dropped"]
    told = f"input {parts['input']:,.2f} = scored {parts['scored']:,.2f} + set aside {parts['set_aside']:,.2f}"
    told += f" + after the end {parts['after']:,.2f}"
    told += f" + dropped {parts['dropped']:,.2f}" if base.orders.duplicates == "drop" else ""
    yield Check(
        "complete",
        "money adds up",
        "warning" if gap else "info",
        int(bool(gap)),
        f"{told}; difference {gap:z,.2f}.",
        float(gap),
        remedy="Please report this: it is a fault of ours." if gap else None,
    )


COMPLETE = (_no_customer, _no_date, _no_amount, _money_adds_up)
