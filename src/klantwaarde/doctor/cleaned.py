"""Findings on ids that are one or none, and on lines that do not count, or might not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from klantwaarde.doctor.finding import Check, Setting, plain, share
from klantwaarde.engine import types as of_type
from klantwaarde.engine.statement import identifier, literal
from klantwaarde.purchases.identity import LOST, Kind, composed, kinds, no_id
from klantwaarde.wording.message import Message, message, several

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from klantwaarde.purchases.customers import Customers

SHOWN = 3
STATUS = ("status", "financial_status", "order_status", "orderstatus", "payment_status", "fulfillment_status",
          "betaalstatus", "cancelled_at", "canceled_at")  # fmt: skip
CURRENCY = ("currency", "currency_code", "valuta")
"""Names of columns, in small letters, that say whether a line should count."""
REFUNDED = ("refunded_amount", "amount_refunded", "total_refunded", "refunded_total", "refund_amount", "refund_value",
            "refund_total", "terugbetaald")  # fmt: skip
FEW_VALUES = 20
OFTEN = 3
"""Times as many days as the average, or as the next: so often a number stands for no id, an id for no customer."""
MANY_DAYS = 30


def folded(base: Customers) -> Iterator[Check]:
    """Spellings that were folded into one id."""
    found = base.orders.chosen.folded
    if base.orders.chosen.folds:
        said = message("ids_folded", n=found.spellings, lines=message("lines", n=found.lines))
        yield Check("correct", "ids in several spellings", "info", found.spellings, said)


def spelled(base: Customers) -> Iterator[Check]:
    """Customers who are in the base under two spellings of an id: a warning for each way in which these differ."""
    if not of_type.is_text(base.table.columns()["customer_id"]):
        return
    one = composed(base.engine, f"select customer_id from {base.table}", "customer_id", "customer_id")
    ways = kinds("customer_id", one)
    counts = ", ".join(f"count(*) filter (where {way.suspect}) as {way.name}" for way in ways)
    suspects = base.engine.one(f"select {counts} from {base.table}")
    for way in ways:
        found = _spelled(base, way) if suspects[way.name] else None
        if found is not None:
            yield found


def _spelled(base: Customers, way: Kind) -> Check | None:
    """The ids that are written in several ways of one kind, with their lines and money."""
    key = f"nullif({way.key}, '')"
    columns = "customer_id, lines, revenue"
    changed = f"select {key} as key, {columns} from {base.table} where {way.suspect} and {key} <> customer_id"
    others = f"select customer_id as key, {columns} from {base.table} where customer_id in (select key from changed)"
    groups = (
        f"with changed as ({changed}), members as (select * from changed union all {others}) select key, "
        "count(*) as ids, sum(lines) as lines, sum(revenue) as money, min(customer_id) as one, "
        "max(customer_id) as other from members group by key having count(*) > 1"
    )
    many = base.engine.new_name("spelled")
    base.engine.create(many, groups)
    total = "count(*) as n, coalesce(sum(ids), 0) as ids, coalesce(sum(lines), 0) as lines, sum(money) as money"
    found = base.engine.one(f"select {total} from {many}")
    first = base.engine.rows(f"select one, other from {many} order by key limit {SHOWN}")
    base.engine.drop(many)
    if not found["n"]:
        return None
    said = message(
        "ids_spelled", ids=int(found["ids"]), n=found["n"], way=message(f"way_{way.name}"), at_stake=_at_stake(found)
    )
    return Check(
        "correct",
        "ids in several spellings",
        "warning",
        int(found["ids"]),
        said,
        plain(found["money"]),
        tuple(message("example_alike", one=ascii(row["one"])[1:-1], other=ascii(row["other"])[1:-1]) for row in first),
        message("ids_spelled_remedy"),
        Setting("fold_ids", ""),
    )


def _at_stake(found: Mapping[str, Any]) -> Message:
    """Lines, and their money where there is any."""
    lines = message("lines", n=int(found["lines"]))
    return lines if found["money"] is None else message("lines_with_money", lines=lines, money=found["money"])


def lost_digits(base: Customers) -> Iterator[Check]:
    """Ids that a spreadsheet has rounded: many customers may have become one, and nothing can undo it."""
    if not of_type.is_text(base.table.columns()["customer_id"]):
        return
    rounded = f"(customer_id like '%E+%' or customer_id like '%e+%') and regexp_matches(customer_id, {literal(LOST)})"
    found = _sums(base, rounded)
    if found["n"]:
        yield Check(
            "correct",
            "ids that lost digits",
            "warning",
            found["n"],
            message("ids_lost_digits", n=found["n"], at_stake=_at_stake(found)),
            plain(found["money"]),
            _customers(base, rounded),
            message("ids_lost_digits_remedy"),
        )


def placeholders(base: Customers) -> Iterator[Check]:
    """Ids that stand for no customer: by what they say, and by how often they buy."""
    kind = base.table.columns()["customer_id"]
    often = f"occasions > {OFTEN} * (select avg(occasions) from {base.table})"
    where = f"({no_id('customer_id', kind, numbers=False)} or ({no_id('customer_id', kind)} and {often}))"
    found = _sums(base, where)
    if found["n"]:
        part = share(found["lines"], base.orders.profile["lines"])
        yield Check(
            "correct",
            "ids that stand for no customer",
            "warning",
            found["n"],
            message("ids_of_nobody", n=found["n"], at_stake=_at_stake(found), share=part),
            plain(found["money"]),
            _customers(base, where),
            message("ids_of_nobody_remedy"),
            Setting("placeholder_ids", "set_aside"),
        )
    most = base.engine.rows(
        f"select customer_id, occasions, lines, revenue as money from {base.table} where not {where} "
        "order by occasions desc, customer_id limit 2"
    )
    if len(most) == 2 and most[0]["occasions"] >= max(MANY_DAYS, OFTEN * most[1]["occasions"]):
        yield Check(
            "correct",
            "one customer on many more days",
            "warning",
            1,
            message("crowded_id", days=message("days", n=most[0]["occasions"]), next=most[1]["occasions"]),
            plain(most[0]["money"]),
            (message("example_customer_lines", who=most[0]["customer_id"], at_stake=_at_stake(most[0])),),
            message("crowded_id_remedy"),
        )


def _sums(base: Customers, where: str) -> dict[str, Any]:
    return base.engine.one(
        f"select count(*) as n, coalesce(sum(lines), 0) as lines, sum(revenue) as money from {base.table} where {where}"
    )


def _customers(base: Customers, where: str) -> tuple[Message, ...]:
    rows = base.engine.rows(
        f"select customer_id, lines, revenue as money from {base.table} where {where} "
        f"order by lines desc, customer_id limit {SHOWN}"
    )
    return tuple(message("example_customer_lines", who=row["customer_id"], at_stake=_at_stake(row)) for row in rows)


def left_out(base: Customers) -> Iterator[Check]:
    """Lines that do not count, as was asked for."""
    profile, chosen = base.orders.profile, base.orders.chosen
    if not chosen.condition:
        return
    found = {"lines": profile["left_out"], "money": profile["left_out_amount"]}
    part = share(profile["left_out"], base.orders.read)
    said = [message("left_out", n=profile["left_out"], at_stake=_at_stake(found), share=part)]
    for counts in (True, False):
        these = [(one.status, one.lines) for one in chosen.statuses if one.counts is counts]
        if these:
            code = "statuses_that_count" if counts else "statuses_left_out"
            said.append(message(code, column=chosen.status_column, values=_values(these)))
    yield Check(
        "complete", "lines that do not count", "info", profile["left_out"], several("sentences", said),
        plain(profile["left_out_amount"]),
    )  # fmt: skip


def unused(base: Customers) -> Iterator[Check]:
    """Columns of the source that say which lines should count, or in which money they are, and that nobody asks."""
    orders = base.orders
    asked = {one.column for one in orders.chosen.conditions} | {orders.chosen.status_column, *orders.columns}
    for column in base.engine.columns(orders.source):
        plain_name = column.strip().lower().replace(" ", "_")
        if column not in asked and plain_name in REFUNDED and orders.has_money:
            yield from _not_taken_off(base, column)
        if column not in asked and plain_name in STATUS + CURRENCY:
            yield from _unused(base, column, is_currency=plain_name in CURRENCY)


def _unused(base: Customers, column: str, *, is_currency: bool) -> Iterator[Check]:
    cell = f"nullif(trim(cast({identifier(column)} as varchar)), '')"
    rows = base.engine.rows(
        f"select value, count(*) as n from (select {cell} as value from {base.orders.source}) as v "
        f"group by value order by n desc, coalesce(value, '') limit {FEW_VALUES + 1}"
    )
    values = [row["value"] for row in rows if row["value"] is not None]
    if not values or (is_currency and len(values) < 2):
        return
    if len(rows) > FEW_VALUES:
        filled = base.engine.one(f"select count({cell}) as n from {base.orders.source}")["n"]
        said = message("unused_filled", n=filled, column=column)
    else:
        these = _values([(row["value"] or "", row["n"]) for row in rows])
        said = message("unused_currency" if is_currency else "unused_status", column=column, values=these)
    yield Check(
        "correct",
        "several currencies" if is_currency else "a column that may say what counts",
        "warning" if is_currency else "info",
        len(values),
        said,
        remedy=message("unused_currency_remedy" if is_currency else "unused_status_remedy", column=column),
        setting=_choosing(column, by_status=not is_currency and len(rows) <= FEW_VALUES),
    )


def _not_taken_off(base: Customers, column: str) -> Iterator[Check]:
    """Money given back that a column of the source holds, and that nobody takes off."""
    cell = f"cast({identifier(column)} as varchar)"
    some = " or ".join(f"{cell} like '%{digit}%'" for digit in range(1, 10))  # text or number, in any currency
    count = base.engine.one(f"select count(*) as n from {base.orders.source} where {some}")["n"]
    if count:
        said = message("unused_refunds", n=count, column=column)
        remedy = message("unused_refunds_remedy", column=column)
        setting = Setting("refunded", f'"{column}"')
        yield Check("correct", "refunds not taken off", "warning", count, said, remedy=remedy, setting=setting)


def _choosing(column: str, *, by_status: bool) -> Setting:
    """The setting that chooses lines by a column."""
    return Setting("status_column", f'"{column}"') if by_status else Setting("where", f'"{column} = ..."')


def _values(these: Sequence[tuple[str, int]]) -> list[Message]:
    """Values with how many lines have them; blank cells by that word."""
    return [
        message("value_lines", value=value, n=lines) if value else message("value_blank_lines", n=lines)
        for value, lines in these
    ]


CLEANED = (folded, spelled, lost_digits, placeholders, unused)
