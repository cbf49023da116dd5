"""The command line: parse, call, print."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from klantwaarde import cli_ledger as _ledger  # noqa: F401 - its commands
from klantwaarde import cli_network as _network  # noqa: F401 - its commands
from klantwaarde.data.customers import customers
from klantwaarde.data.datasets import cdnow
from klantwaarde.data.doctor import Sheet, sheet
from klantwaarde.data.link_demo import simulated_links
from klantwaarde.data.orders import orders
from klantwaarde.data.written import write_table
from klantwaarde.errors import BadParameters, KlantwaardeError, named
from klantwaarde.estimate.load import load_settings
from klantwaarde.models import MODELS
from klantwaarde.options import (
    BAD_INPUT,
    BESIDE,
    DONE,
    DRIFTED,
    ENGINE,
    LOOK,
    MONEY,
    STATE,
    TO,
    VALUE,
    WRONG_USAGE,
    AsJson,
    Config,
    Source,
    app,
    print_json,
    say_written,
    takes,
)
from klantwaarde.outputs import check_list, check_run, read_by
from klantwaarde.pipeline import Run, report_again, run
from klantwaarde.screen import one_line, paper, print_traceback, say, survive_encoding, words
from klantwaarde.settings import COLUMNS, SOURCE, read_orders, read_settings
from klantwaarde.validate.backtest import Backtest, Score, backtest
from klantwaarde.value.inside import DIALECTS, TABLES, base_of, counting_script, scoring_script, wishes_of
from klantwaarde.wording.message import from_data, from_kept

USAGE: Any = typer.BadParameter.__mro__[2]
"""What Typer raises for words it does not understand: of click, or of its own copy of it."""

DEMO_TITLES = {
    "en": "CDNOW (referrals, influence and attributes are simulated)",
    "nl": "CDNOW (aanbevelingen, invloed en kenmerken zijn gesimuleerd)",
}


@app.command("demo")
@takes("out", "language")
def demo(**given: Any) -> None:
    """Value the CDNOW customers that ship with the package: 23,570 people who bought compact discs in 1997 and 1998.

    Who brought whom, who influences whom and what is known of them is simulated, and labelled so.
    """
    out = Path(given["out"] or "results/demo")
    base = {
        "orders": str(cdnow()),
        "currency": "USD",
        "title": DEMO_TITLES.get(given["language"], DEMO_TITLES["en"]),
        "out": str(out),
        "margin_rate": 0.30,
        "since": "3 months",
    }
    check_run(read_settings(None, given, base))
    _finish(run(read_settings(None, given, base | _simulated(out.with_name(f"{out.name}-inputs"))), say))


def _simulated(folder: Path) -> dict[str, str]:
    """Links and attributes for CDNOW, written for who wants to look at such files."""
    folder.mkdir(parents=True, exist_ok=True)
    made = simulated_links(customers(orders(cdnow())))
    files = {name: folder / f"simulated_{name}.csv" for name in made._fields}
    for name, path in files.items():
        write_table(getattr(made, name), path)
    return {name: str(path) for name, path in files.items()}


@app.command("check")
@takes(*SOURCE[1:], "as_of", "memory_limit")
def check(source: Source = None, *, config: Config = None, as_json: AsJson = False, **given: Any) -> None:
    """Check whether the orders are correct, current and complete, and enough to fit a model."""
    settings = read_settings(config, given | {"orders": source})
    with words.status("reading and examining the orders"):
        found = sheet(customers(read_orders(settings), settings.as_of))
    if as_json:
        print_json(found.as_dict())
    else:
        _print_sheet(found)


@app.command("run")
@takes(*SOURCE[1:], *VALUE, *LOOK, "memory_limit", *ENGINE, *STATE, *BESIDE, *TO)
def run_command(source: Source = None, *, config: Config = None, as_json: AsJson = False, **given: Any) -> None:
    """Score every customer: choose and fit the models, rank the pyramid, write the report."""
    made = run(read_settings(config, given | {"orders": source}), say, config=config)
    _finish(made, as_json=as_json)
    drift = made.record.get("drift") or {}
    if made.record["settings"]["fail_on_drift"] and drift.get("alarm"):
        raise typer.Exit(DRIFTED)


@app.command("score")
@takes(*SOURCE[1:], "as_of", *MONEY, *LOOK, "memory_limit", *ENGINE, *BESIDE, *TO)
def score_command(
    fit: Annotated[Path, typer.Option(help="model.json of an earlier run.", show_default=False)],
    source: Source = None,
    *,
    config: Config = None,
    as_json: AsJson = False,
    **given: Any,
) -> None:
    """Score new orders with the models of an earlier run, without fitting; its settings are the defaults."""
    kept = {name: value for name, value in load_settings(fit).items() if name not in {"orders", "as_of", *TO, *STATE}}
    settings = read_settings(config, given | {"orders": source}, kept)
    _finish(run(settings, say, fitted=fit, config=config), as_json=as_json)


@app.command("backtest")
@takes(*SOURCE[1:], "unit", "memory_limit")
def backtest_command(
    split: Annotated[str, typer.Option(help="Day: fit up to it, compare after it.", show_default=False)],
    source: Source = None,
    *,
    end: Annotated[
        Optional[str], typer.Option(help="Last day compared.  [default: the last with usual orders]")
    ] = None,
    models: Annotated[str, typer.Option(help="Names, with commas.")] = ",".join(MODELS),
    config: Config = None,
    as_json: AsJson = False,
    **given: Any,
) -> None:
    """Fit before a date, compare after it, per model and against baselines."""
    settings = read_settings(config, given | {"orders": source})
    names = [name.strip() for name in models.split(",")]
    with words.status(f"reading the orders and fitting {', '.join(names)}"):
        tried = backtest(read_orders(settings), split, end=end, models=names, unit=settings.unit)
    if as_json:
        told = {name: getattr(tried, name) for name in ("split", "end", "customers", "verdict")}
        print_json(told | {"scores": [score._asdict() for score in tried.scores]})
    else:
        _print_backtest(tried)


@app.command("sql")
@takes("table", *COLUMNS, "duplicates", "as_of", *MONEY)
def sql_command(
    dialect: Annotated[str, typer.Option(help=f"{' or '.join(DIALECTS)}.")] = "duckdb",
    fit: Annotated[Optional[Path], typer.Option(help="model.json of an earlier run.", show_default=False)] = None,
    cells: Annotated[Optional[Path], typer.Option(help="Rows of the cells statement.", show_default=False)] = None,
    out: Annotated[Path, typer.Option(help="Folder for the scores to load.")] = Path("scores"),
    *,
    config: Config = None,
    **given: Any,
) -> None:
    """Print the statements for counting customers inside your own system; with --fit and --cells, for scoring them too.

    The table (default: orders) has typed columns; --amount '' says that it has no amounts.
    """
    settings = read_settings(config, given)
    if settings.as_of is None or (fit is None) != (cells is None):
        raise BadParameters(f"sql needs {named('as_of')}, and for the scores both {named('fit')} and {named('cells')}.")
    for name in TABLES if fit is not None else ():
        check_list(out / name, (), read_by(None, fit=fit, cells=cells, config=config), parent=False)
    base = base_of(vars(settings), dialect)
    if fit is None or cells is None:
        sys.stdout.write(counting_script(base))
        return
    sys.stdout.write(scoring_script(base, wishes_of(vars(settings)), fit, cells, out))
    say(f"scores to load: {out}/{TABLES[0]}, {out}/{TABLES[1]}")


@app.command("report")
@takes(*LOOK)
def report_command(
    results: Annotated[Path, typer.Argument(help="Folder of an earlier run.")],
    *,
    out: Annotated[Optional[Path], typer.Option(help="File.  [default: report.html in the folder]")] = None,
    **given: Any,
) -> None:
    """Write the report of an earlier run again, in another language or with another title."""
    if given["language"] not in {None, "en", "nl"}:
        raise BadParameters(f"language={given['language']!r} is not understood. Choose from en, nl.")
    say_written(report_again(results, out or results / "report.html", given))


def main() -> None:
    """Run the command line; a fault that the user can mend is told in one message."""
    survive_encoding()
    try:
        sys.exit(app(standalone_mode=False) or DONE)
    except BadParameters as error:
        _fail(error, WRONG_USAGE)
    except KlantwaardeError as error:
        _fail(error, BAD_INPUT)
    except BrokenPipeError:
        # Whoever read our output has enough of it (`| head`); what Python still flushes at the end goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(BAD_INPUT)
    except OSError as error:
        _fail(error, BAD_INPUT)
    except KeyboardInterrupt:
        words.print("Stopped; nothing was written.")
        sys.exit(130)
    except Exception as error:  # noqa: BLE001 - whatever it is, it holds no password when it is told
        if isinstance(error, USAGE):
            told = io.StringIO()
            error.show(told)
            words.print(told.getvalue().rstrip("\n"), soft_wrap=True)
            sys.exit(error.exit_code)
        print_traceback()
        sys.exit(BAD_INPUT)


def _fail(error: Exception, code: int) -> None:
    words.print(f"Error: {error}", style="red", markup=False, soft_wrap=True)
    sys.exit(code)


def _finish(made: Run, *, as_json: bool = False) -> None:
    if as_json:
        print_json(made.record | {"base": made.facts["base"], "pyramid": made.facts["pyramid"]})
        return
    told = made.facts
    paper.print(_pyramid(told))
    for check in (c for section in told["doctor"]["sections"].values() for c in section if c["level"] == "warning"):
        words.print(f"! {check['text']}", style="yellow", markup=False)
    for file in (told["total"] or {}).get("files", ()):
        if file["said"]:
            words.print(f"! {from_data(file['said'])}", style="yellow", markup=False)
    choice = made.record["choice"]
    words.print(f"Scored with {told['model']['name']} ({told['model']['status']}). {choice or ''}", markup=False)
    if told["model"]["status"] != "converged":
        words.print(f"! {from_kept(told['model']['reason'])}", style="yellow", markup=False)
    drift = made.record.get("drift")
    if drift:
        words.print(drift["told"], style="yellow" if drift["alarm"] else "", markup=False, soft_wrap=True)
    seconds = sum(made.record["seconds"].values())
    words.print(
        f"{told['base']['customers']:,} customers scored in {seconds:.1f} s. Results are in {made.out}/:",
        markup=False,
    )
    files = ["report.html (read this)", "customers.parquet", "pyramid.parquet", "model.json", "run.json"]
    files += ["stages.parquet"] if told["movement"] else []
    words.print(f"  {', '.join(files)}", soft_wrap=True)


def _pyramid(told: dict[str, Any]) -> Table:
    table = Table(title=f"{told['title']}: the value pyramid as of {told['as_of']}", title_justify="left")
    headings = ("tier", "customers", "last-year margin", "share", "residual value", "mean P(alive)")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "tier" else "right")
    for band in told["pyramid"]:
        table.add_row(
            band["tier"],
            f"{band['customers']:,}",
            _number(band["value_last_year"], "z,.0f"),
            _number(band["value_last_year_share"], ".0%"),
            _number(band["rlv"], "z,.0f"),
            _number(band["p_alive_mean"], ".2f"),
        )
    return table


def _number(value: float | None, how: str) -> str:
    return "–" if value is None else format(value, how)


def _print_sheet(found: Sheet) -> None:
    paper.print(found.verdict, markup=False, soft_wrap=True)
    for section, checks in found.as_dict()["sections"].items():
        paper.print(f"\n{TITLES[section]}", style="bold")
        for check in checks:
            mark, style = ("!", "yellow") if check["level"] == "warning" else ("✓", "")
            paper.print(f" {mark} {check['text']}", style=style, markup=False, soft_wrap=True)
            for example in check["examples"] if check["level"] == "warning" else ():
                paper.print(f"     {one_line(example)}", style="dim", markup=False, soft_wrap=True)
            if check["remedy"]:
                paper.print(f"     → {check['remedy']}{_flag(check['setting'])}", markup=False, soft_wrap=True)
        if not checks:
            paper.print(" ✓ no findings")


def _flag(setting: dict[str, Any] | None) -> str:
    """The setting that goes with a remedy, as it is written on the command line."""
    if setting is None:
        return ""
    value = "DAY" if setting["value"] is None else setting["value"]
    return f" (--{setting['name'].replace('_', '-')}{f' {value}' if value else ''})"


TITLES = {
    "correct": "Correct",
    "timely": "Timely",
    "complete": "Complete",
    "ground": "Enough for the models",
}


def _print_backtest(tried: Backtest) -> None:
    paper.print(tried.verdict, markup=False, soft_wrap=True)
    for measure in ("orders", "money"):
        scores = [score for score in tried.scores if score.measure == measure]
        if scores:
            paper.print()
            paper.print(_errors(tried, scores))


def _short(value: float) -> str:
    return f"{value:.3f}" if value < 10 else f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"


def _errors(tried: Backtest, scores: list[Score]) -> Table:
    """A table that fits 80 columns: what is equal in all rows stands above and below it."""
    one = scores[0]
    table = Table(
        title=f"{one.measure} of {tried.customers:,} customers, {tried.split} to {tried.end}: {one.actual:,.0f} came",
        caption=f"top: share of it from the 10 % of customers predicted highest, at best "
        f"{_number(one.capture_max, '.3f')}; rho: Spearman's",
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for heading in ("predictor", "total", "error", "MAE", "wMAE", "RMSE", "rho", "Gini", "top"):
        table.add_column(heading, justify="left" if heading == "predictor" else "right", no_wrap=True)
    for score in scores:
        table.add_row(
            score.predictor,
            f"{score.predicted:,.0f}",
            _number(score.total_error, "+.0%"),
            _short(score.mae),
            _number(score.wmae, ".3f"),
            _short(score.rmse),
            _number(score.spearman, ".3f"),
            _number(score.gini, ".3f"),
            _number(score.capture, ".3f"),
        )
    return table


if __name__ == "__main__":
    main()
