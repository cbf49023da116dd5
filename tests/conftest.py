"""What several test files need."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import settings

from klantwaarde.cli.app import main

# The same examples on every machine: a test does not fail by luck.
settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile("same")


class Said(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture(name="klantwaarde")
def _klantwaarde(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """The command line, run in this process in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["klantwaarde", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        told = capsys.readouterr()
        return Said(code, told.out, told.err)

    return run


@pytest.fixture(scope="session", name="session")
def _session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A session of two workers; where CI asks for everything, a missing part fails instead of skipping."""
    missing = "no Java runtime" if shutil.which("java") is None and "JAVA_HOME" not in os.environ else ""
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        missing = "pyspark is not installed"
    if missing and os.environ.get("KLANTWAARDE_REQUIRE_ALL"):
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)
    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    places = {"spark.sql.shuffle.partitions": "3", "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse"))}
    for name, value in places.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()
