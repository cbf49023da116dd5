"""Results before and after a change of structure: run everything on one commit, keep it, run it on another, compare.

    PYTHONPATH=OLD/src python -m evidence.same_results freeze FOLDER --data DATA
    python -m evidence.same_results compare FOLDER --data DATA

Every output of every scenario, column by column: bytes where outputs are deterministic, 1e-12 of the larger number
elsewhere. The models of the frozen run score in both, so that fits play no part; fits are made anew beside it and
compared by their log-likelihood, to 1e-9 per customer. DATA: a folder with online_retail/transactions.parquet; without
it that scenario is skipped, and said to be.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

CLOSE = 1e-12
PER_CUSTOMER = 1e-9
TIMES = {
    "seconds": "how long a run takes",
    "finished": "when it ended",
    "generated_at": "when it ended",
    "memory_mb": "what the machine took",
    "peak_memory_mb": "what the machine took",
    "versions": "of libraries",
    "python": "of the interpreter",
    "klantwaarde": "of the package",
    "out": "where this run wrote",
    "settings": "hold paths of this run",
    "source": "holds a path",
    "state": "holds a path",
    "ledger_command": "holds a path",
}
"""Keys of JSON that differ by nature, and why."""
INTENDED: dict[str, str] = {
    "scored/run.json: .facts.facts_version": "facts say their version",
    "scored/moves.parquet": "the customers behind every figure of movement, written with --since",
    "scored/customers.parquet: crv": "P(alive) by odds and BG/NBD's purchases as a sum differ in the fourteenth digit "
    "from what they were, and crv is a difference of amounts: up to 1.1e-11 of its size",
}
"""Differences that are meant: "file: column or key" and the reason. A new one is written here with the change."""


class Difference(NamedTuple):
    """Something that is not as it was."""

    place: str
    what: str


class Scenario(NamedTuple):
    """What is run: a name, and the steps that fill `out`; models of the frozen run lie in `fits`."""

    name: str
    run: Callable[[Path, Path, Path, bool], None]
    needs: str | None = None
    """A file of DATA."""


def klantwaarde(*words: object) -> None:
    """One command of the package that this Python finds."""
    told = subprocess.run([sys.executable, "-m", "klantwaarde", *map(str, words)], capture_output=True, text=True)  # noqa: PLW1510 - looked at below
    if told.returncode not in {0, 3}:
        raise SystemExit(f"klantwaarde {' '.join(map(str, words))} ends with {told.returncode}:\n{told.stderr[-2000:]}")


def _fitted(fits: Path, name: str, anew: bool, *words: object) -> Path:
    """The model file of a run; made in `fits` where it is not there, and once more beside it to be compared."""
    folder = fits / (f"{name}_again" if anew and (fits / name).exists() else name)
    if not (folder / "model.json").exists():
        klantwaarde("run", *words, "--out", folder)
    return fits / name / "model.json"


def _demo(out: Path, fits: Path, _: Path, anew: bool) -> None:
    lines = out.parent / "cdnow_sample.csv"
    lines.unlink(missing_ok=True)
    klantwaarde("sample", lines)
    klantwaarde("score", lines, "--fit", _fitted(fits, "demo", anew, lines), "--out", out / "scored")
    lines.unlink()


def _retail(out: Path, fits: Path, data: Path, anew: bool) -> None:
    words = (data / "online_retail/transactions.parquet", *RETAIL)
    early = _fitted(fits, "retail_early", anew, *words, "--as-of", "2011-06-30")
    late = _fitted(fits, "retail", anew, *words)
    klantwaarde("score", *words, "--fit", late, "--since", early.parent, "--out", out / "scored")


RETAIL = ("--customer-id", "CustomerID", "--date", "InvoiceDate", "--quantity", "Quantity", "--price", "UnitPrice")


def _spark(out: Path, fits: Path, _: Path, anew: bool) -> None:
    lines = out.parent / "cdnow.parquet"
    lines.unlink(missing_ok=True)
    klantwaarde("sample", lines, "--all")
    model = _fitted(fits, "cdnow", anew, lines)
    klantwaarde("score", lines, "--fit", model, "--engine", "spark", "--master", "local[2]", "--out", out / "scored")
    lines.unlink()


def _state(out: Path, fits: Path, _: Path, anew: bool) -> None:
    """Ten batches; nine of them come to a state that the frozen run began, with its model kept."""
    lines = out.parent / "state_sample.parquet"
    lines.unlink(missing_ok=True)
    klantwaarde("sample", lines)
    table = pq.read_table(lines).sort_by([("date", "ascending"), ("customer_id", "ascending")])
    lines.unlink()
    begun, size = fits / "state", -(-len(table) // 10)
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        for number in range(10):
            batch = Path(folder) / f"{number}.parquet"
            pq.write_table(table.slice(number * size, size), batch)
            if number == 0 and begun.exists():
                shutil.copytree(begun, state)
                continue
            words = (batch, "--state", state, "--new-customers", "--keep-model", "--unit", "week", "--model", "mbg_nbd")
            klantwaarde("run", *words, "--out", out / "scored")
            if number == 0:
                shutil.copytree(state, begun)
    del anew


def _links(out: Path, fits: Path, _: Path, anew: bool) -> None:
    """The demo: CDNOW with simulated links and attributes, and what changed since three months ago."""
    folder = fits / ("links_again" if anew and (fits / "links").exists() else "links")
    if not (folder / "model.json").exists():
        klantwaarde("demo", "--out", folder)
    made = fits / "links-inputs"
    lines = out.parent / "cdnow.parquet"
    lines.unlink(missing_ok=True)
    klantwaarde("sample", lines, "--all")
    beside = [word for name in BESIDE for word in (f"--{name}", made / f"simulated_{name}.csv")]
    terms = ("--margin-rate", "0.3", "--since", "3 months", "--peers", "channel", "--currency", "USD")
    klantwaarde("score", lines, "--fit", fits / "links/model.json", *beside, *terms, "--out", out / "scored")
    lines.unlink()


BESIDE = ("referrals", "influence", "attributes")
SCENARIOS = (
    Scenario("demo", _demo),
    Scenario("online_retail", _retail, "online_retail/transactions.parquet"),
    Scenario("cdnow_on_spark", _spark),
    Scenario("state_in_ten_batches", _state),
    Scenario("links", _links),
)


def compare(before: Path, after: Path) -> tuple[list[Difference], int]:
    """Two folders of outputs, file by file: what differs, and how many columns or values were compared."""
    found: list[Difference] = []
    files = [set(_tables_and_files(root)) for root in (before, after)]
    found += [Difference(name, "is not written any more") for name in sorted(files[0] - files[1])]
    found += [Difference(name, "was not written before") for name in sorted(files[1] - files[0])]
    looked = 0
    for name in sorted(files[0] & files[1]):
        differences = list(KINDS.get(Path(name).suffix, _bytes)(before / name, after / name))
        looked += 1
        found += [Difference(f"{name}: {one.place}", one.what) for one in differences]
    return [one for one in found if not any(one.place.startswith(known) for known in INTENDED)], looked


def _tables_and_files(root: Path) -> Iterator[str]:
    """What lies in a folder, a Parquet table in many files being one."""
    for path in root.iterdir():
        if path.is_dir() and path.suffix != ".parquet":
            yield from (f"{path.name}/{name}" for name in _tables_and_files(path))
        else:
            yield path.name


def _bytes(before: Path, after: Path) -> Iterator[Difference]:
    if before.read_bytes() != after.read_bytes():
        yield Difference("bytes", "differ")


def _parquet(before: Path, after: Path) -> Iterator[Difference]:
    one, other = pq.read_table(before), pq.read_table(after)
    yield from (Difference(name, "is gone") for name in one.column_names if name not in other.column_names)
    yield from (Difference(name, "is new") for name in other.column_names if name not in one.column_names)
    if len(one) != len(other):
        yield Difference("rows", f"{len(one)} before, {len(other)} now")
        return
    if "customer_id" in one.column_names and "rank" not in one.column_names:  # no order is promised
        one, other = (table.sort_by("customer_id") for table in (one, other))
    for name in [name for name in one.column_names if name in other.column_names]:
        if one.column(name).type != other.column(name).type:
            yield Difference(name, f"was {one.column(name).type}, is {other.column(name).type}")
        else:
            yield from _column(name, one.column(name), other.column(name))


def _column(name: str, one: pa.ChunkedArray, other: pa.ChunkedArray) -> Iterator[Difference]:
    if one.equals(other):
        return
    if not pa.types.is_floating(one.type):
        n = sum(a != b for a, b in zip(one.to_pylist(), other.to_pylist(), strict=True))
        yield Difference(name, f"{n} rows differ")
        return
    if not one.is_null().equals(other.is_null()):
        yield Difference(name, "is empty in other rows")
        return
    gap = pc.abs(pc.subtract(one, other))
    size = pc.max_element_wise(pc.abs(one), pc.abs(other))
    worst = pc.max(pc.fill_null(pc.if_else(pc.equal(gap, 0.0), 0.0, pc.divide(gap, size)), 0.0)).as_py()
    if not worst <= CLOSE:
        yield Difference(name, f"differs by {worst:.2g} of its size")


def _json(before: Path, after: Path) -> Iterator[Difference]:
    yield from _values("", *(json.loads(path.read_text(encoding="utf-8")) for path in (before, after)))


def _values(place: str, one: Any, other: Any) -> Iterator[Difference]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in {**one, **other}:
            if key in TIMES:
                continue
            if key not in one or key not in other:
                yield Difference(f"{place}.{key}", "is new" if key in other else "is gone")
            else:
                yield from _values(f"{place}.{key}", one[key], other[key])
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (a, b) in enumerate(zip(one, other, strict=True)):
            yield from _values(f"{place}[{number}]", a, b)
    elif isinstance(one, float) and isinstance(other, float):
        if not math.isclose(one, other, rel_tol=CLOSE, abs_tol=CLOSE):
            yield Difference(place, f"was {one!r}, is {other!r}")
    elif one != other:
        yield Difference(place, f"was {str(one)[:60]!r}, is {str(other)[:60]!r}")


def _page(before: Path, after: Path) -> Iterator[Difference]:
    """The words of a page; pictures are compared by the numbers that they are drawn from, which are facts."""
    one, other = (_words(path.read_text(encoding="utf-8")) for path in (before, after))
    for a, b in zip(one, other, strict=False):
        if a != b:
            yield Difference("text", f"was {a[:80]!r}, is {b[:80]!r}")
    if len(one) != len(other):
        yield Difference("text", f"{len(one)} pieces before, {len(other)} now")


MADE = ("Made with klantwaarde", "Gemaakt met klantwaarde")
"""How the line with the moment of the run begins."""


def _words(html: str) -> list[str]:
    """Pieces of text without tags, styles and pictures, and without the moment and the machine of the run."""
    text = re.sub(r"(?s)<(style|script|svg)\b.*?</\1>", "", html)
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?|(/[\w.-]+){2,}", "", text)
    pieces = (" ".join(piece.split()) for piece in re.sub(r"<[^>]*>", "\n", text).split("\n"))
    return [piece for piece in pieces if piece and not piece.startswith(MADE)]


KINDS: dict[str, Callable[[Path, Path], Iterator[Difference]]] = {".parquet": _parquet, ".json": _json, ".html": _page}


def compare_fits(fits: Path) -> list[Difference]:
    """Fits made anew against those kept, by log-likelihood per customer."""
    found = []
    for again in sorted(fits.glob("*_again/model.json")):
        kept = again.parent.with_name(again.parent.name.removesuffix("_again")) / "model.json"
        one, other = (json.loads(path.read_text(encoding="utf-8")) for path in (kept, again))
        for role in ("timing", "spend", "potential"):
            a, b = one.get(role), other.get(role)
            if (a is None) != (b is None):
                found.append(Difference(f"{kept.parent.name}: {role}", "is in one file only"))
            elif a is not None and a["model"] != b["model"]:
                found.append(Difference(f"{kept.parent.name}: {role}", f"was {a['model']}, is {b['model']}"))
            elif a is not None:
                gap = (a["log_likelihood"] - b["log_likelihood"]) / a["customers"]
                print(f"  fit {kept.parent.name} {role} {a['model']}: log-likelihood {-gap:+.2g} per customer")
                if gap > PER_CUSTOMER:
                    found.append(Difference(f"{kept.parent.name}: {role}", f"loses {gap:.2g} of log-likelihood each"))
    return found


def _chosen(only: str | None, data: Path) -> Iterator[Scenario]:
    for scenario in SCENARIOS:
        if only not in {None, scenario.name}:
            continue
        if scenario.needs is not None and not (data / scenario.needs).exists():
            print(f"{scenario.name}: skipped, there is no {data / scenario.needs}")
            continue
        yield scenario


def freeze(folder: Path, data: Path, only: str | None) -> int:
    """Run every scenario and keep models and outputs."""
    for scenario in _chosen(only, data):
        out = folder / "outputs" / scenario.name
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        scenario.run(out, folder / "fits", data, False)
        print(f"{scenario.name}: {len(list(_tables_and_files(out)))} files kept")
    return 0


def check(folder: Path, data: Path, only: str | None, *, anew: bool) -> int:
    """Run every scenario again with the models kept; how many differences there are."""
    found = 0
    for scenario in _chosen(only, data):
        with tempfile.TemporaryDirectory() as made:
            out = Path(made) / "out"
            out.mkdir()
            scenario.run(out, folder / "fits", data, anew)
            differences, files = compare(folder / "outputs" / scenario.name, out)
        found += len(differences)
        print(f"{scenario.name}: {files} files compared, {len(differences)} differences")
        for one in differences[:40]:
            print(f"  {one.place} {one.what}")
    differences = compare_fits(folder / "fits") if anew else []
    for one in differences:
        print(f"  {one.place} {one.what}")
    for again in (folder / "fits").glob("*_again*"):
        shutil.rmtree(again)
    for place, why in INTENDED.items():
        print(f"  meant: {place}: {why}")
    return 1 if found or differences else 0


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("freeze", "compare"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", choices=[scenario.name for scenario in SCENARIOS])
    parser.add_argument("--no-fits", action="store_true", help="do not fit anew")
    given = parser.parse_args()
    folder, data = given.folder.resolve(), given.data.resolve()
    if given.what == "freeze":
        return freeze(folder, data, given.only)
    return check(folder, data, given.only, anew=not given.no_fits)


if __name__ == "__main__":
    sys.exit(main())
