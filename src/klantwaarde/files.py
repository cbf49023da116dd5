"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from klantwaarde.errors import BadParameters, OutputBusy

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A hidden path beside `path` to write to; takes the place of `path` at the end, and is removed after a fault."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Text in a file, whole or not at all."""
    with whole_file(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def whole_folder(path: Path, ours: Collection[str]) -> Iterator[Path]:
    """A hidden folder beside `path` to write to; takes the place of `path` at the end.

    One run at a time: a second one raises OutputBusy. A folder that holds anything but the files in `ours` is not
    replaced (BadParameters). A run that was killed leaves `path` as it was; its remains are swept by the next run.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow a link that is to be replaced
    _check_folder(path, ours)
    _make_parent(path)
    with _locked(path):
        _sweep(path)
        fresh = path.with_name(f".{path.name}.new")
        fresh.mkdir()
        try:
            yield fresh
            _check_folder(path, ours)
            _take_place(fresh, path)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def _make_parent(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadParameters(
            f"{path.parent} cannot be made ({error.strerror}). Give --out a folder where you may write."
        ) from error
    if not os.access(path.parent, os.W_OK):
        raise BadParameters(f"{path.parent} may not be written to. Give --out a folder where you may write.")


def _check_folder(path: Path, ours: Collection[str]) -> None:
    if path.is_symlink() or path == path.parent or (path.exists() and not path.is_dir()):
        raise BadParameters(f"{path} is not a folder. Give --out a folder, which need not exist yet.")
    strangers = sorted(found.name for found in path.iterdir() if found.name not in ours) if path.exists() else []
    if strangers:
        raise BadParameters(
            f"{path} holds files that are not ours ({', '.join(strangers[:3])}) and would be lost. "
            "Give --out a new folder, or one that an earlier run wrote."
        )


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = path.with_name(f".{path.name}.lock")
    with lock.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Locked, but is it still the file that others lock? The run before may have removed it meanwhile.
            ours = lock.exists() and os.path.samestat(os.fstat(handle.fileno()), lock.stat())
        except OSError:
            ours = False
        if not ours:
            raise OutputBusy(f"Another run is writing to {path}. Wait for it, or give another --out.")
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def _sweep(path: Path) -> None:
    """Remove what a killed run left; put the old results back if it died between two renames."""
    old = path.with_name(f".{path.name}.old")
    if old.exists() and not path.exists():
        old.rename(path)
    shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(path.with_name(f".{path.name}.new"), ignore_errors=True)


def _take_place(fresh: Path, path: Path) -> None:
    if not path.exists():
        fresh.rename(path)
    elif not _exchange(fresh, path):
        old = path.with_name(f".{path.name}.old")
        path.rename(old)
        fresh.rename(path)
        shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step, where the system can: so there is no moment without results."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    if renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    if ctypes.get_errno() in {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}:
        return False
    raise OSError(ctypes.get_errno(), f"cannot put the results at {other}")
