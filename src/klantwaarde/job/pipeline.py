"""One batch run, from settings to files."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from klantwaarde.asset.moves import moves
from klantwaarde.asset.pyramid import Band, pyramid_of
from klantwaarde.calendar import read_since
from klantwaarde.doctor.doctor import Sheet, reconciliation, sheet
from klantwaarde.engine.relation import Relation, opened
from klantwaarde.errors import BadParameters, named
from klantwaarde.estimate.fit import fit
from klantwaarde.estimate.load import load_base, load_fit, load_roles, load_settings
from klantwaarde.estimate.result import Fit, save_fits
from klantwaarde.files import done, whole_folder, write_text
from klantwaarde.job import daily, movement
from klantwaarde.job.opening import beside, check_periods, read_orders, terms
from klantwaarde.job.outputs import check_run
from klantwaarde.job.progress import Clock, Say
from klantwaarde.job.settings import SOURCE, Settings
from klantwaarde.lifecycle.calibration import Calibration
from klantwaarde.lifecycle.stages import stages
from klantwaarde.models import MODELS, ParetoNBD
from klantwaarde.outcome.check import sum_of
from klantwaarde.outcome.movement_schema import Movement
from klantwaarde.outcome.schema import Facts
from klantwaarde.purchases.customers import Customers, customers
from klantwaarde.purchases.schema import SCHEMA_VERSION
from klantwaarde.purchases.split import sample
from klantwaarde.report.facts import facts, plain
from klantwaarde.shown import masked
from klantwaarde.sources.publish import check_target, publish
from klantwaarde.sources.written import write_rows
from klantwaarde.state.state import State, open_state
from klantwaarde.validate.choose import CANDIDATES, MOST, Choice, choose
from klantwaarde.validate.same_base import refuse_new_orders
from klantwaarde.validate.tracking import Tracking, tracking
from klantwaarde.value.score import Scored, score
from klantwaarde.value.terms import Fits, spend_fit

OUTPUTS = ("customers.parquet", "stages.parquet", "moves.parquet", "pyramid.parquet", "report.html", "model.json",
           "run.json")  # fmt: skip
RECORD = OUTPUTS[-1]
"""The file that says that a folder is of a run."""
ONLY_SINCE = {"moves.parquet"}
"""What only a run that looks back writes."""


@dataclass(frozen=True)
class Fitted:
    """The models that score, and how they came about."""

    fits: Fits
    choice: Choice | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    base: Mapping[str, Any] = field(default_factory=dict)
    """What is kept of the customers that they were fitted on."""


@dataclass(frozen=True)
class Run:
    """What a run made."""

    out: Path
    facts: Facts
    record: dict[str, Any]


def run(
    settings: Settings,
    say: Say,
    fitted: str | Path | None = None,
    config: str | Path | None = None,
    *,
    new_base: bool = False,
    source: Any = None,
) -> Run:
    """Orders in, a folder of results out: swapped in whole at the end. fitted: a model.json that scores unfitted.

    source: a frame or table of orders, where the settings name no file.
    config: the file that settings came from, which no output may replace either. new_base: the orders need not be those
    of the customers that the models were fitted on.
    """
    check_run(settings, fitted, config)
    if settings.to is not None:
        check_target(settings.to, settings.to_table)
    with (
        contextlib.ExitStack() as past,
        whole_folder(Path(settings.out), OUTPUTS, RECORD) as folder,
        open_state(settings.state, settings.out) as state,
        Clock(say) as clock,
    ):
        fitted = fitted or daily.model_of(state, keep_model=settings.keep_model)
        settings = _in_unit_of(fitted, settings, clock)
        base = _base(settings, source, state, clock)
        if fitted and state is None and not new_base:
            refuse_new_orders(base, fitted)
        clock.step("check", f"{base.totals['customers']:,} customers; examining the data")
        clock.rows = f"{base.totals['customers']:,} customers"
        looked = sheet(base)
        followed = _followed(base, clock)
        drift = daily.drifted(state, followed)
        models = _loaded(fitted, base) if fitted else _fitted(settings, base, followed, clock)
        clock.step("score", f"scoring with {models.fits.timing.name}")
        asked = terms(settings, headroom=True), beside(settings, base)
        scored = score(base, models.fits, *asked, keep=settings.since is not None)
        moved = _staged(settings, base, scored, folder, clock)
        clock.step("write", "writing the scored customers")
        table = _write_scored(scored, folder, settings.partitions())
        clock.step("report", "writing the report")
        bands = pyramid_of(table, settings.rank_by)
        staged = opened(base.engine, "staged", folder / "stages.parquet")
        told = _facts(settings, base, scored, table, bands, looked, models, _tracked(followed, base, scored), staged)
        told["movement"] = moved
        published = _published(settings, folder, clock)
        if published:
            past.enter_context(done(f"The table {settings.to_table} in {settings.to} was replaced."))
        clock.stop()
        record = _record(settings, base, looked, models, clock) | published | daily.record(state, drift)
        _write_rest(folder, bands, models, settings, told, record)
        daily.keep(state, folder / "model.json", drift, keep_model=settings.keep_model)
        if state is not None:
            past.enter_context(done(f"The batch is merged into {state.folder}: the same run again makes its results."))
    return Run(Path(settings.out), told, record)


def _base(settings: Settings, source: Any, state: State | None, clock: Clock) -> Customers:
    """The customers of the orders that are named or handed in, and of those before, where there is a state."""
    clock.step("read", "reading the orders")
    given = read_orders(settings, source)
    clock.engine, clock.rows = given.engine, f"{given.read:,} lines"
    read = daily.merged(state, given, clock.step, new_customers=settings.new_customers)
    clock.step("aggregate", f"{read.read:,} lines read; building the customers")
    check_periods(settings, read)
    return customers(read, settings.as_of, settings.unit)


def _in_unit_of(fitted: str | Path | None, settings: Settings, clock: Clock) -> Settings:
    """The settings in the unit of the models that score: their parameters mean nothing in another one."""
    unit = (load_fit(fitted, "timing").unit or settings.unit) if fitted else settings.unit
    if unit != settings.unit:
        clock.say(f"times are in {unit}s, the unit of the models in {fitted}, not in {settings.unit}s")
    return dataclasses.replace(settings, unit=unit)


def _followed(base: Customers, clock: Clock) -> Customers:
    """The customers on whom models are compared and orders tracked: all of them, or a sample of a large base."""
    if base.totals["with_purchase"] <= MOST:
        return base
    clock.step("sample", f"drawing {MOST:,} customers to compare models on")
    return customers(sample(base, MOST), base.as_of, base.unit)


def _fitted(settings: Settings, base: Customers, followed: Customers, clock: Clock) -> Fitted:
    choice = None
    if settings.model == "auto":
        clock.step("choose", f"comparing {' and '.join(CANDIDATES)} on the last quarter")
        choice = choose(followed)
    name = choice.model if choice else settings.model
    clock.step("cells", "counting distinct histories")
    cells = base.cells()
    clock.step("fit", f"fitting {name} to {len(cells):,} histories")
    timing: Fit[Any] = fit(MODELS[name], cells)
    potential = None
    if name != "pareto_nbd":
        clock.step("fit_potential", "fitting pareto_nbd, on which potential rests")
        potential = fit(ParetoNBD, cells)
    if base.orders.has_money:
        clock.step("fit_spend", "fitting spend")
    first = {"first_order": str(base.totals["first_order"])}
    return Fitted(Fits(timing, spend_fit(base), potential), choice, base=first)


def _loaded(path: str | Path, base: Customers) -> Fitted:
    timing = load_fit(path, "timing")
    # A file without a spend fit was made of orders without amounts; a damaged one is a fault.
    roles = load_roles(path)
    spend = load_fit(path, "spend") if "spend" in roles and base.orders.has_money else None
    whole = load_fit(path, "potential") if "potential" in roles else None
    return Fitted(Fits(timing, spend, whole), None, load_settings(path), load_base(path))


def _staged(settings: Settings, base: Customers, scored: Scored, folder: Path, clock: Clock) -> Movement | None:
    """The stage of every customer in a file; and ledger, statement and pyramid movement since a day, if asked for."""
    clock.step("stages", "staging the customers")
    limits = movement.calibrated(base.orders, type(scored.fit.model), base.as_of, base.unit)
    with base.engine.scope():
        if settings.since is not None:
            return _movement(settings, settings.since, base, scored, folder, clock, limits)
        stages(scored, base.orders, cuts=limits.cuts).write(folder / "stages.parquet")
        return None


def _movement(
    settings: Settings,
    since: str,
    base: Customers,
    scored: Scored,
    folder: Path,
    clock: Clock,
    limits: Calibration,
) -> Movement:
    earlier = Path(since) / "model.json"
    known = _earlier(earlier) if earlier.exists() else None
    day = known.as_of if known else read_since(since, base.as_of)
    method = movement.Method(type(scored.fit.model), terms(settings), base.unit, cuts=limits.cuts)
    clock.step("movement", f"what changed since {day}")
    before = movement.standing_at(base.orders, day, method, fits=known.fits if known else None)
    after = movement.staged(scored, base.orders, method, before.kept, folder / "stages.parquet")
    found = movement.period(before, after, base.orders)
    told, flows = movement.told(found, limits), movement.stage_flows(found)
    write_rows(moves(found.ledger, found.migration, found.statement), folder / "moves.parquet")
    moved: Movement = plain(told | {"flows": flows})
    return moved


def _ledger_command(settings: Settings, base: Customers) -> str | None:
    """What lists the customers behind a line of the ledger; None for a state, whose orders `ledger` does not read."""
    if settings.state is not None or not settings.orders:
        return None
    ledger = ("unit", "model", "annual_discount_rate", "margin_rate", "horizon", "memory_limit", "attributes")
    flags = settings.flags(*SOURCE[1:], *ledger)
    orders = str(settings.orders) if not settings.orders.startswith("-") else f"./{settings.orders}"
    command = ["klantwaarde", "ledger", orders, *flags, "--as-of", str(base.as_of), "--customers", "lost"]
    return shlex.join(command)


class _Earlier(NamedTuple):
    """The models of an earlier run, and the day they stand for."""

    as_of: dt.date
    fits: Fits


def _earlier(path: Path) -> _Earlier:
    timing = load_fit(path, "timing")
    if timing.as_of is None:
        raise BadParameters(f"{path} does not say which day its models stand for. Give {named('since')} a day.")
    spend = load_fit(path, "spend") if "spend" in load_roles(path) else None
    return _Earlier(dt.date.fromisoformat(timing.as_of), Fits(timing, spend))


def _write_scored(scored: Scored, folder: Path, partition_by: Sequence[str]) -> Relation:
    """Write, and read the file back: the report rests on what was written."""
    path = scored.write(folder / "customers.parquet", partition_by)
    return opened(scored.engine, "written", path)


def _published(settings: Settings, folder: Path, clock: Clock) -> dict[str, Any]:
    """The rows of the scored file, written to a database where one was named, and how many they are."""
    if settings.to is None:
        return {}
    clock.step("publish", f"writing the scored customers to {settings.to}")
    rows = publish(settings.to, settings.to_table, folder / "customers.parquet")
    clock.say(f"{rows:,} rows written to table {settings.to_table}")
    return {"published": {"to": settings.to, "table": settings.to_table, "rows": rows}}


def _tracked(followed: Customers, base: Customers, scored: Scored) -> Tracking | None:
    """Expected and actual orders over time; None where there are too few weeks to follow."""
    first = followed.totals["first_order"]
    if first is None or (followed.as_of - first).days < 2 * 7:
        return None
    return tracking(followed, scored.fit, base.totals["with_purchase"])


def _facts(
    settings: Settings,
    base: Customers,
    scored: Scored,
    table: Relation,
    bands: tuple[Band, ...],
    looked: Sheet,
    fitted: Fitted,
    tracked: Tracking | None,
    staged: Relation,
) -> Facts:
    words = {
        "language": settings.language,
        "title": masked(settings.title or settings.name()),
        "currency": settings.currency,
        "version": version("klantwaarde"),
    }
    models = (scored.fit, scored.spend, fitted.choice)
    return facts(base, table, scored.terms, bands, looked, *models, tracked, words, scored.total, staged)


def _record(settings: Settings, base: Customers, looked: Sheet, fitted: Fitted, clock: Clock) -> dict[str, Any]:
    """What went in, what was left out and why, versions, seconds and peak memory."""
    profile, memory = base.orders.profile, peak_memory_mb()
    counted = ("no_customer", "no_date", "no_amount", "set_aside", "dropped", "left_out", "negative", "zero", "future")
    record = {
        "format": "klantwaarde-run",
        "klantwaarde": version("klantwaarde"),
        "schema": SCHEMA_VERSION,
        "finished": dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds"),
        "settings": settings.told(),
        "source": base.orders.told,
        "as_of": base.as_of,
        "notes": [*base.orders.notes, *base.notes],
        "lines": {
            "read": base.orders.read,
            "equal": looked.count("equal lines"),
            "after_as_of": base.after["lines"],
        }
        | {name: profile[name] for name in counted},
        "money": {name: str(value) for name, value in reconciliation(base).items()} if base.orders.has_money else None,
        "customers": base.totals["customers"],
        "model": fitted.fits.timing.name,
        "choice": fitted.choice.reason if fitted.choice else None,
        "ledger_command": _ledger_command(settings, base) if settings.since else None,
        "seconds": clock.seconds,
        "peak_memory_mb": None if memory is None else round(memory),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in ("numpy", "scipy", "pandas", "pyarrow", "duckdb")},
    }
    told: dict[str, Any] = plain(record, str)
    return told


def peak_memory_mb() -> float | None:
    """Peak resident memory of this process so far, in MB of 2^20 bytes; None where the system does not tell.

    Linux hands ru_maxrss down from the process that started this one, so that a small child of a large parent looks
    large; VmHWM begins anew with the program.
    """
    status = Path("/proc/self/status")
    if status.exists():
        kilobytes = (line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(next(kilobytes)) / 1024
    try:
        import resource  # noqa: PLC0415 - not on every system
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def _write_rest(
    folder: Path,
    bands: tuple[Band, ...],
    fitted: Fitted,
    settings: Settings,
    told: Facts,
    record: dict[str, Any],
) -> None:
    from klantwaarde.report.html import write_report  # noqa: PLC0415 - loaded where it is used

    pq.write_table(pa.Table.from_pylist([band._asdict() for band in bands]), folder / "pyramid.parquet")
    fits = fitted.fits
    save_fits(folder / "model.json", fits.timing, fits.spend, settings.told(), fits.potential, fitted.base)
    write_report(told, folder / "report.html")
    kept = record | {"facts_sum": sum_of(told), "facts": told}
    write_text(folder / "run.json", json.dumps(kept, indent=2, ensure_ascii=False) + "\n")
