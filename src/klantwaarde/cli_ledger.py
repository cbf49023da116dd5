"""The commands about the state and the movement of the base."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import pyarrow.csv
import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from klantwaarde.asset.ledger import LINES
from klantwaarde.data.attributes import attributes
from klantwaarde.data.customers import customers, read_day
from klantwaarde.errors import BadParameters
from klantwaarde.files import whole_file
from klantwaarde.lifecycle.rules import RULES
from klantwaarde.models import MODELS
from klantwaarde.movement import MONTHS, Period, Terms, calibrated, dates_between, periods, standing_at, told
from klantwaarde.options import AsJson, Config, Source, app, print_json, say, takes, wide, words
from klantwaarde.settings import SOURCE, Settings, read_orders, read_settings
from klantwaarde.validate.choose import choose

LISTS = (".csv", ".parquet")
VALUED = ("as_of", "unit", "model", "annual_discount_rate", "margin_rate", "horizon", "memory_limit", "attributes")
WORDS = {
    "opening": "opening value", "unwind": "+ unwinding of the discount", "released": "- margin expected in the period",
    "spend": "+ spend per order", "frequency": "+ order frequency", "retention": "+ retention",
    "new_customers": "+ new customers", "model_change": "+ change of model", "closing": "closing value",
}  # fmt: skip
"""The lines of the statement, as they are added up."""


@app.command("ledger")
@takes(*SOURCE[1:], *VALUED)
def ledger_command(
    source: Source = None,
    *,
    every: Annotated[str, typer.Option(help=f"{', '.join(MONTHS)}.")] = "quarter",
    start: Annotated[
        Optional[str], typer.Option(help="First day to start from.  [default: the first possible]")
    ] = None,
    rules: Annotated[str, typer.Option(help=f"Of the stages: {', '.join(RULES)}.")] = "default",
    by: Annotated[
        Optional[str], typer.Option(help="cohort_month, cohort_quarter, or an attribute: an account for each.")
    ] = None,
    behind: Annotated[Optional[str], typer.Option("--customers", help=f"Line: {', '.join(LINES)}.")] = None,
    to: Annotated[Optional[str], typer.Option("--period", help="Last day of the period.  [default: the last]")] = None,
    out: Annotated[Optional[Path], typer.Option(help="File for these customers, .csv or .parquet.")] = None,
    config: Config = None,
    as_json: AsJson = False,
    **given: Any,
) -> None:
    """Customers and value: opening + new + won back - lost = closing, period by period, and why the value changed.

    --customers LINE lists the customers behind a line of the last period, or of the one that --period names.
    """
    if behind is not None and behind not in LINES:
        raise BadParameters(f"--customers {behind} is no line of the ledger. Choose from {', '.join(LINES)}.")
    if out is not None and out.suffix not in LISTS:
        raise BadParameters(f"{out} ends in neither {' nor '.join(LISTS)}. Give --out such a file.")
    settings = read_settings(config, given | {"orders": source})
    found = _found(settings, every, start, rules, by)
    if behind is not None:
        _print_customers(_period(found, to), behind, out, as_json=as_json)
        return
    if as_json:
        print_json([told(each) for each in found])
        return
    _print_flows(found)
    _print_values(found)
    for each in found:
        _print_accounts(each)
    for each in found:
        _print_statement(each)


def _found(settings: Settings, every: str, start: str | None, rules: str, by: str | None) -> tuple[Period, ...]:
    orders = read_orders(settings)
    base = customers(orders, settings.as_of, settings.unit)
    days = dates_between(base.totals["first_order"], base.as_of, every)
    if start is not None:
        day = read_day(start, "start")
        days = tuple(found for found in days if found >= day)
        if len(days) < 2:
            raise BadParameters(f"There are not two ends of a {every} from {day} on. Give an earlier start.")
    name = choose(base).model if settings.model == "auto" else settings.model
    terms = Terms(
        MODELS[name],
        settings.annual_discount_rate,
        settings.margin_rate,
        settings.horizon,
        settings.rank_by,
        settings.unit,
        rules,
        calibrated(orders, MODELS[name], base.as_of, settings.unit).cuts if rules == "default" else None,
    )
    known = attributes(settings.attributes, base) if settings.attributes else None
    return periods(orders, days, terms, say, by, known)


def _period(found: tuple[Period, ...], end: str | None) -> Period:
    if end is None:
        return found[-1]
    day = read_day(end, "period")
    named = next((each for each in found if each.end == day), None)
    if named is None:
        raise BadParameters(f"No period ends on {day}. They end on {', '.join(str(each.end) for each in found)}.")
    return named


def _print_customers(found: Period, line: str, out: Path | None, *, as_json: bool) -> None:
    if out is None:
        rows = found.ledger.customers(line, most=None if as_json else 20)
        if as_json:
            print_json(rows.to_pylist())
            return
        total = found.ledger.total.lines[line]
        table = Table(
            title=f"{line.replace('_', ' ')}, {found.start} to {found.end}: {total.customers:,} customers, "
            f"{total.opening:,.2f} before and {total.closing:,.2f} after",
            title_justify="left",
            box=SIMPLE_HEAD,
        )
        for name in rows.column_names:
            table.add_column(name.replace("_", " "))
        for row in rows.to_pylist():
            table.add_row(*("" if value is None else str(value) for value in row.values()))
        wide(table)
        return
    sql, parameters = found.ledger.behind(line)
    if out.suffix == ".parquet":
        found.ledger.engine.write_parquet(sql, out, parameters)
    else:
        with whole_file(out) as unfinished:
            pyarrow.csv.write_csv(found.ledger.engine.arrow(sql, parameters), unfinished)
    words.print(f"Written: {out}")


def _print_flows(found: tuple[Period, ...]) -> None:
    table = Table(title="Customers who are there (not prospects, not lost)", title_justify="left", box=SIMPLE_HEAD)
    for heading in ("from", "to", "opening", "+ new", "+ won back", "- lost", "= closing", "won and lost within"):
        table.add_column(heading, justify="right")
    for each in found:
        flow = each.ledger.total.flow
        numbers = (flow.opening, flow.new, flow.won_back, flow.lost, flow.closing, flow.intra_lost)
        table.add_row(str(each.start), str(each.end), *(f"{number:,}" for number in numbers))
    wide(table)


def _print_values(found: tuple[Period, ...]) -> None:
    table = Table(title="Their residual value, all customers ever seen", title_justify="left", box=SIMPLE_HEAD)
    headings = ("from", "to", "opening", "+ new", "+ won back", "- lost", "+ up", "- down", "+ other", "= closing")
    for heading in headings:
        table.add_column(heading, justify="right")
    for each in found:
        total = each.ledger.total
        change = {name: line.change for name, line in total.lines.items()}
        other = sum(
            (change[name] for name in LINES if name not in {"new", "won_back", "lost", "up", "down"}),
            type(total.opening)(0),
        )
        amounts = (total.opening, change["new"], change["won_back"], -change["lost"], change["up"], -change["down"])
        told_ = [f"{amount:,.2f}" for amount in (*amounts, other, total.closing)]
        table.add_row(str(each.start), str(each.end), *told_)
    wide(table)


def _print_accounts(each: Period) -> None:
    if not each.ledger.accounts or (len(each.ledger.accounts) == 1 and each.ledger.accounts[0].label == "all"):
        return
    table = Table(title=f"{each.start} to {each.end}, by account", title_justify="left", box=SIMPLE_HEAD)
    for heading in ("account", "opening", "+ new", "+ won back", "- lost", "= closing", "value", "becomes"):
        table.add_column(heading, justify="left" if heading == "account" else "right")
    for account in each.ledger.accounts:
        flow = account.flow
        counts = (flow.opening, flow.new, flow.won_back, flow.lost, flow.closing)
        money = (account.opening, account.closing)
        table.add_row(account.label, *(f"{n:,}" for n in counts), *(f"{amount:,.2f}" for amount in money))
    wide(table)


def _print_statement(each: Period) -> None:
    if each.statement is None:
        return
    table = Table(title=f"Why the value changed, {each.start} to {each.end}", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("line")
    table.add_column("value", justify="right")
    for name, line in WORDS.items():
        amount = getattr(each.statement, name)
        table.add_row(line, f"{amount:,.2f}")
    known = each.statement.known
    table.add_row("memo: margin of the period, realised", f"{known.realised:,.2f}")
    table.add_row("memo: expected of the same customers", f"{known.expected:,.2f}")
    wide(table)


@app.command("stages")
@takes(*SOURCE[1:], *VALUED)
def stages_command(
    source: Source = None,
    *,
    rules: Annotated[str, typer.Option(help=f"{', '.join(RULES)}.")] = "default",
    out: Annotated[Optional[Path], typer.Option(help="Parquet file for a row per customer.")] = None,
    config: Config = None,
    as_json: AsJson = False,
    **given: Any,
) -> None:
    """Where each customer stands in the relation: the stage, since when, why, and when the next order is due."""
    settings = read_settings(config, given | {"orders": source})
    orders = read_orders(settings)
    base = customers(orders, settings.as_of, settings.unit)
    name = choose(base).model if settings.model == "auto" else settings.model
    limits = calibrated(orders, MODELS[name], base.as_of, settings.unit)
    terms = Terms(
        MODELS[name],
        settings.annual_discount_rate,
        settings.margin_rate,
        settings.horizon,
        settings.rank_by,
        settings.unit,
        rules,
        limits.cuts if rules == "default" else None,
    )
    found = standing_at(orders, base.as_of, terms)
    counts = found.stages.counts()
    if out is not None:
        found.stages.write(out)
    if as_json:
        print_json({"as_of": base.as_of, "rules": found.stages.rules.version, "stages": counts, "lost": limits.told})
        return
    table = Table(title=f"Stages on {base.as_of} ({found.stages.rules.version})", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("stage")
    table.add_column("customers", justify="right")
    for stage, number in counts.items():
        table.add_row(stage.replace("_", " "), f"{number:,}")
    wide(table)
    if rules == "default":
        words.print(limits.told, markup=False, soft_wrap=True)
    if out is not None:
        words.print(f"Written: {out}")
