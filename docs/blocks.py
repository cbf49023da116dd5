"""The Python blocks of a page, and what they print: a ```text block right after a ```python block is its output."""

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile

BLOCK = re.compile(r"```python\n(?P<code>.*?)```\n(?P<printed>\n```text\n.*?```\n)?", re.DOTALL)


def printed_anew(page: str) -> str:
    """The page with its Python blocks run in order, in an empty folder, and their output as it is now."""
    names: dict[str, object] = {"__name__": "page"}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        return BLOCK.sub(lambda block: _printed(block, names), page)


def _printed(block: re.Match[str], names: dict[str, object]) -> str:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(block["code"], "page", "exec", dont_inherit=True), names)  # noqa: S102 - our own pages
    if block["printed"] is None and said.getvalue():
        raise SystemExit(f"This block prints, and no text block follows it:{os.linesep}{block['code']}")
    shown = f"\n```text\n{said.getvalue()}```\n" if block["printed"] is not None else ""
    return f"```python\n{block['code']}```\n{shown}"
