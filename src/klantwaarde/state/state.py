"""The state between runs: all orders ever as batches of customer-days, and the model of the run before.

DIR/state.json decides what counts, and knows every file by its sum. Every other file is written under a name of its own
before it, gets its lasting name after it, and is removed on its word alone. So a run that is killed between any two
steps leaves the state as it was, or as it is to be; and what is lost, damaged or put back is told from that.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from klantwaarde.errors import BadOrders, BadParameters, named
from klantwaarde.files import alone, whole_file
from klantwaarde.state import batch, kept
from klantwaarde.state.kept import BATCHES, MANIFEST, NEW, Content, Part, sum_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from klantwaarde.purchases.orders import Orders

MOST_PARTS = 64  # files; opening each costs milliseconds, and a customer-day in several of them is several rows
LEAST_KNOWN, SHARE_KNOWN = 5, 0.1
"""Of the customers of a batch, as many as are known would be for the state's own share of returning ones: at least so
many would have to be, and at least this share of them is."""
TRAITS = {
    "folds": f"spellings of ids are {{0}} here and {{1}} in the state: give {named('fold_ids')} always, or never",
    "id_type": "customer ids are {0} here and {1} in the state: write them in one way",
    "has_money": f"amounts are {{0}} here and {{1}} in the state: name them with {named('amount')} always, or never",
    "has_margin": f"margins are {{0}} here and {{1}} in the state: name them with {named('margin')} always, or never",
}


@dataclass
class State:
    """A state that this run alone works on. Made by `open_state`; nothing counts before `commit`."""

    folder: Path
    content: Content = field(default_factory=Content)
    """What counts."""
    traits: dict[str, Any] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    batch: dict[str, Any] = field(default_factory=dict)
    """What is told of the batch of this run."""
    is_new: bool = False
    fresh: set[str] = field(default_factory=set)
    """Files of this run, which do not count yet."""

    @property
    def batches(self) -> int:
        """Batches merged so far."""
        return sum(len(part.batches) for part in self.parts)

    @property
    def model_path(self) -> Path | None:
        """The model of the run before."""
        return self.folder / self.content.model if self.content.model else None

    def merge(self, orders: Orders, *, new_customers: bool = False) -> Orders:
        """These orders and all before them; a batch that is there already is not merged again.

        new_customers: merge it even if hardly anybody in it is known.
        """
        self._refuse_others(batch.traits(orders))
        name = batch.batch_id(orders)
        known = next((told for part in self.parts for told in part.batches if told["id"] == name), None)
        self.is_new = known is None
        self.batch = known or {"id": name, "source": orders.told, "merged": _now(), "lines": orders.read}
        if self.is_new:
            self._add(orders, name)
            self._meet(orders, new_customers=new_customers)
        rows = batch.open_batches(orders, [self._path(part.file) for part in self.parts])
        profile = batch.total([part.profile for part in self.parts])
        if self.is_new and len(self.parts) > MOST_PARTS:
            self._compact(orders)
        return batch.merged(orders, rows, profile, self.batches)

    def commit(self, model: Path, told: dict[str, Any], *, keep_model: bool) -> None:
        """From here on the batch counts, with what is told of it, and this model is that of the run before."""
        if not self.is_new:
            return
        before, named_now = self.content.model, self.content.model
        if named_now is None or not keep_model:
            named_now = f"model.{self.batch['id']}.json"
            self.fresh.add(named_now)
            with whole_file(self._path(named_now)) as unfinished:
                shutil.copyfile(model, unfinished)
        self.batch.update(told)
        self._settle(named_now, before)

    def undo(self) -> dict[str, Any]:
        """Take the last batch back, and the model that came with it; what was told of the batch."""
        if not self.parts:
            raise BadParameters(f"{self.folder} holds no batches: there is nothing to take back.")
        *rest, last = self.parts
        if len(last.batches) > 1:
            raise BadParameters(
                f"The last batch in {self.folder} is in one file with {len(last.batches) - 1} before it, and cannot be "
                "taken out. Put the folder back from a backup of before it, or begin a new state."
            )
        self.parts = rest
        self.traits = self.traits if rest else {}
        self._settle(self.content.before if rest else None, None)
        return last.batches[0]

    def _settle(self, model: str | None, before: str | None) -> None:
        """Write the manifest; then give files their names, and remove those that it makes superfluous."""
        old = self.content
        content = Content(self.traits, tuple(self.parts), model, before)
        sums = {file: old.sums.get(file) or sum_of(self._path(file)) for file in content.files}
        gone = {file: one for file, one in old.sums.items() if file not in sums}
        self.content = Content(self.traits, tuple(self.parts), model, before, sums, gone)
        kept.write(self.folder, self.content)
        kept.finish(self.folder, self.content)
        self.fresh = set()
        kept.sweep(self.folder, self.content)

    def _path(self, file: str) -> Path:
        return self.folder / (file + NEW if file in self.fresh else file)

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
        self.fresh.add(file)
        batch.write_batch(orders, orders.all_lines, self._path(file), self.batches)
        self.parts = [*self.parts, Part(file, batch.profile_of(orders), [self.batch])]

    def _meet(self, orders: Orders, *, new_customers: bool) -> None:
        """Count the customers of the new batch, and those of them who are known; refuse it if hardly anybody is."""
        *earlier, new = (self._path(part.file) for part in self.parts)
        met = batch.met(orders, new, earlier)
        self.batch |= {"customers": met.customers, "known": met.known, "amount": _text(orders.profile["amount"])}
        self.batch |= {name: _text(orders.profile[name]) for name in ("first_day", "last_day")}
        usual = met.customers * met.returning
        if not new_customers and usual >= LEAST_KNOWN and met.known < SHARE_KNOWN * usual:
            raise BadOrders(
                f"Of the {met.customers:,} customers of this batch {met.known:,} are in {self.folder}, where some "
                f"{usual:,.0f} would be if they came back as others do. Nothing was merged. Is "
                f"{named('customer_id')} the right column, and are ids written as before? If they are new, merge them "
                f"with {named('new_customers')}."
            )

    def _compact(self, orders: Orders) -> None:
        """One file in place of all but the last, which can be taken back; this run still reads them."""
        *many, last = self.parts
        if len(many) == 1:
            return
        file = f"{BATCHES}/upto-{many[-1].batches[-1]['id']}.parquet"
        rows = batch.open_batches(orders, [self._path(part.file) for part in many])
        self.fresh.add(file)
        batch.write_batch(orders, rows, self._path(file))
        told = [told for part in many for told in part.batches]
        self.parts = [Part(file, batch.total([part.profile for part in many]), told), last]


@contextlib.contextmanager
def open_state(folder: str | Path | None, out: str | Path | None = None) -> Iterator[State | None]:
    """The state in a folder, which need not exist yet; None without one. A second run on it raises OutputBusy.

    out: where the results go, which are replaced as a whole: so no state can be in it. Raises BadOrders where a file of
    the state is damaged, missing, or more than the manifest knows of: nothing is touched then.
    """
    if folder is None:
        yield None
        return
    path = Path(os.path.abspath(folder))  # noqa: PTH100 - as files.whole_folder
    if out is not None and Path(os.path.abspath(out)) in (path, *path.parents):  # noqa: PTH100
        raise BadParameters(f"The state {path} would be lost in the results {out}. Give it a folder of its own.")
    with alone(path, "state"):
        kept.refuse_strangers(path)
        content = kept.settled(path)
        state = State(path, content, dict(content.traits), list(content.parts))
        try:
            yield state
        finally:
            for file in state.fresh:
                (path / (file + NEW)).unlink(missing_ok=True)


@contextlib.contextmanager
def state_there(folder: Path) -> Iterator[State]:
    """A state that is there. Raises BadParameters where there is none."""
    if not (folder / MANIFEST).exists() and not (folder / BATCHES).exists():
        raise BadParameters(f"{folder} holds no state: there is no {MANIFEST} in it. Give the folder of a state.")
    with open_state(folder) as state:
        assert state is not None  # noqa: S101 - a folder was given
        yield state


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _word(name: str, value: Any) -> str:
    words = ("not folded", "folded") if name == "folds" else ("not named", "named")
    return words[value] if isinstance(value, bool) else str(value)


def _now() -> str:
    return dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds")
