"""The lowest versions that are declared are those that `make test-lowest` runs on."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

HOUSE = Path(__file__).parents[1]
PROJECT = tomllib.loads((HOUSE / "pyproject.toml").read_text())["project"]
RUNS = [
    *PROJECT["dependencies"],
    *(one for name in ("polars", "postgres", "sqlite") for one in PROJECT["optional-dependencies"][name]),
]
"""What klantwaarde runs on; Spark is left out, which needs Java."""


def test_every_lower_bound_is_pinned_as_it_is_declared() -> None:
    declared = {}
    for one in map(Requirement, RUNS):
        (bound,) = [each for each in one.specifier if each.operator == ">="]
        declared[one.name.lower()] = Version(bound.version)
    pins = re.findall(r"^([\w-]+)==(\S+)$", (HOUSE / "constraints-lowest.txt").read_text(), re.MULTILINE)
    assert {name: Version(version) for name, version in pins} == declared


def test_what_is_pinned_for_development_is_allowed() -> None:
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", (HOUSE / "constraints.txt").read_text(), re.MULTILINE))
    pins = {name.lower(): version for name, version in pins.items()}
    assert not [one for one in map(Requirement, RUNS) if one.name in pins and pins[one.name] not in one.specifier]
