"""The one place through which everything printed goes: to people without passwords, markup or terminal escapes."""

from __future__ import annotations

import codecs
import json
import os
import re
import sys
import traceback
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, NoReturn

from rich.cells import cell_len
from rich.console import Console
from rich.status import Status
from rich.text import Text

from klantwaarde.errors import BadParameters
from klantwaarde.shown import OBEYED, masked, shown, visible

ENOUGH = 141
"""The exit code of a program whose reader has gone."""
ASCII: Final = {
    "✓": "+",
    "→": "->",
    "·": "*",
    "–": "-",
    "—": "-",
    "…": "...",
    "×": "x",
    "≤": "<=",
    "≥": ">=",
    "€": "EUR",
}
"""How our own marks are written where the terminal lacks them; what users have is written as escapes."""


class Printer(Console):
    """A console to which every text is a text: titles, cells and lines print as they are, what would be obeyed visible.

    rich asks `render_str` for whatever text stands in what it prints, so nothing gets around it.
    """

    def __init__(self, *, stderr: bool = False, width: int | None = None) -> None:
        super().__init__(stderr=stderr, width=width, highlight=False, markup=False, emoji=False)

    def render_str(self, text: str, **how: Any) -> Text:
        """The text, and nothing but the text."""
        return super().render_str(shown(text), **how | {"markup": False, "emoji": False})

    def on_broken_pipe(self) -> None:
        """The end, without a word, where the reader has had enough (`| head`)."""
        enough()

    def status(self, status: Any, **how: Any) -> Status:
        """A word while something runs."""
        return super().status(self.render_str(status) if isinstance(status, str) else status, **how)


words = Printer(stderr=True)
"""To who waits and who reads along, on standard error."""
paper = Printer()
"""What was asked for, on standard output."""


def say(text: str) -> None:
    """A word to who waits, beside the output."""
    words.print(f"· {text}", style="dim", soft_wrap=True)


def one_line(text: object) -> str:
    """A text of the user's as part of a line or a cell: its line ends are visible too."""
    return visible(str(text))


def print_json(value: Any) -> None:
    """A plain value for machines, on standard output: JSON has escapes of its own."""
    text = json.dumps(_masked(value), indent=2, ensure_ascii=not _can_all())
    put_plain(OBEYED.sub(lambda found: found[0] if found[0] == "\n" else _escaped(found), text))


def put(text: object, style: str = "") -> None:
    """Text on standard output, as wide as it is."""
    paper.print(text, style=style, soft_wrap=True)


def put_plain(text: str) -> None:
    """Text for machines on standard output, as it is."""
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        enough()


def put_script(sql: str) -> None:
    """Statements for another system, on standard output as they are. Raises BadParameters where a name cannot stand."""
    odd = next((line for line in sql.split("\n") if visible(line, keep="\t") != line), None)
    if odd is not None:
        raise BadParameters(f"A name holds a character that a terminal obeys: {visible(odd.strip())}. Rename it.")
    put_plain(sql)


def enough() -> NoReturn:
    """End as a program does whose reader is gone; what Python still flushes at the end goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(ENOUGH)


def show(
    title: str, headings: Sequence[str], rows: Iterable[Sequence[str]], left: Collection[int] = (0,), note: str = ""
) -> None:
    """A table in plain text, to be read or cut: the columns in `left` are words, the others numbers.

    On a screen that is too narrow for it, each row becomes a list of its values.
    """
    head, *lines = [tuple(map(one_line, row)) for row in (headings, *rows)]
    widths = [max(map(cell_len, column)) for column in zip(head, *lines, strict=True)]
    put(f"{one_line(title)}\n", "bold")
    if paper.is_terminal and sum(widths) + 2 * len(widths) > paper.width:
        name = max(map(cell_len, head))
        for row in lines:
            put("".join(f"  {_padded(one, name, words=True)}  {cell}\n" for one, cell in zip(head, row, strict=True)))
    else:
        for row in (head, *lines):
            cells = (_padded(cell, widths[place], words=place in left) for place, cell in enumerate(row))
            put(f"  {'  '.join(cells)}".rstrip(), "bold" if row is head else "")
        put("")
    if note:
        put(f"{note}\n", "dim")


def _padded(cell: str, width: int, *, words: bool) -> str:
    blanks = " " * (width - cell_len(cell))
    return f"{cell}{blanks}" if words else f"{blanks}{cell}"


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _can_all() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, dict):
        return {_masked(key): _masked(one) for key, one in value.items()}
    return [_masked(one) for one in value] if isinstance(value, list | tuple) else value


def print_traceback() -> None:
    """The fault that is being handled, which is ours, on standard error."""
    sys.stderr.write(shown(traceback.format_exc()))


def survive_encoding() -> None:
    """Let standard output and standard error write what their encoding lacks as escapes."""
    codecs.register_error("klantwaarde", _lacking)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="klantwaarde")


def _lacking(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    told = (ASCII.get(one) or one.encode("ascii", "backslashreplace").decode("ascii") for one in lacking)
    return "".join(told), error.end
