"""What `--help` shows besides the words of each option: the order of commands, groups of options, examples."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

ORDER = (
    "run",
    "check",
    "stages",
    "ledger",
    "report",
    "score",
    "backtest",
    "validate",
    "seeds",
    "state",
    "sql",
    "sample",
    "demo",
)
"""The commands, the first to try first."""

GRAMMAR = "A day is written 2024-06-30, a duration '12 months', '52 weeks', '90 days' or '1 year', a rate 0.30 or 30%."
CODES = (
    "Exit codes: 0 done, 1 bad input, 2 wrong usage, 3 drift (with --fail-on-drift), 70 a bug in klantwaarde "
    "(--debug before the command shows where)."
)

PANELS = {
    "Columns": ("customer_id", "date", "amount", "quantity", "price", "margin", "order_id", "return_of", "refunded",
                "status_column", "category", "store"),
    "Reading": ("table", "query", "decimal", "date_format", "timezone", "encoding", "duplicates", "unreadable",
                "where", "status_counts", "fold_ids", "placeholder_ids", "one_total_per_order", "latest_per_order",
                "memory_limit", "engine", "master"),
    "Model": ("as_of", "unit", "model", "models", "split", "end", "fit", "rules", "every", "start", "since", "by",
              "repeats"),
    "Money": ("annual_discount_rate", "margin_rate", "horizon", "rank_by"),
    "Links and attributes": ("referrals", "influence", "influence_share", "attributes", "peers", "k", "epsilon",
                             "seed"),
    "State": ("state", "keep_model", "fail_on_drift", "new_customers"),
    "Output": ("out", "partition_by", "to", "to_table", "currency", "language", "title", "behind", "period", "dialect",
               "cells", "as_json", "everybody"),
}  # fmt: skip
"""Groups of options, in the order in which they are shown; any other comes under General."""

EXAMPLES = {
    "run": (
        "klantwaarde run orders.csv --margin-rate 30% --currency EUR",
        "klantwaarde run orders.csv --since '3 months' --language nl --out rapport",
        "klantwaarde run today.csv --state state --out daily",
    ),
    "check": ("klantwaarde check orders.csv", "klantwaarde check sales.parquet --customer-id klant --json"),
    "stages": ("klantwaarde stages orders.csv", "klantwaarde stages orders.csv --out stages.parquet"),
    "ledger": (
        "klantwaarde ledger orders.csv --every year",
        "klantwaarde ledger orders.csv --start 1998-03-31 --customers lost --out lost.csv",
    ),
    "report": ("klantwaarde report results --language nl --out rapport.html",),
    "score": ("klantwaarde score orders.csv --fit results/model.json --out scored",),
    "backtest": ("klantwaarde backtest orders.csv --split 1997-09-30",),
    "seeds": ("klantwaarde seeds orders.csv --influence influence.csv --k 50 --out seeds.csv",),
    "sql": (
        "klantwaarde sql --as-of 1998-06-30 --table shop.orders",
        "klantwaarde sql --as-of 1998-06-30 --fit results/model.json --cells cells.parquet",
    ),
    "potential": ("klantwaarde validate potential orders.csv --store store",),
    "show": ("klantwaarde state show state", "klantwaarde state show state --json"),
    "undo": ("klantwaarde state undo state",),
    "sample": ("klantwaarde sample orders.csv", "klantwaarde sample all.parquet --all"),
    "demo": ("klantwaarde demo --out demo",),
    "klantwaarde": ("klantwaarde sample orders.csv", "klantwaarde check orders.csv", "klantwaarde run orders.csv"),
}
"""Commands to copy; those on orders.csv run after the first of them."""


def _panel(name: str) -> str:
    return next((panel for panel, names in PANELS.items() if name in names), "General")


def _write_options(command: Any, ctx: Any, formatter: Any) -> None:
    """Arguments, then the options in their groups."""
    groups: dict[str, list[Any]] = {name: [] for name in ("Arguments", *PANELS, "General")}
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is not None:
            is_argument = parameter.param_type_name == "argument"
            groups["Arguments" if is_argument else _panel(parameter.name)].append(record)
    for name, records in groups.items():
        if records:
            with formatter.section(name):
                formatter.write_dl(records)


def _write_examples(name: str, formatter: Any) -> None:
    if name in EXAMPLES:
        with formatter.section("Examples"):
            for line in EXAMPLES[name]:
                formatter.write(f"{' ' * formatter.current_indent}{line}\n")


class Command(TyperCommand):
    """A command whose options are shown in groups, with examples at the end."""

    def invoke(self, ctx: Any) -> Any:
        """The command, run. Being stopped by hand stays an error with its notes; Typer would make it a bare code."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            raise _aborted(stop) from stop

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments and options."""
        _write_options(self, ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - as the command line has it
        """Examples."""
        _write_examples(self.name or "", formatter)


def _aborted(stop: KeyboardInterrupt) -> typer.Abort:
    error = typer.Abort()
    for note in getattr(stop, "__notes__", ()):
        error.add_note(note)
    return error


class Group(TyperGroup):
    """Commands in a sensible order, each with the whole of its first line."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, the first to try first."""
        names = super().list_commands(ctx)
        return sorted(names, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Options, and the commands with what they are for."""
        _write_options(self, ctx, formatter)
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, _first_line(command)) for name, command in commands if command is not None]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - as the command line has it
        """Examples."""
        _write_examples(self.name or "", formatter)


def _first_line(command: Any) -> str:
    return str(command.help or "").strip().split("\n")[0]
