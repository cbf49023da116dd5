"""Text files of lines: which mark divides columns, where their names are, and every line read or refused by number."""

from __future__ import annotations

import bz2
import codecs
import contextlib
import csv
import errno
import glob
import gzip
import io
import itertools
import lzma
import re
import shutil
import tempfile
import zlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

import duckdb
import pyarrow as pa

from klantwaarde.engine.statement import literal
from klantwaarde.errors import BadOrders, BadParameters, named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from klantwaarde.engine.duckdb import DuckDB

SEPARATORS = (",", ";", "\t", "|")
LONGEST = 2**24
"""Characters that the lines up to the column names may have, and a cell."""
MOST_COLUMNS = 10_000
LOOKED_AT = 100
"""Lines among which the column names must be."""
SAID = re.compile(r"sep=(\t|[^\w\s\"])\s*", re.IGNORECASE)
"""A first line for Excel, which says what divides the columns."""
MARKED = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
NOT_TEXT = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"})
"""Encodings of names and of programs, not of files."""
DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError)


class Head(NamedTuple):
    """What divides the columns, their names, the lines above the names, and whether the names are on one line."""

    mark: str
    names: list[str]
    above: list[str]
    on_one_line: bool = True


class _Untidy(Exception):
    """A line that does not fit, with its number and what is wrong with it."""


def open_text(engine: DuckDB, name: str, files: list[str], encoding: str, what: str) -> str:
    """Read text files into a table; what was left out above the column names, in words. Raises BadOrders."""
    with tempfile.TemporaryDirectory() as folder:
        readable = [_readable(file, encoding, Path(folder) / f"{number}.csv") for number, file in enumerate(files)]
        heads = [_head(file, path, what) for file, path in zip(files, readable, strict=True)]
        _refuse_unlike(files, heads)
        alike = len({(head.mark, len(head.above), *head.names) for head in heads}) == 1
        parts = [range(len(files))] if alike else [range(number, number + 1) for number in range(len(files))]
        # Read once into a table: the lines are looked at several times, and parsing costs more than all of that.
        for number, part in enumerate(parts):
            into = f"insert into {name} by name" if number else f"create temp table {name} as"
            _load(engine, into, [(files[i], readable[i], heads[i]) for i in part], Path(folder))
    return _left_out(heads)


def _load(engine: DuckDB, into: str, files: list[tuple[str, str, Head]], folder: Path) -> None:
    """The fast reader of the engine first; what it does not take is written out plainly, or refused by its line."""
    head = files[0][2]
    with contextlib.suppress(duckdb.Error):
        if head.on_one_line and not head.above:  # the engine would lose lines below others
            engine.connection.execute(f"{into} {_lines([path for _, path, _ in files], head)}")
            return
    tidy = [_tidied(*file, folder / f"tidy{number}.csv") for number, file in enumerate(files)]
    engine.connection.execute(f"{into} {_lines(tidy, Head(',', head.names, []))}")


def _lines(files: list[str], head: Head) -> str:
    # Everything as text: customer 00123 stays 00123, and dates and decimals are read by stated rules, not guesses.
    # Nothing is left to the engine to find out: it would pass over lines that do not fit its guess.
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in head.names)
    listed = ", ".join(literal(glob.escape(file)) for file in files)
    return (
        f"select * from read_csv([{listed}], auto_detect = false, header = true, "
        f"delim = {literal(head.mark)}, quote = '\"', escape = '\"', nullstr = '', columns = {{{columns}}})"
    )


def _refuse_unlike(files: list[str], heads: list[Head]) -> None:
    first = sorted(heads[0].names)
    for file, head in zip(files, heads, strict=True):
        if sorted(head.names) != first:
            raise BadOrders(
                f"{file} has the columns {_listed(head.names)}, but {files[0]} has {_listed(heads[0].names)}. "
                "Give files with the same columns."
            )


def _left_out(heads: list[Head]) -> str:
    """The lines above the column names, of the first file that has any."""
    above = next((lines for head in heads if (lines := [x for x in head.above if x.strip() and not SAID.match(x)])), [])
    return f"below the line {_short(above[0])}" if above else ""


def _head(file: str, path: str, what: str) -> Head:
    """The mark between columns, and their names: from the first line that names several."""
    lines = _first_lines(file, path)
    _refuse_other_encodings(file, path, lines[0], what)
    said = SAID.fullmatch(lines[0])
    records = _records(lines[1:] if said else lines)
    filled = [record for record in records if "".join(record).strip()]
    if not filled:
        raise BadOrders(f"The first line of {file} is empty. Give a line of column names and the {what} below it.")
    with _long_cells():
        cells = [(mark, _cells(record, mark)) for record in records for mark in (said[1] if said else _mark(record),)]
        place = next((n for n, (_, row) in enumerate(cells) if sum(map(bool, map(str.strip, row))) > 1), None)
    place = records.index(filled[0]) if place is None else place
    above = [*(lines[:1] if said else ()), *itertools.chain(*records[:place])]
    _refuse_not_utf8(file, [*above, *records[place]])
    return Head(cells[place][0], column_names(file, cells[place][1]), above, len(records[place]) == 1)


def _first_lines(file: str, path: str) -> list[str]:
    lines: list[str] = []
    left = LONGEST
    with _opened(file, path) as text:
        while len(lines) < LOOKED_AT and left > 0:
            line = text.readline(left)
            if not line:
                break
            left -= len(line)
            if left <= 0 and len(lines) == 0:
                raise BadOrders(
                    f"The first line of {file} is longer than {LONGEST:,} characters. Give a line of column names."
                )
            lines.append(line)
    return lines if left > 0 else lines[:-1]


def _records(lines: list[str]) -> list[list[str]]:
    """Lines, with those that follow where a quote is open."""
    records: list[list[str]] = []
    is_open = False
    for line in lines:
        if is_open:
            records[-1].append(line)
        else:
            records.append([line])
        is_open ^= line.count('"') % 2 == 1
    return records


def _mark(record: list[str]) -> str:
    plain = re.sub('"[^"]*"', "", "".join(record))
    return max(SEPARATORS, key=plain.count)


def _cells(record: list[str], mark: str) -> list[str]:
    return next(csv.reader(record, delimiter=mark), [])


def column_names(file: str, cells: list[str]) -> list[str]:
    """The names of columns, from the cells that name them. Raises BadOrders for too many, or two of one name."""
    if len(cells) > MOST_COLUMNS:
        raise BadOrders(
            f"{file} has {len(cells):,} columns; at most {MOST_COLUMNS:,} are read. Do lines and columns stand the "
            "other way round? Keep the columns of customer, date and amount."
        )
    names = [re.sub(r"\s*[\r\n]\s*", " ", cell.strip()) or f"column{n}" for n, cell in enumerate(cells, start=1)]
    counts = Counter(name.lower() for name in names)
    twice = sorted({name for name in names if counts[name.lower()] > 1})
    if twice:
        raise BadOrders(f"{file} has more than one column called {_listed(twice)}. Give each column its own name.")
    return names


def _refuse_other_encodings(file: str, path: str, first: str, what: str) -> None:
    with _unpacked(file, path) as begun:
        bom = begun.read(2)
    other = MARKED.get(bom)
    if other is None and "\0" in first:
        halves = [set(first[half:40:2]) for half in (0, 1)]
        other = "utf-16-le" if halves[1] == {"\0"} else "utf-16-be" if halves[0] == {"\0"} else ""
    if other:
        raise BadOrders(f"{file} is not utf-8 text, but {other}. Pass {named('encoding', other)}.")
    if other is not None:
        raise BadOrders(f"{file} cannot be read: it is no text file. Save the {what} as Parquet or CSV.")


def _refuse_not_utf8(file: str, lines: list[str]) -> None:
    """The lines up to the column names: names and titles are shown, so that they must be text."""
    for number, line in enumerate(lines, start=1):
        if not line.isascii() and any("\udc80" <= sign <= "\udcff" for sign in line):
            raise BadOrders(f"{file}: {_not_utf8(number, line)}")


def _tidied(file: str, path: str, head: Head, to: Path) -> str:
    """The same lines in the plainest form: one kind of line end, quotes doubled, as many cells as names."""
    faults = []
    for escape in (None, "\\"):
        try:
            with _opened(file, path) as text, to.open("w", encoding="utf-8", newline="") as into, _room(file):
                _copy(text, into, head, escape)
        except _Untidy as fault:
            faults.append(fault)
        else:
            return str(to)
    raise BadOrders(f"{file} cannot be read: {faults[0]}") from faults[0]


def _copy(text: TextIO, into: TextIO, head: Head, escape: str | None) -> None:
    writer = csv.writer(into, lineterminator="\n")
    writer.writerow(head.names)
    for line, row in _rows(text, head, escape):
        spare = row[len(head.names) :]
        if len(row) < len(head.names) or any(cell.strip() for cell in spare):
            raise _Untidy(_wrong_count(line, row, head))
        try:
            writer.writerow(row[: len(head.names)])
        except UnicodeEncodeError as error:
            raise _Untidy(_not_utf8(line, head.mark.join(row))) from error


def _rows(text: TextIO, head: Head, escape: str | None) -> Iterator[tuple[int, list[str]]]:
    """The lines below the column names that hold anything, each with its number in the file."""
    for _ in head.above:
        text.readline()
    # Python's reader takes every line end, and says where it is.
    reader = csv.reader(text, delimiter=head.mark, escapechar=escape, strict=True)
    begun = 0
    try:
        with _long_cells():
            for number, row in enumerate(reader):
                if row and number:
                    yield len(head.above) + begun + 1, row
                begun = reader.line_num
    except csv.Error as error:
        raise _Untidy(_broken(len(head.above) + begun + 1, error)) from error


def _wrong_count(line: int, row: list[str], head: Head) -> str:
    last = len(head.above) + 1
    columns = f"{len(row)} column{'s' if len(row) > 1 else ''}"
    return (
        f"line {line} has {columns}, but line {last} names {len(head.names)} ({_short(head.mark.join(row))}). "
        "Mend it: texts that hold the separator stand between double quotes; a title above the column names must go."
    )


def _broken(line: int, error: csv.Error) -> str:
    if "end of data" in str(error) or "field larger" in str(error):
        return f"the double quote that opens on line {line} is not closed. Close it, or leave it out."
    return f"on line {line}, text follows a closing double quote. A double quote within a text is written twice."


def _not_utf8(line: int, text: str) -> str:
    place = next((n for n, sign in enumerate(text) if "\udc80" <= sign <= "\udcff"), 0)
    raw = text[max(0, place - 20) : place + 20].strip().encode("utf-8", "surrogateescape")
    return (
        f"line {line} is not utf-8 text ({raw!r}). Pass {named('encoding', 'cp1252')} (Excel on Windows often writes "
        "it), or the encoding that it was written in."
    )


def _short(text: str) -> str:
    return repr(text.strip()[:60])


def _listed(names: list[str]) -> str:
    told = ", ".join(names[:50])
    return told if len(names) <= 50 else f"{told}, ... ({len(names)} in all)"


def check_encoding(encoding: str) -> None:
    """Raise BadParameters unless Python reads text files in it."""
    try:
        found = codecs.lookup(encoding)
        is_text = found._is_text_encoding and found.name.replace("-", "_") not in NOT_TEXT  # noqa: SLF001
    except (LookupError, ValueError):
        is_text = False
    if not is_text:
        raise BadParameters(
            f"{named('encoding', encoding)} is no known encoding of text. Give 'utf-8', 'latin-1', 'cp1252', ..."
        )


def _is_utf8(encoding: str) -> bool:
    return codecs.lookup(encoding).name in {"utf-8", "utf-8-sig"}


def _readable(file: str, encoding: str, copy: Path) -> str:
    """The file, or a copy of it that the engine reads: it knows few encodings and two ways to pack; Python all."""
    if _is_utf8(encoding) and not file.lower().endswith((".bz2", ".xz")):
        return file
    try:
        with _unpacked(file, file) as raw, _room(file):
            if _is_utf8(encoding):
                with copy.open("wb") as to:
                    shutil.copyfileobj(raw, to)
            else:
                text = io.TextIOWrapper(raw, encoding, newline="")
                with text, copy.open("w", encoding="utf-8", newline="") as into:
                    shutil.copyfileobj(text, into)
    except UnicodeError as error:
        raise BadOrders(
            f"{file} is not {encoding} text. Pass {named('encoding', 'utf-8')}, or the encoding that it was written in."
        ) from error
    return str(copy)


@contextlib.contextmanager
def _unpacked(file: str, path: str) -> Iterator[Any]:
    """The bytes of a file, unpacked. file: what it is called in errors."""
    openers: dict[str, Callable[[str, Any], Any]] = {
        ".gz": gzip.open,
        ".bz2": bz2.open,
        ".xz": lzma.open,
        ".zst": _zstd,
    }
    end = Path(path).suffix.lower()
    try:
        with openers.get(end, io.open)(path, "rb") as raw:
            yield raw
    except DAMAGED as error:
        why = getattr(error, "strerror", None) or str(error)
        packed = f" It is damaged, or not packed as {end} says." if end in openers else ""
        raise BadOrders(f"{file} cannot be read ({why}).{packed}") from error


def _zstd(path: str, _: str) -> Any:
    return io.BufferedReader(pa.input_stream(path, compression="zstd"))


@contextlib.contextmanager
def _opened(file: str, path: str) -> Iterator[TextIO]:
    """The text of a file in UTF-8; bytes that are none are kept apart, to be shown."""
    with _unpacked(file, path) as raw, io.TextIOWrapper(raw, "utf-8-sig", "surrogateescape", newline="") as text:
        yield text


@contextlib.contextmanager
def _room(file: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise BadOrders(
            f"There is no room in {tempfile.gettempdir()} for a readable copy of {file}. Free some, or set TMPDIR to "
            "a larger place."
        ) from error


@contextlib.contextmanager
def _long_cells() -> Iterator[None]:
    """Cells may be longer than Python's reader thinks likely."""
    limit = csv.field_size_limit(LONGEST)
    try:
        yield
    finally:
        csv.field_size_limit(limit)
