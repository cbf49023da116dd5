"""Documents say what is true: blocks run and print what is shown, commands work, links lead somewhere."""

from __future__ import annotations

import itertools
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

import klantwaarde as kw
from klantwaarde import numerics
from klantwaarde.cli.app import app
from klantwaarde.doctor import timely
from klantwaarde.estimate import point, search
from klantwaarde.job.pipeline import OUTPUTS
from klantwaarde.job.settings import read_settings
from klantwaarde.state import state
from klantwaarde.validate import choose, drift
from klantwaarde.value.tiers import PERCENT

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in (*ROOT.glob("*.md"), *DOCS.glob("*.md"))}
PICTURE = 300_000  # bytes that a page may ask of a reader

STATED = [  # (page, words, the constant behind them)
    ("docs/orders.md", "below {}", timely.FEW_REPEATERS),
    ("docs/orders.md", "({} times the pace", timely.PEAK),
    ("docs/orders.md", "more than {:.0%} of revenue", timely.LARGE_SHARE),
    ("docs/how_it_works.md", "{} Gauss-Legendre nodes", numerics.NODES),
    ("docs/how_it_works.md", "({} where it grows", numerics.LONG_NODES),
    ("docs/how_it_works.md", "fallen by e^-{:.0f}", numerics.CUT),
    ("docs/how_it_works.md", "{:,} customers", search.FIRST),
    ("docs/how_it_works.md", "{:,}", search.SECOND),
    ("docs/how_it_works.md", "at most {:.0e} counts as converged", point.GOOD),
    ("docs/how_it_works.md", "{:,} customers every time", choose.MOST),
    ("docs/cli.md", "{} of each", drift.ROUNDS),
    ("docs/cli.md", "at most {:,} customers", drift.MOST),
    ("docs/cli.md", "|z| is above {:.0f}", drift.LARGE_Z),
    ("docs/cli.md", "more than {:.0%} of what is expected", drift.LARGE_SHARE),
    ("docs/cli.md", "Beyond {} files", state.MOST_PARTS),
    ("docs/scored.md", "first {} % are `top`", PERCENT["top"]),
]


def commands(page: str) -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGES[page], flags=re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("klantwaarde ")]


COMMANDS = [(page, line) for page in PAGES for line in commands(page)]


def words(line: str) -> list[str]:
    return shlex.split(line, comments=True)[1:]


def klantwaarde(folder: Path, *given: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "klantwaarde", *given]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def settings_file() -> str:
    found = re.search(r"```toml\n(.*?)```", PAGES["docs/cli.md"], flags=re.DOTALL)
    assert found
    return found[1]


def anchors(page: str) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", PAGES[page], flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.slow
def test_blocks_print_what_is_shown_and_made_pages_are_up_to_date() -> None:
    command = [sys.executable, "-W", "error", "-m", "docs.make", "--check"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", ""), "run `make docs`, and read what changes"


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", PAGES[page]):
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), f"{page} links to {target}"
        if anchor:
            assert anchor in anchors(str(file.resolve().relative_to(ROOT))), f"{page} links to {target}"


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_commands_parse(page: str, line: str) -> None:
    del page
    name, *given = words(line)
    group: Any = typer.main.get_command(app)
    assert group.commands[name].make_context(name, given).info_name == name


@pytest.mark.slow
@pytest.mark.parametrize("page", ["README.md", "docs/cli.md"])
def test_commands_run(page: str, tmp_path: Path) -> None:
    shutil.copy(kw.datasets.cdnow_sample(), tmp_path / "orders.parquet")
    (tmp_path / "settings.toml").write_text(settings_file(), "utf-8")
    for line in commands(page):
        done = klantwaarde(tmp_path, *words(line))
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        if "--json" in line:
            json.loads(done.stdout)
    found = {path.name for path in (tmp_path / "results").iterdir()}
    assert set(OUTPUTS) - {"moves.parquet"} <= found <= set(OUTPUTS)  # moves come with --since
    if page == "README.md":
        assert (tmp_path / "rapport.html").exists()
        demo_is_as_told(tmp_path / "demo")


def demo_is_as_told(folder: Path) -> None:
    told = json.loads((folder / "run.json").read_text("utf-8"))["facts"]
    fit = json.loads((folder / "model.json").read_text("utf-8"))["timing"]
    assert f"{told['base']['customers']:,} customers of `make demo` make" in PAGES["README.md"].replace("\n", " ")
    assert f"{fit['cells']:,}. Models see cells" in PAGES["README.md"]


@pytest.mark.slow
def test_exit_codes_are_as_told(tmp_path: Path) -> None:
    assert klantwaarde(tmp_path, "check", "nothing.parquet").returncode == 1
    assert klantwaarde(tmp_path, "check", "--nonsense").returncode == 2
    for code in (0, 1, 2, 130):
        assert f"| {code} |" in PAGES["docs/cli.md"]


def test_every_command_has_its_line() -> None:
    group: Any = typer.main.get_command(app)
    for name in group.commands:
        assert f"| `klantwaarde {name}" in PAGES["docs/cli.md"]
        assert any(words(line)[0] == name for _, line in COMMANDS)


def test_the_settings_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(settings_file(), "utf-8")
    settings = read_settings(tmp_path / "settings.toml", {})
    for name, value in tomllib.loads(settings_file()).items():
        assert str(getattr(settings, name)) == str(value)


@pytest.mark.parametrize(("page", "said", "constant"), STATED)
def test_constants_are_as_stated(page: str, said: str, constant: float) -> None:
    spoken = said.format(constant).replace("1e-06", "1e-6").replace("10%", "10 %")
    assert spoken in " ".join(PAGES[page].split())


def drawn_paths(tree: str) -> set[str]:
    """The Python files of a tree, as paths: two spaces of indentation per folder."""
    found, folders = set(), []
    for line in tree.splitlines():
        level, names = (len(line) - len(line.lstrip())) // 2, line.split()
        if names and names[0].endswith("/"):
            folders[level:] = [names[0]]
        else:
            files = itertools.takewhile(lambda name: name.endswith(".py"), names)
            found |= {"".join([*folders[:level], name]) for name in files}
    return found


def test_the_house_is_as_drawn() -> None:
    drawn = PAGES["ARCHITECTURE.md"].split("```")
    tree = next(block for block in drawn if block.lstrip().startswith("src/klantwaarde/"))
    rooms = {path.relative_to(ROOT).as_posix() for path in (ROOT / "src").rglob("*.py")}
    welcomes = {path for path in rooms if path.endswith("/__init__.py")} - {"src/klantwaarde/__init__.py"}
    assert drawn_paths(tree.split("docs/")[0].strip()) == rooms - welcomes


def test_what_a_newcomer_reads_is_short() -> None:
    for page in ("docs/add_a_model.md", "docs/add_an_engine.md", "docs/add_a_table.md"):
        assert len(PAGES[page].splitlines()) < 100, page


def test_pictures_are_light() -> None:
    pictures = [*DOCS.rglob("*.png")]
    assert pictures
    assert all(path.stat().st_size < PICTURE for path in pictures)


def test_the_version_is_the_same_everywhere() -> None:
    assert f"version: {kw.__version__}" in (ROOT / "CITATION.cff").read_text("utf-8")
    assert kw.__version__ in PAGES["CHANGELOG.md"]


def test_contributing_stays_short() -> None:
    assert len(PAGES["CONTRIBUTING.md"].splitlines()) < 100
