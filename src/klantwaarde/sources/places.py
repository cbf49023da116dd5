"""Where the lines are: which files a path, a pattern or a folder names, of which kind, and whether they can be read."""

from __future__ import annotations

import glob
import itertools
import os
import stat
from pathlib import Path

from klantwaarde.errors import BadOrders

PARQUET = (".parquet", ".pq", ".parq")
PLAIN = (".csv", ".txt", ".tsv")
PACKED = ("", ".gz", ".zst", ".bz2", ".xz")
TEXT = tuple(plain + packed for packed in PACKED for plain in PLAIN)
WORKBOOK = (".xlsx", ".xlsm")
DATABASE = (".duckdb", ".db", ".ddb", ".sqlite", ".sqlite3")
KINDS = {"parquet": PARQUET, "text": TEXT, "workbook": WORKBOOK, "database": DATABASE}
REMEDIES = {
    (".xls", ".xlsb", ".ods", ".numbers"): "Open it in its program and save it as .xlsx or CSV.",
    (".json", ".jsonl", ".ndjson"): "Turn it into Parquet or CSV with a line per order.",
    (".zip", ".7z", ".rar", ".tar", ".tgz", ".tar.gz"): "Unpack it.",
}
PLACES = {
    stat.S_ISFIFO: "a pipe, which can be read once only. Save what it says in a file first",
    stat.S_ISSOCK: "a socket. Save what it says in a file first",
    stat.S_ISCHR: "a device, no file. Check the name",
    stat.S_ISBLK: "a device, no file. Check the name",
    stat.S_ISDIR: "a folder. Give a file, or a pattern such as 'FOLDER/*.csv'",
}


def found_files(path: str, what: str) -> list[str]:
    """The files that a path names, each one there and readable. Raises BadOrders for what cannot be."""
    found = [path]
    if glob.has_magic(path) and not os.path.lexists(path):
        found = sorted(glob.glob(path, recursive=True))  # noqa: PTH207 - a pattern may be absolute
    if len(found) == 1 and Path(found[0]).is_dir():
        found = _in_folder(path, found[0])
    if not found:
        raise _nothing(path)
    for file in found:
        _refuse_unreadable(file, path, what)
    return found


def _in_folder(path: str, folder: str) -> list[str]:
    found = sorted(str(file) for file in Path(folder).rglob("*.parquet"))
    if not found:
        raise BadOrders(
            f"The folder {shown(path)} holds no Parquet files. Give a file, or a pattern such as '{shown(path)}/*.csv'."
        )
    return found


def _refuse_unreadable(file: str, path: str, what: str) -> None:
    try:
        file.encode()
    except UnicodeEncodeError as error:
        raise BadOrders(f"The name of the file {shown(file)} is no UTF-8 text. Rename the file.") from error
    if os.path.islink(file) and not os.path.exists(file):  # noqa: PTH110, PTH114 - names as they were given
        raise BadOrders(f"{file} is a link to {os.readlink(file)}, which is not there. Mend the link.")  # noqa: PTH115
    try:
        about = os.stat(file)  # noqa: PTH116
        _refuse_places(file, about.st_mode)
        with open(file, "rb"):  # noqa: PTH123
            pass
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _nothing(path) from error
    except OSError as error:
        raise BadOrders(f"{file} cannot be opened: {error.strerror}. Check who may read it.") from error
    if about.st_size == 0:
        raise BadOrders(f"{file} is empty (0 bytes). Give a file with a line of column names and the {what} below it.")


def _refuse_places(file: str, mode: int) -> None:
    for is_one, word in PLACES.items():
        if is_one(mode):
            raise BadOrders(f"{file} is {word}.")


def _nothing(path: str) -> BadOrders:
    return BadOrders(f"There is no file {shown(path)} (looked in {Path.cwd()}). Check the name, or give a full path.")


def shown(name: str) -> str:
    """A file's name as any terminal can show it: what is no text as hexadecimals."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def kind_of(files: list[str], path: str, what: str) -> str:
    """parquet, text, workbook or database. Raises BadOrders for other kinds, and for files of several."""
    found = {kind for file in files for kind, ends in KINDS.items() if file.lower().endswith(ends)}
    others = [file for file in files if not file.lower().endswith(tuple(itertools.chain(*KINDS.values())))]
    if len(found) == 1 and not others:
        return found.pop()
    known = ", ".join(end for ends in KINDS.values() for end in ends)
    remedy = next((say for ends, say in REMEDIES.items() if others and others[0].lower().endswith(ends)), None)
    raise BadOrders(
        f"{path} is not one kind of file that we read ({known}). {remedy or f'Save the {what} as Parquet or CSV.'}"
    )


def partitioned(path: str, files: list[str]) -> bool:
    """Whether the files lie in folders named column=value below the folder, or the fixed part of the pattern."""
    fixed = list(itertools.takewhile(lambda part: not glob.has_magic(part), Path(path).parts))
    return any("=" in part for file in files for part in Path(file).parts[len(fixed) : -1])
