"""Files that appear whole or not at all."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import errno
import json
import math
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from klantwaarde.errors import BadParameters, OutputBusy, named
from klantwaarde.marks import is_ours

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from filelock import BaseFileLock

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A hidden path beside `path` to write to; takes the place of `path` at the end, and is removed after a fault.

    What is written may be a folder of Parquet files, and replaces a file or such a folder of ours; another folder is
    not replaced (BadParameters).
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
    if path.is_dir() and not is_ours(path):
        told = next((file.name for file in path.rglob("*") if not file.is_dir() and not is_ours(file)), "none of ours")
        raise BadParameters(f"{path} is a folder that holds other files ({told}) and would be lost.")


def check_place(path: Path, setting: str = "out") -> None:
    """Raise BadParameters where no file can be written at `path`: before the work."""
    folder = path.parent
    if not folder.is_dir():
        raise BadParameters(f"There is no folder {folder} for {named(setting, str(path))}. Make it, or name another.")
    _refuse_closed(folder, setting)


def _refuse_closed(folder: Path, setting: str) -> None:
    """Try it: rights alone do not tell of systems that are read-only, or have no files of ours at all."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise BadParameters(
            f"{folder} may not be written to ({error.strerror}). "
            f"Give {named(setting)} a place in a folder where you may write."
        ) from error


def write_text(path: Path, text: str) -> None:
    """Text in a file, whole or not at all."""
    with whole_file(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def whole_folder(path: Path, ours: Collection[str], mark: str | None = None) -> Iterator[Path]:
    """A hidden folder beside `path` to write to; takes the place of `path` at the end.

    One run at a time: a second one raises OutputBusy. A folder that holds anything but the files in `ours`, or lacks
    the file `mark` with our mark inside, is not replaced (BadParameters); nor is one that cannot be, where a disk
    begins. A run that was killed leaves `path` as it was; its remains are swept by the next run.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow a link that is to be replaced
    _check_folder(path, ours, mark)
    _make_parent(path)
    with _locked(path):
        _sweep(path)
        fresh = path.with_name(f".{path.name}.new")
        fresh.mkdir()
        try:
            yield fresh
            _check_folder(path, ours, mark)
            _take_place(fresh, path)
            with done(f"The results are in {path}."):
                shutil.rmtree(fresh, ignore_errors=True)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def companions(path: Path) -> tuple[Path, ...]:
    """What `whole_folder` makes and removes beside a folder."""
    ends = ("new", "old", "lock") if path.name else ()  # the root of all folders has nothing beside it
    return tuple(path.with_name(f".{path.name}.{end}") for end in ends)


@contextlib.contextmanager
def done(said: str) -> Iterator[None]:
    """What was done before is told with whatever ends the block early, an error or a stop."""
    try:
        yield
    except BaseException as error:
        error.add_note(said)
        raise


@contextlib.contextmanager
def alone(path: Path, setting: str) -> Iterator[None]:
    """The only run that works on `path`, which the setting named: a second one raises OutputBusy."""
    _make_parent(path, setting)
    with _locked(path, setting):
        yield


def _make_parent(path: Path, setting: str = "out") -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadParameters(
            f"{path.parent} cannot be made ({error.strerror}). Give {named(setting)} a folder where you may write."
        ) from error
    _refuse_closed(path.parent, setting)


def _check_folder(path: Path, ours: Collection[str], mark: str | None) -> None:
    if path.is_symlink() or path == path.parent or (path.exists() and not path.is_dir()):
        raise BadParameters(f"{path} is not a folder. Give {named('out')} a folder, which need not exist yet.")
    if _is_mount(path):
        raise BadParameters(
            f"{path} is where a disk begins, and cannot be replaced as a whole. "
            f"Give {named('out')} a folder in it, such as {path / 'results'}."
        )
    strangers = sorted(found.name for found in path.iterdir() if found.name not in ours) if path.exists() else []
    if strangers:
        raise BadParameters(
            f"{path} holds files that are not ours ({', '.join(strangers[:3])}) and would be lost. "
            f"Give {named('out')} a new folder, or one that an earlier run wrote."
        )
    if mark is not None and path.exists() and any(path.iterdir()) and not is_ours(path / mark):
        raise BadParameters(
            f"{path} holds files ({', '.join(sorted(found.name for found in path.iterdir())[:3])}) that no run of "
            f"klantwaarde wrote (its {mark} would say so), and they would be lost. Give {named('out')} a new folder."
        )


def _is_mount(path: Path) -> bool:
    """Whether a disk, or another folder, is mounted here; the table of the system knows more than two inodes do."""
    table = Path("/proc/self/mountinfo")
    if not path.exists():
        return False
    if os.path.ismount(path) or not table.exists():
        return os.path.ismount(path)
    real = os.path.realpath(path)
    return any(_unescaped(line.split()[4]) == real for line in table.read_text("utf-8", "replace").splitlines())


def _unescaped(name: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), name)


def scratch_folder(stem: str) -> Path:
    """A folder of our own among the machine's temporary files, for as long as this process lives.

    It goes when the process ends; what a killed process left is swept by the next one. Being locked tells the living.
    """
    place = Path(tempfile.gettempdir())
    for left in place.glob(f"{stem}-*"):
        _sweep_scratch(left)
    folder = Path(tempfile.mkdtemp(prefix=f"{stem}-", dir=place))
    lock = _lock_of(folder / "lock")
    lock.acquire()
    atexit.register(_remove_scratch, folder, lock)
    return folder


def _sweep_scratch(left: Path) -> None:
    if left.is_symlink() or not (left / "lock").is_file():
        return
    with contextlib.suppress(OSError, Timeout), _lock_of(left / "lock"):
        shutil.rmtree(left, ignore_errors=True)


def _remove_scratch(folder: Path, lock: BaseFileLock) -> None:
    lock.release()
    shutil.rmtree(folder, ignore_errors=True)


def _lock_of(path: Path) -> BaseFileLock:
    """A lock that does not wait, follows no link and empties no file."""
    return FileLock(path, timeout=0, thread_local=False)


@contextlib.contextmanager
def _locked(path: Path, setting: str = "out") -> Iterator[None]:
    file = path.with_name(f".{path.name}.lock")
    lock = _lock_of(file)
    _acquire(lock, file, path, setting)
    try:
        yield
    finally:
        # Removed while it is held, so that nobody else's is; where open files cannot be removed, nobody else's can.
        _unlink(file)
        lock.release()
        if sys.platform == "win32":
            _unlink(file)


def _acquire(lock: BaseFileLock, file: Path, path: Path, setting: str) -> None:
    if file.is_symlink():
        raise BadParameters(f"{file} is a link, and not of ours. Remove it, or give {named(setting)} another place.")
    try:
        lock.acquire()
    except Timeout as busy:
        raise OutputBusy(f"Another run is writing to {path}. Wait for it, or give another {named(setting)}.") from busy
    except OSError as error:
        raise BadParameters(
            f"{path} cannot be locked ({error.strerror}). Give {named(setting)} a folder where you may write."
        ) from error


def _unlink(file: Path) -> None:
    with contextlib.suppress(OSError):
        file.unlink()


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
    if sys.platform == "win32":
        return False
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    if renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    if ctypes.get_errno() in {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}:
        return False
    raise OSError(ctypes.get_errno(), f"cannot put the results at {other}")


def read_json(text: str) -> Any:
    """What a JSON text holds. Raises ValueError for anything else, numbers that are not finite among it."""
    return json.loads(text, parse_constant=_finite, parse_float=_finite)


def _finite(told: str) -> float:
    number = float(told)
    if not math.isfinite(number):
        raise ValueError(f"{told} is no finite number")
    return number
