"""Movement in the value pyramid between two dates: who went up, who went down, and how much of it is chance."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
import pyarrow as pa

from klantwaarde.asset.chance import Chance, Histories, chance_of
from klantwaarde.asset.ledger import NONE
from klantwaarde.asset.standing import NO_VALUE, Standing, is_priced, known_table, of_source, pair_engine, placing
from klantwaarde.calendar import check_unit, year_before
from klantwaarde.engine.protocol import Engine
from klantwaarde.engine.relation import Relation, query, registered
from klantwaarde.errors import BadOrders, BadParameters
from klantwaarde.purchases.schema import TIERS
from klantwaarde.shown import html_table
from klantwaarde.value.score import Scored
from klantwaarde.value.tiers import tier_sizes

if TYPE_CHECKING:
    from collections.abc import Mapping

Ranks = Literal["frozen", "relative"]
STATES = (*TIERS, "prospect", "absent")
"""Rows and columns of the matrix. absent: not there yet at the first date, or unknown at the second."""
SAMPLE = 100_000  # customers whose moves are compared with chance
NEVER = float("inf")
YEAR = 366  # days: what is measured is the last twelve months

FAULTS = {
    "no_id": "have no customer_id: leave them out",
    "twice": "name a customer a second time: keep one row per customer",
    "no_tier": f"have no tier, or another than {', '.join(STATES[:-1])}: rename it",
    "no_value": NO_VALUE,
}


class Thresholds(NamedTuple):
    """The lowest measure in each tier at the base date; infinite for a tier that is empty."""

    top: float
    large: float
    medium: float


class Cell(NamedTuple):
    """The customers who went from one tier to another, and their value at both dates."""

    customers: int = 0
    opening: Decimal = NONE
    closing: Decimal = NONE


@dataclass(frozen=True, repr=False)
class Migration:
    """The matrix of movement; customers behind a cell are asked for when wanted."""

    moved: Relation
    """Every customer of either date: customer_id, tier_before, tier_after, opening, closing."""
    cells: Mapping[tuple[str, str], Cell]
    """By (tier before, tier after), all pairs of STATES."""
    ranks: Ranks
    thresholds: Thresholds | None
    """In the measure that ranks; None for relative ranks and for tables that bring their own tiers."""
    chance: Chance | None = None

    def __repr__(self) -> str:
        """Short: how many moved."""
        return f"<Migration, {self.ranks} ranks: {self.ups:,} up, {self.downs:,} down>"

    def _repr_html_(self) -> str:
        rows = [(row, *(f"{self.cells[row, column].customers:,}" for column in STATES)) for row in STATES]
        return html_table(("from / to", *STATES), rows)

    @property
    def matrix(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Customers, rows by the tier before and columns by that after, in the order of STATES."""
        return np.array([[self.cells[row, column].customers for column in STATES] for row in STATES], dtype=np.int64)

    @property
    def before(self) -> dict[str, Cell]:
        """The pyramid of the first date: the sums of the rows."""
        return {row: _sum([self.cells[row, column] for column in STATES]) for row in STATES}

    @property
    def after(self) -> dict[str, Cell]:
        """The pyramid of the second date: the sums of the columns."""
        return {column: _sum([self.cells[row, column] for row in STATES]) for column in STATES}

    @property
    def ups(self) -> int:
        """Customers who rose, of those in a tier at both dates."""
        return int(np.tril(self.matrix[: len(TIERS), : len(TIERS)], -1).sum())

    @property
    def downs(self) -> int:
        """Customers who fell, of those in a tier at both dates."""
        return int(np.triu(self.matrix[: len(TIERS), : len(TIERS)], 1).sum())

    def customers(self, before: str, after: str, most: int | None = None) -> pa.Table:
        """The customers behind a cell, the largest change of value first. Raises BadParameters for unknown tiers."""
        for tier in (before, after):
            if tier not in STATES:
                raise BadParameters(f"tier {tier!r} is not one of {', '.join(STATES)}.")
        behind = query("migration_behind", moved=self.moved, tier_before=before, tier_after=after)
        return behind.first(most).arrow()


def migration(
    before: Scored | Any,
    after: Scored | Any,
    expected: bool | int | None = None,
    *,
    ranks: Ranks = "frozen",
    standings: tuple[Standing, Standing] | None = None,
) -> Migration:
    """Who stands where in the pyramid at two dates.

    before, after: scored customers of the same orders, or plain tables with customer_id, value and either tier or
    measure (what ranks; active is who has more than 0). ranks: frozen, both dates by the money that parted the tiers
    at the first, so that ups and downs are of customers and not of each other; relative, each date by its own ranks.
    Equal measures at a floor stand above it, so that the frozen pyramid can hold more than the ranked one.
    expected: True, or a number of customers to look at (True: 100,000): adds the moves that chance alone makes, for
    scored customers ranked by the last year, frozen. standings: of a ledger of the same scored customers, which are
    then not placed again. Raises BadOrders for rows, BadParameters for arguments.
    """
    if ranks not in get_args(Ranks):
        raise BadParameters(f"ranks={ranks!r} is not one of {', '.join(get_args(Ranks))}.")
    _refuse_terms(before, after, expected, ranks)
    engine = pair_engine(before, after)
    frozen = ranks == "frozen"
    made = (of_source(standings[0], before), of_source(standings[1], after)) if standings else (None, None)
    first, floors = _placed(engine, before, None, made[0], ranked=not frozen)
    second, _ = _placed(engine, after, floors, made[1], ranked=not frozen)
    view = query("migration_moved", before=first, after=second).kept("moved", on_disk=True)
    told = Migration(view, _cells(view), ranks, floors if frozen else None)
    if not expected:
        return told
    return replace(told, chance=_by_chance(told, before, after, SAMPLE if expected is True else int(expected)))


def _refuse_terms(before: Any, after: Any, expected: bool | int | None, ranks: str) -> None:
    scored = isinstance(before, Scored) and isinstance(after, Scored)
    if scored and before.terms.rank_by != after.terms.rank_by:
        raise BadParameters(
            f"before is ranked by {before.terms.rank_by}, after by {after.terms.rank_by}: score both by one measure."
        )
    if not expected:
        return
    if not scored or ranks != "frozen" or before.terms.rank_by != "last_year":
        raise BadParameters("expected= needs scored customers, ranked by last_year, with frozen thresholds.")
    if (after.terms.as_of - before.terms.as_of).days > YEAR:
        raise BadParameters("expected= looks at most one year ahead: take two dates that are nearer to each other.")
    if before.customers.orders.has_money and before.spend is None:
        raise BadParameters("expected= needs a spend model where the orders carry amounts: give score() one.")


def _placed(
    engine: Engine, source: Any, floors: Thresholds | None, made: Standing | None, *, ranked: bool
) -> tuple[Relation, Thresholds | None]:
    """Customers with customer_id, tier, value; and the floors of the tiers."""
    if isinstance(source, Scored) and ranked:
        table = source.rows.kept("ranked")
        value = "rlv" if is_priced(source) else "dert"
        placed = query("migration_priced", customers=table.select("customer_id", "tier", value=value)).view("placed")
    else:
        standing, own = _standing(engine, source) if made is None else (made.table.where("is_scored"), False)
        if own:
            placed = standing
        else:
            floors = _floors(standing, source) if floors is None or ranked else floors
            parting = pa.table({name: [value] for name, value in floors._asdict().items()})
            thresholds = registered(engine, "thresholds", parting)
            placed = query("migration_placed", standing=standing, thresholds=thresholds).view("placed")
    if made is None:
        _refuse_faults(placed)
    return placed, floors


def _standing(engine: Engine, source: Any) -> tuple[Relation, bool]:
    """What places customers; whether it has tiers of its own."""
    if isinstance(source, Scored):
        return placing(source).kept("standing"), False
    given = known_table(engine, source, "customers", ("customer_id", "value"))
    has = given.columns()
    own = "tier" in has
    if not own and "measure" not in has:
        raise BadOrders(f"The customers need a column tier or measure; there are {', '.join(has)}.")
    if own:
        return query("migration_tiers", customers=given).view("placed"), True
    known = "is_active" in has
    places = query("migration_measured", customers=given.padded(is_active="boolean"), has_active=known)
    return places.kept("standing"), False


def _floors(standing: Relation, source: Any) -> Thresholds:
    """The measures of the last customers of top, large and medium."""
    if isinstance(source, Scored):
        sizes = source.sizes
    else:
        sizes = tier_sizes(query("migration_active", standing=standing).one()["n"])
    places = np.cumsum(sizes[:3])
    ranked = query("migration_ranked", standing=standing).ranked()
    wanted = registered(standing.engine, "places", pa.table({"place": pa.array(sorted({*places, 0}), pa.int64())}))
    rows = query("migration_floors", ranked=ranked, places=wanted).rows()
    found = {row["rank"]: row["measure"] for row in rows}
    return Thresholds(
        *(float(found[int(place)]) if size else NEVER for place, size in zip(places, sizes[:3], strict=True))
    )


def _refuse_faults(placed: Relation) -> None:
    found = query("migration_faults", placed=placed).one()
    told = [f"{found[name]} row(s) {what}" for name, what in FAULTS.items() if found[name]]
    if told:
        raise BadOrders(f"The customers cannot be used ({found['customers']} rows): {'; '.join(told)}.")


def _cells(view: Relation) -> dict[tuple[str, str], Cell]:
    rows = query("migration_cells", moved=view).rows()
    found = {
        (row["tier_before"], row["tier_after"]): Cell(row["customers"], row["opening"], row["closing"]) for row in rows
    }
    return {(row, column): found.get((row, column), Cell()) for row in STATES for column in STATES}


def _sum(cells: list[Cell]) -> Cell:
    return Cell(
        sum(cell.customers for cell in cells),
        sum((cell.opening for cell in cells), NONE),
        sum((cell.closing for cell in cells), NONE),
    )


def _by_chance(told: Migration, before: Scored, after: Scored, most: int) -> Chance:
    """The moves under no change of those who had bought at the first date; of a sample where they are many."""
    start, end = before.terms.as_of, after.terms.as_of
    days = check_unit(before.terms.unit)
    rows = query(
        "migration_histories",
        absent=before.customers.orders.columns.absent,
        moved=told.moved,
        customers=before.customers.table,
        stood=before.customers.stood,
        year_ago=year_before(end),
        as_of=start,
        most=most,
    ).arrow()
    column = {name: np.asarray(rows.column(name).to_numpy(zero_copy_only=False)) for name in rows.column_names}
    rate = before.terms.margin_rate
    if before.spend is None:
        kept, kept_active, rate = column["kept_orders"], column["kept_orders"], 1.0
    else:
        own = before.customers.orders.has_margin
        kept_active = column["kept_amount"]
        kept = column["kept_margin"] if own else kept_active * rate
    x, t_x, T = (np.asarray(column[name], dtype=float) for name in ("x", "t_x_days", "t_days"))
    history = Histories(x, t_x / days, T / days, column["paid"], kept.astype(float), kept_active.astype(float))
    places = [np.array([TIERS.index(tier) for tier in column[name]]) for name in ("tier_before", "tier_after")]
    H = (end - start).days / days
    if told.thresholds is None:  # cannot be: expected= is refused unless frozen
        raise BadParameters("Relative ranks have no thresholds.")
    return chance_of(
        before.fit,
        before.spend,
        H,
        history,
        np.array(told.thresholds),
        *places,
        margin_rate=rate,
        of=int(before.customers.totals["with_purchase"]),
    )
