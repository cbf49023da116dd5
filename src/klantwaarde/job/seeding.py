"""Whom to approach: the list of customers who together reach the most value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from klantwaarde.errors import BadParameters, named
from klantwaarde.job.opening import beside, read_orders, terms
from klantwaarde.job.settings import Settings
from klantwaarde.network.influence import influence_matrix
from klantwaarde.network.seeds import Seeds, seeds
from klantwaarde.purchases.customers import customers
from klantwaarde.validate.choose import fits
from klantwaarde.value.indirect import links_told
from klantwaarde.value.score import Scored, score

if TYPE_CHECKING:
    from klantwaarde.job.progress import Say

DEFAULT_SHARE = 0.10
"""Chance that a customer is set off by all who influence him together, where no share is given."""


COLUMNS = ("place", "customer_id", "adds", "own_value", "accountable_value", "by_accountable_value")
"""The columns of the list."""


@dataclass(frozen=True)
class Seeding:
    """The seeds with their ids, and the plain ranking by accountable value beside them."""

    found: Seeds
    table: pa.Table
    share: float
    linked: int


def seed_list(settings: Settings, k: int, epsilon: float, seed: int, say: Say) -> Seeding:
    """Seeds among the customers who are linked by influence, valued as a run values them.

    The chance that i sets off j: the share of j's value that others set off, times i's part of what influences j.
    """
    if settings.influence is None:
        raise BadParameters(f"Seeds rest on who influences whom: give {named('influence')}.")
    scored, share = _scored(settings, say), settings.share()
    chance = DEFAULT_SHARE if share == "estimate" else share
    through = scored.total.indirect
    if through is None or through.influence is None or not len(through.influence):
        raise BadParameters("No usable link is left in the influence file; klantwaarde run tells why.")
    links = through.influence
    say(f"choosing {k} of {links.customers:,} linked customers over {len(links):,} links")
    value = np.maximum(through.books.direct, 0.0)
    graph = influence_matrix(links_told(links), links.size, chance)
    graph.data = np.clip(graph.data, 0.0, 1.0)
    found = seeds(graph, value, k, epsilon, np.random.default_rng(seed), score=through.books.accountable)
    return Seeding(found, _listed(scored, found), chance, links.customers)


def _scored(settings: Settings, say: Say) -> Scored:
    base = customers(read_orders(settings), settings.as_of, settings.unit)
    models = fits(base, settings.model)
    say(f"valuing {base.totals['customers']:,} customers with {models.timing.name}")
    return score(base, models, terms(settings), beside(settings, base))


def _listed(scored: Scored, found: Seeds) -> pa.Table:
    """One row per place: the seed with what it adds, and who is in that place of the plain ranking."""
    through = scored.total.indirect
    assert through is not None  # noqa: S101 - seeds come from links
    rows = through.nodes.select("node", "id").sorted("node").arrow()
    ids = dict(zip(rows.column("node").to_pylist(), rows.column("id").to_pylist(), strict=True))
    plain = [ids[int(node)] for node in found.plain[: len(found.nodes)]]
    return pa.table(
        {
            "place": np.arange(1, len(found.nodes) + 1),
            "customer_id": [ids[int(node)] for node in found.nodes],
            "adds": np.asarray(found.gains, dtype=float),
            "own_value": through.books.direct[found.nodes],
            "accountable_value": through.books.accountable[found.nodes],
            "by_accountable_value": plain + [None] * (len(found.nodes) - len(plain)),
        }
    )
