"""What a run on a state does besides scoring: merge the new orders, look for drift, keep the model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from klantwaarde.estimate.load import load_fit
from klantwaarde.purchases.customers import Customers
from klantwaarde.purchases.orders import Orders
from klantwaarde.state.state import State
from klantwaarde.validate.drift import Drift, drift


def merged(
    state: State | None, orders: Orders, step: Callable[[str, str], None], *, new_customers: bool = False
) -> Orders:
    """All orders ever; without a state, these."""
    if state is None:
        return orders
    step("merge", f"merging {orders.read:,} lines into {state.folder}")
    every = state.merge(orders, new_customers=new_customers)
    if not state.is_new:
        step("merge", f"already merged on {state.batch['merged']}: these lines are not counted again")
    return every


def drifted(state: State | None, base: Customers) -> dict[str, Any] | None:
    """The drift since the model of the run before; of a batch that is merged already, what was told of it then."""
    if state is None or state.model_path is None:
        return None
    if not state.is_new:
        told: dict[str, Any] | None = state.batch.get("drift")
        return told
    found = drift(base, load_fit(state.model_path, "timing"))
    return None if found is None else _told(found)


def model_of(state: State | None, *, keep_model: bool) -> Path | None:
    """The model of the run before, where it is to score again."""
    return state.model_path if state is not None and keep_model else None


def record(state: State | None, found: dict[str, Any] | None) -> dict[str, Any]:
    """What run.json tells of the state."""
    if state is None:
        return {}
    batch = {name: state.batch[name] for name in ("id", "source", "merged", "lines")}
    told = {"folder": str(state.folder), "batches": state.batches, "batch": batch, "already_merged": not state.is_new}
    return {"state": told, "drift": found}


def keep(state: State | None, model: Path, found: dict[str, Any] | None, *, keep_model: bool) -> None:
    """The batch and the model, for the next run. From here on they count."""
    if state is not None:
        state.commit(model, {"drift": found}, keep_model=keep_model)


def _told(found: Drift) -> dict[str, Any]:
    days = {"since": str(found.since), "until": str(found.until)}
    return found._asdict() | days | {"difference": found.difference, "told": found.told}
