"""How the base moved: stages at both ends of a period, ledger, statement and pyramid, one period after another."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from klantwaarde.asset.ledger import Account, Ledger, ledger
from klantwaarde.asset.migration import Migration, migration
from klantwaarde.asset.statement import Statement, opening_and_closing, statement
from klantwaarde.calendar import FEWEST, month_end, read_step, year_before
from klantwaarde.errors import BadParameters
from klantwaarde.lifecycle.calibration import Calibration, calibration
from klantwaarde.lifecycle.rules import STAGES, Cuts
from klantwaarde.lifecycle.stages import Before, Stages, stages
from klantwaarde.outcome.kinds import Plain
from klantwaarde.purchases.customers import customers
from klantwaarde.value.score import Scored, score
from klantwaarde.value.terms import Fits, Terms, fits_of
from klantwaarde.wording.message import Message, message

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from klantwaarde.job.progress import Say
    from klantwaarde.purchases.orders import Orders

YEAR = 365


class Standing(NamedTuple):
    """The base at one date: scored, and its stages kept in the engine."""

    scored: Scored
    stages: Stages
    kept: Before


@dataclass(frozen=True)
class Period:
    """What changed between two dates; `statement` is None without amounts, or without a spend fit at either date.

    unequal: why the pyramids of both dates are not to be compared, where "last year" is a year at one of them only.
    """

    start: dt.date
    end: dt.date
    before: Standing
    after: Standing
    ledger: Ledger
    statement: Statement | None
    migration: Migration
    unequal: Message | None = None


def dates_between(first: dt.date, end: dt.date, every: str) -> tuple[dt.date, ...]:
    """Ends of months, quarters or years up to `end`, the last of them `end` itself, from the first that can be fitted.

    Raises BadParameters for another step, or where there are not two such days.
    """
    found, step = [end], read_step(every, "every")
    last = (end + dt.timedelta(days=1)).replace(day=1) - dt.timedelta(days=1)
    month = last.year * 12 + last.month - 1
    month -= (month + 1) % step
    day = month_end(month)
    if day == end:
        month -= step
    while (day := month_end(month)) >= first + dt.timedelta(days=FEWEST):
        found.append(day)
        month -= step
    if len(found) < 2:
        raise BadParameters(
            f"Between the first order ({first}) and {end} there is no end of a {every} with {FEWEST} days of orders "
            "before it. Take shorter periods, or more orders."
        )
    return tuple(reversed(found))


@dataclass(frozen=True)
class Method:
    """How the base is valued and staged at every date: a timing model, the terms, and the rules of stages."""

    model: type[Any] | str
    terms: Terms
    unit: str
    rules: str = "default"
    cuts: Cuts | None = None


def standing_at(
    orders: Orders, day: dt.date, method: Method, earlier: Before | None = None, fits: Fits | None = None
) -> Standing:
    """The base at a day, by orders up to it and models fitted on them (or the ones given)."""
    base = customers(orders, day, method.unit)
    scored = score(base, fits or fits_of(base, method.model), method.terms)
    return staged(scored, orders, method, earlier)


def staged(
    scored: Scored, orders: Orders, method: Method, earlier: Before | None = None, path: Path | None = None
) -> Standing:
    """A scored base with its stages, which are written to a path where one is given."""
    found = stages(scored, orders, rules=method.rules, cuts=method.cuts, previous=earlier)
    return Standing(scored, found, found.kept(found.write(path) if path else None))


def period(before: Standing, after: Standing, orders: Orders, by: str | None = None, attributes: Any = None) -> Period:
    """What changed between two standings of the same orders."""
    made: tuple[Any, Any] = (before.kept, after.kept)
    start, end = before.scored.terms.as_of, after.scored.terms.as_of
    money = orders.has_money and before.scored.spend is not None and after.scored.spend is not None
    if money:  # the statement's standings serve all three
        made = opening_and_closing(before.scored, after.scored, made)
    books = ledger(before.scored, after.scored, orders, stages=made, by=by, attributes=attributes)
    made = (books.before, books.after)
    return Period(
        start,
        end,
        before,
        after,
        books,
        statement(before.scored, after.scored, orders, stages=books) if money else None,
        migration(before.scored, after.scored, expected=_expected(before.scored, after.scored), standings=made),
        unequal_years(before.scored, after.scored),
    )


def unequal_years(before: Scored, after: Scored) -> Message | None:
    """Why the pyramids by "last year" are not to be compared; None where both dates have a year of orders behind them.

    With 283 days at the first date and 365 at the second most customers rise, whatever they do.
    """
    first = after.customers.totals["first_order"]
    if before.terms.rank_by != "last_year" or first <= year_before(before.terms.as_of) + dt.timedelta(days=1):
        return None
    days = [min((scored.terms.as_of - first).days + 1, YEAR) for scored in (before, after)]
    return message("pyramids_not_compared", before=days[0], after=days[1], day=first + dt.timedelta(days=YEAR - 1))


def _expected(before: Scored, after: Scored) -> bool:
    """Whether moves by chance can be told: of what the last year brought, with a year between the dates at most."""
    near = (after.terms.as_of - before.terms.as_of).days <= 366
    return near and before.terms.rank_by == "last_year" and (before.spend is not None or not _has_money(before))


def _has_money(scored: Scored) -> bool:
    return scored.customers.orders.has_money


def periods(
    orders: Orders, days: tuple[dt.date, ...], method: Method, say: Say, by: str | None = None, attributes: Any = None
) -> tuple[Period, ...]:
    """The periods between these days, one after another; each date's models are fitted on the orders up to it."""
    found: list[Period] = []
    before: Standing | None = None
    for day in days:
        say(f"valuing and staging the base on {day}")
        after = standing_at(orders, day, method, before.kept if before else None)
        if before is not None:
            found.append(period(before, after, orders, by, attributes))
        before = after
    return tuple(found)


def stage_flows(found: Period) -> list[Plain]:
    """Customers who went from one stage to another, `before` None for who was not there yet; the largest first."""
    moves = sorted(found.ledger.stages.items(), key=lambda move: (-move[1], move[0][0] or "", move[0][1] or ""))
    return [{"before": before, "after": after, "customers": n} for (before, after), n in moves if after is not None]


def calibrated(orders: Orders, Model: Any, as_of: dt.date, unit: str) -> Calibration:
    """Limits of lost at a day, from the orders up to it."""
    return calibration(orders, Model, as_of=as_of, unit=unit)


def told(found: Period, lost: Calibration | None = None) -> Plain:
    """A period in plain values, for JSON and the report."""
    return {
        "start": found.start,
        "end": found.end,
        "rules": found.after.stages.rules.version,
        "cuts": found.after.stages.cuts.told,
        "lost_told": lost.told if lost else None,
        "stages": {"before": _stage_counts(found, 0), "after": _stage_counts(found, 1)},
        "days_in_stage": found.after.kept.days_in_stage(),
        "ledger": account_told(found.ledger.total),
        "accounts": [account_told(account) for account in found.ledger.accounts],
        "statement": _statement_told(found.statement),
        "migration": None if found.unequal else _migration_told(found.migration),
        "migration_unequal": found.unequal,
    }


def _stage_counts(found: Period, end: int) -> dict[str, int]:
    """Customers per stage at one end, all nine."""
    moves = found.ledger.stages.items()
    return {stage: sum(n for stages_, n in moves if stages_[end] == stage) for stage in STAGES}


def account_told(account: Account) -> Plain:
    """The ledger of one account."""
    lines = {name: line._asdict() | {"change": line.change} for name, line in account.lines.items()}
    won, won_back, lost = account.flow.gross
    return {
        "label": account.label,
        "flow": account.flow._asdict() | {"net": account.flow.net},
        "gross": {"won": won, "won_back": won_back, "lost": lost},
        "lines": lines,
        "opening": account.opening,
        "closing": account.closing,
        "won_value": account.won_value,
        "lost_value": account.lost_value,
    }


STATEMENT = ("opening", "unwind", "released", "spend", "frequency", "retention", "new_customers", "model_change",
             "closing")  # fmt: skip


def _statement_told(found: Statement | None) -> Plain | None:
    if found is None:
        return None
    lines = {name: getattr(found, name) for name in STATEMENT}
    return lines | {
        "experience": found.experience,
        "expected_closing": found.expected_closing,
        "by_line": dict(found.by_line),
        "memo": {"known": found.known._asdict(), "new": found.new._asdict()},
    }


def _migration_told(found: Migration) -> Plain:
    cells = [
        {"before": before, "after": after, **cell._asdict()}
        for (before, after), cell in found.cells.items()
        if cell.customers
    ]
    chance = found.chance
    return {
        "cells": cells,
        "ups": found.ups,
        "downs": found.downs,
        "thresholds": found.thresholds._asdict() if found.thresholds else None,
        "chance": None if chance is None else _chance_told(chance),
    }


def _chance_told(chance: Any) -> Mapping[str, Any]:
    sides = {name: getattr(chance, name) for name in ("ups", "downs")}
    return {"customers": chance.customers, "of": chance.of} | {
        name: side._asdict() | {"excess": side.excess} for name, side in sides.items()
    }
