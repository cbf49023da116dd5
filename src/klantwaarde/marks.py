"""The mark that what we write carries inside: nothing without it is replaced, whatever its name."""

from __future__ import annotations

import csv
import json
import zipfile
from typing import TYPE_CHECKING, Any

from klantwaarde.errors import BadParameters, named

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MARK = "klantwaarde"
"""A key of a Parquet footer and of JSON, the generator of a page, a property of a workbook."""

MARKED = f"_{MARK}"
"""A file in a folder of Parquet files, where the engine that wrote them keeps no footer of ours; readers skip it."""

OF_ENGINES = (".parquet", ".crc", "_SUCCESS", MARKED)
FOOTERS = ({MARK}, {"klantwaarde_schema"}, {"as_of", "rules", "cuts"})
"""Keys of a footer of ours; the second and third are of version 0.1, which wrote no mark."""

GENERATOR = f'<meta name="generator" content="{MARK}'


def refuse_strangers(path: Path, setting: str, header: Sequence[str] = ()) -> None:
    """Raise BadParameters for a file or folder that is there and is not ours.

    header: the columns that we would write: a text file has no place for a mark, so it is ours if it begins with them.
    """
    if path.exists() and not is_ours(path, header):
        raise BadParameters(
            f"{named(setting, str(path))} was not written by klantwaarde and would be lost. "
            "Give another name, or move it away first."
        )


def is_ours(path: Path, header: Sequence[str] = ()) -> bool:
    """Whether a file or folder carries our mark, or holds nothing at all that could be lost."""
    if path.is_dir():
        return _folder(path)
    try:
        return path.stat().st_size == 0 or _file(path, header)
    except (OSError, ValueError, zipfile.BadZipFile, csv.Error):
        return False


def _folder(path: Path) -> bool:
    files = [file for file in path.rglob("*") if not file.is_dir()]
    if any(not file.name.endswith(OF_ENGINES) for file in files):
        return False
    written = [file for file in files if file.suffix == ".parquet"]
    return (path / MARKED).is_file() or (all(map(is_ours, written)) if written else not files)


def _file(path: Path, header: Sequence[str]) -> bool:
    kind = path.suffix.lower()
    if kind == ".parquet":
        return _parquet(path)
    if kind == ".csv":
        with path.open(encoding="utf-8", newline="") as text:
            return bool(header) and next(csv.reader([text.readline(2**16)]), []) == list(header)
    if kind in {".html", ".htm"}:
        with path.open(encoding="utf-8") as text:
            return GENERATOR in text.read(4096)
    if kind == ".xlsx":
        with zipfile.ZipFile(path) as book:
            return f'name="{MARK}"' in book.read("docProps/custom.xml").decode() if _custom(book) else False
    return kind == ".json" and MARK in _json(path)


def _parquet(path: Path) -> bool:
    import pyarrow as pa  # noqa: PLC0415 - this module is below everything, and loads fast
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        keys = {key.decode("utf-8", "replace") for key in pq.read_metadata(path).metadata or {}}
    except pa.ArrowException:
        return False
    return any(keys >= wanted for wanted in FOOTERS)


def _custom(book: zipfile.ZipFile) -> bool:
    return "docProps/custom.xml" in book.namelist()


def _json(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text(encoding="utf-8"))
    return content if isinstance(content, dict) else {}
