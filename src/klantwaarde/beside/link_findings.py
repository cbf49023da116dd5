"""What the rules on links say and did: each rule in words, counted, with examples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from klantwaarde.beside import link_rules
from klantwaarde.beside.link_rules import HUB, Columns, Tally
from klantwaarde.engine.protocol import Engine
from klantwaarde.engine.statement import statement
from klantwaarde.sources.parse import EXAMPLES
from klantwaarde.wording.message import Message, message

if TYPE_CHECKING:
    from collections.abc import Sequence

NUMBERS = ("anyway", "acceleration", "incentive", "acquisition")
NO_LINK = (  # rules that take a line away, in the order in which they are looked at
    "no id",
    "self",
    "future",
    "after the end",
    "both unknown",
    "target unknown",
    "no weight",
    "zero weight",
    "negative weight",
    "repeated",
    "second referrer",
    "circle cut",
    "cancelled",
)
STAYS = (  # rules that leave the link
    "circle kept",
    "source outside",
    "after first order",
    "unreadable date",
    "bad anyway",
    "no anyway",
    "bad acceleration",
    "bad incentive",
    "bad acquisition",
    "hub",
    "ids as numbers",
    "ids alike",
    "empty",
)
RULES = {kind: message(f"rule_{kind.replace(' ', '_')}") for kind in (*NO_LINK, *STAYS) if kind != "hub"}
RULES["hub"] = message("rule_hub", links=HUB)
MARKS = ("source outside", "after first order", "unreadable date", *(f"bad {name}" for name in NUMBERS))
"""What is marked on a line, as bits 1, 2, 4, ... of `marks`."""


@dataclass(frozen=True)
class Finding:
    """What a rule did: how many lines or ids it applied to, the lines it took away, the rule, examples."""

    kind: str
    count: int
    dropped: int
    rule: Message
    examples: tuple[Message, ...] = ()


def faults(engine: Engine, judged: str) -> list[Tally]:
    """What the rules of the engine took away."""
    rows = engine.rows(statement("links_faults", judged=judged), {"examples": EXAMPLES})
    found: dict[str, Tally] = {}
    for row in rows:
        before = found.get(row["fault"], Tally(row["fault"], row["lines"], (), row["lines"]))
        found[row["fault"]] = replace(before, lines=(*before.lines, int(row["line"])))
    return [found[kind] for kind in NO_LINK if kind in found]


def marked(links: Columns, kind: str) -> list[Tally]:
    """What is marked on links that stay."""
    tallies = [
        link_rules.tally(mark, links.line[(links.marks & (1 << bit)) != 0], dropped=False)
        for bit, mark in enumerate(MARKS)
    ]
    if kind == "referrals":
        bad = (links.marks & (1 << MARKS.index("bad anyway"))) != 0
        tallies.append(link_rules.tally("no anyway", links.line[np.isnan(links.anyway) & ~bad], dropped=False))
    return tallies


def findings(engine: Engine, given: str, tallies: Sequence[Tally]) -> list[Finding]:
    """Findings with the ids of their example lines."""
    texts = _line_texts(engine, given, {line for tally in tallies for line in tally.lines})
    return [
        Finding(
            tally.kind,
            tally.count,
            tally.dropped,
            RULES[tally.kind],
            tuple(_example(line, *texts[line]) for line in tally.lines),
        )
        for tally in tallies
        if tally.count
    ]


def hubs(engine: Engine, given: str, links: Columns) -> list[Finding]:
    """The sources with very many links, by name."""
    found = list(link_rules.hubs(links))
    texts = _line_texts(engine, given, {line for line, _ in found[:EXAMPLES]})
    named = tuple(message("example_links", id=texts[line][0], n=count) for line, count in found[:EXAMPLES])
    return [Finding("hub", len(found), 0, RULES["hub"], named)] if found else []


def _example(row: int, source: str | None, target: str | None) -> Message:
    return message("example_link", row=row, source=source, target=target)


def _line_texts(engine: Engine, given: str, lines: set[int]) -> dict[int, tuple[str | None, str | None]]:
    if not lines:
        return {}
    listed = ", ".join(map(str, sorted(lines)))
    keys = ", ".join(f"cast({end}_key as varchar) as {end}" for end in ("source", "target"))
    rows = engine.rows(f"select line, {keys} from {given} where line in ({listed})")
    return {row["line"]: (row["source"], row["target"]) for row in rows}
