"""A run from Python: what the command line gives, in a line."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Any

from klantwaarde.outcome.folder import Results, results

NAMELESS = "orders"
"""The title of a run whose orders have no name."""


def run(
    orders: Any = None,
    *,
    out: str | os.PathLike[str] = "results",
    config: str | os.PathLike[str] | None = None,
    fit: str | os.PathLike[str] | None = None,
    new_base: bool = False,
    verbose: bool = False,
    **settings: Any,
) -> Results:
    """Orders in, a folder of results out, and these: what `klantwaarde run` gives, by the same settings.

    orders: a file, a folder, an address of a database, or a frame or table. out: the folder, which appears whole or not
    at all. config: a TOML file of settings, over which those given here prevail; docs/cli.md lists them all.
    fit: the model.json of an earlier run, which then scores unfitted; new_base: also customers it was not fitted on.
    verbose: print the steps. Raises BadParameters for a setting, BadOrders for orders that cannot be used.
    """
    from klantwaarde.job import pipeline  # noqa: PLC0415 - what others do without
    from klantwaarde.job.settings import read_settings  # noqa: PLC0415

    named = isinstance(orders, (str, os.PathLike))
    given: dict[str, Any] = {name: _written(value) for name, value in settings.items()} | {"out": os.fspath(out)}
    if named:
        given["orders"] = os.fspath(orders)
    elif orders is not None:
        given.setdefault("title", NAMELESS)
    read = read_settings(None if config is None else Path(config), given)
    say = print if verbose else _silent
    source = None if named else orders
    fitted, told = (None if path is None else Path(path) for path in (fit, config))
    made = pipeline.run(read, say, fitted, told, new_base=new_base, source=source)
    return results(made.out)


def _written(value: Any) -> Any:
    """A setting as files write it: days and paths as text."""
    if isinstance(value, dt.date):
        return value.isoformat()
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _silent(text: str) -> None:
    """Say nothing."""
