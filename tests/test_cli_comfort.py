"""What makes the command line easy to use, and that no error of any kind ends in a traceback."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import klantwaarde as kw
from conftest import Said
from klantwaarde.cli import app as cli
from klantwaarde.cli import screen
from klantwaarde.cli.faults import of_the_system
from klantwaarde.cli.manual import EXAMPLES, ORDER, PANELS
from klantwaarde.cli.options import FLAGS, HELP, as_typed
from klantwaarde.errors import BadOrders

Cli = Callable[..., Said]
SAMPLE = str(kw.datasets.cdnow_sample())


class TestHelp:
    @pytest.mark.parametrize("flag", ["-h", "--help"])
    def test_commands_in_order_with_whole_lines(self, klantwaarde: Cli, flag: str) -> None:
        said = klantwaarde(flag)
        assert said.code == 0
        lines = said.out.split("Commands:")[1]
        assert re.findall(r"^  (\w+) ", lines, re.MULTILINE) == list(ORDER)
        assert "..." not in lines
        assert "'12 months', '52 weeks', '90 days' or '1 year', a rate 0.30 or 30%" in " ".join(said.out.split())

    @pytest.mark.parametrize("command", [name for name in ORDER if name not in {"validate", "state"}])
    def test_examples(self, klantwaarde: Cli, command: str) -> None:
        said = klantwaarde(command, "-h")
        assert said.out.split("Examples:\n")[1].split("\n")[:-1] == [f"  {line}" for line in EXAMPLES[command]]

    def test_options_in_groups(self, klantwaarde: Cli) -> None:
        said = klantwaarde("run", "-h")
        heads = re.findall(r"^(\w[\w ]*):$", said.out, re.MULTILINE)
        assert heads == ["Arguments", *PANELS, "General", "Examples"]
        general = said.out.split("General:")[1].split("Examples:")[0]
        assert re.findall(r"^  (?:-\w, )?--(\w+)", general, re.MULTILINE) == ["config", "help"], "each has its group"

    def test_no_setting_is_grouped_twice(self) -> None:
        grouped = [name for names in PANELS.values() for name in names]
        assert len(grouped) == len(set(grouped))
        assert set(HELP) - {"orders"} <= set(grouped)
        assert set(HELP) <= FLAGS

    def test_version(self, klantwaarde: Cli) -> None:
        said = klantwaarde("--version")
        assert (said.code, said.out) == (0, "klantwaarde 0.1.0\n")

    def test_as_a_module(self) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "klantwaarde", "--version"], capture_output=True, check=False, text=True
        )
        assert (done.returncode, done.stdout) == (0, "klantwaarde 0.1.0\n")

    @pytest.mark.parametrize(
        ("shell", "words"),
        [
            ("bash", {"COMP_WORDS": "klantwaarde che", "COMP_CWORD": "1"}),
            ("zsh", {"_TYPER_COMPLETE_ARGS": "klantwaarde che"}),
        ],
    )
    def test_completion(self, shell: str, words: dict[str, str]) -> None:
        asked = os.environ | {"_KLANTWAARDE_COMPLETE": f"complete_{shell}"} | words
        program = "import sys; sys.argv = ['klantwaarde']; from klantwaarde.cli.app import main; main()"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, text=True, env=asked)
        assert "check" in done.stdout


class TestSample:
    @pytest.mark.parametrize(("flags", "customers", "lines"), [((), 2357, 6919), (("--all",), 23570, 69659)])
    def test_orders_to_try(self, klantwaarde: Cli, flags: tuple[str, ...], customers: int, lines: int) -> None:
        assert klantwaarde("sample", "orders.csv", *flags).code == 0
        found = pd.read_csv("orders.csv")
        assert (found.customer_id.nunique(), len(found)) == (customers, lines)
        whole = pd.read_parquet(kw.datasets.cdnow() if flags else kw.datasets.cdnow_sample())
        assert found.amount.sum() == pytest.approx(float(whole.amount.sum()))
        assert klantwaarde("sample", "orders.csv", *flags).code == 0, "the same once more"

    def test_nothing_is_replaced(self, klantwaarde: Cli, tmp_path: Path) -> None:
        (tmp_path / "orders.csv").write_text("mine")
        (tmp_path / "folder.csv").mkdir()
        for path in ("orders.csv", "folder.csv"):
            assert klantwaarde("sample", path).code == 2
        assert (tmp_path / "orders.csv").read_text() == "mine"

    @pytest.mark.parametrize("path", ["orders", "orders.xlsx", "no/such/orders.csv"])
    def test_no_place_for_it(self, klantwaarde: Cli, path: str) -> None:
        said = klantwaarde("sample", path)
        assert said.code == 2
        assert "Name such a file" in said.err or "There is no folder no/such" in said.err


class TestTables:
    ROWS = (("1998-03-31", "442,544.06", "389,251.76"), ("1998-06-30", "9.00", "10,000.00"))

    def test_piped_tables_are_plain(self, capsys: pytest.CaptureFixture[str]) -> None:
        screen.show("A title", ("from", "opening value", "closing value"), self.ROWS)
        assert capsys.readouterr().out == (
            "A title\n\n"
            "  from        opening value  closing value\n"
            "  1998-03-31     442,544.06     389,251.76\n"
            "  1998-06-30           9.00      10,000.00\n\n"
        )

    def test_what_is_too_narrow_becomes_a_list(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Narrow:
            is_terminal, width = True, 30

            def print(self, text: str, **_: Any) -> None:
                sys.stdout.write(f"{text}\n")

        monkeypatch.setattr(screen, "paper", Narrow())
        screen.show("A title", ("from", "opening value", "closing value"), self.ROWS)
        out = capsys.readouterr().out
        assert "  opening value  442,544.06\n" in out
        assert max(map(len, out.splitlines())) <= 30

    def test_a_share_is_never_minus_nothing(self, klantwaarde: Cli, tmp_path: Path) -> None:
        lines = [f"{i},2024-0{1 + i % 6}-{10 + i % 9},{10 + i}" for i in range(60)] * 2
        lines += [f"{i},2024-06-2{i % 9},{10 + i}" for i in range(60)] + ["61,2023-01-01,50", "61,2024-05-01,-50.01"]
        (tmp_path / "o.csv").write_text("customer_id,date,amount\n" + "\n".join(lines) + "\n")
        said = klantwaarde("run", "o.csv", "--model", "nbd")
        assert said.code == 0, said.err
        assert "-0%" not in said.out

    def test_a_reader_that_has_had_enough(self) -> None:
        command = f"{sys.executable} -m klantwaarde sql --as-of 2024-01-01 | head -1; echo ${{PIPESTATUS[0]}}"
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
        assert done.stdout.split("\n")[1] in {"0", "141"}
        assert done.stderr == ""


class TestFaults:
    """One message and a code, whatever happens."""

    def test_an_unexpected_error(self, klantwaarde: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        def fails(*_: Any) -> None:
            raise TypeError("postgresql://ann:s3cret@db/shop is a secret")

        monkeypatch.setattr(cli, "sheet", fails)
        monkeypatch.delenv("KLANTWAARDE_DEBUG", raising=False)
        said = klantwaarde("check", SAMPLE)
        assert said.code == 70
        assert "This is a bug in klantwaarde: TypeError" in said.err
        assert "Traceback" not in said.err
        monkeypatch.setenv("KLANTWAARDE_DEBUG", "")
        traced = klantwaarde("--debug", "check", SAMPLE)
        assert (traced.code, "Traceback" in traced.err) == (70, True)
        assert "s3cret" not in said.err + traced.err

    @pytest.mark.parametrize(
        ("error", "words"),
        [
            (
                FileNotFoundError(errno.ENOENT, "No such file", "/no/such/.a.html.16110.part"),
                "There is no folder /no/such.",
            ),
            (PermissionError(errno.EACCES, "Permission denied", "/tmp/.x.lock"), "/tmp/x cannot be read or written"),
            (OSError(errno.ENOSPC, "No space left on device"), "The disk is full"),
            (
                IsADirectoryError(errno.EISDIR, "Is a directory", "/tmp"),
                "/tmp cannot be read or written: Is a",
            ),
        ],
    )
    def test_what_the_system_refused(self, error: OSError, words: str) -> None:
        told = of_the_system(error)
        assert words in told
        assert "Errno" not in told
        assert ".part" not in told

    @pytest.mark.parametrize("out", ["no/such/r.html", "r.parquet", "r", "orders.csv"])
    def test_a_report_where_none_can_be(self, klantwaarde: Cli, tmp_path: Path, out: str) -> None:
        (tmp_path / "results").mkdir()
        (tmp_path / "results" / "run.json").write_text('{"facts": {}}')
        said = klantwaarde("report", "results", "--out", out)
        assert said.code == 2
        assert "--out" in said.err
        assert "Errno" not in said.err

    def test_words_that_are_not_utf8(self, klantwaarde: Cli) -> None:
        for words in (("check", "o\udcff.csv"), ("stages", SAMPLE, "--out", "s\udcff.parquet")):
            said = klantwaarde(*words)
            assert said.code == 2
            assert "is not UTF-8 text" in said.err

    def test_a_terminal_that_knows_ascii_only(self) -> None:
        command = [sys.executable, "-m", "klantwaarde", "check", SAMPLE]
        done = subprocess.run(command, capture_output=True, check=False, env=os.environ | {"PYTHONIOENCODING": "ascii"})
        assert done.returncode == 0
        assert b" + Every line has a customer." in done.stdout


@pytest.mark.parametrize(
    ("name", "value", "typed"),
    [
        ("as_of", "'x'", "--as-of x"),
        ("title", repr("a b"), "--title 'a b'"),
        ("keep_model", "True", "--keep-model"),
        ("since", None, "since (in s.toml)"),
        ("since", "'3 moons'", 'since = "3 moons" (in s.toml)'),
        ("orders", None, "ORDERS"),
        ("referrer_id", None, "referrer_id= (in Python)"),
    ],
)  # fmt: skip
def test_settings_as_they_are_typed(name: str, value: str | None, typed: str) -> None:
    assert as_typed(name, value, {"since": "s.toml"}) == typed


def test_errors_speak_python_in_python() -> None:
    with pytest.raises(BadOrders, match=r"Name it with customer_id=\."):
        kw.orders(SAMPLE, customer_id="klant")
