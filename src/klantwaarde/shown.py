"""What people may see of a text: no passwords, and no characters that a terminal or a browser would obey."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HIDDEN = "***"

_SECRET = re.compile(
    r"""(?ix)(?<![\w.%-])
    ([\w.%-]*?(?:password|passwd|passphrase|pwd|secret|token|api_?key|access_?key|private_?key)[\w.%-]*?
    ["']?\s*(?:=|%3D|:(?=\s*["']))\s*)
    (?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s&\ue000-\ue002]+)"""  # the marks of `errors.named` stay
)
_OPTIONS = re.compile(r"(?i)([?&]options(?:=|%3D))[^&\n\"'\ue000-\ue002]+")
_CODED = re.compile(r"([?&][^\s=&%]*%[^\s=&]*=)[^\s&\ue000-\ue002]+")
_BARE = re.compile(r"(\w:/{1,2}[^\s?]*\?(?:[^\s=&]*=[^\s&]*&)*)[^\s=&'\"\ue000-\ue002]+(?=[\s&'\"\ue000-\ue002]|$)")
"""Keys that are percent-encoded, and what stands there without a key."""
_USER = re.compile(r"(\w:/{1,2}[^\s:]*:)[^\s\ue000-\ue002]*@")
"""A password goes up to the last @ of the word."""
_BLANKS = re.compile(r"(\w:/{1,2}[^\s:/?#@]*:)(?!\d{1,5}\b)[^\s/@]+(?: [^\s/@]+){1,4}@")
"""A password of a few words."""
_NO_HOST = re.compile(
    r"""(\w:/{1,2}[^\s:/?#@\[]+:)(?!\d{1,5}(?:[\s/?,)'"]|[;:.](?:\s|$)|$)|[/*])[^\s'"\ue000-\ue002]+"""
)
"""What stands where a port should, and is none: the host was forgotten."""
_NO_SCHEME = re.compile(r"""([^\s:/@'"(]+:)(?!//)[^\s@\ue000-\ue002]+(@[\w.-]+(?::\d|/))""")

OBEYED = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
"""Controls, turns of the direction, marks without width, and halves of characters."""


def html_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A small table for notebooks; everything is text, and none of it markup."""
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def masked(text: str) -> str:
    """The text without what looks like a password: after ://user: or password=, wherever it stands."""
    for pattern, kept in (
        (_SECRET, rf"\1{HIDDEN}"),
        (_OPTIONS, rf"\1{HIDDEN}"),
        (_CODED, rf"\1{HIDDEN}"),
        (_BARE, rf"\1{HIDDEN}"),
        (_USER, rf"\1{HIDDEN}@"),
        (_BLANKS, rf"\1{HIDDEN}@"),
        (_NO_HOST, rf"\1{HIDDEN}"),
        (_NO_SCHEME, rf"\1{HIDDEN}\2"),
    ):
        text = pattern.sub(kept, text)
    return text


def visible(text: str, keep: str = "") -> str:
    r"""The text with characters that would be obeyed as escapes: \x1b for ESC. keep: those that stay, as they are."""
    return OBEYED.sub(lambda found: found[0] if found[0] in keep else _escape(found[0]), text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def shown(text: str) -> str:
    """A message as it may be printed: masked, and all of it visible but the ends of its lines."""
    return visible(masked(text), keep="\n")
