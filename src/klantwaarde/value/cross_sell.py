"""Cross-sell potential: what customers would be worth in the categories that they do not buy yet.

    PX_i = lifetime_i  s_i  sum over categories j not owned of pr_ij mu_j

* pr_ij, the chance that i starts buying j within a horizon, from a cohort: those who were customers a horizon ago, by
  what they owned then. Of each of them one owned category k is taken at random (a weight of 1 / |owned| for each), and

      q_kj = (starts of j + a q_j) / (customers without j + a),    pr_ij = f(|owned|) mean over owned k of q_kj

  q_j being the share of all customers without j who start it, and a the weight of that prior in customers (the mean of
  a Beta posterior). With a = 0 the means of the cohort add up to the starts that it made, category by category. Who
  owns much starts much: f, one number for each of 1, 2-3, 4-7, 8-15, ... categories owned, is the starts of such
  customers over the sum of their means, drawn to 1 by a customers' worth.
* mu_j, money per unit of time in j: all money spent there over all the time since its owners' first purchase there.
* s_i = (own money + c) / (money of peers with the same categories since the same days + c): category spends are
  proportional, so a large customer here is a large one there. c is `shrinkage` average customers and draws s_i to 1.
* lifetime_i, the discounted expected residual lifetime P(alive) A of the customer in the same unit of time.

The idea of a sum of chance times profit over products not owned is Verhoef & Donkers' (2001, "Predicting customer
potential value: an application in the insurance industry", Decision Support Systems 32(2)). Those who had left are part
of the cohort, so their share is in pr_ij and in mu_j as well as in the lifetime: careful, not bold. Give `alive`, the
chance to be alive at the start of the horizon, and pr_ij is that of someone alive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from klantwaarde.calendar import check_unit
from klantwaarde.errors import BadOrders, BadParameters

if TYPE_CHECKING:
    from typing import Any

    from klantwaarde.typing import Array, Values

ROWS = 8_192  # owned sets at a time: rows x categories of doubles
CODED = 62  # categories up to which an owned set is one whole number
MOST = 2_000  # categories: chances are a table of categories x categories


@dataclass(frozen=True)
class Owned:
    """Who buys which category: one row per customer and category bought.

    customer, category: index from 0, below `customers` and `categories`; first: day number of the first purchase there;
    spend: money there in all the days observed, up to and including `last`. Raises BadOrders, naming the rows.
    """

    customer: Array
    category: Array
    first: Array
    spend: Array
    customers: int
    categories: int
    last: float

    def __post_init__(self) -> None:
        """Check once, where data enters."""
        columns = {name: np.asarray(getattr(self, name)) for name in ("customer", "category", "first", "spend")}
        if len({column.shape for column in columns.values()}) > 1 or columns["first"].ndim != 1:
            told = ", ".join(f"{name} {column.shape}" for name, column in columns.items())
            raise BadOrders(f"The columns differ in length: {told}. Give one row per customer and category.")
        if self.categories > MOST:
            raise BadOrders(
                f"{self.categories} categories are more than {MOST}: use a coarser level of the assortment."
            )
        for reason, rows in _faults(columns, self).items():
            if rows.any():
                where = np.flatnonzero(rows)
                listed = ", ".join(map(str, where[:5])) + (", ..." if len(where) > 5 else "")
                raise BadOrders(f"{len(where)} row(s) [{listed}] of customers and categories {reason}")
        for name, column in columns.items():
            object.__setattr__(self, name, column.astype(int if name in {"customer", "category"} else float))

    def sparse(self, values: Array | None = None, rows: Array | slice = slice(None)) -> Any:
        """Customers x categories in CSR: values (default 1) of the given rows."""
        data = np.ones(len(self.customer)) if values is None else np.asarray(values, dtype=float)
        place = (self.customer[rows], self.category[rows])
        return csr_array((data[rows], place), shape=(self.customers, self.categories))


def _faults(columns: dict[str, Array], told: Owned) -> dict[str, Array]:
    customer, category, first, spend = columns.values()
    finite = np.isfinite(first) & np.isfinite(spend)
    pair = customer * float(max(told.categories, 1)) + category
    order = np.argsort(pair, kind="stable")
    twice = np.zeros(len(pair), dtype=bool)
    twice[order[1:]] = pair[order[1:]] == pair[order[:-1]]
    return {
        "hold a first day or spend that is not finite: drop them.": ~finite,
        "hold an index that is no whole number: number customers and categories from 0.": (
            (customer != np.floor(customer)) | (category != np.floor(category))
        ),
        f"name a customer outside 0..{told.customers - 1}: number customers from 0.": (customer < 0)
        | (customer >= told.customers),
        f"name a category outside 0..{told.categories - 1}: number categories from 0.": (category < 0)
        | (category >= told.categories),
        f"begin after the last day, {told.last:g}: leave later orders out.": first > told.last,
        "repeat a customer and category: add their spend up and keep the first day.": twice,
    }


class Chances(NamedTuple):
    """Chances to start a category: those of owners of k in table[k, j], those of anyone in base[j].

    breadth: what the chances of an owner are multiplied by, per doubling of the categories owned; breadth[0] is 1.
    """

    table: Array
    base: Array
    breadth: Array


@dataclass(frozen=True)
class CrossSell:
    """Cross-sell potential of each customer.

    value: money; scale: s_i; best: the category that adds most (-1: none adds anything), and best_chance, its pr_ij.
    money_rate: mu_j per category and unit of time; chances: of starting within the horizon; cohort: customers they are
    from; sets: distinct owned sets, for which chances were worked out once.
    """

    value: Array
    scale: Array
    best: Array
    best_chance: Array
    money_rate: Array
    chances: Chances
    cohort: int
    sets: int


def cross_sell(
    owned: Owned,
    lifetime: Values,
    *,
    horizon: float = 365.25,
    unit: str = "week",
    alive: Values = 1.0,
    prior: float = 20.0,
    shrinkage: float = 1.0,
) -> CrossSell:
    """Cross-sell potential of every customer.

    lifetime: per customer (or one for all), in `unit`, not negative. horizon: days within which a category is started.
    alive: chance of each to be alive a horizon before the last day. prior: weight of q_j, in customers; shrinkage: of
    s_i towards 1, in average customers. Raises BadParameters, and BadOrders where nobody was a customer a horizon ago.
    """
    _check(owned, lifetime, horizon, alive, prior, shrinkage)
    chances, cohort = starting_chances(owned, horizon, alive, prior)
    rate = money_rates(owned, check_unit(unit))
    scale = spend_scale(owned, rate, check_unit(unit), shrinkage)
    gain, best, best_chance, sets = _gains(owned.sparse(), chances, np.maximum(rate, 0.0))
    value = np.asarray(lifetime) * scale * gain
    return CrossSell(value, scale, best, best_chance, rate, chances, cohort, sets)


def starting_chances(owned: Owned, horizon: float, alive: Values = 1.0, prior: float = 20.0) -> tuple[Chances, int]:
    """Chances to start a category within `horizon` days, and the customers they were counted among."""
    before = owned.first <= owned.last - horizon
    had, begun = owned.sparse(rows=before), owned.sparse(rows=~before)
    cohort = np.diff(had.indptr) > 0
    if not cohort.any():
        days = float(owned.last - owned.first.min()) if len(owned.first) else 0.0
        raise BadOrders(
            f"Nobody was a customer {horizon:g} days before the last day; the orders span {days:g} days. Choose a "
            "shorter horizon."
        )
    weight = np.broadcast_to(np.asarray(alive, dtype=float), (owned.customers,)) * cohort
    return pairwise_chances(had, begun, weight, prior), int(cohort.sum())


def pairwise_chances(had: Any, begun: Any, weight: Array, prior: float) -> Chances:
    """q_kj and q_j of those who had k and begin j, CSR matrices of customers x categories; a weight per customer.

    Customers with nothing have no k and count in q_j alone, if their weight is above 0.
    """
    begun = begun * (weight > 0)[:, None]
    total, without = begun.sum(axis=0), weight.sum() - weight @ had
    base = np.divide(total, without, out=np.zeros_like(without), where=without > 0)
    each = had * (1 / np.maximum(np.diff(had.indptr), 1))[:, None]
    started = (each.T @ begun).toarray()
    weighted = each * weight[:, None]
    exposed = weighted.sum(axis=0)[:, None] - (weighted.T @ had).toarray()
    over = np.maximum(exposed, 0.0) + prior
    table = np.divide(started + prior * base, over, out=np.tile(base, (len(base), 1)), where=over > 0)
    # With `alive` a few owners may start more often than they are expected to be alive.
    plain = Chances(np.minimum(table, 1.0), np.minimum(base, 1.0), np.ones(len(base).bit_length() + 1))
    return plain._replace(breadth=_breadth(had, begun, weight, plain, prior))


def _breadth(had: Any, begun: Any, weight: Array, plain: Chances, prior: float) -> Array:
    """Starts over expected starts of the cohort, per doubling of the categories owned."""
    expected = expected_gains(had, plain, np.ones(len(plain.base))) * weight
    doubling, most = _doubling(np.diff(had.indptr)), len(plain.breadth)
    found, likely = (_sums(doubling, np.asarray(each), most) for each in (begun.sum(axis=1), expected))
    added = prior * float(expected.sum()) / max(float(weight.sum()), 1.0)
    factor = np.divide(found + added, likely + added, out=np.ones(most), where=(likely + added > 0) & (likely > 0))
    return np.append(1.0, factor[1:])


def _doubling(size: Array) -> Array:
    """0 for nothing owned, 1 for 1, 2 for 2-3, 3 for 4-7, ..."""
    return np.asarray(np.frexp(size)[1])


def money_rates(owned: Owned, days_per_unit: float) -> Array:
    """mu_j: money in category j per unit of time since its owners' first purchase there; 0 where nobody owns it."""
    times = (owned.last - owned.first + 1) / days_per_unit
    money, time = (_sums(owned.category, value, owned.categories) for value in (owned.spend, times))
    return np.divide(money, time, out=np.zeros_like(money), where=time > 0)


def spend_scale(owned: Owned, rate: Array, days_per_unit: float, shrinkage: float = 1.0) -> Array:
    """s_i: own money over that of peers with the same categories since the same days, drawn to 1; never below 0."""
    times = (owned.last - owned.first + 1) / days_per_unit
    own = _sums(owned.customer, owned.spend, owned.customers)
    peers = _sums(owned.customer, np.maximum(rate[owned.category], 0.0) * times, owned.customers)
    buyers = peers > 0
    added = shrinkage * float(peers[buyers].mean()) if buyers.any() else 0.0
    scale = np.divide(own + added, peers + added, out=np.ones_like(own), where=peers + added > 0)
    return np.asarray(np.maximum(scale, 0.0))


def _sums(where: Array, values: Array, size: int) -> Array:
    """Sum of the values at each index, as floats: those of nothing are whole numbers to NumPy."""
    return np.bincount(where, values, size).astype(float)


def expected_gains(had: Any, chances: Chances, rate: Array) -> Array:
    """Sum over categories not owned of pr_ij mu_j, per customer; had is CSR of customers x categories."""
    return _gains(had, chances, rate)[0]


def _gains(had: Any, chances: Chances, rate: Array) -> tuple[Array, Array, Array, int]:
    """(sum, best category, its chance) per customer, once per distinct owned set, and how many those are."""
    some, which = _distinct_sets(had)
    gain, chance = np.zeros(len(some)), np.zeros(len(some))
    best = np.full(len(some), -1)
    for start in range(0, len(some), ROWS):
        rows = slice(start, start + ROWS)
        gain[rows], best[rows], chance[rows] = _gains_of(had[some[rows]], chances, rate)
    return gain[which], best[which], chance[which], len(some)


def _gains_of(sets: Any, chances: Chances, rate: Array) -> tuple[Array, Array, Array]:
    size = np.diff(sets.indptr)[:, None]
    chance = np.where(size > 0, sets @ chances.table / np.maximum(size, 1), chances.base)
    chance = np.minimum(chance * chances.breadth[_doubling(size)], 1.0)
    chance[sets.nonzero()] = 0.0
    each = chance * rate
    best, rows = each.argmax(axis=1), np.arange(len(each))
    some = each[rows, best] > 0
    return each.sum(axis=1), np.where(some, best, -1), np.where(some, chance[rows, best], 0.0)


def _distinct_sets(had: Any) -> tuple[Array, Array]:
    """A row of each distinct owned set, and which one each customer has; of many categories every row is its own."""
    customers, categories = had.shape
    if categories > CODED:
        return np.arange(customers), np.arange(customers)
    bits = np.int64(1) << had.indices.astype(np.int64)
    ends = np.concatenate([[0], np.cumsum(bits)])  # wraps around, as do the differences: exact
    _, some, which = np.unique(ends[had.indptr[1:]] - ends[had.indptr[:-1]], return_index=True, return_inverse=True)
    return some, which


def _check(owned: Owned, lifetime: Values, horizon: float, alive: Values, prior: float, shrinkage: float) -> None:
    columns = {"lifetime": (lifetime, np.inf), "alive": (alive, 1.0)}
    for name, (values, most) in columns.items():
        each = np.asarray(values, dtype=float)
        if each.shape not in {(), (owned.customers,)}:
            raise BadParameters(f"{name} must be one number or one per customer, {owned.customers}, not {each.shape}.")
        bad = ~(np.isfinite(each) & (each >= 0) & (each <= most))
        if bad.any():
            raise BadParameters(
                f"{name} must be finite and not negative (alive at most 1), but is {each[bad].flat[0]}."
            )
    if not 0 < horizon < np.inf:
        raise BadParameters(f"horizon={horizon} must be a number of days above 0.")
    if not (0 <= prior < np.inf and 0 <= shrinkage < np.inf):
        raise BadParameters(f"prior={prior} and shrinkage={shrinkage} must be finite and not negative.")
