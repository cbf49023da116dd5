"""Where a command writes: never on what it reads, into it or around it. Asked before anything is read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from klantwaarde.engine.protocol import Input
from klantwaarde.errors import BadParameters, named
from klantwaarde.files import companions
from klantwaarde.sources.guard import inputs, refuse_inputs
from klantwaarde.sources.uri import SQLITE, driver_of, file_of, is_database, name_parts
from klantwaarde.sources.written import check_target_file

if TYPE_CHECKING:
    from klantwaarde.job.settings import Settings

BESIDE = ("referrals", "influence", "attributes")
OTHERS = {"config": "settings", "fit": "models", "cells": "cells", "results": "results"}
"""What a command reads that is no setting, and what it is called."""


def read_by(settings: Settings | None, **others: Any) -> tuple[Input, ...]:
    """All files and folders that a command reads: those of the settings, and others by their role."""
    found = [one for role, path in others.items() if path is not None for one in inputs(OTHERS[role], path)]
    if settings is not None:
        found += [one for name in ("orders", *BESIDE) for one in inputs(name, getattr(settings, name))]
        if settings.since is not None and Path(settings.since).is_dir():
            found += inputs("results of the earlier run", settings.since)
    return tuple(found)


def check_list(out: Path | None, header: Sequence[str], read: Iterable[Input], *, parent: bool = True) -> None:
    """Raise BadParameters for a file of rows that cannot be written, or not without loss.

    parent: whether its folder must be there already.
    """
    if out is not None:
        refuse_inputs(out, "out", read)
        check_target_file(out, "out", header, placed=parent)


def check_run(settings: Settings, fitted: str | Path | None = None, config: str | Path | None = None) -> None:
    """Raise BadParameters where the results, the state or the table of a run would fall on what it reads."""
    read = read_by(settings, fit=fitted, config=config)
    out, kept = Path(settings.out), _kept(settings)
    for place in (out, *companions(Path(os.path.abspath(out)))):  # noqa: PTH100 - as files.whole_folder
        refuse_inputs(place, "out", (*read, *kept))
    if settings.state is not None:
        refuse_inputs(Path(settings.state), "state", (*read, *inputs("database", settings.to)))
    if settings.to is not None:
        _check_table(settings, settings.to, read)


def _kept(settings: Settings) -> list[Input]:
    """What a run writes besides its results, which replace a folder as a whole."""
    state = inputs("state", settings.state) if settings.state is not None else ()
    return [*state, *inputs("database", settings.to)]


def _check_table(settings: Settings, to: str, read: Iterable[Input]) -> None:
    if _same_database(settings.orders, to):
        _refuse_same_table(settings, to)
        read = [one for one in read if one.what != "orders"]
    if is_database(to) and driver_of(to) is SQLITE:
        refuse_inputs(file_of(to), "to", read)


def _same_database(orders: str, to: str) -> bool:
    if not (is_database(orders) and is_database(to)) or driver_of(orders) is not driver_of(to):
        return False
    if driver_of(to) is SQLITE:
        one, other = file_of(orders), file_of(to)
        return one.exists() and other.exists() and one.samefile(other)
    return _place(orders) == _place(to)


def _place(uri: str) -> str:
    """Host and database of an address, without who asks."""
    return re.sub(r"^[^:]+://([^/@]*@)?", "", uri).partition("?")[0]


def _refuse_same_table(settings: Settings, to: str) -> None:
    name = name_parts(settings.to_table)[-1]
    if settings.table is not None:
        onto = name_parts(settings.table)[-1].lower() == name.lower()
    else:
        onto = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", settings.query or "", re.IGNORECASE) is not None
    if onto:
        raise BadParameters(
            f"{named('to_table', settings.to_table)} is the table in {to} that the orders are read from. "
            f"Give {named('to_table')} another name."
        )
