"""Simulated referrals, influence and attributes for the customers of a real base: to show what they do, no evidence.

CDNOW recorded none of these. The tables carry a few faults of every kind, so that a demo shows the rules at work.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from klantwaarde.purchases.customers import Customers

LABEL = "simulated"
"""What the metadata of every table says it is; nobody shall take it for data."""

STAGES = ("student", "starter", "family", "empty nest", "retired")
CHANNELS = ("search", "referral", "store", "mail")
COSTS = (18.0, 6.0, 12.0, 9.0)
"""Mean acquisition cost by channel."""

REFERRED = 0.15
INFLUENCED = 0.30
Ints = np.ndarray[Any, np.dtype[np.int64]]


class Simulated(NamedTuple):
    """Three tables, labelled `simulated` in their metadata; ids and dates as text, as files have them."""

    referrals: pa.Table
    influence: pa.Table
    attributes: pa.Table


def simulated_links(customers: Customers, seed: int = 0) -> Simulated:
    """Referrals (referrer_id, referred_id, date, incentive_cost, p_anyway, acceleration_days, acquisition_saved),
    influence (source_id, target_id, weight, date) and attributes (customer_id, life_stage, channel, acquisition_cost).

    About one in seven customers is referred, by somebody whose first order came no later than his, at most six weeks
    before his own; a few refer many. Three in ten are influenced by one to three others. A dozen lines are faulty.
    The same seed gives the same tables.
    """  # noqa: D205 - the columns are the summary
    rng = np.random.default_rng(seed)
    table = customers.engine.arrow(
        f"select cast(customer_id as varchar) as id, first_order from {customers.table} "
        "where first_order is not null order by first_order, customer_id"
    )
    ids = table.column("id").to_numpy(zero_copy_only=False).astype(object)
    first = table.column("first_order").cast(pa.date32()).to_numpy().astype("datetime64[D]")
    referred = _chosen(rng, len(ids) - 1, REFERRED)  # not the last: faults are tried on that one
    tables = (
        _referrals(rng, ids, first, referred, customers.as_of),
        _influence(rng, ids, first, customers.as_of),
        _attributes(rng, ids, referred),
    )
    return Simulated(*(made.replace_schema_metadata({"klantwaarde": LABEL}) for made in tables))


def _chosen(rng: np.random.Generator, n: int, share: float) -> Ints:
    """Places 1..n-1 taken with a chance each; the first customer has nobody before him."""
    return 1 + np.flatnonzero(rng.random(max(n - 1, 0)) < share)


def _earlier(rng: np.random.Generator, places: Ints) -> Ints:
    """Somebody before each place; early ones far more often, so that some are asked by many."""
    return np.floor(places * rng.random(len(places)) ** 2.5).astype(np.int64)


def _referrals(rng: np.random.Generator, ids: Any, first: Any, referred: Ints, as_of: dt.date) -> pa.Table:
    n = len(referred)
    day = (first[referred] - rng.integers(0, 43, n)).astype(str).astype(object)
    rows = {
        "referrer_id": list(ids[_earlier(rng, referred)]),
        "referred_id": list(ids[referred]),
        "date": list(day),
        "incentive_cost": _texts(rng.choice([0.0, 5.0, 10.0], n), "{:.2f}"),
        "p_anyway": _texts(rng.beta(5, 5, n), "{:.2f}"),
        "acceleration_days": _texts(rng.integers(0, 90, n), "{:d}"),
        "acquisition_saved": _texts(rng.gamma(4.0, 3.0, n), "{:.2f}"),
    }
    faulty = [] if n < 2 else [*_bad_referrals(rows, ids, as_of), *_doubtful(rows, ids, referred, as_of)]
    return _table(rows, faulty)


def _doubtful(
    rows: dict[str, list[str | None]], ids: Any, referred: Ints, as_of: dt.date
) -> list[tuple[str | None, ...]]:
    """A line that closes a circle, and one dated long after the first order."""
    paid = (str(as_of), "5.00", "0.50", "0", "0.00")
    brought = [who for by, who in zip(rows["referrer_id"], rows["referred_id"], strict=True) if by == ids[0]]
    alone = np.setdiff1d(np.arange(1, len(ids)), referred)[:1]
    return [*((who, str(ids[0]), *paid) for who in brought[:1]), *((str(ids[0]), str(ids[k]), *paid) for k in alone)]


def _bad_referrals(rows: dict[str, list[str | None]], ids: Any, as_of: dt.date) -> list[tuple[str | None, ...]]:
    """A line for every rule on referrals; the last breaks two."""
    one, other, day = rows["referrer_id"][0], rows["referred_id"][0], rows["date"][0]
    newcomer, last = str(ids[-1]), str(as_of)  # who came last refers nobody
    return [
        (None, newcomer, last, "5.00", "0.50", "0", "0.00"),  # an id is missing
        (newcomer, newcomer, last, "5.00", "0.50", "0", "0.00"),  # to themselves
        ("nobody-1", "nobody-2", last, "5.00", "0.50", "0", "0.00"),  # neither is a customer
        (one, "nobody-1", last, "5.00", "0.50", "0", "0.00"),  # the referred one is no customer
        (one, newcomer, str(as_of + dt.timedelta(days=30)), "5.00", "0.50", "0", "0.00"),  # after the end
        (one, newcomer, "2999-01-01", "5.00", "0.50", "0", "0.00"),  # in the future
        (one, other, day, "5.00", "0.50", "0", "0.00"),  # repeated
        (newcomer, other, last, "5.00", "0.50", "0", "0.00"),  # a second referrer
        ("a friend outside", newcomer, "soon", "-5.00", "1.50", "-3", "-1.00"),
    ]


def _influence(rng: np.random.Generator, ids: Any, first: Any, as_of: dt.date) -> pa.Table:
    targets = _chosen(rng, len(ids), INFLUENCED)
    targets = np.repeat(targets, rng.integers(1, 4, len(targets)))
    sources = _earlier(rng, targets)
    back = rng.random(len(targets)) < 0.1  # some answer: circles
    sources, targets = np.concatenate([sources, targets[back]]), np.concatenate([targets, sources[back]])
    since = np.minimum(np.maximum(first[sources], first[targets]), np.datetime64(as_of))
    rows = {
        "source_id": list(ids[sources]),
        "target_id": list(ids[targets]),
        "weight": _texts(rng.gamma(1.5, 1.0, len(targets)) + 0.01, "{:.2f}"),
        "date": list(since.astype(str).astype(object)),
    }
    if len(targets) < 2:
        return _table(rows, [])
    one, other, last = rows["source_id"][0], rows["target_id"][0], str(as_of)
    faulty: list[tuple[str | None, ...]] = [
        (one, None, "1.00", last),
        (one, one, "1.00", last),
        ("nobody-1", "nobody-2", "1.00", last),
        (one, "nobody-1", "1.00", last),
        (one, other, "2.00", "2999-01-01"),
        (one, other, "2.00", str(as_of + dt.timedelta(days=30))),
        (one, other, "much", last),
        (one, other, "0.00", last),
        (one, other, "-1.00", last),
        (one, other, "0.50", last),  # repeated: summed
        ("a friend outside", other, "1.00", "soon"),
    ]
    return _table(rows, faulty)


def _attributes(rng: np.random.Generator, ids: Any, referred: Ints) -> pa.Table:
    """Nine in ten customers; the referred ones came by referral."""
    channel = rng.choice([0, 2, 3], len(ids))
    channel[referred] = 1
    cost = rng.gamma(4.0, np.asarray(COSTS)[channel] / 4.0)
    known = np.flatnonzero(rng.random(len(ids)) < 0.9)
    rows = {
        "customer_id": list(ids[known]),
        "life_stage": [STAGES[k] for k in rng.choice(len(STAGES), len(known), p=[0.15, 0.25, 0.3, 0.2, 0.1])],
        "channel": [CHANNELS[k] for k in channel[known]],
        "acquisition_cost": _texts(cost[known], "{:.2f}"),
    }
    twice = [(rows["customer_id"][0], "family", "mail", "1.00")] if len(known) else []
    return _table(rows, [*twice, ("nobody-1", "family", "mail", "1.00"), (None, "family", "mail", "1.00")])


def _texts(values: Any, form: str) -> list[str | None]:
    return [form.format(value) for value in values]


def _table(rows: dict[str, Any], faulty: list[tuple[str | None, ...]]) -> pa.Table:
    """A table of text: the rows, and the faulty ones behind them."""
    columns = {
        name: pa.array([*values, *(row[place] for row in faulty)], pa.string())
        for place, (name, values) in enumerate(rows.items())
    }
    return pa.table(columns)
