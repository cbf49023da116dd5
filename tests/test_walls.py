"""Walls that hold: who may know a model's parameters, make names of tables, or hold SQL."""

from __future__ import annotations

import ast
import collections
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "klantwaarde"
SQL = re.compile(
    r"\bselect\b[\s\S]*\bfrom\b|\b(left |full )?join \S+ (as|on)\b|\border by \w|\bgroup by \w|\bcase when\b"
)
READING = "reads what users have: columns and rules are theirs, and statements are made for them"


def texts(tree: ast.AST) -> Iterator[str]:
    """String literals, those of f-strings put together, without docstrings."""
    told = {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    inside = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in inside | told:
            yield node.value


def parameters(tree: ast.AST) -> Iterator[str]:
    """Parameters of models that are reached for."""
    yield from (node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in {"r", "alpha"})


def dispatch(tree: ast.AST) -> Iterator[str]:
    """Functions that differ by the class of a model."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == "singledispatch":
            yield node.id
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
            yield from (name.id for name in ast.walk(node.args[1]) if isinstance(name, ast.Name) and name.id in MODELS)


MODELS = {"NBD", "BGNBD", "MBGNBD", "ParetoNBD", "GammaGamma"}


def table_names(tree: ast.AST) -> Iterator[str]:
    """Names for tables that are made."""
    yield from (node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "new_name")


def statements(tree: ast.AST) -> Iterator[str]:
    """SQL in strings."""
    yield from (text for text in texts(tree) if SQL.search(text))


NAMING = (
    "beside/attributes beside/link_join beside/link_rows doctor/cleaned purchases/chosen purchases/identity "
    "purchases/opening state/batch"
)
STATING = (
    "beside/attributes beside/demo_links beside/link_findings beside/link_join beside/link_rows beside/links "
    "doctor/cleaned doctor/correct doctor/timely purchases/chosen purchases/duplicates purchases/grouped "
    "purchases/identity purchases/lines purchases/orders purchases/script sources/currency sources/fetch "
    "sources/filters sources/parse sources/publish sources/source sources/spark_source sources/text sources/zones "
    "state/batch"
)
ALLOWED: dict[Callable[[ast.AST], Iterator[str]], dict[str, str]] = {
    parameters: {
        "lifecycle/forward.py": "the forward probabilities of a hidden Markov model",
    },
    dispatch: {
        "value/potential.py": "potential rests on Pareto/NBD",
        "value/peers.py": "and so do its peers",
        "estimate/notes.py": "a doubt about spend that only Gamma-Gamma has",
    },
    table_names: {f"{name}.py": READING for name in NAMING.split()},
    statements: {f"{name}.py": READING for name in STATING.split()}
    | {"value/sql_export.py": "writes statements for a system of someone else's"},
}
"""Where a wall has a hole yet, and why."""
FREE = {parameters: "models", dispatch: "models", table_names: "engine", statements: "engine"}
"""The room that may."""
SAMPLES = {
    parameters: "def f(model):\n    return model.r / model.alpha\n",
    dispatch: "def f(model):\n    return isinstance(model, (NBD, int))\n",
    table_names: "def f(engine):\n    return engine.new_name('x')\n",
    statements: "def f(engine, table):\n    return engine.rows(f'select 1 from {table}')\n",
}


@pytest.mark.parametrize("wall", ALLOWED, ids=lambda wall: wall.__name__)
def test_the_wall_holds(wall: Callable[[ast.AST], Iterator[str]]) -> None:
    found = {}
    for path in SOURCE.rglob("*.py"):
        place = path.relative_to(SOURCE)
        if place.parts[0] != FREE[wall] and list(wall(ast.parse(path.read_text(encoding="utf-8")))):
            found[place.as_posix()] = list(wall(ast.parse(path.read_text(encoding="utf-8"))))
    assert found.keys() - ALLOWED[wall].keys() == set(), found
    assert ALLOWED[wall].keys() - found.keys() == set(), "holes that are mended are taken off the list"


@pytest.mark.parametrize("wall", SAMPLES, ids=lambda wall: wall.__name__)
def test_the_test_can_fail(wall: Callable[[ast.AST], Iterator[str]]) -> None:
    assert list(wall(ast.parse(SAMPLES[wall])))
    assert not list(wall(ast.parse('"""select 1 from a docstring."""\nx = "a word"\n')))


def test_no_room_is_a_hall() -> None:
    """The largest room holds an eighth of the lines at most; no module lies beside the rooms but the ground."""
    lines = {
        path: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCE.rglob("*.*") if path.suffix in KINDS
    }
    rooms = collections.Counter[str]()
    for path, n in lines.items():
        rooms[path.relative_to(SOURCE).parts[0]] += n
    largest, size = rooms.most_common(1)[0]
    assert size <= sum(lines.values()) / 8, f"{largest} has {size} lines of {sum(lines.values())}"
    loose = {name.removesuffix(".py") for name in rooms if name.endswith(".py")} - {"__init__", "__main__"}
    assert loose == GROUND


GROUND = {"calendar", "errors", "files", "marks", "numerics", "shown", "typing"}
"""What every room stands on."""
KINDS = {".py", ".sql"}


def test_facts_are_typed() -> None:
    """No dict of anything where facts are made; the page reads them worded, which no type can say."""
    made = [SOURCE / "report" / f"{name}.py" for name in ("facts", "total", "people")]
    for path in (*(SOURCE / "outcome").glob("*.py"), *made):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert [line for line in lines if re.search(r"-> .*dict\[str, Any\]", line)] == [], path
    assert "facts: Facts" in (SOURCE / "job" / "pipeline.py").read_text(encoding="utf-8")
