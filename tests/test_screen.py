"""What is printed: no terminal escapes, no markup and nothing lost of what users have, in any command or encoding."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import klantwaarde as kw
from conftest import Said
from klantwaarde.cli.screen import print_json, show
from klantwaarde.report.html import render
from klantwaarde.shown import visible
from report_facts import report_facts

Cli = Callable[..., Said]
HOSTILE = {
    "title of the window": "\x1b]0;owned\x07a",
    "cleared screen": "\x1b[2Jb",
    "one byte": "\x9b31mc",
    "back": "d\b\b\bx\r",
    "turned": "\u202etxt.exe\u2066e",
    "no width": "f\u200bg\ufeff",
    "line": "h\nError: all is lost",
    "separators": "i\u2028j\u2029",
    "markup": "[red]k[/red]",
    "closed": "[/]",
    "short": "[NL]",
    "emoji": ":smile:",
    "link": "[link=http://x.y]l[/link]",
    "page": "</td><script>alert(1)</script>",
    "dollars": "$m_1$ %s {n} \\o",
}
"""What a terminal, the printer of tables or a browser would obey."""
hostile = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def seen(text: str) -> str:
    """A text without what tables and narrow screens put between its characters."""
    return re.sub(r"[\s│┃|]", "", text)


def is_there(text: str, said: Said) -> bool:
    told = said.out + said.err
    return not OBEYED.search(told) and any(seen(visible(text, keep)) in seen(told) for keep in ("", "\n"))


@pytest.fixture(name="orders")
def _orders(tmp_path: Path, text: str) -> Path:
    """Orders with the text as a column's name, and in ids, stores and (after a day) as an unusual day."""
    rng = np.random.default_rng(3)
    names = np.array([f"{text}{number}" for number in range(40)])
    days = pd.Timestamp("2023-01-01") + pd.to_timedelta(np.sort(rng.integers(0, 500, 300)), unit="D")
    frame = pd.DataFrame({f"{text} id": names[rng.integers(0, 40, 300)], "date": days, "amount": 5.0})
    frame["shop"] = np.where(rng.random(300) < 0.5, text, "other")
    frame.loc[:9, "amount"] = -3.0
    frame.to_parquet(tmp_path / "orders.parquet")
    return tmp_path / "orders.parquet"


@hostile
def test_ids_and_columns_are_shown_as_text(klantwaarde: Cli, orders: Path, text: str) -> None:
    where = (orders, "--customer-id", f"{text} id")
    said = klantwaarde("check", *where)
    assert said.code == 0, said.err
    assert is_there("", said)
    told = klantwaarde("check", orders, "--customer-id", f"{text} no")
    assert told.code in {1, 2}
    assert is_there(text, told), "the columns that there are, in an error"
    lost = klantwaarde(
        "ledger", *where, "--model", "nbd", "--start", "2023-03-31", "--customers", "new", "--period", "2023-06-30"
    )
    assert lost.code == 0, lost.err
    assert is_there(text, lost), "ids in a table"


@hostile
def test_titles_and_currencies_are_shown_as_text(klantwaarde: Cli, orders: Path, text: str) -> None:
    words = ("--customer-id", f"{text} id", "--model", "nbd", "--title", text, "--currency", text)
    said = klantwaarde("run", orders, *words, "--out", "there")
    assert said.code == 0, said.err
    assert is_there(text, said)
    page = Path("there/report.html").read_text()
    assert not OBEYED.search(page.replace("\t", ""))
    assert "<script>alert" not in page
    said = klantwaarde("report", "there", "--title", text, "--language", "nl")
    assert (said.code, is_there("", said)) == (0, True)


@hostile
def test_names_of_files_are_shown_as_text(klantwaarde: Cli, orders: Path, text: str) -> None:
    name = text.replace("/", "_")
    said = klantwaarde("check", f"{name}.parquet")
    assert (said.code, is_there(name, said)) == (1, True), said.err
    orders.rename(orders.with_name(f"{name}.parquet"))
    where = (f"{name}.parquet", "--customer-id", f"{text} id", "--model", "nbd")
    said = klantwaarde("stages", *where, "--out", f"{name} out.parquet")
    assert (said.code, is_there(f"{name} out.parquet", said)) == (0, True), said.err


@hostile
def test_whatever_is_mistyped_is_shown_as_text(klantwaarde: Cli, orders: Path, text: str) -> None:
    for words in (
        (f"c{text}",),
        ("check", orders, f"--{text}"),
        ("check", orders, orders, text),
        ("run", orders, "--unit", text),
        ("run", orders, "--rank-by", text),
        ("backtest", orders, "--split", text),
        ("backtest", orders, "--split", "2024-01-01", "--models", text),
        ("ledger", orders, "--every", text),
        ("stages", orders, "--rules", text),
        ("seeds", orders, "--out", text),
        ("sql", "--as-of", "2024-01-01", "--dialect", text),
        ("report", text),
        ("check", orders, "--config", text),
        ("validate", "potential", orders, "--customer-id", f"{text} id", "--store", f"{text} no"),
    ):
        said = klantwaarde(*words)
        assert (said.code in {1, 2}, is_there("", said)) == (True, True), (words, said)


@hostile
def test_a_table_shows_all_of_a_text(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    show(text, [text], [[text]], note=text)
    told = capsys.readouterr().out
    assert not OBEYED.search(told)
    assert sum(seen(told).count(seen(way)) for way in {visible(text), visible(text, keep="\n")}) >= 4


@hostile
def test_json_is_the_same_value_and_harmless(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_json({text: [text, 1.5, None, True]})
    told = capsys.readouterr().out
    assert json.loads(told) == {text: [text, 1.5, None, True]}
    assert not OBEYED.search(told)


@hostile
def test_statements_hold_no_escapes(klantwaarde: Cli, text: str) -> None:
    said = klantwaarde("sql", "--as-of", "2024-01-01", "--customer-id", text)
    assert not OBEYED.search(said.out + said.err)
    assert said.code == 0 if not OBEYED.search(text) else said.code == 2


def test_the_page_allows_no_script_and_nothing_from_elsewhere() -> None:
    page = render(report_facts())
    policy = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', page)
    assert policy
    assert policy.start() < page.index("<style"), "before anything that it is about"
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    assert rules == {
        "default-src": "'none'",
        "style-src": "'unsafe-inline'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
@pytest.mark.slow
def test_no_encoding_of_the_terminal_stops_a_command(tmp_path: Path, encoding: str) -> None:
    environment = os.environ | {"PYTHONIOENCODING": encoding, "COLUMNS": "80"}
    title = "Käse \u2713 \u65e5\u672c \N{CHEESE WEDGE}"
    for words in (
        ("check", kw.datasets.cdnow_sample()),
        ("check", kw.datasets.cdnow_sample(), "--json"),
        ("run", kw.datasets.cdnow_sample(), "--model", "mbg_nbd", "--title", title, "--currency", "€"),
        ("run", kw.datasets.cdnow_sample(), "--model", "mbg_nbd", "--title", title, "--json"),
    ):
        command = [sys.executable, "-m", "klantwaarde", *map(str, words)]
        done = subprocess.run(command, capture_output=True, check=False, cwd=tmp_path, env=environment)
        assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr
        told = done.stdout.decode(encoding)
        if "--json" in words:
            assert json.loads(told)
        elif "run" in words:
            assert "\\u65e5\\u672c" in told or title in told


def test_what_the_terminal_lacks_is_written_as_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    from klantwaarde.cli.screen import paper, survive_encoding

    page = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", page)
    survive_encoding()
    paper.print("✓ a – b → é \udcff 日", soft_wrap=True)
    page.flush()
    assert page.buffer.getvalue().decode() == "+ a - b -> \\xe9 \\udcff \\u65e5\n"  # type: ignore[attr-defined]
