"""The data doctor's sheet: are the orders correct, timely and complete, and can models stand on them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from klantwaarde.doctor.cleaned import CLEANED, left_out
from klantwaarde.doctor.correct import CORRECT
from klantwaarde.doctor.finding import Check, Section, plain, share
from klantwaarde.doctor.order_findings import NUMBERS
from klantwaarde.doctor.timely import GROUND, TIMELY
from klantwaarde.errors import expect
from klantwaarde.purchases.customers import Customers
from klantwaarde.wording.message import message, several

if TYPE_CHECKING:
    from collections.abc import Iterator

    from klantwaarde.wording.message import Message


class Sheet(NamedTuple):
    """All findings and one sentence that sums them up."""

    verdict: Message
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
    expect(base, Customers, "base", "kw.customers(orders) makes it, as of a day")
    checks = tuple(
        check for find in (*CORRECT, *NUMBERS, *CLEANED, *TIMELY, *COMPLETE, *GROUND) for check in find(base)
    )
    return Sheet(_verdict(base, sum(check.level == "warning" for check in checks)), checks)


def _verdict(base: Customers, warned: int) -> Message:
    aside, read = base.orders.profile["set_aside"], base.orders.read
    return message(
        "verdict",
        lines=message("lines", n=read),
        aside=aside,
        share=share(aside, read),
        customers=message("customers", n=base.totals["customers"]),
        day=base.as_of,
        ending=message("warnings" if warned else "no_warnings", n=warned),
    )


def reconciliation(base: Customers) -> dict[str, Decimal]:
    """The input's money and where it went, exactly: input = scored + set_aside + after (+ dropped duplicates)."""
    profile, zero = base.orders.profile, Decimal(0)
    return {
        "input": (profile["amount"] or zero)
        + (profile["dropped_amount"] or zero)
        + (profile["left_out_amount"] or zero),
        "scored": base.totals["revenue"] or zero,
        "set_aside": profile["set_aside_amount"] or zero,
        "after": base.after["amount"] or zero,
        "dropped": profile["dropped_amount"] or zero,
        "left_out": profile["left_out_amount"] or zero,
    }


def _no_customer(base: Customers) -> Iterator[Check]:
    profile = base.orders.profile
    what = message("a_customer")
    yield _lacking(base, "customer", profile["no_customer"], what, "customer_id is null", profile["no_customer_amount"])


def _no_date(base: Customers) -> Iterator[Check]:
    profile = base.orders.profile
    what = message("a_date_zero" if profile["no_date"] else "a_date")
    yield _lacking(base, "date", profile["no_date"], what, "day is null", profile["no_date_amount"])


def _no_amount(base: Customers) -> Iterator[Check]:
    if base.orders.has_money:
        what = message("a_usable_amount")
        yield _lacking(base, "amount", base.orders.profile["no_amount"], what, "amount is null", None)


def _lacking(base: Customers, name: str, count: int, what: Message, condition: str, amount: Decimal | None) -> Check:
    profile = base.orders.profile
    # Where returns outweigh sales, a share of the money means nothing.
    sensible = amount is not None and profile["amount"] and 0 <= amount / profile["amount"] <= 1
    money = share(amount, profile["amount"]) if sensible and amount else None
    code = "lines_without_none" if not count else "lines_without" if money is None else "lines_without_money"
    return Check(
        "complete",
        f"lines without {name}",
        "warning" if count else "info",
        count,
        message(code, n=count, share=share(count, profile["lines"]), money=money, what=what),
        plain(amount),
        tuple(base.orders.examples(condition)) if count else (),
        message(f"lines_without_{name}_remedy") if count else None,
    )


def _money_adds_up(base: Customers) -> Iterator[Check]:
    if not base.orders.has_money:
        return
    parts = reconciliation(base)
    gap = parts["input"] - parts["scored"] - parts["set_aside"] - parts["after"] - parts["dropped"] - parts["left_out"]
    more = [message("money_dropped", money=parts["dropped"])] if any(base.orders.mends) else []
    more += [message("money_left_out", money=parts["left_out"])] if base.orders.profile["left_out"] else []
    yield Check(
        "complete",
        "money adds up",
        "warning" if gap else "info",
        int(bool(gap)),
        message(
            "money_adds_up", **parts, aside=parts["set_aside"], gap=gap, more=several("adjacent", more) if more else ""
        ),
        float(gap),
        remedy=message("money_adds_up_remedy") if gap else None,
    )


COMPLETE = (_no_customer, _no_date, _no_amount, left_out, _money_adds_up)
