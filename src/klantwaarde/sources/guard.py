"""What a command reads, as files and folders: no output may fall on them, into them or around them."""

from __future__ import annotations

import fnmatch
import glob
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from klantwaarde.engine.protocol import Input
from klantwaarde.errors import BadParameters, named
from klantwaarde.sources.uri import SQLITE, driver_of, file_of, is_database

if TYPE_CHECKING:
    from collections.abc import Iterable


def inputs(what: str, source: Any) -> tuple[Input, ...]:
    """The files and folders that a source names; none for a table in memory, or a database on a server."""
    if is_database(source):
        return (Input(what, file_of(source)),) if driver_of(source) is SQLITE else ()
    if not isinstance(source, str | os.PathLike) or not os.fspath(source):
        return ()
    text = os.fsdecode(source)
    if glob.has_magic(text) and not Path(text).exists():
        return tuple(Input(what, Path(file), text) for file in glob.iglob(text, recursive=True))  # noqa: PTH207 - may be absolute
    return (Input(what, Path(text)),)


def refuse_inputs(place: Path, setting: str, read: Iterable[Input]) -> None:
    """Raise BadParameters for an output at `place`, which the setting named, that would cost something that is read.

    Files are compared by device and inode: so a link, another spelling, or a hard link makes no difference.
    """
    itself, around = _identity(place), _above(place)
    seen: dict[Path, frozenset[_Identity]] = {}
    for one in read:
        folder = Path(os.path.abspath(one.path)).parent  # noqa: PTH100 - a link lies where it lies
        seen.setdefault(folder, _folders(folder))
        how = _how(itself, around, one, seen[folder]) or ("would be read with" if _fits(place, one) else None)
        if how:
            raise BadParameters(
                f"{named(setting, str(place))} {how} the {one.what} ({one.path}), which would be lost. "
                f"Give {named(setting)} a place of its own."
            )


_Identity = tuple[int, int] | str


def _how(itself: _Identity, around: frozenset[_Identity], one: Input, folders: frozenset[_Identity]) -> str | None:
    read = _identity(one.path)
    if read == itself:
        return "is"
    if read in around:
        return "lies in"
    return "holds" if itself in folders or itself in _above(one.path, linked=True) else None


def _identity(path: Path) -> _Identity:
    """Device and inode, or the full name of what is not there yet."""
    try:
        found = path.stat()
    except OSError:
        return os.path.realpath(path)
    return (found.st_dev, found.st_ino)


def _above(path: Path, *, linked: bool = False) -> frozenset[_Identity]:
    """The folders that a path lies in: where its name stands, and where a link leads."""
    real = Path(os.path.realpath(path)).parent
    if linked:
        return _folders(real) if path.is_symlink() else frozenset()
    return _folders(Path(os.path.abspath(path)).parent) | _folders(real)  # noqa: PTH100


def _folders(folder: Path) -> frozenset[_Identity]:
    return frozenset(map(_identity, (folder, *folder.parents)))


def _fits(place: Path, one: Input) -> bool:
    """Whether the pattern of the input would find the output, the next time."""
    if one.pattern is None:
        return False
    out, wanted = (os.path.abspath(path) for path in (place, one.pattern))  # noqa: PTH100
    if "**" in wanted:
        return fnmatch.fnmatch(out, wanted)
    parts, patterns = Path(out).parts, Path(wanted).parts
    return len(parts) == len(patterns) and all(map(fnmatch.fnmatch, parts, patterns))
