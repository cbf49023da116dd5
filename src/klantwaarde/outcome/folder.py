"""The results of a run, read from its folder."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from klantwaarde.errors import BadOrders, BadParameters, MissingExtra, named
from klantwaarde.estimate.load import load_fit, load_roles
from klantwaarde.files import read_json
from klantwaarde.lifecycle.rules import STAGES
from klantwaarde.outcome.check import refuse_damaged, sum_of, upgraded
from klantwaarde.outcome.schema import Facts
from klantwaarde.purchases.frames import framed
from klantwaarde.purchases.schema import TIERS
from klantwaarde.value.terms import Fits

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    import pandas as pd

GROUPS = {
    **dict.fromkeys(("stage", "stage_before", "stage_after", "previous_stage"), STAGES),
    **dict.fromkeys(("tier_before", "tier_after"), (*TIERS, "absent")),
    "tier": TIERS,
}
"""Columns of names that have an order."""


@dataclass(frozen=True, repr=False)
class Table:
    """A table of the results, read when asked for."""

    path: Path

    def __len__(self) -> int:
        """How many rows."""
        if self.path.is_dir():
            return len(self.to_arrow())
        return int(pq.read_metadata(self.path).num_rows)

    def __repr__(self) -> str:
        """Short: nothing is read."""
        return f"<Table {self.path.name}: to_pandas(), to_arrow(), to_polars()>"

    def to_arrow(self) -> pa.Table:
        """An Arrow table; money as DECIMAL."""
        return pq.read_table(self.path)

    def to_pandas(self) -> pd.DataFrame:
        """A data frame: money as floats, days as timestamps, tiers and stages as ordered categories."""
        return framed(self.to_arrow(), GROUPS)

    def to_polars(self) -> Any:
        """A polars frame. Raises MissingExtra where polars is not installed."""
        try:
            import polars as pl  # noqa: PLC0415 - optional
        except ImportError as error:
            raise MissingExtra("to_polars needs polars: pip install 'klantwaarde[polars]'.") from error
        return pl.from_arrow(self.to_arrow())


@dataclass(frozen=True, repr=False)
class Results:
    """What a run left in its folder: facts, tables, models, and the record of how they came about."""

    folder: Path
    facts: Facts
    record: Mapping[str, Any]
    """What was read, left out and why, settings, versions, seconds."""

    def __repr__(self) -> str:
        """Short: how many customers, when, where."""
        return f"<Results in {self.folder}: {self.facts['base']['customers']:,} customers as of {self.facts['as_of']}>"

    @property
    def customers(self) -> Table:
        """One row for every customer, best rank first."""
        return Table(self.folder / "customers.parquet")

    @property
    def stages(self) -> Table:
        """Where each customer stands in the relation."""
        return Table(self.folder / "stages.parquet")

    @property
    def pyramid(self) -> Table:
        """The pyramid."""
        return Table(self.folder / "pyramid.parquet")

    @property
    def moves(self) -> Table:
        """Every customer behind the figures of movement. Raises BadParameters for a run without `since`."""
        path = self.folder / "moves.parquet"
        if not path.exists():
            raise BadParameters(f"{self.folder} holds no moves: they are of a run with {named('since')}.")
        return Table(path)

    @functools.cached_property
    def fits(self) -> Fits:
        """The models that valued the customers."""
        path = self.folder / "model.json"
        found = {role: load_fit(path, role) for role in load_roles(path)}
        return Fits(found["timing"], found.get("spend"), found.get("potential"))

    @property
    def report(self) -> Path:
        """The page."""
        return self.folder / "report.html"


def results(folder: str | os.PathLike[str]) -> Results:
    """The results in a folder that a run made. Raises BadOrders where there are none."""
    place = Path(folder)
    try:
        record = dict(read_json((place / "run.json").read_text(encoding="utf-8")))
        facts = _facts(record.pop("facts"), record.pop("facts_sum", None), place / "run.json")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, BadOrders):
            raise
        raise BadOrders(
            f"{place} holds no results of a run (run.json cannot be read). Give the folder that {named('out')} named."
        ) from error
    return Results(place, facts, record)


def _facts(told: Mapping[str, Any], kept: str | None, path: Path) -> Facts:
    """The facts of today's version. Raises BadOrders where they were changed since the run wrote them."""
    if kept is not None and kept != sum_of(told):
        raise BadOrders(f"{path} was changed or damaged after the run that wrote it. Run again to write it anew.")
    facts = upgraded(told, path)
    refuse_damaged(facts, path)
    return facts
