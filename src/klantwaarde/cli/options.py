"""What the commands share: the app, the options that are settings, and how things are said."""

from __future__ import annotations

import ast
import functools
import inspect
import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from klantwaarde.cli import screen
from klantwaarde.cli.manual import CODES, GRAMMAR, Group
from klantwaarde.cli.screen import words
from klantwaarde.errors import BadParameters, KlantwaardeError, named
from klantwaarde.job.settings import Settings, in_file
from klantwaarde.models import MODELS
from klantwaarde.report.facts import plain
from klantwaarde.sources.written import SUFFIXES

FLAGS = {*(item.name for item in fields(Settings)), "config", "every", "start", "rules", "by", "customers", "period",
         "fit", "new_base", "cells", "dialect", "split", "end", "models", "store", "repeats", "k", "epsilon",
         "seed"}  # fmt: skip
"""What a flag may be named after: settings, and what single commands take besides."""

DONE, BAD_INPUT, WRONG_USAGE, DRIFTED, BUG = 0, 1, 2, 3, 70

HELP = {
    "orders": "Parquet, CSV or Excel file or pattern, a DuckDB file or a database: postgresql://user@host/database, "
    "sqlite:///file.db (with --table).",
    "customer_id": "Column of the customer.  [default: customer_id]",
    "date": "Column of the date.  [default: date]",
    "amount": "Column of the amount; '' for none.  [default: amount, if there is one]",
    "quantity": "Column of the quantity, with --price in place of --amount.",
    "price": "Column of the price, with --quantity.",
    "margin": "Column of the margin earned on the line.",
    "order_id": "Column of the order number: ties returns to orders, and is checked.",
    "refunded": "Column of money given back of the line, taken off on the line's own day.",
    "return_of": "Column with the number of the order that a return reverses, with --order-id.",
    "one_total_per_order": "Where all lines of an order carry one amount, it is its total and counts once.",
    "latest_per_order": "Of an order that comes again, in a later export or on a later day, the latest counts.",
    "duplicates": "Lines equal in every column: keep or drop.  [default: keep]",
    "unreadable": "What to do with text that is no date or number: error or set_aside.  [default: error]",
    "decimal": "Decimal mark of numbers in text: . or ,  [default: found out]",
    "date_format": "How dates in text are written, such as %d-%m-%Y.  [default: found out]",
    "timezone": "Where days begin, for times with a zone.  [default: UTC; in text, as written]",
    "encoding": "Encoding of text files.  [default: utf-8]",
    "table": "Table in a DuckDB file or a database, or sheet of an Excel file.",
    "query": "Statement in a database, in place of --table; it can only read.",
    "where": "Lines that count: a column, one of = != < <= > >= in, and a value, such as 'total > 0'; may be repeated.",
    "status_column": "Column of the status of a line, with --status-counts.",
    "status_counts": "Statuses that count, with commas; other lines are left out, counted.",
    "fold_ids": "Spellings of an id that differ in .0, zeros in front, blanks, ... are one customer.",
    "placeholder_ids": "Lines of guest, n/a, 0 and the like: keep or set_aside.  [default: keep]",
    "as_of": "Last day that is observed, YYYY-MM-DD.  [default: the last with usual orders]",
    "unit": "Unit of time: day, week, month or year.  [default: week]",
    "model": f"Timing model: auto, {', '.join(MODELS)}.  [default: auto]",
    "annual_discount_rate": "Discount rate, effective per year: 0.10 or 10%.  [default: 0.10]",
    "margin_rate": "Margin per unit of revenue: 0.30 or 30% is thirty cents on the euro.  [default: 1]",
    "horizon": "Horizon of expected orders: '12 months', '90 days' or a day.  [default: 12 months]",
    "rank_by": "Rank the pyramid by last_year, rlv or realised.  [default: last_year]",
    "currency": "Currency of the report, such as EUR.",
    "language": "Language of the report: en or nl.  [default: en]",
    "title": "Title of the report.  [default: the name of the orders]",
    "engine": "Engine: duckdb, or spark beyond one machine (Parquet in, typed columns).  [default: duckdb]",
    "master": "Spark's master.  [default: local[*]]",
    "memory_limit": "Memory for the engine, such as 4GB; beyond it, to disk.  [default: half of the machine's]",
    "partition_by": "Scored customers as a folder per value of these columns, with commas: tier.  [default: one file]",
    "referrals": "File of who brought whom: referrer_id, referred_id; if known date, incentive_cost, p_anyway, ...",
    "influence": "File of who influences whom: source_id, target_id and, if known, weight, date.",
    "attributes": "File of what is known of customers: customer_id and anything else.",
    "influence_share": "Share of value set off by others: 0.20, 20%, or estimate.  [default: estimate]",
    "peers": "Attribute whose levels are peer cells, for potential.  [default: one cell]",
    "category": "Column of the orders with the category, for cross-sell.",
    "since": "Tell what changed since: '12 months', a day, or the folder of an earlier run.",
    "to": "Database for the scored customers too: postgresql://user@host/database or sqlite:///file.db.",
    "to_table": "Table there, replaced as a whole.  [default: klantwaarde_customers]",
    "state": "Folder that keeps all orders so far: these are merged into it, and all are scored.",
    "keep_model": "Score with the model in the state, without fitting.",
    "fail_on_drift": "Exit code 3, with results, where new orders are not what the model before expects.",
    "new_customers": "Merge a batch whose customers are (nearly) all strangers to the state.",
    "out": "Folder for the results, replaced as a whole.  [default: results]",
}

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=f"What each customer is worth, and where each customer stands.\n\n{GRAMMAR}\n\n{CODES}",
)
ENDINGS = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
"""Of files of rows."""

MONEY = ("annual_discount_rate", "margin_rate", "horizon", "rank_by")
VALUE = ("as_of", "unit", "model", *MONEY)
ENGINE = ("engine", "master")
BESIDE = ("referrals", "influence", "attributes", "influence_share", "peers", "category", "since")
STATE = ("state", "keep_model", "fail_on_drift", "new_customers")
TO = ("out", "partition_by", "to", "to_table")
LOOK = ("currency", "language", "title")

Source = Annotated[Optional[str], typer.Argument(metavar="ORDERS", help=HELP["orders"], show_default=False)]
Config = Annotated[Optional[Path], typer.Option(help="Settings in a TOML file; flags prevail.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output, for machines.")]


def takes(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Options for these settings, in place of **given: each is written once, in Settings and HELP."""

    def wrap(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def called(*args: Any, **given: Any) -> None:
            try:
                _refuse_bytes(given)
                command(*args, **given)
            except KlantwaardeError as error:
                error.setting = functools.partial(as_typed, files=in_file(given.get("config"), given))
                raise

        own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.kind is not p.VAR_KEYWORD]
        made = [
            inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_option(n)) for n in names
        ]
        called.__signature__ = inspect.Signature([*own, *made])  # type: ignore[attr-defined]
        called.__annotations__ = {p.name: p.annotation for p in (*own, *made)}
        return called

    return wrap


def _refuse_bytes(given: Mapping[str, Any]) -> None:
    """Raise BadParameters for words and paths that are not UTF-8, which no file can keep."""
    for name, value in given.items():
        try:
            str(value).encode()
        except UnicodeEncodeError as error:
            shown = str(value).encode(errors="replace").decode()
            raise BadParameters(f"{named(name, shown)} is not UTF-8 text. Rename the file or the folder.") from error


def as_typed(name: str, value: str | None, files: Mapping[str, str]) -> str:
    """A setting in a message as its reader wrote it: as a flag, or as a line of a file of settings."""
    given = None if value is None else _literal(value)
    if name in files:
        line = name if given is None else f"{name} = {json.dumps(given, ensure_ascii=False)}"
        return f"{line} (in {files[name]})"
    if name == "orders":
        return "ORDERS"
    if name not in FLAGS:
        return f"{name}= (in Python)"
    flag = f"--{name.replace('_', '-')}"
    return flag if given is None or given is True else f"{flag} {shlex.quote(str(given))}"


def _literal(value: str) -> Any:
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):  # as nan is written, and what only Python has
        return value


def _option(name: str) -> Any:
    kind = next(str(item.type) for item in fields(Settings) if item.name == name)
    of: Any = bool if kind == "bool" else str
    if kind.startswith("tuple"):
        of = list[str]  # an option that may be repeated
    return Annotated[Optional[of], typer.Option(f"--{name.replace('_', '-')}", help=HELP[name], show_default=False)]


def say_written(out: Path, changed: int = 0) -> None:
    """What was written, and what was changed in it."""
    words.print(f"Written: {out}", markup=False, soft_wrap=True)
    if changed:
        words.print(
            f"{changed:,} cells of text begin like a formula (= + - @): an apostrophe stands before them. "
            "In .parquet and .xlsx they are as they came.",
            markup=False,
            soft_wrap=True,
        )


def print_json(value: Any) -> None:
    """A value for machines, on standard output."""
    screen.print_json(plain(value, str))
