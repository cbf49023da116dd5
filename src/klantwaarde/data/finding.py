"""One finding of the data doctor, and the words they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from klantwaarde.wording.message import Message, as_data, worded

Section = Literal["correct", "timely", "complete", "ground"]
Level = Literal["info", "warning"]


@dataclass(frozen=True)
class Check:
    """One finding: what, how many, how much money, examples, and what to do.

    `said` and `remedy` are messages; text is taken as it is.
    """

    section: Section
    check: str
    level: Level
    count: int
    said: Message | str
    money: float | None = None
    examples: tuple[str, ...] = ()
    remedy: Message | str | None = None

    @property
    def text(self) -> str:
        """The finding in English."""
        return str(self.said)

    def as_dict(self, language: str = "en") -> dict[str, Any]:
        """Plain values: the words in a language, and beside them the code and fields that they were made of."""
        told = as_data(self.said) if isinstance(self.said, Message) else {"code": None, "fields": {}}
        words = {name: worded(said, language) if isinstance(said, Message) else said for name, said in
                 (("text", self.said), ("remedy", self.remedy))}  # fmt: skip
        return {
            "section": self.section,
            "check": self.check,
            "level": self.level,
            "count": self.count,
            "text": words["text"],
            "money": self.money,
            "examples": self.examples,
            "remedy": words["remedy"],
            **told,
        }


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number and what it counts: "1 line", "2 lines"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def share(part: Any, whole: Any) -> str:
    """A part of a whole in per cent."""
    return f"{float(part) / float(whole):.1%}" if whole else "0.0%"


def plain(money: Any) -> float | None:
    """Money as a float."""
    return None if money is None else float(money)
