"""The command line: parse, call, print."""

from __future__ import annotations

import importlib.metadata
import os
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from klantwaarde.beside.demo_links import simulated_links
from klantwaarde.calendar import read_day
from klantwaarde.cli import ledger as _ledger  # noqa: F401 - its commands
from klantwaarde.cli import network as _network  # noqa: F401 - its commands
from klantwaarde.cli import state as _state  # noqa: F401 - its commands
from klantwaarde.cli.faults import DEBUG, told
from klantwaarde.cli.manual import Command
from klantwaarde.cli.options import (
    BESIDE,
    DRIFTED,
    ENGINE,
    LOOK,
    MONEY,
    STATE,
    TO,
    VALUE,
    AsJson,
    Config,
    Source,
    app,
    print_json,
    say_written,
    takes,
)
from klantwaarde.cli.screen import one_line, put, put_script, say, show, words
from klantwaarde.doctor.doctor import Sheet, sheet
from klantwaarde.errors import BadParameters, named
from klantwaarde.estimate.load import load_settings
from klantwaarde.files import done
from klantwaarde.job.again import report_again
from klantwaarde.job.opening import read_orders
from klantwaarde.job.outputs import check_list, check_run, read_by
from klantwaarde.job.pipeline import Run, run
from klantwaarde.job.settings import COLUMNS, SOURCE, read_settings
from klantwaarde.models import MODELS
from klantwaarde.outcome.schema import Facts
from klantwaarde.purchases.customers import customers
from klantwaarde.purchases.datasets import cdnow, cdnow_sample, write_sample
from klantwaarde.purchases.orders import orders
from klantwaarde.sources.written import write_table
from klantwaarde.validate.backtest import Backtest, Score, backtest, check_models
from klantwaarde.value.sql_export import DIALECTS, TABLES, base_of, counting_script, scoring_script, terms_of
from klantwaarde.wording.message import from_data, from_kept

DEMO_TITLES = {
    "en": "CDNOW (referrals, influence and attributes are simulated)",
    "nl": "CDNOW (aanbevelingen, invloed en kenmerken zijn gesimuleerd)",
}


@app.command("demo", cls=Command)
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


@app.command("sample", cls=Command)
def sample_command(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="File to write, .csv or .parquet.")],
    *,
    everybody: Annotated[bool, typer.Option("--all", help="All 23,570 customers, not one in ten of them.")] = False,
) -> None:
    """Write orders to try things on: people who bought compact discs in 1997 and 1998, with customer, date and amount.

    A file that is there already is not replaced.
    """
    write_sample(path, cdnow() if everybody else cdnow_sample())
    words.print(f"Written: {path}. Try: klantwaarde check {path}", markup=False, soft_wrap=True)


@app.command("check", cls=Command)
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


@app.command("run", cls=Command)
@takes(*SOURCE[1:], *VALUE, *LOOK, "memory_limit", *ENGINE, *STATE, *BESIDE, *TO)
def run_command(source: Source = None, *, config: Config = None, as_json: AsJson = False, **given: Any) -> None:
    """Score every customer: choose and fit the models, rank the pyramid, write the report."""
    made = run(read_settings(config, given | {"orders": source}), say, config=config)
    _finish(made, as_json=as_json)
    drift = made.record.get("drift") or {}
    if made.record["settings"]["fail_on_drift"] and drift.get("alarm"):
        raise typer.Exit(DRIFTED)


@app.command("score", cls=Command)
@takes(*SOURCE[1:], "as_of", *MONEY, *LOOK, "memory_limit", *ENGINE, *BESIDE, *TO)
def score_command(
    fit: Annotated[Path, typer.Option(help="model.json of an earlier run.", show_default=False)],
    source: Source = None,
    *,
    new_base: Annotated[bool, typer.Option("--new-base", help="Customers other than those of that run.")] = False,
    config: Config = None,
    as_json: AsJson = False,
    **given: Any,
) -> None:
    """Score all orders up to now with the models of an earlier run, without fitting; its settings are the defaults."""
    kept = {name: value for name, value in load_settings(fit).items() if name not in {"orders", "as_of", *TO, *STATE}}
    settings = read_settings(config, given | {"orders": source}, kept)
    _finish(run(settings, say, fitted=fit, config=config, new_base=new_base), as_json=as_json)


@app.command("backtest", cls=Command)
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
    check_models(names)
    for name, day in (("split", split), ("end", end)):
        if day is not None:
            read_day(day, name)
    with words.status(f"reading the orders and fitting {', '.join(names)}"):
        tried = backtest(read_orders(settings), split, end=end, models=names, unit=settings.unit)
    if as_json:
        told = {name: getattr(tried, name) for name in ("split", "end", "customers", "verdict")}
        print_json(told | {"scores": [score._asdict() for score in tried.scores]})
    else:
        _print_backtest(tried)


@app.command("sql", cls=Command)
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
        put_script(counting_script(base).rstrip("\n"))
        return
    put_script(scoring_script(base, terms_of(vars(settings)), fit, cells, out).rstrip("\n"))
    say(f"scores to load: {out}/{TABLES[0]}, {out}/{TABLES[1]}")


@app.command("report", cls=Command)
@takes(*LOOK)
def report_command(
    results: Annotated[Path, typer.Argument(help="Folder of an earlier run.")],
    *,
    out: Annotated[Optional[Path], typer.Option(help="File.  [default: report.html in the folder]")] = None,
    **given: Any,
) -> None:
    """Write the report of an earlier run again, in another language or with another title."""
    read_settings(None, given)  # refuses a language that there is not
    say_written(report_again(results, out or results / "report.html", given))


def _print_version(asked: bool) -> None:
    if asked:
        put(f"klantwaarde {importlib.metadata.version('klantwaarde')}")
        raise typer.Exit


@app.callback()
def begin(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where in the code an unexpected error is.")] = False,
) -> None:
    """What holds for every command."""
    if debug and not version:
        os.environ[DEBUG] = "1"


def main() -> None:
    """Run the command line; a fault that the user can mend is told in one message."""
    told(app)


def _finish(made: Run, *, as_json: bool = False) -> None:
    with done(f"The results are in {made.out}."):
        _tell(made, as_json=as_json)


def _tell(made: Run, *, as_json: bool) -> None:
    if as_json:
        print_json(made.record | {"base": made.facts["base"], "pyramid": made.facts["pyramid"]})
        return
    told = made.facts
    _print_pyramid(told)
    if told["money"] and told["money_is"] == "revenue":
        text = "! No margin is known, so value is revenue, not margin: give --margin-rate, or --margin with a column."
        words.print(text, style="yellow", markup=False)
    sections = told["doctor"]["sections"]
    for check in (*sections["correct"], *sections["timely"], *sections["complete"], *sections["ground"]):
        if check["level"] == "warning":
            words.print(f"! {check['text']}", style="yellow", markup=False)
    for file in told["total"]["files"] if told["total"] else ():
        if isinstance(file["said"], dict):
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
    files = [
        "report.html (read this)",
        "customers.parquet",
        "stages.parquet",
        *(["moves.parquet"] if told["movement"] else []),
        "pyramid.parquet",
        "model.json",
        "run.json",
    ]
    words.print(f"  {', '.join(files)}", soft_wrap=True)


def _print_pyramid(told: Facts) -> None:
    headings = ("tier", "customers", f"last-year {told['money_is']}", "share", "residual value", "mean P(alive)")
    rows = [
        (
            band["tier"],
            f"{band['customers']:,}",
            _number(band["value_last_year"], "z,.0f"),
            _number(band["value_last_year_share"], "z.0%"),
            _number(band["rlv"], "z,.0f"),
            _number(band["p_alive_mean"], ".2f"),
        )
        for band in told["pyramid"]
    ]
    show(f"{told['title']}: the value pyramid as of {told['as_of']}", headings, rows)


def _number(value: float | None, how: str) -> str:
    return "–" if value is None else format(value, how)


def _print_sheet(found: Sheet) -> None:
    put(found.verdict)
    for section, checks in found.as_dict()["sections"].items():
        put(f"\n{TITLES[section]}", "bold")
        for check in checks:
            mark, style = ("!", "yellow") if check["level"] == "warning" else ("✓", "")
            put(f" {mark} {check['text']}", style)
            for example in check["examples"] if check["level"] == "warning" else ():
                put(f"     {one_line(example)}", "dim")
            if check["remedy"]:
                put(f"     → {check['remedy']}{_flag(check['setting'])}")
        if not checks:
            put(" ✓ no findings")


def _flag(setting: dict[str, Any] | None) -> str:
    """The setting that goes with a remedy, as it is written on the command line."""
    if setting is None:
        return ""
    missing = "DAY" if setting["name"] == "as_of" else "COLUMN"
    value = missing if setting["value"] is None else setting["value"]
    return f" (--{setting['name'].replace('_', '-')}{f' {value}' if value else ''})"


TITLES = {
    "correct": "Correct",
    "timely": "Timely",
    "complete": "Complete",
    "ground": "Enough for the models",
}


def _print_backtest(tried: Backtest) -> None:
    put(str(tried.verdict))
    for measure in ("orders", "money"):
        scores = [score for score in tried.scores if score.measure == measure]
        if scores:
            put("")
            _print_errors(tried, scores)


def _short(value: float) -> str:
    return f"{value:.3f}" if value < 10 else f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"


def _print_errors(tried: Backtest, scores: list[Score]) -> None:
    """A table that fits 80 columns: what is equal in all rows stands above and below it."""
    one = scores[0]
    rows = [
        (
            score.predictor,
            f"{score.predicted:,.0f}",
            _number(score.total_error, "+z.0%"),
            _short(score.mae),
            _number(score.wmae, ".3f"),
            _short(score.rmse),
            _number(score.spearman, "z.3f"),
            _number(score.gini, "z.3f"),
            _number(score.capture, ".3f"),
        )
        for score in scores
    ]
    show(
        f"{one.measure} of {tried.customers:,} customers, {tried.split} to {tried.end}: {one.actual:,.0f} came",
        ("predictor", "total", "error", "MAE", "wMAE", "RMSE", "rho", "Gini", "top"),
        rows,
        note="top: share of it from the 10% of customers predicted highest,\n"
        f"at best {_number(one.capture_max, '.3f')}; rho: Spearman's",
    )


if __name__ == "__main__":
    main()
