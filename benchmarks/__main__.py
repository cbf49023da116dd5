"""python -m benchmarks [SIZE ...]: the table on the screen, and the same as JSON."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.gate import behind, slower
from benchmarks.job import MODELS, Job
from benchmarks.machine import machine, version_in, versions
from benchmarks.measure import Effort, faults, fits_of_peers, measure_size, unlike
from benchmarks.orders import SCENARIOS
from benchmarks.table import HEADINGS, rows, title

HERE = Path(__file__).resolve().parent
FORMAT = 1
PLACES = {"--json", "--data", "--gate", "--pymc-python"}

ABOUT = """Simulated orders in, seconds and peak memory out: the floor (DuckDB alone reads, groups and writes),
klantwaarde, and its peers lifetimes and pymc-marketing on the same data. Answers first: a peer is timed against us
only where its answer is equal. Every thing is measured in a process of its own. "seconds" leave out the start of
Python, imports and the reading of input (for `run` they hold the imports too); "peak MB" is that of the whole
process, "MB read" and "MB written" went through files. "× floor": seconds next to the floor's group and write
together. "× klantwaarde": how many times our seconds the peer took."""


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, write; 1 if klantwaarde failed, gave the worse answer, or became slower."""
    told = _parser().parse_args(arguments)
    words, paper = (
        Console(stderr=True, highlight=False),
        Console(highlight=False, width=None if sys.stdout.isatty() else 170),
    )
    target = told.json or HERE / "results" / f"{dt.datetime.now(tz=dt.UTC):%Y-%m-%d-%H%M%S}.json"
    result = _header(arguments if arguments is not None else sys.argv[1:], told)
    before = json.loads(told.fits_from.read_text(encoding="utf-8")) if told.fits_from else None
    earlier = fits_of_peers(before, result) if before else {}
    effort = Effort(1 if told.quick else told.runs, min(told.timeout, 60.0) if told.quick else told.timeout, earlier)
    wrong: list[str] = []
    for customers in told.sizes:
        size = measure_size(
            _job(told, customers), told.models, effort, lambda text: words.print(f"· {text}", style="dim")
        )
        result["sizes"].append(size)
        _write(target, result)
        paper.print(_table(size))
        for slow in behind(size):
            words.print(f"~ {slow}", style="yellow", markup=False, soft_wrap=True)
        found = faults(size) + (unlike(size, before) if before else [])
        wrong += [f"{customers:,} customers, {fault}" for fault in found]
    words.print(f"Written: {target}", soft_wrap=True)
    if told.gate.is_file() and target.resolve() != told.gate.resolve():
        wrong += slower(result, json.loads(told.gate.read_text(encoding="utf-8")))
    for fault in wrong:
        words.print(f"! {fault}", style="red", markup=False, soft_wrap=True)
    return 1 if wrong else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks", description=ABOUT)
    add = parser.add_argument
    add(
        "sizes",
        nargs="*",
        type=_size,
        default=[10_000, 100_000],
        metavar="SIZE",
        help="customers, such as 10000 or 1e6",
    )
    add("--json", type=Path, metavar="FILE", help="where the figures go (default: benchmarks/results/<time>.json)")
    add("--peer-cap", type=_size, default=100_000, metavar="SIZE", help="peers run up to this size (default: 1e5)")
    add(
        "--timeout",
        type=float,
        default=900.0,
        metavar="S",
        help="seconds that one step of a peer may take (default: 900)",
    )
    add("--pymc-python", type=Path, metavar="PATH", help="the Python of an environment that has pymc-marketing")
    add(
        "--fits-from",
        type=Path,
        metavar="FILE",
        help="peers' fits as measured before on this machine with these versions; judged anew, not measured again",
    )
    add("--runs", type=int, default=3, metavar="K", help="median of so many, while a thing takes seconds (default: 3)")
    add("--quick", action="store_true", help="one run of each, a minute per peer's step: to see whether it works")
    add("--models", type=_models, default=list(MODELS), metavar="A,B", help=f"default: {','.join(MODELS)}")
    add("--threads", type=int, default=2, metavar="K", help="cores used, by everyone (default: 2)")
    add("--memory-limit", metavar="4GB", help="for the engine of klantwaarde")
    add("--order", choices=("date", "customer"), default="date", help="of the lines in the file (default: date)")
    add(
        "--scenario",
        choices=tuple(SCENARIOS),
        default=os.environ.get("SCENARIO", "cohort"),
        help="a cohort of twelve weeks, or two years of new customers by the day (default: $SCENARIO, else cohort)",
    )
    add(
        "--gate",
        type=Path,
        default=HERE / "reference.json",
        metavar="FILE",
        help="figures than which ours may not be 1.5 times worse (default: benchmarks/reference.json)",
    )
    add("--seed", type=int, default=1, metavar="K", help="of the simulation (default: 1)")
    add(
        "--data",
        type=Path,
        default=HERE / "data",
        metavar="FOLDER",
        help="for orders, which are kept, and work (default: benchmarks/data)",
    )
    return parser


def _size(text: str) -> int:
    size = int(float(text.replace("_", "").replace(",", "")))
    if size < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of customers")
    return size


def _models(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in MODELS]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: choose from {', '.join(MODELS)}")
    return names


def _job(told: argparse.Namespace, customers: int) -> Job:
    stem = f"{customers}-{told.order}-{told.seed}" + (f"-{told.scenario}" if told.scenario != "cohort" else "")
    return Job(
        customers=customers,
        orders=str(told.data.resolve() / f"orders-{stem}.parquet"),
        work=str(told.data.resolve() / f"work-{stem}"),
        seed=told.seed,
        threads=told.threads,
        peers=customers <= told.peer_cap,
        memory_limit=told.memory_limit,
        order=told.order,
        scenario=told.scenario,
        pythons=_pythons(told),
    )


def _pythons(told: argparse.Namespace) -> dict[str, str]:
    """Peers in environments of their own. Not resolved: a link to Python is what makes its environment."""
    return {"pymc_marketing": str(told.pymc_python.absolute())} if told.pymc_python else {}


def _header(arguments: list[str], told: argparse.Namespace) -> dict[str, Any]:
    kept = ("peer_cap", "timeout", "runs", "quick", "models", "threads", "memory_limit", "order", "seed", "scenario")
    return {
        "format": FORMAT,
        "made": dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["python", "-m", "benchmarks", *_without_paths(arguments)]),
        "machine": machine(),
        "versions": versions()
        | {name: version_in(python, name.replace("_", "-")) for name, python in _pythons(told).items()},
        "settings": {name: getattr(told, name) for name in kept},
        "sizes": [],
    }


def _without_paths(arguments: list[str]) -> list[str]:
    """What decides the figures: where files go does not."""
    apart = [part for word in arguments for part in word.split("=", 1)]
    places = {at + step for at, word in enumerate(apart) if word in PLACES for step in (0, 1)}
    return [word for at, word in enumerate(apart) if at not in places]


def _write(path: Path, result: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _table(size: dict[str, Any]) -> Table:
    table = Table(title=title(size), title_justify="left")
    for heading in HEADINGS:
        right = heading not in {"step", "library", "answers"}
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    for row in rows(size):
        table.add_row(*row)
    return table


if __name__ == "__main__":
    sys.exit(main())
