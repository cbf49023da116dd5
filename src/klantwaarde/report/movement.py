"""What the page needs to tell how the base moved: matrices, lines, and the steps of the statement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from klantwaarde.asset.ledger import LINES
from klantwaarde.asset.migration import STATES
from klantwaarde.asset.statement import PARTS
from klantwaarde.lifecycle.rules import STAGES
from klantwaarde.outcome.kinds import Plain
from klantwaarde.purchases.schema import TIERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from klantwaarde.report.locale import Speech

ABSENT = "absent"
"""Where customers are counted who were not there yet at the first date."""
USUAL = ("new", "won_back", "lost", "up", "down")
"""Lines of the ledger that are told even when nobody is on them."""
SIGNAL = 0.05
"""Moves of a lower p are said to be more, or fewer, than chance makes."""


class Step(NamedTuple):
    """A bar of the waterfall: from one level to the next; a total stands on 0."""

    name: str
    start: float
    end: float
    is_total: bool

    @property
    def amount(self) -> float:
        """What the bar says: the level of a total, the change of another."""
        return self.end - self.start


class Grid(NamedTuple):
    """A matrix of movement: names of rows (before) and columns (after), and what is known of each pair."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: Mapping[tuple[str, str], Mapping[str, Any]]

    def customers(self, row: str | None = None, column: str | None = None) -> int:
        """How many went from a row to a column; None: from or to any."""
        return sum(
            cell["customers"]
            for (before, after), cell in self.cells.items()
            if row in {None, before} and column in {None, after}
        )


def moves(told: Mapping[str, Any] | None) -> Plain | None:
    """What the template tells of a period, from its plain values; None where there is no earlier date."""
    if not told:
        return None
    return {
        "told": told,
        "stages": stage_rows(told["stages"]),
        "days_in_stage": told.get("days_in_stage") or {},
        "flows": grid(told.get("flows") or (), (ABSENT, *STAGES)),
        "tiers": grid(told["migration"]["cells"], STATES, TIERS) if told["migration"] else None,
        "lines": ledger_rows(told["ledger"]["lines"]),
        "counts": count_rows(told["ledger"]),
        "steps": steps(told["statement"]) if told["statement"] else [],
        "by_line": experience_rows(told["statement"]) if told["statement"] else [],
    }


def stage_rows(stages: Mapping[str, Mapping[str, int]]) -> list[tuple[str, int, int]]:
    """(stage, customers before, customers after), without prospects where there never were any."""
    rows = [(name, stages["before"].get(name, 0), stages["after"].get(name, 0)) for name in STAGES]
    return [row for row in rows if row[0] != "prospect" or row[1] or row[2]]


def grid(cells: Iterable[Mapping[str, Any]], order: Sequence[str], always: Sequence[str] = ()) -> Grid:
    """The matrix of these cells; names in an order, unknown ones at the end, without those of nobody but `always`.

    A cell without a stage before or after is of someone not known at that date.
    """
    known = {(cell["before"] or ABSENT, cell["after"] or ABSENT): cell for cell in cells if cell["customers"]}
    named = [*order, *sorted({name for pair in known for name in pair} - set(order))]
    rows, columns = (
        tuple(name for name in named if name in always or any(pair[side] == name for pair in known)) for side in (0, 1)
    )
    return Grid(rows, columns, known)


def ledger_rows(lines: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """The lines of the ledger in order, the usual ones and those on which there is anybody."""
    return [(name, lines[name]) for name in LINES if name in lines and (name in USUAL or lines[name]["customers"])]


def count_rows(ledger: Mapping[str, Any]) -> list[tuple[str, int, int]]:
    """(opening, new, won_back, lost or closing, net, gross), gross with the turns within the period on both sides."""
    flow, gross = ledger["flow"], ledger["gross"]
    turns = [
        (name, flow[name], gross[told]) for name, told in (("new", "won"), ("won_back", "won_back"), ("lost", "lost"))
    ]
    return [("opening", flow["opening"], flow["opening"]), *turns, ("closing", flow["closing"], flow["closing"])]


def steps(statement: Mapping[str, Any]) -> list[Step]:
    """The statement as a waterfall, with what was expected of the opening customers as a total on the way."""
    found, level = [], 0.0
    for name in PARTS:
        if name == "spend":
            found.append(Step("expected_closing", 0.0, float(statement["expected_closing"]), is_total=True))
        is_total = name in {"opening", "closing"}
        change = -float(statement[name]) if name == "released" else float(statement[name])
        start = 0.0 if is_total else level
        level = start + change
        found.append(Step(name, start, level, is_total))
    return found


def experience_rows(statement: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Experience by line of the ledger, those that have any; they add up to it."""
    by_line = statement["by_line"]
    return [(name, by_line[name]) for name in LINES if by_line.get(name)]


def verdict(side: Mapping[str, Any]) -> str:
    """Whether there are more, fewer or no other moves than chance makes."""
    if side["p"] is None or side["p"] >= SIGNAL:
        return "even"
    return "more" if side["excess"] > 0 else "fewer"


def chance_told(told: Mapping[str, Any] | None, speech: Speech) -> str:
    """How many more or fewer moved up and down than chance makes, in a sentence each."""
    chance = ((told or {}).get("migration") or {}).get("chance")
    if not chance:
        return ""
    return " ".join(
        speech.word(
            f"chance_{verdict(chance[name])}",
            actual=speech.count(word, chance[name]["actual"]),
            expected=speech.number(chance[name]["expected"]),
            excess=speech.number(abs(chance[name]["excess"])),
        )
        for name, word in (("ups", "went_up"), ("downs", "went_down"))
    )
