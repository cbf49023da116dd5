"""The state between runs: all orders ever as batches of customer-days, and the model of the run before.

DIR/state.json decides what counts; every other file is written under a new name before it and swept after it. So a
run that is killed between any two steps leaves the state as it was, or as it is to be.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import re
import shutil
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from klantwaarde.data import batch
from klantwaarde.errors import BadOrders, BadParameters
from klantwaarde.files import alone, whole_file, write_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from klantwaarde.data.orders import Orders

FORMAT, VERSION = "klantwaarde-state", 1
MANIFEST, BATCHES = "state.json", "batches"
MODEL, ROWS = r"model\.[0-9a-f]{16}\.json", r"(upto-)?[0-9a-f]{16}\.parquet"
OURS = re.compile(rf"{MODEL}|{ROWS}|\.({MODEL}|{ROWS}|state\.json)\.\d+\.part")
"""Names of files of which only those count that the manifest names."""
MOST_PARTS = 64  # files; opening each costs milliseconds, and a customer-day in several of them is several rows
TRAITS = {
    "folds": "spellings of ids are {0} here and {1} in the state: give --fold-ids in every run, or in none",
    "id_type": "customer ids are {0} here and {1} in the state: write them in one way",
    "has_money": "amounts are {0} here and {1} in the state: name them with --amount in every run, or in none",
    "has_margin": "margins are {0} here and {1} in the state: name them with --margin in every run, or in none",
}


class Part(NamedTuple):
    """A file of customer-days, the sum of its batches' profiles, and what these batches were."""

    file: str
    profile: dict[str, Any]
    batches: list[dict[str, Any]]


@dataclass
class State:
    """A state that this run alone works on. Made by `open_state`; nothing counts before `commit`."""

    folder: Path
    traits: dict[str, Any] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    model: str | None = None
    batch: dict[str, Any] = field(default_factory=dict)
    """What is told of the batch of this run."""
    is_new: bool = False

    @property
    def batches(self) -> int:
        """Batches merged so far."""
        return sum(len(part.batches) for part in self.parts)

    @property
    def model_path(self) -> Path | None:
        """The model of the run before."""
        return self.folder / self.model if self.model else None

    def merge(self, orders: Orders) -> Orders:
        """These orders and all before them; a batch that is there already is not merged again."""
        self._refuse_others(batch.traits(orders))
        name = batch.batch_id(orders)
        known = next((told for part in self.parts for told in part.batches if told["id"] == name), None)
        self.is_new = known is None
        self.batch = known or {"id": name, "source": orders.told, "merged": _now(), "lines": orders.read}
        if self.is_new:
            self._add(orders, name)
        files = [self.folder / part.file for part in self.parts]
        rows = batch.open_batches(orders, files)
        profile = batch.total([part.profile for part in self.parts])
        if len(self.parts) > MOST_PARTS:
            self._compact(orders, rows, profile)
        return batch.merged(orders, rows, profile, self.batches)

    def commit(self, model: Path, told: dict[str, Any], *, keep_model: bool) -> None:
        """From here on the batch counts, with what is told of it, and this model is that of the run before."""
        if not self.is_new:
            return
        if self.model is None or not keep_model:
            self.model = f"model.{self.batch['id']}.json"
            with whole_file(self.folder / self.model) as unfinished:
                shutil.copyfile(model, unfinished)
        self.batch.update(told)
        write_text(self.folder / MANIFEST, json.dumps(self._manifest(), indent=1) + "\n")
        self.sweep()

    def sweep(self) -> None:
        """Remove our files that do not count: of runs that were killed, or merged into others."""
        counts = {self.folder / part.file for part in self.parts} | {self.model_path}
        for path in (*self.folder.glob("*"), *self.folder.glob(f"{BATCHES}/*")):
            if OURS.fullmatch(path.name) and path not in counts:
                path.unlink()

    def _refuse_others(self, traits: dict[str, Any]) -> None:
        self.traits = self.traits or traits
        kept = {"folds": False} | self.traits
        unlike = [name for name in TRAITS if traits[name] != kept[name]]
        if unlike:
            told = "; ".join(TRAITS[name].format(_word(name, traits[name]), _word(name, kept[name])) for name in unlike)
            raise BadOrders(f"These orders do not go with those in {self.folder}: {told}. Nothing was merged.")

    def _add(self, orders: Orders, name: str) -> None:
        file = f"{BATCHES}/{name}.parquet"
        (self.folder / BATCHES).mkdir(parents=True, exist_ok=True)
        batch.write_batch(orders, orders.all_lines, self.folder / file)
        self.parts = [*self.parts, Part(file, batch.profile_of(orders), [self.batch])]

    def _compact(self, orders: Orders, rows: str, profile: dict[str, Any]) -> None:
        """One file in place of many; these are still read by this run, and swept after it."""
        file = f"{BATCHES}/upto-{self.batch['id']}.parquet"
        batch.write_batch(orders, rows, self.folder / file)
        self.parts = [Part(file, profile, [told for part in self.parts for told in part.batches])]

    def _manifest(self) -> dict[str, Any]:
        parts = [part._replace(profile=batch.profile_told(part.profile))._asdict() for part in self.parts]
        head = {"format": FORMAT, "version": VERSION, "klantwaarde": version("klantwaarde")}
        return head | {"traits": self.traits, "model": self.model, "parts": parts}


@contextlib.contextmanager
def open_state(folder: str | Path | None, out: str | Path) -> Iterator[State | None]:
    """The state in a folder, which need not exist yet; None without one. A second run on it raises OutputBusy.

    out: where the results go, which are replaced as a whole: so no state can be in it.
    """
    if folder is None:
        yield None
        return
    path, results = (Path(os.path.abspath(name)) for name in (folder, out))  # noqa: PTH100 - as files.whole_folder
    if results in (path, *path.parents):
        raise BadParameters(f"The state {path} would be lost in the results {results}. Give it a folder of its own.")
    with alone(path, "state"):
        state = _read(path)
        state.sweep()
        yield state


def _read(folder: Path) -> State:
    _refuse_strangers(folder)
    path = folder / MANIFEST
    if not path.exists():
        return State(folder)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        _refuse_other_versions(path, content["format"], content["version"])
        parts = [Part(**part) for part in content["parts"]]
        parts = [part._replace(profile=batch.profile_read(part.profile)) for part in parts]
        return replace(State(folder), traits=content["traits"], parts=parts, model=content["model"])
    except BadParameters:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadOrders(
            f"{path} is damaged ({error}). Put it back from a backup, or begin a new state with all orders."
        ) from error


def _refuse_other_versions(path: Path, form: str, number: int) -> None:
    if (form, number) != (FORMAT, VERSION):
        raise BadParameters(
            f"{path} is {form!r} version {number!r}; this klantwaarde reads {FORMAT!r} version {VERSION}. "
            "Use the klantwaarde that wrote it, or begin a new state."
        )


def _refuse_strangers(folder: Path) -> None:
    """A folder of other things is no place for a state. Hidden files may be those of results within."""
    if folder.exists() and not folder.is_dir():
        raise BadParameters(f"{folder} is not a folder. Give --state a folder, which need not exist yet.")
    found = [path.name for path in folder.iterdir()] if folder.exists() else []
    strangers = [name for name in found if name != BATCHES and name[0] != "." and not OURS.fullmatch(name)]
    if strangers and MANIFEST not in found:
        raise BadParameters(
            f"{folder} holds files that are not ours ({', '.join(sorted(strangers)[:3])}). "
            "Give --state a new folder, or one that an earlier run wrote."
        )


def _word(name: str, value: Any) -> str:
    words = ("not folded", "folded") if name == "folds" else ("not named", "named")
    return words[value] if isinstance(value, bool) else str(value)


def _now() -> str:
    return dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds")
