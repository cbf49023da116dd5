"""The files of a state: what its manifest says of them, and whether they are still what was written."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from klantwaarde.errors import BadOrders, BadParameters, named
from klantwaarde.files import read_json, write_text
from klantwaarde.state import batch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FORMAT, VERSION = "klantwaarde-state", 2
UNSUMMED = 1
"""The version whose manifest holds no sums of files: they are taken when such a state is first written again."""
MANIFEST, BATCHES = "state.json", "batches"
NEW = ".new"
"""The end of a file's name until the manifest names it: what has neither is no file of a killed run."""
MODEL, ROWS = r"model\.[0-9a-f]{16}\.json", r"(upto-)?[0-9a-f]{16}\.parquet"
OURS = re.compile(rf"{MODEL}|{ROWS}")
UNFINISHED = re.compile(rf"({MODEL}|{ROWS})\.new|\.(({MODEL}|{ROWS})(\.new)?|state\.json)\.\d+\.part")
REMEDY = "Put the whole folder back from a backup, or begin a new state with all orders."


class Sum(NamedTuple):
    """What a file is known by."""

    sha256: str
    size: int


class Part(NamedTuple):
    """A file of customer-days, the sum of its batches' profiles, and what these batches were."""

    file: str
    profile: dict[str, Any]
    batches: list[dict[str, Any]]


@dataclass(frozen=True)
class Content:
    """What a manifest says. Each file is named within the folder."""

    traits: dict[str, Any] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    model: str | None = None
    before: str | None = None
    """The model before the last batch, for who takes it back."""
    sums: dict[str, Sum] = field(default_factory=dict)
    gone: dict[str, Sum] = field(default_factory=dict)
    """Files that the last change made superfluous: these, and what is unfinished, may be removed."""

    @property
    def files(self) -> list[str]:
        """The files that count."""
        named_twice = [part.file for part in self.parts] + [name for name in (self.model, self.before) if name]
        return list(dict.fromkeys(named_twice))


def settled(folder: Path) -> Content:
    """The content of a state whose files all are what was written, after what a killed run left has been cleared.

    Raises BadOrders for files that are damaged, missing, or there without being named; then nothing is removed.
    """
    content = _read(folder)
    if content is None:
        _refuse_orphans(folder)
        content = Content()
    else:
        finish(folder, content)
        content = _checked(folder, content)
    sweep(folder, content)
    return content


def write(folder: Path, content: Content) -> None:
    """The manifest: from here on, this is the state."""
    told = {"format": FORMAT, "version": VERSION, "klantwaarde": version("klantwaarde")}
    told |= {"traits": content.traits, "model": content.model, "before": content.before}
    told["parts"] = [part._replace(profile=batch.profile_told(part.profile))._asdict() for part in content.parts]
    told |= {name: {file: one._asdict() for file, one in getattr(content, name).items()} for name in ("sums", "gone")}
    write_text(folder / MANIFEST, json.dumps(told | {"sum": _sum_of(told)}, indent=1) + "\n")


def finish(folder: Path, content: Content) -> None:
    """Give files that the manifest names their names: a run may have been killed in between."""
    for file, known in content.sums.items():
        fresh = folder / (file + NEW)
        if not (folder / file).exists() and fresh.exists() and sum_of(fresh) == known:
            fresh.replace(folder / file)


def sweep(folder: Path, content: Content) -> None:
    """Remove what is unfinished, and what the manifest says is superfluous."""
    for path in _files(folder):
        if UNFINISHED.fullmatch(path.name):
            path.unlink()
    for file, known in content.gone.items():
        if (folder / file).is_file() and sum_of(folder / file) == known:
            (folder / file).unlink()


def sum_of(path: Path) -> Sum:
    """The sum of a file as it is."""
    with path.open("rb") as file:
        return Sum(hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size)


def _files(folder: Path) -> Iterator[Path]:
    yield from (path for path in (*folder.glob("*"), *folder.glob(f"{BATCHES}/*")) if path.is_file())


def _refuse_orphans(folder: Path) -> None:
    orphans = sorted(str(path.relative_to(folder)) for path in _files(folder) if OURS.fullmatch(path.name))
    if orphans:
        raise BadOrders(
            f"{folder} has lost its {MANIFEST}, which says what {_listed(orphans)} count for; nothing was touched. "
            f"{REMEDY}"
        )


def _checked(folder: Path, content: Content) -> Content:
    missing = [file for file in content.files if not (folder / file).is_file()]
    if missing:
        raise BadOrders(f"The state lacks {', '.join(str(folder / file) for file in missing)}. {REMEDY}")
    sums = {file: sum_of(folder / file) for file in content.files}
    changed = [file for file, known in content.sums.items() if sums.get(file) != known]
    if changed:
        told = f"{_listed(changed)} in {folder} {'is' if len(changed) == 1 else 'are'}"
        raise BadOrders(f"{told} not what was written: damaged or changed since. {REMEDY}")
    _refuse_unnamed(folder, content)
    if not content.sums:
        _compare_rows(folder, content.parts)
    return Content(content.traits, content.parts, content.model, content.before, sums, content.gone)


def _refuse_unnamed(folder: Path, content: Content) -> None:
    known = {*content.files, *(file for file, one in content.gone.items() if _same(folder / file, one))}
    names = ((str(path.relative_to(folder).as_posix()), path) for path in _files(folder))
    unnamed = sorted(name for name, path in names if OURS.fullmatch(path.name) and name not in known)
    if unnamed:
        raise BadOrders(
            f"{_listed(unnamed)} in {folder} {'is' if len(unnamed) == 1 else 'are'} not named by its {MANIFEST}: that "
            f"is older than the state, or they came from elsewhere. Put the newest {MANIFEST} back; or move them away, "
            "if the older one is to count."
        )


def _same(path: Path, known: Sum) -> bool:
    return path.is_file() and sum_of(path) == known


def _compare_rows(folder: Path, parts: Iterable[Part]) -> None:
    """What a state without sums can be held against: the lines and the money of each file."""
    for part in parts:
        try:
            rows = pq.read_table(folder / part.file, columns=["lines", "amount"])
        except (pa.ArrowException, OSError) as error:
            raise BadOrders(f"{part.file} in {folder} is damaged ({str(error)[:80]}). {REMEDY}") from error
        lines, amount = (pc.sum(rows[name]).as_py() for name in ("lines", "amount"))
        if lines != part.profile["lines"] or (amount or Decimal(0)) != (part.profile["amount"] or Decimal(0)):
            raise BadOrders(f"{part.file} in {folder} holds other lines or amounts than {MANIFEST} says. {REMEDY}")


def _read(folder: Path) -> Content | None:
    path = folder / MANIFEST
    if not path.exists():
        return None
    try:
        told = read_json(path.read_text(encoding="utf-8"))
        _refuse_other_versions(path, told["format"], told["version"])
        if told["version"] != UNSUMMED and told.pop("sum") != _sum_of(told):
            raise ValueError("it was changed, or cut off")  # noqa: TRY301 - told with the other damages
        content = _content(told)
        _refuse_incomplete(content)
    except BadParameters:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError, OSError) as error:
        raise BadOrders(f"{path} is damaged ({error or type(error).__name__}). {REMEDY}") from error
    return content


def _content(told: dict[str, Any]) -> Content:
    parts = (Part(**part) for part in told["parts"])
    sums, gone = (
        {file: Sum(**one) for file, one in told.get(name, {}).items()} if told["version"] != UNSUMMED else {}
        for name in ("sums", "gone")
    )
    read = tuple(part._replace(profile=batch.profile_read(part.profile)) for part in parts)
    return Content(dict(told["traits"]), read, told["model"], told.get("before"), sums, gone)


def _refuse_incomplete(content: Content) -> None:
    """Raise KeyError or ValueError for what a state cannot do without."""
    files = content.files
    if len({part.file for part in content.parts}) < len(content.parts):
        raise ValueError("it names a file twice")
    if any(not OURS.fullmatch(Path(file).name) for file in files):
        raise ValueError("it names a file that is not of a state")
    for part in content.parts:
        batch.refuse_incomplete(part.profile)
        for told in part.batches:
            _ = told["id"], told["source"], told["merged"], told["lines"]
    if content.parts:
        _ = content.traits["id_type"], content.traits["has_money"], content.traits["has_margin"]
    if content.sums and set(content.sums) != set(files):
        raise ValueError("it does not know all its files")


def _refuse_other_versions(path: Path, form: str, number: int) -> None:
    if form != FORMAT or number not in {UNSUMMED, VERSION}:
        raise BadParameters(
            f"{path} is {form!r} version {number!r}; this klantwaarde reads {FORMAT!r} version {VERSION}. "
            "Use the klantwaarde that wrote it, or begin a new state."
        )


def _sum_of(told: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def refuse_strangers(folder: Path) -> None:
    """A folder of other things is no place for a state. Hidden files may be those of results within."""
    if folder.exists() and not folder.is_dir():
        raise BadParameters(f"{folder} is not a folder. Give {named('state')} a folder, which need not exist yet.")
    found = [path.name for path in folder.iterdir()] if folder.exists() else []
    known = (name == BATCHES or name[0] == "." or OURS.fullmatch(name) or UNFINISHED.fullmatch(name) for name in found)
    strangers = [name for name, ours in zip(found, known, strict=True) if not ours]
    if strangers and MANIFEST not in found:
        raise BadParameters(
            f"{folder} holds files that are not ours ({', '.join(sorted(strangers)[:3])}). "
            f"Give {named('state')} a new folder, or one that an earlier run wrote."
        )
