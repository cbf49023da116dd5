"""Batches of orders: one as the state keeps it, and all of them together as the orders of a run."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from klantwaarde.engine import types as of_type
from klantwaarde.engine.duckdb import DuckDB
from klantwaarde.engine.relation import Relation, query
from klantwaarde.engine.relation import named as named_rows
from klantwaarde.errors import BadOrders, BadParameters, named
from klantwaarde.purchases.identity import spellings
from klantwaarde.purchases.mends import Mends, dropped
from klantwaarde.purchases.orders import Orders, refuse_too_much, with_lines
from klantwaarde.purchases.window import window

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

COUNTS = ("lines", "no_customer", "no_date", "no_amount", "set_aside", "no_customer_no_date", "negative", "zero",
          "no_margin", "dropped", "rounded", "left_out")  # fmt: skip
MONEYS = ("amount", "no_customer_amount", "no_date_amount", "set_aside_amount", "negative_amount", "gross_amount",
          "set_aside_gross", "margin", "dropped_amount", "left_out_amount")  # fmt: skip
"""The parts of a profile that add up over batches. Its days are looked up anew: what is future now is not tomorrow."""
LATER = ("left_out", "left_out_amount")
"""Those that batches of before do not have: none of it was counted then."""


def embedded(orders: Orders) -> DuckDB:
    """The engine of orders that a state can keep."""
    if isinstance(orders.engine, DuckDB):
        return orders.engine
    raise BadParameters(f"A state is kept by {named('engine', 'duckdb')} only. Leave one of engine and state out.")


def batch_id(orders: Orders) -> str:
    """A name made of what the lines say, those set aside too: the same for any order of them and any engine's version.

    Sums of hashes do not depend on the order; md5 is the same everywhere. Lengths stand before ids, because an id may
    hold any mark.
    """
    said = ", '|', ".join(f"coalesce(cast({name} as varchar), '-')" for name in ("day", "amount", "margin"))
    customer = "coalesce(length(cast(customer_id as varchar)) || ':' || cast(customer_id as varchar), '-')"
    texts = f"select concat({customer}, '|', {said}) as said from {orders.all_lines}"
    sums = "sum(md5_number_lower(said)) as low, sum(md5_number_upper(said)) as high"
    told = embedded(orders).one(f"select count(*) as n, {sums} from ({texts}) as t")
    return hashlib.sha256(f"{told['n']} {told['low']} {told['high']}".encode()).hexdigest()[:16]


def traits(orders: Orders) -> dict[str, Any]:
    """What all batches of a state must have in common."""
    embedded(orders)
    kind = orders.lines.columns()["customer_id"]
    return {
        "id_type": kind,
        "has_money": orders.has_money,
        "has_margin": orders.has_margin,
        "folds": orders.chosen.folds,
    }


def write_batch(orders: Orders, rows: Relation, path: Path, came: int = 0) -> None:
    """Rows (new lines, or those of other batches) summed per customer, day, order number and sign, in a file.

    came: how many batches came before new lines.
    """
    query("batch", all_lines=rows, has_money=orders.has_money, came=came).write_parquet(path)


def open_batches(orders: Orders, files: Sequence[Path]) -> Relation:
    """The rows of these batches."""
    engine = embedded(orders)
    missing = [str(file) for file in files if not file.exists()]
    if missing:
        raise BadOrders(f"The state lacks {', '.join(missing)}. Put it back from a backup, or begin a new state.")
    name = engine.new_name("kept")
    engine.open_files(name, [*map(str, files)], ("order_id", "return_of", "came"))  # not kept by earlier versions
    return named_rows(engine, name)


class Met(NamedTuple):
    """The customers of a batch, those of them who are in the state, and how usual it is there to come back."""

    customers: int
    known: int
    returning: float
    """Share of the customer-days in the state that were not the first of their customer."""


def met(orders: Orders, new: Path, earlier: Sequence[Path]) -> Met:
    """How well a batch knows the state. How usual it is to come back is counted only if few of it are known."""
    engine = embedded(orders)
    fresh = f"(select distinct customer_id from {open_batches(orders, [new])} where usable) as fresh"
    if not earlier:
        return Met(engine.one(f"select count(*) as n from {fresh}")["n"], 0, 0.0)
    rows = f"(select customer_id from {open_batches(orders, earlier)} where usable)"
    found = engine.one(f"select count(*) as n from {fresh} where customer_id in {rows}")["n"]
    customers = engine.one(f"select count(*) as n from {fresh}")["n"]
    if found >= customers / 10:
        return Met(customers, found, 0.0)
    days = engine.one(f"select count(*) as days, count(distinct customer_id) as n from {rows} as t")
    return Met(customers, found, 1 - days["n"] / days["days"] if days["days"] else 0.0)


def merged(orders: Orders, kept: Relation, profile: dict[str, Any], batches: int) -> Orders:
    """All orders ever: `kept` are the rows of all batches, `profile` is their sum. Examples come from the new batch."""
    lines = Relation(orders.engine, _usable(orders, kept)).view("lines")
    overlap = _overlap(orders, lines) if orders.columns.order_id is not None else None
    if orders.mends.latest:
        mended = Mends(latest=True).mended(lines)
        profile = _without(profile, dropped(lines, mended))
        lines = mended
    today = {"today": orders.profile["today"]}
    days = query("days", kept=kept, **today).one() | today
    refuse_too_much(profile)
    numbered = bool(lines.where_known("order_id").first(1).rows())
    seen = window(lines, orders.profile["today"])
    every = replace(orders, profile=profile | days, window=seen, batches=batches, numbered=numbered, overlap=overlap)
    return with_lines(every, lines)


def _overlap(orders: Orders, lines: Relation) -> Mapping[str, Any]:
    """Orders of the new batch that earlier ones have too."""
    return query("orders_overlapping", batch=orders.lines, lines=lines).one()


def _without(profile: dict[str, Any], gone: Mapping[str, Any]) -> dict[str, Any]:
    """A profile after lines were dropped that came again in a later batch."""
    money = gone["dropped_amount"]
    less = {"lines": profile["lines"] - gone["dropped"], "dropped": profile["dropped"] + gone["dropped"]}
    if money is None:
        return profile | less
    moneys = {"amount": profile["amount"] - money, "dropped_amount": (profile["dropped_amount"] or 0) + money}
    return profile | less | moneys


def _usable(orders: Orders, kept: Relation) -> str:
    """SQL of the rows that count; ids that are written differently in other batches are folded once more."""
    usable = f"select * from {kept} where usable"
    text = of_type.is_text(kept.columns()["customer_id"])
    table = (
        spellings(orders.engine, f"({usable}) as k", "customer_id", "lines") if orders.chosen.folds and text else None
    )
    if table is None:
        return usable
    others = [name for name in kept.columns() if name != "customer_id"]
    columns = ", ".join(["coalesce(m.kept, k.customer_id) as customer_id", *(f"k.{name}" for name in others)])
    return f"select {columns} from ({usable}) as k left join {table} as m on m.spelling = k.customer_id"


def profile_of(orders: Orders) -> dict[str, Any]:
    """The part of a batch's profile that is kept."""
    return {name: orders.profile[name] for name in (*COUNTS, *MONEYS, "zones")}


def total(profiles: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The profile of several batches; money that no batch has stays empty."""
    counts = {name: sum(profile.get(name, 0) for profile in profiles) for name in COUNTS}
    moneys = {name: [profile[name] for profile in profiles if profile.get(name) is not None] for name in MONEYS}
    sums = {name: sum(found, Decimal(0)) if found else None for name, found in moneys.items()}
    return counts | sums | {"zones": max(profile["zones"] for profile in profiles)}


def refuse_incomplete(profile: dict[str, Any]) -> None:
    """Raise KeyError for a profile that lacks a part."""
    for name in (*COUNTS, *MONEYS, "zones"):
        if name not in profile and name not in LATER:
            raise KeyError(name)


def profile_told(profile: dict[str, Any]) -> dict[str, Any]:
    """A profile for JSON: money as text, to the last digit."""
    return {name: str(value) if isinstance(value, Decimal) else value for name, value in profile.items()}


def profile_read(told: dict[str, Any]) -> dict[str, Any]:
    """A profile from JSON."""
    return {name: Decimal(value) if name in MONEYS and value is not None else value for name, value in told.items()}
