"""A state that was damaged, emptied, put back or added to: refused with what to do, or harmless; nothing is removed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import klantwaarde as kw
from conftest import Said
from klantwaarde.state import kept
from klantwaarde.state.state import open_state

MODEL = '{"format": "klantwaarde-model"}\n'


def orders(day: int, customers: int = 20) -> pa.Table:
    """A batch of a day: the same customers every day, amounts that no two days share."""
    ids, days = [f"c{n}" for n in range(customers)], [f"2024-01-{day:02d}"] * customers
    return pa.table({"customer_id": ids, "date": days, "amount": [day + 0.25] * customers})


def merge(folder: Path, table: pa.Table, **how: Any) -> Decimal:
    """All money in the state after a batch of it was merged."""
    (folder.parent / "fitted.json").write_text(MODEL)
    with open_state(folder) as state:
        assert state is not None
        every = state.merge(kw.orders(table), **how)
        money = every.engine.one(f"select sum(amount) as amount from {every.lines}")["amount"]
        state.commit(folder.parent / "fitted.json", {"drift": None}, keep_model=False)
    return Decimal(money)


def money(*days: int) -> Decimal:
    """By hand: twenty customers, a day and a quarter each."""
    return sum((20 * (Decimal(day) + Decimal("0.25")) for day in days), Decimal(0))


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(name="whole", scope="module")
def _whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three batches; beside it, the manifest as it was after two of them."""
    folder = tmp_path_factory.mktemp("whole") / "state"
    for day in (1, 2, 3):
        assert merge(folder, orders(day)) == money(*range(1, day + 1))
        shutil.copy(folder / "state.json", folder.parent / f"after{day}.json")
    return folder


@pytest.fixture(name="state")
def _state(whole: Path, tmp_path: Path) -> Path:
    for day in (1, 2, 3):
        shutil.copy(whole.parent / f"after{day}.json", tmp_path)
    return Path(shutil.copytree(whole, tmp_path / "state"))


def files(state: Path) -> list[Path]:
    told = json.loads((state / "state.json").read_text())
    return [state / part["file"] for part in told["parts"]]


def flip(path: Path, place: float) -> None:
    found = bytearray(path.read_bytes())
    found[int(place * (len(found) - 1))] ^= 0x55
    path.write_bytes(bytes(found))


def edit(state: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    path = state / "state.json"
    told = json.loads(path.read_text())
    change(told)
    path.write_text(json.dumps(told, indent=1))


def _rewrite(state: Path) -> None:
    """The same columns and rows, with other amounts: a file that reads well."""
    table = pq.read_table(files(state)[0])
    table = table.set_column(table.schema.get_field_index("amount"), "amount", pa.array([Decimal(9)] * len(table)))
    pq.write_table(table, files(state)[0])


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "a byte at the beginning": lambda state: flip(files(state)[0], 0),
    "a byte early": lambda state: flip(files(state)[0], 0.1),
    "a byte in the middle": lambda state: flip(files(state)[1], 0.5),
    "a byte in the footer": lambda state: flip(files(state)[2], 0.9),
    "a byte at the end": lambda state: flip(files(state)[2], 1),
    "a first batch cut off": lambda state: files(state)[0].write_bytes(files(state)[0].read_bytes()[:100]),
    "an empty batch": lambda state: files(state)[1].write_bytes(b""),
    "a batch that is gone": lambda state: files(state)[1].unlink(),
    "a batch in place of another": lambda state: shutil.copy(files(state)[0], files(state)[1]),
    "a batch with another name": lambda state: files(state)[1].rename(state / "batches" / ("0" * 16 + ".parquet")),
    "a batch too many": lambda state: shutil.copy(files(state)[0], state / "batches" / ("0" * 16 + ".parquet")),
    "a batch with other amounts": _rewrite,
    "all batches gone": lambda state: shutil.rmtree(state / "batches"),
    "a byte in the model": lambda state: flip(next(state.glob("model.*")), 0.5),
    "no model": lambda state: next(state.glob("model.*")).unlink(),
    "no manifest": lambda state: (state / "state.json").unlink(),
    "an empty manifest": lambda state: (state / "state.json").write_text(""),
    "half a manifest": lambda state: (state / "state.json").write_text((state / "state.json").read_text()[:500]),
    "a manifest that is no object": lambda state: (state / "state.json").write_text("[]"),
    "a manifest that is no text": lambda state: (state / "state.json").write_bytes(b"\xff\xfe\x00"),
    "a manifest too deep": lambda state: (state / "state.json").write_text("[" * 100_000),
    "a manifest of one batch before": lambda state: shutil.copy(state.parent / "after2.json", state / "state.json"),
    "a manifest of two batches before": lambda state: shutil.copy(state.parent / "after1.json", state / "state.json"),
    "a part twice": lambda state: edit(state, lambda told: told["parts"].append(told["parts"][0])),
    "a part out": lambda state: edit(state, lambda told: told["parts"].pop(0)),
    "other amounts": lambda state: edit(state, lambda told: told["parts"][0]["profile"].update(amount="1.00")),
    "other lines": lambda state: edit(state, lambda told: told["parts"][0]["profile"].update(lines=1)),
    "no sums": lambda state: edit(state, lambda told: told.pop("sums")),
    "no sum": lambda state: edit(state, lambda told: told.pop("sum")),
    "another model": lambda state: edit(state, lambda told: told.update(model=None)),
    "a way out": lambda state: edit(state, lambda told: told["parts"][0].update(file="../after1.json")),
    "superfluous that is not": lambda state: edit(state, lambda told: told.update(gone=told["sums"])),
}
KEYS = {
    f"no {name} in {place}": (place, name)
    for place, names in {
        "traits": ("id_type", "has_money", "has_margin"),
        "profile": ("lines", "amount", "zones", "no_customer"),
        "batches": ("id", "source", "merged", "lines"),
        "part": ("file", "profile", "batches"),
        "manifest": ("format", "version", "traits", "parts", "model"),
    }.items()
    for name in names
}


def _without(place: str, name: str) -> Callable[[dict[str, Any]], Any]:
    def change(told: dict[str, Any]) -> None:
        part = told["parts"][0]
        {"traits": told["traits"], "profile": part["profile"], "batches": part["batches"][0], "part": part}.get(
            place, told
        ).pop(name)

    return change


def refused(state: Path) -> str:
    """What is said of a damaged state; it is left as it is."""
    before = content(state)
    with pytest.raises(kw.KlantwaardeError) as told:
        merge(state, orders(4))
    assert content(state) == before, "nothing is removed, nothing is merged"
    assert any(word in str(told.value) for word in ("backup", "back;", "Use the klantwaarde")), "what to do"
    return str(told.value)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damage_is_refused(state: Path, damage: str) -> None:
    DAMAGES[damage](state)
    assert refused(state)


@pytest.mark.parametrize("key", KEYS)
def test_a_lacking_key_is_refused(state: Path, key: str) -> None:
    edit(state, _without(*KEYS[key]))
    assert refused(state)


def first_version(state: Path) -> None:
    """The manifest as version 1 wrote it: without sums."""

    def change(told: dict[str, Any]) -> None:
        for name in ("sums", "gone", "sum", "before"):
            told.pop(name)
        told["version"] = 1

    before = json.loads((state / "state.json").read_text())["before"]
    edit(state, change)
    (state / before).unlink()


class TestFirstVersion:
    """A state whose manifest knows no sums."""

    def test_it_is_read_and_written_as_it_is_now(self, state: Path) -> None:
        first_version(state)
        assert merge(state, orders(4)) == money(1, 2, 3, 4)
        told = json.loads((state / "state.json").read_text())
        assert told["version"] == 2
        assert set(told["sums"]) == {*(part["file"] for part in told["parts"]), told["model"], told["before"]}

    @pytest.mark.parametrize("key", [key for key, (place, _) in KEYS.items() if place != "manifest"])
    def test_a_lacking_key_is_refused(self, state: Path, key: str) -> None:
        first_version(state)
        edit(state, _without(*KEYS[key]))
        assert refused(state)

    @pytest.mark.parametrize(
        "damage",
        ["a first batch cut off", "a batch that is gone", "a batch too many", "a batch with other amounts",
         "no manifest",
         "a part twice", "a part out", "other amounts", "other lines", "a way out"],
    )  # fmt: skip
    def test_a_damage_is_refused(self, state: Path, damage: str) -> None:
        first_version(state)
        DAMAGES[damage](state)
        assert refused(state)


class TestRemains:
    """What is left of runs that were killed is told apart from what others lost."""

    def test_of_a_first_run(self, tmp_path: Path) -> None:
        state = tmp_path / "state"
        (state / "batches").mkdir(parents=True)
        name = "0" * 16
        rest = (f"batches/.{name}.parquet.new.17.part", f"batches/{name}.parquet.new", f"model.{name}.json.new",
                ".state.json.17.part", f"batches/upto-{name}.parquet.new")  # fmt: skip
        for file in rest:
            (state / file).write_text("half")
        assert merge(state, orders(1)) == money(1)
        assert not [path for path in state.rglob("*") if path.is_file() and path.read_text("latin-1") == "half"]

    def test_of_a_run_that_died_after_the_manifest(self, state: Path) -> None:
        """The batch counts: its file gets its name."""
        for path in (files(state)[2], next(path for path in state.glob("model.*") if path.name in _named(state))):
            path.rename(path.with_name(path.name + ".new"))
        assert merge(state, orders(4)) == money(1, 2, 3, 4)

    def test_a_file_that_only_looks_unfinished_does_not_count(self, state: Path) -> None:
        path = files(state)[2]
        path.rename(path.with_name(path.name + ".new"))
        flip(path.with_name(path.name + ".new"), 0.5)
        assert "lacks" in refused(state)

    def test_what_the_manifest_says_is_gone(self, state: Path, tmp_path: Path) -> None:
        """A run that died before it removed the model that nobody needs."""
        old = json.loads((tmp_path / "after2.json").read_text())["before"]
        gone = json.loads((state / "state.json").read_text())["gone"]
        assert set(gone) == {old}
        (state / old).write_text(MODEL)
        assert merge(state, orders(4)) == money(1, 2, 3, 4)
        assert not (state / old).exists()
        (state / old).write_text("of others")
        assert "not named" in refused(state)


def _named(state: Path) -> str:
    return str(json.loads((state / "state.json").read_text())["model"])


class TestUndo:
    """`klantwaarde state`."""

    def test_the_last_batch_is_taken_back(self, klantwaarde: Callable[..., Said], state: Path) -> None:
        before = content(state)
        merge(state, orders(4))
        said = klantwaarde("state", "undo", state)
        assert said.code == 0, said.err
        assert "Taken back: 20 lines" in said.err
        assert "3 batches are left, with the model of before" in said.err
        after = content(state)
        assert {name for name in after if name != "state.json"} < set(before)
        assert merge(state, orders(5)) == money(1, 2, 3, 5)

    def test_to_the_first_and_no_further(self, klantwaarde: Callable[..., Said], state: Path) -> None:
        for left in (2, 1, 0):
            assert f"{left} batches are left" in klantwaarde("state", "undo", state).err
        said = klantwaarde("state", "undo", state)
        assert said.code == 2
        assert "nothing to take back" in said.err
        other = pa.table({"customer_id": [1], "date": ["2024-01-01"], "amount": ["1.50"]})
        assert merge(state, other) == Decimal("1.50"), "an empty state takes ids of any type"

    def test_after_files_were_written_into_one(self, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from klantwaarde.state import state as states

        monkeypatch.setattr(states, "MOST_PARTS", 2)
        assert merge(state, orders(4)) == money(1, 2, 3, 4)
        assert [len(part["batches"]) for part in json.loads((state / "state.json").read_text())["parts"]] == [3, 1]
        with open_state(state) as found:
            assert found is not None
            assert found.undo()["lines"] == 20
            before = content(state)
            with pytest.raises(kw.BadParameters, match="one file with 2 before it"):
                found.undo()
        assert content(state) == before
        assert merge(state, orders(5)) == money(1, 2, 3, 5)

    def test_show(self, klantwaarde: Callable[..., Said], state: Path) -> None:
        told = json.loads(klantwaarde("state", "show", state, "--json").out)
        assert [batch["amount"] for batch in told["batches"]] == ["25.0000", "45.0000", "65.0000"]
        assert [(batch["lines"], batch["customers"], batch["known"]) for batch in told["batches"]] == [
            (20, 20, 0), (20, 20, 20), (20, 20, 20)
        ]  # fmt: skip
        assert [batch["first_day"] for batch in told["batches"]] == ["2024-01-01", "2024-01-02", "2024-01-03"]
        assert told["can_undo"]
        said = klantwaarde("state", "show", state)
        assert "3 batches" in said.out
        assert "can be taken back" in said.err

    def test_no_state(self, klantwaarde: Callable[..., Said], tmp_path: Path) -> None:
        for command in ("show", "undo"):
            said = klantwaarde("state", command, tmp_path)
            assert said.code == 2
            assert "holds no state" in said.err
        assert list(tmp_path.iterdir()) == []


class TestStrangers:
    """A batch whose customers the state has never seen."""

    @staticmethod
    def _others(customers: int = 20, known: int = 0) -> pa.Table:
        table = orders(4, customers)
        ids = [f"c{n}" if n < known else f"product {n}" for n in range(customers)]
        return table.set_column(0, "customer_id", pa.array(ids))

    def test_are_refused_unless_they_are_meant(self, state: Path) -> None:
        # 20 customers, 60 customer-days of which 40 were not the first: 13 of 20 are to be expected.
        before = content(state)
        with pytest.raises(kw.BadOrders, match=r"Of the 20 customers of this batch 0 are in .* some 13 would be"):
            merge(state, self._others())
        with pytest.raises(kw.BadOrders, match=r"Of the 20 customers of this batch 1 are in"):
            merge(state, self._others(known=1))
        assert content(state) == before
        assert merge(state, self._others(), new_customers=True) == money(1, 2, 3, 4)

    def test_some_who_are_known_are_enough(self, state: Path) -> None:
        assert merge(state, self._others(known=2)) == money(1, 2, 3, 4)

    def test_few_say_nothing(self, state: Path) -> None:
        assert merge(state, self._others(customers=7)) > money(1, 2, 3)

    def test_where_nobody_comes_back_nobody_is_missed(self, tmp_path: Path) -> None:
        state = tmp_path / "state"
        merge(state, orders(1))
        assert merge(state, self._others()) == money(1, 4)


def test_the_pattern_of_our_files_is_narrow() -> None:
    for name in ("orders.parquet", "state.json", "model.json", "x.parquet.new", "model.0.json.new"):
        assert not kept.OURS.fullmatch(name)
        assert not kept.UNFINISHED.fullmatch(name)
