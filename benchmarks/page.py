"""python -m benchmarks.page [FILE ...]: the figures of docs/performance.md and docs/scale.md, from JSON.

None is typed by hand. Without files: those kept in benchmarks/reference*.json. Of a size in several files the last one
counts. docs/scale.md is made from benchmarks/beyond.json besides.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.cluster import KEPT, blocks
from benchmarks.growth import grown, moved
from benchmarks.plan import OURS
from benchmarks.table import compared, duration, found, markdown, others, times, title

HERE = Path(__file__).resolve().parent
PAGE, SCALE = (HERE.parent / "docs" / f"{name}.md" for name in ("performance", "scale"))
SIZES = (10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
SMALL = 'make bench BENCH="--pymc-python ~/pymc/bin/python --json benchmarks/reference.json"'
COMMANDS = {
    10_000: SMALL,
    100_000: SMALL,
    1_000_000: 'make bench SIZES=1000000 BENCH="--peer-cap 1000000 --json benchmarks/reference-1000000.json"',
    10_000_000: 'make bench SIZES=10000000 BENCH="--json benchmarks/reference-10000000.json"',
    100_000_000: "make bench SIZES=100000000 "
    'BENCH="--memory-limit 8GB --runs 1 --json benchmarks/reference-100000000.json"',
}


class Sized(NamedTuple):
    """One size, and the measurement that it comes from."""

    size: Mapping[str, Any]
    result: Mapping[str, Any]


class Aim(NamedTuple):
    """What was promised, and how it is read off a size."""

    words: str
    customers: int
    target: str
    measured: Callable[[Mapping[str, Any]], str]


def main(arguments: list[str] | None = None) -> None:
    """Put the figures in their places."""
    parser = argparse.ArgumentParser("python -m benchmarks.page", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, default=kept())
    told = parser.parse_args(arguments)
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), told.files), encoding="utf-8")
    SCALE.write_text(scaled(SCALE.read_text(encoding="utf-8"), told.files), encoding="utf-8")
    files = ", ".join(file.name for file in (*told.files, KEPT))
    sys.stdout.write(
        f"Written: {', '.join(str(page.relative_to(HERE.parent)) for page in (PAGE, SCALE))}, from {files}\n"
    )


def kept() -> list[Path]:
    """The measurements that are kept with the code."""
    return sorted(HERE.glob("reference*.json"))


def filled(page: str, files: Iterable[Path]) -> str:
    """The page with every block of figures made anew."""
    sizes = by_size(files)
    plain = [sizes[customers].size for customers in sorted(sizes)]
    made_of = {"aims": _aims(sizes), "moved": moved(plain), "grown": grown(plain), "figures": _figures(sizes)}
    return with_blocks(page, made_of)


def scaled(page: str, files: Iterable[Path]) -> str:
    """The page on scale with its figures made anew, but for Spark's plan (benchmarks.shuffles)."""
    beyond = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {"sizes": []}
    sizes = by_size(files)
    return with_blocks(page, blocks(beyond, [sizes[customers].size for customers in sorted(sizes)]))


def with_blocks(page: str, blocks: Mapping[str, str]) -> str:
    """The page with the text between <!-- begin NAME --> and <!-- end NAME --> made anew, for every name."""
    for name, made in blocks.items():
        block = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
        places = list(block.finditer(page))
        if len(places) != 1:
            raise ValueError(f"The page has to hold one block '{name}', but holds {len(places)}.")
        page = f"{page[: places[0].end(1)]}\n{made}\n\n{page[places[0].start(2) :]}"
    return page


def by_size(files: Iterable[Path]) -> dict[int, Sized]:
    """The sizes in the files; of a size in several the last one counts."""
    results = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    return {size["customers"]: Sized(size, result) for result in results for size in result["sizes"]}


def _figures(sizes: Mapping[int, Sized]) -> str:
    return "\n\n".join(_section(customers, sizes.get(customers)) for customers in sorted({*SIZES, *sizes}))


def _section(customers: int, sized: Sized | None) -> str:
    if sized is None:
        return f"### {customers:,} customers\n\n**Not measured yet.** The command: `{COMMANDS[customers]}`."
    size, result = sized
    machine, versions = result["machine"], result["versions"]
    told = ", ".join(f"{name} {number}" for name, number in versions.items())
    theirs = others(size)
    busy = "" if theirs is None else f", others keeping {theirs:.2f} cores busy meanwhile"
    words = (
        f"{title(size)}. Measured {result['made'][:10]} by `{result['command']}`, on {machine['cpu']}, "
        f"{result['settings']['threads']} of {machine['cores']} cores, {machine['memory_gb']:g} GB memory, "
        f"{machine['system']}, load {machine['load_before']:g} before the start{busy}; {told}."
    )
    return f"### {customers:,} customers\n\n{words}\n\n{markdown(size)}"


def _aims(sizes: Mapping[int, Sized]) -> str:
    lines = ["| customers | what | aim | measured |", "| ---: | --- | ---: | ---: |", *_aim_lines(sizes)]
    return "\n".join(lines)


def _aim_lines(sizes: Mapping[int, Sized]) -> Iterator[str]:
    for aim in AIMS:
        sized = sizes.get(aim.customers)
        measured = aim.measured(sized.size) if sized else "not measured yet"
        yield f"| {aim.customers:,} | {aim.words} | {aim.target} | {measured} |"


def _times(step: str, figure: str = "seconds") -> Callable[[Mapping[str, Any]], str]:
    """How many times ours lifetimes took, where its answer is equal."""

    def measured(size: Mapping[str, Any]) -> str:
        many = times(size, "lifetimes", step, figure)
        if many is not None:
            return f"{many:,.1f}×"
        verdict = compared(size, "lifetimes", step)
        return f"answers differ: {verdict['words']}" if verdict else "lifetimes did not finish"

    return measured


def _seconds(*steps: str) -> Callable[[Mapping[str, Any]], str]:
    def measured(size: Mapping[str, Any]) -> str:
        parts = [found(size, OURS, step) for step in steps]
        return f"{duration(sum(part['seconds'] for part in parts if part))} s" if all(parts) else "not done"

    return measured


def _peak(size: Mapping[str, Any]) -> str:
    run = found(size, OURS, "run")
    return f"{run['peak_mb'] / 1024:.1f} GB" if run else "not done"


AIMS = (
    Aim(
        "fit of Pareto/NBD, lifetimes (a row per customer) next to klantwaarde",
        1_000_000,
        "150×",
        _times("fit pareto_nbd"),
    ),
    Aim("fit of BG/NBD, lifetimes (a row per customer) next to klantwaarde", 1_000_000, "15×", _times("fit bg_nbd")),
    Aim("peak memory of the fit of Pareto/NBD, the same", 1_000_000, "3×", _times("fit pareto_nbd", "peak_mb")),
    Aim("peak memory of the fit of BG/NBD, the same", 1_000_000, "3×", _times("fit bg_nbd", "peak_mb")),
    Aim("Parquet in to scored Parquet out, all steps", 10_000_000, "under 75 s", _seconds("run")),
    Aim("its peak memory", 10_000_000, "under 6 GB", _peak),
    Aim("the same with `--memory-limit 8GB`", 100_000_000, "under 12 GB", _peak),
    Aim("fits of MBG/NBD and Pareto/NBD together", 10_000_000, "under 10 s", _seconds("fit mbg_nbd", "fit pareto_nbd")),
)


if __name__ == "__main__":
    main()
