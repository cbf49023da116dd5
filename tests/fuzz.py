"""Anything that a user can type or hand in, at random: no traceback, no fault of ours, no undeclared exit code.

`python -m tests.fuzz --seconds 1200` (`make fuzz`); `--only SEED` runs one try again and shows what it says.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import gzip
import io
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter

import klantwaarde as kw
from klantwaarde.cli.app import main
from klantwaarde.job.settings import Settings

CODES = {0, 1, 2, 3}
"""What a command may end with; 70, a fault of ours, is none of them."""
PATIENCE = 120
"""Seconds after which a try hangs."""

WORDS = (
    "", " ", "0", "1", "-1", "nan", "inf", "1e308", "30%", "100%", "0.5", "9" * 40, "12 months", "1 jaar", "0 months",
    "-3 days", "3 moons", "30000 months", "52 weeks", "2024-01-31", "2024-02-30", "0001-01-01", "9999-12-31", "soon",
    "week", "weeks", "nbd", "pareto_nbd", "auto", "x,y", "customer_id", "date", "amount", "tier", "estimate", "duckdb",
    "utf-8", "utf-16", "rot13", "latin-1", "Europe/Amsterdam", "%d-%m-%Y", "%", "%!", ",", ".", "keep", "drop", "1KB",
    "200MB", "../x", "/", "/dev/null", "a" * 300, "é\u202e\x1b[2J", "[/b]", "'; drop table x", "\udcff", "o.csv", "o",
    "s.toml", "m.json", "quarter", "default", "lost", "postgresql://u:p@127.0.0.1:1/db", "sqlite:///no.db",
    "select 1", "{", "null", "en", "nl", "EUR", "10**9", "1_0", "0x1", "½", "٣", "\t", "~", "state", "results", "-",
)  # fmt: skip
CELLS = (
    "", "1", "-1", "0", "1.5", "1,5", "1.000,00", "1e400", "NaN", "inf", "-0.0", "1e-30", "99999999999999", "=1+1",
    "2024-01-05", "31-12-2024", "12/31/24", "0000-00-00", "99999-01-01", "2999-12-31", "1970-01-01", "20240105",
    "2024-01-05T10:00:00Z", "2024-01-05 10:00:00+02:00", "\x00", "\x1b[31m", 'a"b', '"', "'", "é", "\ufeff", "null",
    "😀", "x" * 500, " 7 ", "007", "7.0", "True", "\n", "\r", ";", "\t",
)  # fmt: skip
HEADS = ("customer_id", "date", "amount", "quantity", "price", "margin", "Customer_ID", "", "a b", "date", "é", 'x"y',
         "referrer_id", "referred_id", "source_id", "target_id", "weight", "channel", "rank", "select")  # fmt: skip
BYTES = (b"\x00", b"\xff", b'"', b"\r", b"\n", b";", b",", b"\xef\xbb\xbf", b"\t", b"{", b"[", b"9" * 30, b"null", b"-")


class Failure(NamedTuple):
    """A try that ended as none may."""

    seed: int
    what: str
    said: str


def orders_text(rng: random.Random) -> str:
    """Orders in text: sound ones mostly, with cells that are not."""
    mark = rng.choice(",,,;\t")
    head = ["customer_id", "date", "amount"]
    if rng.random() < 0.2:
        head = [rng.choice(HEADS) for _ in range(rng.randint(1, 5))]
    lines = [mark.join(head)]
    wild = rng.choice((0, 0, 0, 0.01, 0.3))
    for _ in range(rng.choice((0, 1, 3, 40, 80, 80, 80))):
        day = dt.date(2023, 1, 1) + dt.timedelta(days=int(rng.triangular(0, 700, 200)))
        row = [str(rng.randint(1, 25)), str(day), f"{rng.uniform(-5, 90):.2f}", *("z" for _ in head[3:])][: len(head)]
        lines.append(mark.join(rng.choice(CELLS) if rng.random() < wild else cell for cell in row))
    return rng.choice(("\n", "\n", "\r\n")).join(lines) + "\n"


def spoiled(rng: random.Random, content: bytes) -> bytes:
    """The same with a few bytes changed, left out or put in; untouched three times in four."""
    if rng.random() < 0.75 or not content:
        return content
    found = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(found) + 1)
        kind = rng.randrange(4)
        if kind == 0:
            del found[at:]
        elif kind == 1:
            found[at : at + rng.randint(1, 9)] = b""
        elif kind == 2:
            found[at:at] = rng.choice(BYTES)
        elif at < len(found):
            found[at] = rng.randrange(256)
        if not found:
            break
    return bytes(found)


def column(rng: random.Random, n: int) -> pa.Array:
    """A column of any type."""
    instants = [dt.datetime(2023, 1, 1) + dt.timedelta(days=rng.randint(0, 600)) for _ in range(n)]
    unit, zone = rng.choice(("s", "ms", "us", "ns")), rng.choice((None, "UTC", "Europe/Amsterdam"))
    numbers = [rng.randint(-3, 30) for _ in range(n)]
    makers: tuple[Callable[[], pa.Array], ...] = (
        lambda: pa.array(numbers),
        lambda: pa.array([rng.choice((1.5, float("nan"), float("inf"), 1e300, -2.0)) for _ in range(n)]),
        lambda: pa.array([float(number) for number in numbers]),
        lambda: pa.array([str(number) for number in numbers]),
        lambda: pa.array([rng.choice(CELLS) for _ in range(n)]),
        lambda: pa.array(instants, pa.timestamp(unit, zone)),
        lambda: pa.array([one.date() for one in instants]),
        lambda: pa.nulls(n),
        lambda: pa.array([number > 3 for number in numbers]),
        lambda: pa.array([[number] for number in numbers]),
        lambda: pa.array([{"a": number} for number in numbers]),
        lambda: pa.array([b"\xff" for _ in numbers]),
        lambda: pa.array([str(number) for number in numbers]).dictionary_encode(),
        lambda: pa.array(numbers).cast(pa.decimal128(38, 10)),
        lambda: pa.array([one.time() for one in instants]),
        lambda: pa.array(numbers, pa.duration("s")),
    )
    return rng.choice(makers)()


def orders_table(rng: random.Random) -> pa.Table:
    """Orders in columns: sound ones, with one of any type."""
    n = rng.choice((0, 1, 60, 60, 60))
    days = [dt.date(2023, 1, 1) + dt.timedelta(days=rng.randint(0, 700)) for _ in range(n)]
    table = {
        "customer_id": pa.array([rng.randint(1, 15) for _ in range(n)]),
        "date": pa.array(days, pa.date32()),
        "amount": pa.array([rng.uniform(1, 90) for _ in range(n)], pa.float64()),
    }
    if rng.random() < 0.5:
        table[rng.choice(HEADS)] = column(rng, n)
    return pa.table(table)


def workbook(rng: random.Random) -> bytes:
    """The orders as text cells of a workbook."""
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True})
    sheet = book.add_worksheet()
    for at, line in enumerate(orders_text(rng).splitlines()[:40]):
        sheet.write_row(at, 0, line.split(","))
    book.close()
    return buffer.getvalue()


def any_json(rng: random.Random, value: Any) -> Any:
    """The same with one value deep inside replaced, left out or renamed."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        name = rng.choice(list(value))
        rest = {key: one for key, one in value.items() if key != name}
        change = rng.random()
        return rest if change < 0.1 else rest | {name + "x" * (change < 0.2): any_json(rng, value[name])}
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = rng.randrange(len(value))
        return [*value[:at], any_json(rng, value[at]), *value[at + 1 :]]
    return rng.choice((None, -1, 0, 1e308, "x", [], {}, True, 10**30, "2024-01-01", float("nan")))


def settings_text(rng: random.Random) -> str:
    """A file of settings."""
    if rng.random() < 0.05:
        return f"title = {'[' * 5000}"
    names = rng.sample([item.name for item in fields(Settings)], rng.randint(0, 4)) + ["nonsense"] * (
        rng.random() < 0.1
    )
    values = (
        "1",
        "-1.5",
        "true",
        "nan",
        "inf",
        "1e999",
        "2024-01-01",
        "2024-01-01T10:00:00",
        "10:00:00",
        "[]",
        "{}",
        "9" * 400,
    )
    word = lambda: json.dumps(rng.choice(WORDS).encode(errors="replace").decode())
    return "\n".join(f"{name} = {rng.choice(values) if rng.random() < 0.4 else word()}" for name in names) + "\n"


class World(NamedTuple):
    """Things made once by earlier runs, which a try copies and spoils."""

    model: Any
    results: Path
    state: Path


def world(folder: Path) -> World:
    """A model, results and a state of a small base."""
    rng = random.Random(1)
    lines = [
        f"{rng.randint(1, 25)},{dt.date(2023, 1, 1) + dt.timedelta(days=rng.randint(0, 500))},9" for _ in range(150)
    ]
    (folder / "o.csv").write_text("customer_id,date,amount\n" + "\n".join(lines) + "\n")
    with contextlib.chdir(folder):
        for words in (["--out", "results"], ["--state", "state", "--out", "daily"]):
            code, said = run(["run", "o.csv", "--model", "nbd", *words])
            if code != 0:
                raise SystemExit(said)
    return World(json.loads((folder / "results" / "model.json").read_text()), folder / "results", folder / "state")


def furnish(rng: random.Random, made: World) -> None:
    """Files of all kinds in the working folder."""
    text = orders_text(rng).encode(
        rng.choice(("utf-8", "utf-8", "utf-8", "utf-8", "utf-16", "cp1252")), errors="replace"
    )
    Path("o.csv").write_bytes(spoiled(rng, text))
    Path("o.csv.gz").write_bytes(spoiled(rng, gzip.compress(text)))
    Path("t.txt").write_bytes(spoiled(rng, os.urandom(rng.choice((0, 10, 300)))))
    buffer = io.BytesIO()
    pq.write_table(orders_table(rng), buffer)
    Path("o.parquet").write_bytes(spoiled(rng, buffer.getvalue()))
    Path("o.xlsx").write_bytes(spoiled(rng, workbook(rng)))
    Path("s.toml").write_bytes(spoiled(rng, settings_text(rng).encode()))
    model = any_json(rng, made.model) if rng.random() < 0.7 else made.model
    Path("m.json").write_bytes(spoiled(rng, json.dumps(model).encode()))
    for name in ("l.csv", "a.csv"):
        pairs = [
            f"{rng.randint(0, 30)},{rng.randint(0, 30)},{rng.choice(CELLS)}" for _ in range(rng.choice((0, 3, 30)))
        ]
        head = rng.choice(
            ("referrer_id,referred_id,date", "source_id,target_id,weight", "customer_id,channel,cost", "a,b,c")
        )
        Path(name).write_bytes(spoiled(rng, "\n".join((head, *pairs)).encode(errors="replace")))
    Path("folder.csv").mkdir()
    shutil.copytree(made.state, "state")
    shutil.copytree(made.results, "results")
    if rng.random() < 0.7:
        for path in rng.sample(sorted(path for path in Path("state").rglob("*") if path.is_file()), 1):
            if path.suffix == ".json" and rng.random() < 0.7:
                path.write_text(json.dumps(any_json(rng, json.loads(path.read_text()))))
            elif rng.random() < 0.3:
                path.unlink()
            else:
                path.write_bytes(spoiled(rng, path.read_bytes()))
        record = Path("results/run.json")
        record.write_text(json.dumps(any_json(rng, json.loads(record.read_text()))))


COMMANDS: tuple[tuple[int, str, tuple[str, ...]], ...] = (
    (40, "check", ()),
    (10, "sql", ("--as-of", "2024-01-01")),
    (6, "stages", ("--model", "nbd", "--rules", "days")),
    (4, "ledger", ("--model", "nbd", "--every", "year")),
    (10, "backtest", ("--models", "nbd", "--split", "2023-09-01")),
    (10, "score", ("--fit", "m.json")),
    (8, "run", ("--model", "nbd", "--out", "new")),
    (6, "run", ("--model", "nbd", "--state", "state", "--keep-model", "--out", "new")),
    (5, "run", ("--model", "nbd", "--referrals", "l.csv", "--influence", "l.csv", "--attributes", "a.csv")),
    (3, "seeds", ("--model", "nbd", "--influence", "l.csv", "--k", "3")),
    (6, "report", ()),
    (2, "sample", ()),
)


def words_of(rng: random.Random) -> list[str]:
    """A command with its flags, a few of them at random."""
    _, command, flags = rng.choices(COMMANDS, [weight for weight, _, _ in COMMANDS])[0]
    source = rng.choice(
        ("o.csv", "o.csv", "o.parquet", "o.parquet", "o.csv.gz", "o.xlsx", "t.txt", "folder.csv", rng.choice(WORDS))
    )
    names = {"report": ("results", rng.choice(WORDS)), "sample": ("x.csv", rng.choice(WORDS))}
    found = [command] if command == "sql" else [command, rng.choice(names.get(command, (source,)))]
    found += flags if rng.random() < 0.9 else ()
    if rng.random() < 0.12:
        found += ["--config", "s.toml"]
    known = [item.name for item in fields(Settings) if item.name not in {"orders", "engine", "master", "state"}]
    known += [
        "split",
        "end",
        "models",
        "every",
        "start",
        "rules",
        "by",
        "customers",
        "period",
        "fit",
        "cells",
        "out",
        "dialect",
    ]
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2))):
        flag = f"--{rng.choice(known).replace('_', '-')}"
        found += [flag] if flag in {"--keep-model", "--fail-on-drift"} else [f"{flag}={rng.choice(WORDS)}"]
    return found


def run(words: list[str]) -> tuple[int, str]:
    """A command in this process: its exit code and all that it said."""
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["klantwaarde", *words]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    finally:
        sys.argv = before
    return code, out.getvalue() + err.getvalue()


def call(rng: random.Random) -> tuple[str, str]:
    """Python's own calls on a table of anything: what was tried, and the traceback of what may not be raised."""
    table = orders_table(rng)
    source = rng.choice((table, table.to_pandas, rng.choice(("o.csv", "o.parquet", "folder.csv")), None, 7))
    names = rng.sample(
        ("quantity", "price", "margin", "order_id", "date_format", "timezone", "encoding", "decimal"),
        rng.choice((0, 0, 1)),
    )
    given = {name: rng.choice(WORDS) for name in names}
    try:
        read = kw.orders(source() if callable(source) else source, **given)
        base = kw.customers(
            read, as_of=rng.choice((None, None, rng.choice(WORDS))), unit=rng.choice(("week", rng.choice(WORDS)))
        )
        fit = kw.fit(kw.NBD, base.cells())
        rate, horizon = rng.choice((0.1, rng.choice(WORDS))), rng.choice(("12 months", rng.choice(WORDS)))
        kw.score(base, kw.Fits(fit), kw.Terms(annual_discount_rate=rate, horizon=horizon)).to_arrow()
    except kw.BadOrders.__mro__[1]:
        pass
    except Exception:  # noqa: BLE001 - that is what is looked for
        return "Python", traceback.format_exc()
    return "Python", ""


def tried(seed: int, made: World) -> tuple[str, str, str]:
    """One try: its kind and outcome, and what it said if that may not be."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        furnish(rng, made)
        if rng.random() < 0.15:
            what, wrong = call(rng)
            return what, "raised" if wrong else "done", wrong
        words = words_of(rng)
        code, said = run(words)
        bad = code not in CODES or "Traceback" in said or "This is a bug" in said or "[Errno" in said
        return words[0], str(code), f"{words}\n{said}" if bad else ""


def _hangs(*_: Any) -> None:
    raise TimeoutError("it hangs")


def fuzz(seconds: float, first: int = 0, folder: Path | None = None) -> tuple[Counter[tuple[str, str]], list[Failure]]:
    """As many tries as fit in so many seconds: how they ended, and which of them may not."""
    os.environ["KLANTWAARDE_DEBUG"] = "1"
    with tempfile.TemporaryDirectory() as place:
        made = world(folder or Path(place))
        counts: Counter[tuple[str, str]] = Counter()
        failures: list[Failure] = []
        signal.signal(signal.SIGALRM, _hangs)
        seed, until = first, time.monotonic() + seconds
        while time.monotonic() < until:
            signal.alarm(PATIENCE)
            try:
                what, outcome, said = tried(seed, made)
            except Exception:  # noqa: BLE001 - a try that gets out of hand is a failure too
                what, outcome, said = "out of hand", "raised", traceback.format_exc()
            signal.alarm(0)
            counts[what, outcome] += 1
            if said:
                failures.append(Failure(seed, what, said))
            seed += 1
    return counts, failures


def command_line() -> int:
    """Run, count and say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--first", type=int, default=0, help="seed of the first try")
    parser.add_argument("--only", type=int, help="seed of one try to repeat")
    asked = parser.parse_args()
    if asked.only is not None:
        with tempfile.TemporaryDirectory() as place:
            os.environ["KLANTWAARDE_DEBUG"] = "1"
            print(*tried(asked.only, world(Path(place))), sep="\n")
        return 0
    counts, failures = fuzz(asked.seconds, asked.first)
    for (what, outcome), number in sorted(counts.items()):
        print(f"{what:<12} {outcome:<8} {number:>6}")
    for failure in failures:
        print(f"\nseed {failure.seed} ({failure.what}):\n{failure.said[-3000:]}")
    print(f"\n{counts.total():,} tries, {len(failures)} that may not be.")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(command_line())
