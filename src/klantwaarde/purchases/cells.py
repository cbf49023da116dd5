"""The cells: distinct histories with the number of customers that share each one."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from klantwaarde.calendar import read_unit
from klantwaarde.errors import BadOrders

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klantwaarde.typing import Array

_ONE_EACH: Any = None  # so that n may be left out, and is an array to whoever reads it

ALIASES = {"frequency": "x", "recency": "t_x", "T": "T", "weights": "n"}
"""Column names of other packages' summaries, accepted here and nowhere else."""


@dataclass(frozen=True)
class Cells:
    """Distinct histories (x, t_x, T) and how many customers have each.

    x: repeat purchases (whole numbers); t_x: time from first to last purchase; T: time from first purchase to the
    end of observation; n: customers per history (default 1 each). Times in `unit`. All of shape (cells,). as_of: the
    end of observation, where it is known.
    Raises BadOrders, naming the rows, unless 0 <= t_x <= T, x is whole, and x = 0 exactly where t_x = 0.
    """

    x: Array
    t_x: Array
    T: Array
    n: Array = _ONE_EACH
    unit: str = "week"
    as_of: dt.date | None = None

    def __post_init__(self) -> None:
        """Check once, where data enters."""
        x = _column(self.x, "x")
        n = np.ones_like(x) if self.n is None else _column(self.n, "n")
        columns = {"x": x, "t_x": _column(self.t_x, "t_x"), "T": _column(self.T, "T"), "n": n}
        _same_length(columns)
        object.__setattr__(self, "unit", read_unit(self.unit))
        _refuse(columns, _history_faults(**columns))
        for name, values in columns.items():
            object.__setattr__(self, name, values)

    @classmethod
    def from_summary(cls, frame: Mapping[str, Any], unit: str) -> Cells:
        """Cells from a summary table with columns x, t_x, T or, as other packages say, frequency, recency, T.

        unit: of the table's times, which nobody can guess: lifetimes counts days unless told otherwise.
        """
        found = _renamed(frame, ALIASES, ("x", "t_x", "T"))
        return cls(found["x"], found["t_x"], found["T"], found.get("n", _ONE_EACH), unit=unit)

    @property
    def customers(self) -> float:
        """Customers in all cells."""
        return float(self.n.sum())

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class SpendCells:
    """Distinct (x, zbar) of customers with repeat purchases, and how many have each.

    x: repeat purchases; zbar: mean money per repeat purchase; n: customers. All of shape (cells,).
    Rows with x = 0 or zbar <= 0 say nothing about positive spend: they are left out and counted in `left_out`.
    """

    x: Array
    zbar: Array
    n: Array = _ONE_EACH
    left_out: float = 0.0
    as_of: dt.date | None = None

    def __post_init__(self) -> None:
        """Check once, where data enters."""
        x = _column(self.x, "x")
        n = np.ones_like(x) if self.n is None else _column(self.n, "n")
        columns = {"x": x, "zbar": _column(self.zbar, "zbar"), "n": n}
        _same_length(columns)
        # Without repeat purchases there is no mean; whatever stands there says nothing.
        columns["zbar"] = zbar = np.where(x > 0, columns["zbar"], 0.0)
        _refuse(columns, _spend_faults(**columns))
        usable = (x > 0) & (zbar > 0)
        object.__setattr__(self, "left_out", float(self.left_out + n[~usable].sum()))
        for name, values in columns.items():
            object.__setattr__(self, name, values[usable])

    @classmethod
    def from_summary(cls, frame: Mapping[str, Any]) -> SpendCells:
        """Spend cells from a table with columns x, zbar or, as other packages say, frequency, monetary_value."""
        aliases = {"frequency": "x", "monetary_value": "zbar", "weights": "n"}
        found = _renamed(frame, aliases, ("x", "zbar"))
        return cls(found["x"], found["zbar"], found.get("n", _ONE_EACH))

    @property
    def customers(self) -> float:
        """Customers in all cells."""
        return float(self.n.sum())

    def __len__(self) -> int:
        return len(self.x)


def _renamed(frame: Mapping[str, Any], aliases: dict[str, str], needed: tuple[str, ...]) -> dict[str, Any]:
    present = {str(name) for name in frame.keys()}  # noqa: SIM118 - frames and Arrow tables iterate differently
    found = {new: frame[old] for old, new in aliases.items() if old in present}
    found |= {name: frame[name] for name in (*needed, "n") if name in present}
    missing = [name for name in needed if name not in found]
    if missing:
        raise BadOrders(f"The summary has no column for {', '.join(missing)}; it has {', '.join(sorted(present))}.")
    return found


def _column(values: Any, name: str) -> Array:
    try:
        return np.array(values, dtype=float).ravel()
    except (TypeError, ValueError) as error:
        raise BadOrders(f"{name} holds values that are no numbers ({error}).") from error


def _same_length(columns: dict[str, Array]) -> None:
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise BadOrders(f"The columns differ in length: {told}. Give one value per history in each.")
    if not next(iter(lengths.values())):
        raise BadOrders("There are no histories: the columns are empty.")


def _history_faults(x: Array, t_x: Array, T: Array, n: Array) -> dict[str, Array]:
    finite = np.isfinite(x) & np.isfinite(t_x) & np.isfinite(T)
    return {
        "not finite: drop these rows or fill them in": ~finite,
        "x is not a whole number of repeat purchases, 0 or more": finite & ((x < 0) | (x != np.floor(x))),
        "t_x lies outside 0 <= t_x <= T; t_x is the time from first to last purchase, not since the last": finite
        & ((t_x < 0) | (t_x > T)),
        "t_x must be 0 exactly where x is 0 (days, not times, make occasions)": finite & ((x == 0) != (t_x == 0)),
        "n is not a positive number of customers": ~(np.isfinite(n) & (n > 0)),
    }


def _spend_faults(x: Array, zbar: Array, n: Array) -> dict[str, Array]:
    finite = np.isfinite(x) & np.isfinite(zbar)
    return {
        "not finite: drop these rows or fill them in": ~finite,
        "x is not a whole number of repeat purchases, 0 or more": finite & ((x < 0) | (x != np.floor(x))),
        "n is not a positive number of customers": ~(np.isfinite(n) & (n > 0)),
    }


def _refuse(columns: dict[str, Array], faults: dict[str, Array]) -> None:
    told = [_fault(columns, reason, rows) for reason, rows in faults.items() if rows.any()]
    if told:
        raise BadOrders("The histories cannot be used:\n" + "\n".join(told))


def _fault(columns: dict[str, Array], reason: str, rows: Array) -> str:
    where = np.flatnonzero(rows)
    example = ", ".join(f"{name}={values[where[0]]:g}" for name, values in columns.items())
    listed = ", ".join(str(row) for row in where[:5]) + (", ..." if len(where) > 5 else "")
    return f"- {len(where)} row(s) [{listed}]: {reason} (row {where[0]}: {example})"
