"""Files that appear whole or not at all."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from klantwaarde.errors import BadParameters, OutputBusy

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A hidden path beside `path` to write to; takes the place of `path` at the end, and is removed after a fault.

    What is written may be a folder of Parquet files, and replaces a file or such a folder; another one is not replaced
    (BadParameters).
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    _refuse_other_folder(path)
    try:
        yield unfinished
        if path.is_dir():
            shutil.rmtree(path)
        elif unfinished.is_dir():
            path.unlink(missing_ok=True)
        unfinished.replace(path)
    finally:
        if unfinished.is_dir():
            shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.unlink(missing_ok=True)


def _refuse_other_folder(path: Path) -> None:
    found = (file for file in path.rglob("*") if file.is_file()) if path.is_dir() else ()
    stranger = next((file for file in found if not file.name.endswith((".parquet", ".crc", "_SUCCESS"))), None)
    if stranger is not None:
        raise BadParameters(f"{path} is a folder that holds other files ({stranger.name}) and would be lost.")


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


@contextlib.contextmanager
def alone(path: Path, option: str) -> Iterator[None]:
    """The only run that works on `path`, which the option names: a second one raises OutputBusy."""
    _make_parent(path, option)
    with _locked(path, option):
        yield


def _make_parent(path: Path, option: str = "--out") -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadParameters(
            f"{path.parent} cannot be made ({error.strerror}). Give {option} a folder where you may write."
        ) from error
    if not os.access(path.parent, os.W_OK):
        raise BadParameters(f"{path.parent} may not be written to. Give {option} a folder where you may write.")


def _check_folder(path: Path, ours: Collection[str]) -> None:
    if path.is_symlink() or path == path.parent or (path.exists() and not path.is_dir()):
        raise BadParameters(f"{path} is not a folder. Give --out a folder, which need not exist yet.")
    strangers = sorted(found.name for found in path.iterdir() if found.name not in ours) if path.exists() else []
    if strangers:
        raise BadParameters(
            f"{path} holds files that are not ours ({', '.join(strangers[:3])}) and would be lost. "
            "Give --out a new folder, or one that an earlier run wrote."
        )


def scratch_folder(stem: str) -> Path:
    """A folder of our own among the machine's temporary files, for as long as this process lives.

    It goes when the process ends; what a killed process left is swept by the next one. Being locked tells the living.
    """
    place = Path(tempfile.gettempdir())
    for left in place.glob(f"{stem}-*"):
        _sweep_scratch(left)
    folder = Path(tempfile.mkdtemp(prefix=f"{stem}-", dir=place))
    handle = (folder / "lock").open("w")
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    atexit.register(_remove_scratch, folder, handle)
    return folder


def _sweep_scratch(left: Path) -> None:
    with contextlib.suppress(OSError), (left / "lock").open("r+") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(left, ignore_errors=True)


def _remove_scratch(folder: Path, handle: TextIO) -> None:
    handle.close()
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _locked(path: Path, option: str = "--out") -> Iterator[None]:
    lock = path.with_name(f".{path.name}.lock")
    with lock.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Locked, but is it still the file that others lock? The run before may have removed it meanwhile.
            ours = lock.exists() and os.path.samestat(os.fstat(handle.fileno()), lock.stat())
        except OSError:
            ours = False
        if not ours:
            raise OutputBusy(f"Another run is writing to {path}. Wait for it, or give another {option}.")
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
