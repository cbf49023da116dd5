"""The commands about the state and the movement of the base."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from klantwaarde.asset.ledger import BEHIND, LINES
from klantwaarde.asset.standing import COHORTS
from klantwaarde.beside.attributes import attribute_columns, attributes
from klantwaarde.calendar import STEPS, read_day, read_step
from klantwaarde.cli.manual import Command
from klantwaarde.cli.options import ENDINGS, AsJson, Config, Source, app, print_json, say_written, takes
from klantwaarde.cli.screen import one_line, say, show, words
from klantwaarde.errors import BadOrders, BadParameters, named
from klantwaarde.job.movement import (
    STATEMENT,
    Method,
    Period,
    Standing,
    calibrated,
    dates_between,
    periods,
    standing_at,
    told,
)
from klantwaarde.job.opening import read_orders, terms
from klantwaarde.job.outputs import check_list, read_by
from klantwaarde.job.settings import SOURCE, Settings, read_settings
from klantwaarde.lifecycle.rules import RULES, rules_named
from klantwaarde.lifecycle.stages import COLUMNS
from klantwaarde.models import MODELS
from klantwaarde.purchases.customers import NO_PURCHASE, customers
from klantwaarde.report.locale import Speech
from klantwaarde.sources.written import write_rows
from klantwaarde.validate.choose import choose
from klantwaarde.value.peers_and_categories import refuse_missing_attribute

if TYPE_CHECKING:
    from collections.abc import Iterable

    from klantwaarde.estimate.result import Fit

VALUED = ("as_of", "unit", "model", "annual_discount_rate", "margin_rate", "horizon", "memory_limit", "attributes")
SIGNS = {"opening": "", "released": "- ", "closing": "= "}
"""Before a line of the statement, as the lines are added up; the others are +."""
SHOWN = {"new", "won_back", "lost", "up", "down"}
"""Lines of the ledger with a column of their own."""


@app.command("ledger", cls=Command)
@takes(*SOURCE[1:], *VALUED)
def ledger_command(
    source: Source = None,
    *,
    every: Annotated[str, typer.Option(help=f"{', '.join(STEPS)}.")] = "quarter",
    start: Annotated[
        Optional[str], typer.Option(help="First day to start from.  [default: the first possible]")
    ] = None,
    rules: Annotated[str, typer.Option(help=f"Of the stages: {', '.join(RULES)}.")] = "default",
    by: Annotated[
        Optional[str], typer.Option(help="cohort_month, cohort_quarter, or an attribute: an account for each.")
    ] = None,
    behind: Annotated[Optional[str], typer.Option("--customers", help=f"Line: {', '.join(LINES)}.")] = None,
    to: Annotated[Optional[str], typer.Option("--period", help="Last day of the period.  [default: the last]")] = None,
    out: Annotated[Optional[Path], typer.Option(help=f"File for these customers: {ENDINGS}.")] = None,
    config: Config = None,
    as_json: AsJson = False,
    **given: Any,
) -> None:
    """Customers and value: opening + new + won back - lost = closing, period by period, and why the value changed.

    --customers LINE lists the customers behind a line of the last period, or of the one that --period names.
    """
    if behind is not None and behind not in LINES:
        raise BadParameters(f"{named('customers', behind)} is no line of the ledger. Choose from {', '.join(LINES)}.")
    if out is not None and behind is None:
        raise BadParameters(
            f"{out} would not be written: it is for the customers of a line. Say which, with {named('customers')}."
        )
    settings = read_settings(config, given | {"orders": source})
    _check_asked(settings, every, {"start": start, "period": to}, rules, by)
    check_list(out, BEHIND, read_by(settings, config=config))
    found = _found(settings, every, start, rules, by, to)
    if behind is not None:
        period = _period(found, to)
        _print_customers(period, behind, out, as_json=as_json)
        _say_doubts((period.before, period.after))
        return
    if as_json:
        print_json([told(each) | {"fits": _fits_told((each.before, each.after))} for each in found])
        return
    _print_flows(found)
    _print_values(found)
    for each in found:
        _print_accounts(each)
    for each in found:
        _print_statement(each)
    _say_doubts((found[0].before, *(each.after for each in found)))


def _check_asked(settings: Settings, every: str, days: dict[str, str | None], rules: str, by: str | None) -> None:
    """Raise BadParameters for what cannot be meant, before anything is read."""
    read_step(every, "every")
    for name, day in days.items():
        if day is not None:
            read_day(day, name)
    rules_named(rules)
    if by is not None and by not in COHORTS and settings.attributes is None:
        told = f"{named('by', by)} is none of {', '.join(COHORTS)}"
        raise BadParameters(f"{told}: for an attribute, give {named('attributes')} with that column.")


def _found(
    settings: Settings, every: str, start: str | None, rules: str, by: str | None, to: str | None
) -> tuple[Period, ...]:
    orders = read_orders(settings)
    if by is not None and by not in COHORTS and settings.attributes is not None:
        refuse_missing_attribute(attribute_columns(settings.attributes, orders.engine), by, "by")
    base = customers(orders, settings.as_of, settings.unit)
    if not base.totals["with_purchase"]:
        raise BadOrders(NO_PURCHASE)
    days = dates_between(base.totals["first_order"], base.as_of, every)
    if start is not None:
        day = read_day(start, "start")
        days = tuple(found for found in days if found >= day)
        if len(days) < 2:
            raise BadParameters(f"There are not two ends of a {every} from {day} on. Give an earlier start.")
    if to is not None and read_day(to, "period") not in days[1:]:
        raise BadParameters(f"No period ends on {to}. They end on {', '.join(map(str, days[1:]))}.")
    name = choose(base).model if settings.model == "auto" else settings.model
    cuts = calibrated(orders, MODELS[name], base.as_of, settings.unit).cuts if rules == "default" else None
    method = Method(name, terms(settings), settings.unit, rules, cuts)
    known = attributes(settings.attributes, base) if settings.attributes else None
    return periods(orders, days, method, say, by, known)


def _period(found: tuple[Period, ...], end: str | None) -> Period:
    if end is None:
        return found[-1]
    day = read_day(end, "period")
    return next(each for each in found if each.end == day)


def _print_customers(found: Period, line: str, out: Path | None, *, as_json: bool) -> None:
    if out is not None:
        _write_customers(found, line, out)
        return
    rows = found.ledger.customers(line, most=None if as_json else 20)
    if as_json:
        print_json(rows.to_pylist())
        return
    total = found.ledger.total.lines[line]
    title = f"{line.replace('_', ' ')}, {found.start} to {found.end}: {total.customers:,} customers, "
    title += f"{_money(total.opening)} before and {_money(total.closing)} after"
    headings = [name.replace("_", " ") for name in rows.column_names]
    cells = ([_cell(value) for value in row.values()] for row in rows.to_pylist())
    show(title, headings, cells, left=range(headings.index("opening")))


def _cell(value: Any) -> str:
    if isinstance(value, Decimal):
        return _money(value)
    return "" if value is None else one_line(value)


def _write_customers(found: Period, line: str, out: Path) -> None:
    say_written(out, write_rows(found.ledger.behind(line), out))


def _money(amount: Decimal | float) -> str:
    """An amount to the cent; never "-0.00"."""
    return f"{amount:z,.2f}"


def _print_flows(found: tuple[Period, ...]) -> None:
    headings = ("from", "to", "opening", "+ new", "+ won back", "- lost", "= closing", "won and lost within")
    rows = []
    for each in found:
        flow = each.ledger.total.flow
        numbers = (flow.opening, flow.new, flow.won_back, flow.lost, flow.closing, flow.intra_lost)
        rows.append((str(each.start), str(each.end), *(f"{number:,}" for number in numbers)))
    show("Active customers (without prospects and lost)", headings, rows, left=())


def _print_values(found: tuple[Period, ...]) -> None:
    headings = ("from", "to", "opening", "+ new", "+ won back", "- lost", "+ up", "- down", "+ other", "= closing")
    rows = []
    for each in found:
        total = each.ledger.total
        change = {name: line.change for name, line in total.lines.items()}
        other = sum((change[name] for name in LINES if name not in SHOWN), type(total.opening)(0))
        amounts = (total.opening, change["new"], change["won_back"], -change["lost"], change["up"], -change["down"])
        rows.append((str(each.start), str(each.end), *map(_money, (*amounts, other, total.closing))))
    show("Their residual value, all customers ever seen", headings, rows, left=())


def _print_accounts(each: Period) -> None:
    accounts = each.ledger.accounts
    if not accounts or [account.label for account in accounts] == ["all"]:
        return
    headings = ("account", "opening", "+ new", "+ won back", "- lost", "= closing", "value", "becomes")
    rows = []
    for account in accounts:
        flow = account.flow
        counts = (flow.opening, flow.new, flow.won_back, flow.lost, flow.closing)
        rows.append((account.label, *(f"{n:,}" for n in counts), _money(account.opening), _money(account.closing)))
    show(f"{each.start} to {each.end}, by account", headings, rows)


def _print_statement(each: Period) -> None:
    if each.statement is None:
        return
    known = each.statement.known
    money = "margin" if each.after.scored.terms.margin_known else "revenue"
    memo = {f"{money} of the period, realised": known.realised, "expected of the same customers": known.expected}
    amounts = {_statement_line(name): getattr(each.statement, name) for name in STATEMENT}
    amounts |= {f"memo: {line}": amount for line, amount in memo.items()}
    rows = [(line, _money(amount)) for line, amount in amounts.items()]
    show(f"Why the value changed, {each.start} to {each.end}", ("line", "value"), rows)


def _statement_line(name: str) -> str:
    """A line of the statement by the name that the report has for it."""
    return SIGNS.get(name, "+ ") + Speech().word(f"step_{name}").lower()


def _fits(standing: Standing) -> tuple[Fit[Any], ...]:
    """The fits that a standing rests on: timing, and spend where there is one."""
    scored = standing.scored
    return (scored.fit,) if scored.spend is None else (scored.fit, scored.spend)


def _fits_told(standings: Iterable[Standing]) -> list[dict[str, Any]]:
    """How good the fits are, as plain values."""
    return [
        {"as_of": standing.scored.terms.as_of, "model": fit.name, "status": fit.status, "reason": fit.reason}
        for standing in standings
        for fit in _fits(standing)
    ]


def _say_doubts(standings: Iterable[Standing]) -> None:
    """Fits that did not converge: once per model, with their days and the reason on the last of them."""
    doubtful: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in _fits_told(standings):
        if one["status"] != "converged":
            doubtful.setdefault((one["model"], one["status"]), []).append(one)
    for (model, status), found in doubtful.items():
        days = ", ".join(str(one["as_of"]) for one in found)
        line = f"! Valued with {model} ({status} on {days}). {found[-1]['reason']}"
        words.print(line, style="yellow", markup=False, soft_wrap=True)


@app.command("stages", cls=Command)
@takes(*SOURCE[1:], *VALUED)
def stages_command(
    source: Source = None,
    *,
    rules: Annotated[str, typer.Option(help=f"{', '.join(RULES)}.")] = "default",
    out: Annotated[Optional[Path], typer.Option(help=f"File for a row per customer: {ENDINGS}.")] = None,
    config: Config = None,
    as_json: AsJson = False,
    **given: Any,
) -> None:
    """Where each customer stands in the relation: the stage, since when, why, and when the next order is due."""
    rules_named(rules)
    settings = read_settings(config, given | {"orders": source})
    check_list(out, [name for name, _, _ in COLUMNS], read_by(settings, config=config))
    orders = read_orders(settings)
    base = customers(orders, settings.as_of, settings.unit)
    name = choose(base).model if settings.model == "auto" else settings.model
    limits = calibrated(orders, MODELS[name], base.as_of, settings.unit)
    method = Method(name, terms(settings), settings.unit, rules, limits.cuts if rules == "default" else None)
    found = standing_at(orders, base.as_of, method)
    counts = found.stages.counts()
    changed = 0 if out is None else found.stages.write_counted(out)
    if as_json:
        made = {"as_of": base.as_of, "rules": found.stages.rules.version, "stages": counts, "lost": limits.told}
        print_json(made | {"fits": _fits_told((found,))})
        return
    rows = [(stage.replace("_", " "), f"{number:,}") for stage, number in counts.items()]
    show(f"Stages on {base.as_of} ({found.stages.rules.version})", ("stage", "customers"), rows)
    _say_doubts((found,))
    if rules == "default":
        words.print(limits.told, markup=False, soft_wrap=True)
    if out is not None:
        say_written(out, changed)
