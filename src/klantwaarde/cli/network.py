"""The commands about potential and about links between customers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import numpy as np
import typer

from klantwaarde.calendar import read_day
from klantwaarde.cli.manual import Command, Group
from klantwaarde.cli.options import ENDINGS, AsJson, Config, Source, app, print_json, say_written, takes
from klantwaarde.cli.screen import say, show, words
from klantwaarde.errors import BadParameters, named
from klantwaarde.job.opening import read_orders
from klantwaarde.job.outputs import check_list, read_by
from klantwaarde.job.seeding import COLUMNS, Seeding, seed_list
from klantwaarde.job.settings import SOURCE, read_settings
from klantwaarde.network.seeds import check_asked
from klantwaarde.purchases.customers import customers
from klantwaarde.purchases.grouped import Grouped, check_group, grouped
from klantwaarde.sources.written import write_table
from klantwaarde.validate.frontier import frontier_calibration
from klantwaarde.validate.potential import mask_category, split_wallet

validate = typer.Typer(
    no_args_is_help=True, cls=Group, rich_markup_mode=None, help="Put a claim to the test on your own orders."
)
app.add_typer(validate, name="validate")


@app.command("seeds", cls=Command)
@takes(*SOURCE[1:], "as_of", "unit", "model", "annual_discount_rate", "margin_rate", "horizon", "memory_limit",
       "influence", "referrals", "influence_share")  # fmt: skip
def seeds_command(
    source: Source = None,
    *,
    k: Annotated[int, typer.Option("--k", "-k", help="How many customers to approach.")] = 50,
    epsilon: Annotated[float, typer.Option(help="How far below the best greedy choice it may be.")] = 0.1,
    seed: Annotated[int, typer.Option(help="Of the random draws: the same gives the same list.")] = 0,
    out: Annotated[Path, typer.Option(help=f"File for the list: {ENDINGS}.")] = Path("seeds.csv"),
    config: Config = None,
    as_json: AsJson = False,
    **given: Any,
) -> None:
    """Write the list of customers who together reach the most value, with a guarantee.

    The chance that one sets off another is the influence share (default 0.10 here) times that one's part of the links.
    """
    check_asked(k, epsilon)
    settings = read_settings(config, given | {"orders": source})
    check_list(out, COLUMNS, read_by(settings, config=config))
    made = seed_list(settings, k, epsilon, seed, say)
    changed = write_table(made.table, out)
    found = made.found
    if as_json:
        told = {name: getattr(found, name) for name in ("total", "guarantee", "certified", "confidence", "epsilon")}
        parts = {name: getattr(found, name)._asdict() for name in ("spread", "plain_spread", "advantage")}
        print_json(told | parts | {"seeds": made.table.to_pylist(), "share": made.share, "out": str(out)})
        return
    _print_seeds(made)
    say_written(out, changed)


def _print_seeds(made: Seeding) -> None:
    found = made.found
    rows = []
    for row in made.table.slice(0, 10).to_pylist():
        money = (f"{row[name]:z,.2f}" for name in ("adds", "own_value", "accountable_value"))
        rows.append((str(row["place"]), str(row["customer_id"]), *money))
    headings = ("place", "customer", "adds", "own value", "accountable value")
    show(f"Whom to approach: the first of {len(found.nodes)}", headings, rows, left={1})
    low, high = found.advantage.low, found.advantage.high
    lines = (
        (f"They reach {found.spread.mean:z,.2f} of {found.total:z,.2f} of value (95%: {found.spread.low:z,.2f} to "
        f"{found.spread.high:z,.2f}), if those who influence a customer set off a share of {made.share:g} together."),
        (f"As many by accountable value reach {found.plain_spread.mean:z,.2f}, a difference of "
        f"{found.advantage.mean:z,.2f} (95%: {low:z,.2f} to {high:z,.2f})."),
        f"No choice of {len(found.nodes)} reaches more than {1 / found.certified:.2f} times as much "
        f"(confidence {found.confidence:.4f})." if found.certified > 0 else "",
    )  # fmt: skip
    for line in filter(None, lines):
        words.print(line, markup=False, soft_wrap=True)


@validate.command("potential", cls=Command)
@takes(*SOURCE[1:], "as_of", "annual_discount_rate", "memory_limit")
def potential_command(
    source: Source = None,
    *,
    store: Annotated[Optional[str], typer.Option(help="Column of the store or brand: substitutes.")] = None,
    category: Annotated[Optional[str], typer.Option(help="Column of the category: complements.")] = None,
    split: Annotated[Optional[str], typer.Option(help="Day: the frontier is fitted up to it.")] = None,
    repeats: Annotated[int, typer.Option(help="Random splits.")] = 20,
    config: Config = None,
    as_json: AsJson = False,
    **given: Any,
) -> None:
    """Whether potential ranks customers by spend that was hidden from it, next to chance and to own spend.

    --store: half of the stores are hidden, and headroom is to rank customers by what they spend there. --category: a
    category is hidden, for cross-sell. --split: how many customers pass the frontier after that day.
    """
    settings = read_settings(config, given | {"orders": source})
    if store is None and category is None and split is None:
        raise BadParameters(
            f"Nothing to validate with: give {named('store')}, {named('category')} or {named('split')}."
        )
    if repeats < 1:
        raise BadParameters(f"{named('repeats', repeats)} must be 1 or more.")
    if split is not None:
        read_day(split, "split")
    orders = read_orders(settings)
    for name, column in (("store", store), ("category", category)):
        if column is not None:
            check_group(orders, column, name)
    base = customers(orders, settings.as_of)
    last = float(np.datetime64(base.as_of, "D").astype(int))
    told: dict[str, list[dict[str, Any]]] = {}
    if store is not None:
        rows = grouped(orders, store, base.as_of)
        say(f"hiding half of {len(rows.groups)} values of {store}, {repeats} times")
        rate = settings.annual_discount_rate
        tried = split_wallet(*_lines(rows), last=last, repeats=repeats, annual_discount_rate=rate)
        told["headroom against hidden spend"] = tried.table()
    if category is not None:
        rows = grouped(orders, category, base.as_of)
        say(f"hiding one of {len(rows.groups)} values of {category}, {repeats} times")
        told["cross-sell against hidden spend"] = mask_category(*_lines(rows), last=last, repeats=repeats).table()
    if split is not None:
        day = float(np.datetime64(read_day(split, "split"), "D").astype(int))
        rows = grouped(orders, settings.customer_id, base.as_of)
        bought = rows.amount >= 0
        told["frontier after the split"] = frontier_calibration(
            rows.customer[bought], rows.day[bought], day, last=last
        ).table()
    _print_all(told, as_json=as_json)


def _lines(rows: Grouped) -> tuple[Any, ...]:
    return rows.customer, rows.day, rows.group, rows.amount


def _print_all(told: dict[str, list[dict[str, Any]]], *, as_json: bool) -> None:
    if as_json:
        print_json(told)
        return
    for title, rows in told.items():
        headings = [heading.replace("_", " ") for heading in rows[0]]
        cells = ([value if isinstance(value, str) else f"{value:.3f}" for value in row.values()] for row in rows)
        show(title, headings, cells, left={headings.index("score")} if "score" in headings else ())
