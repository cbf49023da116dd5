"""One finding of the data doctor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from klantwaarde.wording.message import as_data

if TYPE_CHECKING:
    from klantwaarde.wording.message import Message

Section = Literal["correct", "timely", "complete", "ground"]
Level = Literal["info", "warning"]


class Setting(NamedTuple):
    """The setting that a remedy needs; each reader sees it as they write it, or not at all."""

    name: str
    value: str | None = None


@dataclass(frozen=True)
class Check:
    """One finding: what, how many, how much money, examples, and what to do."""

    section: Section
    check: str
    level: Level
    count: int
    said: Message
    money: float | None = None
    examples: tuple[Message, ...] = ()
    remedy: Message | None = None
    setting: Setting | None = None

    @property
    def text(self) -> str:
        """The finding in English."""
        return str(self.said)

    def as_dict(self) -> dict[str, Any]:
        """Plain values: the English words, and beside them the code and fields that they were made of."""
        return {
            "section": self.section,
            "check": self.check,
            "level": self.level,
            "count": self.count,
            "text": self.text,
            "money": self.money,
            "examples": self.examples,
            "remedy": self.remedy,
            "setting": None if self.setting is None else self.setting._asdict(),
            **as_data(self.said),
        }


def share(part: Any, whole: Any) -> float:
    """A part of a whole; 0 of nothing."""
    return float(part) / float(whole) if whole else 0.0


def plain(money: Any) -> float | None:
    """Money as a float."""
    return None if money is None else float(money)
