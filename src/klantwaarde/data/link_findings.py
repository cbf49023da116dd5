"""What the rules on links say and did: each rule in words, counted, with examples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from klantwaarde.data import link_rules
from klantwaarde.data.engine import Engine, statement
from klantwaarde.data.link_rules import HUB, Columns, Tally
from klantwaarde.data.parse import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Sequence

NUMBERS = ("anyway", "acceleration", "incentive", "acquisition")
NO_LINK = {  # rules that take a line away, in the order in which they are looked at
    "no id": "one of the two ids is missing: dropped",
    "self": "somebody linked to themselves: dropped",
    "future": "dated after today: dropped",
    "after the end": "dated after the end of observation, so not known at it: dropped",
    "both unknown": "neither of the two is a customer: dropped",
    "target unknown": "the referred or influenced one is no customer, so there is no value to share: dropped",
    "no weight": "the weight is missing, cannot be read, or is not finite (or beyond 1e100): dropped",
    "zero weight": "a weight of zero: dropped",
    "negative weight": "a negative weight: dropped, since values might turn negative; negative='keep' keeps it",
    "repeated": "the same two again: weights are summed into one link, of referrals the first (by day, row) stays",
    "second referrer": "somebody else referred this customer before (by day, then row): dropped",
    "circle cut": "closes a circle of referrals, as the latest of it (by day, then row): dropped",
    "cancelled": "the weights of the same two sum to zero: dropped",
}
STAYS = {  # rules that leave the link
    "circle kept": "influence that comes back along other links: kept, value settles",
    "source outside": "the referrer or influencer is no customer: kept, with no value of their own",
    "after first order": "the referral is dated after the first order of the one referred: kept, doubtful",
    "unreadable date": "the date cannot be read: kept without a day",
    "bad anyway": "the chance of coming anyway is no number from 0 to 1: kept with the default",
    "no anyway": "no chance of coming anyway is given: the default",
    "bad acceleration": "the acceleration is negative or no number: counts as 0 days",
    "bad incentive": "the incentive is negative or no number: counts as 0 (costs are positive here)",
    "bad acquisition": "the acquisition cost saved is negative or no number: counts as 0",
    "hub": f"sources of {HUB:,} links or more: kept",
    "ids as numbers": "customers found although one side writes ids as text and the other as numbers",
    "ids alike": "ids that fit several customers: the one written just so, else the first",
    "empty": "the source has columns and no lines: no links",
}
RULES = NO_LINK | STAYS
MARKS = ("source outside", "after first order", "unreadable date", *(f"bad {name}" for name in NUMBERS))
"""What is marked on a line, as bits 1, 2, 4, ... of `marks`."""


@dataclass(frozen=True)
class Finding:
    """What a rule did: how many lines or ids it applied to, the lines it took away, the rule, examples."""

    kind: str
    count: int
    dropped: int
    rule: str
    examples: tuple[str, ...] = ()


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
            tuple(f"row {line}: {' -> '.join(texts[line])}" for line in tally.lines),
        )
        for tally in tallies
        if tally.count
    ]


def hubs(engine: Engine, given: str, links: Columns) -> list[Finding]:
    """The sources with very many links, by name."""
    found = list(link_rules.hubs(links))
    texts = _line_texts(engine, given, {line for line, _ in found[:EXAMPLES]})
    named = tuple(f"{texts[line][0]}: {count:,} links" for line, count in found[:EXAMPLES])
    return [Finding("hub", len(found), 0, RULES["hub"], named)] if found else []


def _line_texts(engine: Engine, given: str, lines: set[int]) -> dict[int, tuple[str, str]]:
    if not lines:
        return {}
    listed = ", ".join(map(str, sorted(lines)))
    keys = ", ".join(f"coalesce(cast({end}_key as varchar), 'none') as {end}" for end in ("source", "target"))
    rows = engine.rows(f"select line, {keys} from {given} where line in ({listed})")
    return {row["line"]: (row["source"], row["target"]) for row in rows}
