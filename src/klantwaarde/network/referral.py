"""What a customer is worth by bringing others.

Kumar, Petersen & Leone (2010), "Driving profitability by encouraging customer referrals", Journal of Marketing 74(5),
is convention "kumar2007", after their article in the Harvard Business Review. The causal form counts a customer who
would not have come otherwise in full, and one who would have come anyway by what the referral saved or hastened
(Libai, Muller & Peres 2013, "Decomposing the value of word-of-mouth seeding programs", Journal of Marketing Research
50(2)).
Neither adds up over customers, nor with their own value; the books do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from klantwaarde.errors import BadOrders, BadParameters
from klantwaarde.network.forest import Forest, links, refuse_links, subtree_sums

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from klantwaarde.typing import Array, Values

BAND = (0.25, 0.5, 0.75)
"""Chances of having come anyway that a result is shown for, whatever the estimate."""

ENOUGH = 1e-18  # a share of a customer's value that no longer matters to a double

NUMBERS = (
    ("anyway", 0.0, 1.0),
    ("acceleration", 0.0, np.inf),
    ("incentive", -np.inf, np.inf),
    ("acquisition_saved", -np.inf, np.inf),
)


@dataclass(frozen=True)
class Referrals:
    """Referrals, one per row: referrer[k] brought referred[k], both indices into the array of values.

    anyway: chance that the referred would have joined anyway; acceleration: how much sooner he joined, in the unit of
    1 / delta; incentive: paid for the referral; acquisition_saved: what winning him otherwise would have cost, both
    once, at joining. Each a number or one per row. delta: continuous discount rate, needed where something was
    accelerated. Raises BadOrders for links that cannot be, BadParameters for the numbers.
    """

    referrer: Array
    referred: Array
    anyway: Values = 0.5
    acceleration: Values = 0.0
    incentive: Values = 0.0
    acquisition_saved: Values = 0.0
    delta: float | None = None

    def __post_init__(self) -> None:
        """Check once, where referrals enter."""
        above, below = links(self.referrer, self.referred)
        object.__setattr__(self, "referrer", above)
        object.__setattr__(self, "referred", below)
        for name, low, high in NUMBERS:
            object.__setattr__(self, name, _per_link(getattr(self, name), name, low, high, len(above)))
        if np.any(np.greater(self.acceleration, 0)) and self.delta is None:
            raise BadParameters("acceleration is worth something at a discount rate only: give delta.")

    @classmethod
    def of(cls, table: Referrals | Mapping[str, Any]) -> Referrals:
        """Referrals from a mapping or a DataFrame with columns of these names; other columns are left alone."""
        if isinstance(table, Referrals):
            return table
        refuse_links(table)
        lacking = [name for name in ("referrer", "referred") if name not in table]
        if lacking:
            raise BadOrders(f"The referrals have no column {', '.join(lacking)}.")
        known = [name for name, _, _ in NUMBERS if name in table]
        given = {name: np.asarray(table[name]) for name in ("referrer", "referred", *known)}
        return cls(**given, delta=float(np.max(table["delta"])) if "delta" in table else None)

    @property
    def incremental(self) -> Array:
        """Incremental share theta of each referred customer's value; shape (rows,)."""
        return incremental_share(self.anyway, self.acceleration, 0.0 if self.delta is None else self.delta)

    def per_customer(self, n: int, values: Array) -> Array:
        """One value per row as one per referred customer of n, 0 for the others."""
        result = np.zeros(n)
        result[self.referred] = values
        return result


def incremental_share(anyway: Values, acceleration: Values = 0.0, delta: Values = 0.0) -> Array:
    """Share of a referred customer's value that is due to the referral, theta.

    1 - pi that he came at all, and pi (1 - e^(-delta acceleration)) that he came sooner.
    """
    sooner = -np.expm1(-np.multiply(delta, acceleration))
    return np.asarray(1 - np.asarray(anyway) * (1 - sooner))


def crv(referrals: Referrals | Mapping[str, Any], value: Array, convention: str = "causal") -> Array:
    """Customer referral value: what each customer's own referrals are worth, one generation; shape (n,).

    value: of all customers, net of what it costs to keep them; shape (n,). convention "causal": the sum over referred
    customers of theta value + pi acquisition_saved - incentive. "kumar2007", for comparison, as published: the cost
    of acquisition saved also of those who would not have come, and the incentive only where they would not have:
    (1 - pi)(value - incentive) + acquisition_saved.
    """
    made = Referrals.of(referrals)
    worth = _worth(made, value)
    return np.bincount(made.referrer, weights=_credit(convention)(made, worth), minlength=len(worth)).astype(float)


def sensitivity(
    referrals: Referrals | Mapping[str, Any], value: Array, band: tuple[float, ...] = BAND, convention: str = "causal"
) -> dict[float, Array]:
    """Referral values if everyone would have come anyway with a chance of the band: shape (n,) for each."""
    made = Referrals.of(referrals)
    same = {name: getattr(made, name) for name in ("acceleration", "incentive", "acquisition_saved", "delta")}
    return {chance: crv(Referrals(made.referrer, made.referred, chance, **same), value, convention) for chance in band}


def kumar2007(
    margin: Array, marketing: Array, incentive: Array, acquisition_saved: Array, anyway: Array, rate: float
) -> Array:
    """Credit for each referred customer by the published sums over periods; shape (customers,).

    margin, marketing, incentive, acquisition_saved: money per period 1, 2, ... and customer, shape (periods, customers)
    or what broadcasts to it; anyway: whether the customer would have joined anyway, shape (customers,); rate: discount
    rate per period. Incentive and acquisition stand in the period in which they fall, usually the first.
    """
    if not (np.isfinite(rate) and rate > -1):
        raise BadParameters(f"rate must be above -1, as a fraction per period, but is {rate}.")
    brought = np.subtract(margin, incentive) - marketing + acquisition_saved
    each = np.where(np.asarray(anyway, dtype=bool), np.asarray(acquisition_saved) + np.zeros_like(brought), brought)
    if each.ndim != 2 or not np.isfinite(each).all():
        raise BadParameters("The money must be finite numbers of shape (periods, customers).")
    return np.asarray((1 + rate) ** -np.arange(1.0, len(each) + 1) @ each)


def responsibility(tree: Forest, theta: Values, value: Array) -> Array:
    """What would go if a customer had never referred anyone: own value plus theta of the responsibility of each child.

    theta: incremental share of each customer, of those somebody brought; all of shape (n,). Not additive.
    """
    worth, share = _tree_values(tree, theta, value)
    return subtree_sums(tree.parent, share, worth)


def attributed(tree: Forest, theta: Values, value: Array, method: str = "pass_up", omega: float = 0.5) -> Array:
    """Value per customer, counted once: it adds up to the sum of value; shape (n,).

    "pass_up": each passes omega theta of all he has up to his referrer, as in the books. "shapley": each customer's
    value is shared by the Shapley value of the game in which he is there on his own with chance 1 - theta, and
    otherwise only if his referrer is. theta and value of shape (n,).
    """
    worth, share = _tree_values(tree, theta, value)
    if method == "shapley":
        return _shapley(tree.parent, share, worth)
    if method != "pass_up":
        raise BadParameters(f"method={method!r} is neither 'pass_up' nor 'shapley'.")
    if not 0 <= omega <= 1:
        raise BadParameters(f"omega must lie in 0 .. 1, but is {omega}.")
    total = subtree_sums(tree.parent, omega * share, worth)
    return np.asarray(total * (1 - np.where(tree.parent >= 0, omega * share, 0.0)))


def _shapley(parent: Array, share: Array, worth: Array) -> Array:
    """Harsanyi dividends along each chain, each divided evenly (Harsanyi 1963); passes as many as links that matter."""
    whole = _ladder(parent, share, lambda _, __: None)
    result = np.zeros(len(parent))

    def give(member: Array, part: tuple[Array, Array]) -> None:
        below, so_far = part
        result.__iadd__(np.bincount(member, weights=worth[below] * (whole[below] - so_far), minlength=len(result)))

    _ladder(parent, share, give)
    return result


def _ladder(parent: Array, share: Array, tell: Callable[[Array, tuple[Array, Array]], None]) -> Array:
    """Sum over m of dividend m / (m + 1) for each customer; tells each ancestor the sum before his own.

    Dividend m goes to the customer and his nearest m referrers: all of them are needed, and the last comes by himself.
    """
    n = len(parent)
    total, y, member = np.zeros(n), np.arange(n), np.arange(n)
    needed, people = np.ones(n), 1
    while len(y):
        tell(member, (y, total[y]))
        up = parent[member]
        passed_on = np.where(up >= 0, share[member], 0.0)
        total[y] += needed * (1 - passed_on) / people
        needed, people = needed * passed_on, people + 1
        on = needed > ENOUGH
        y, member, needed = y[on], up[on], needed[on]
    return total


def _credit(convention: str) -> Callable[[Referrals, Array], Array]:
    if convention not in CREDITS:
        raise BadParameters(f"convention={convention!r} is not one of {', '.join(CREDITS)}.")
    return CREDITS[convention]


def credit(made: Referrals, worth: Array) -> Array:
    """What each referral is worth to the one who made it; worth: of all customers, shape (n,); result per row."""
    return np.asarray(made.incremental * worth[made.referred] + made.anyway * made.acquisition_saved - made.incentive)


def _published(made: Referrals, worth: Array) -> Array:
    return np.asarray((1 - made.anyway) * (worth[made.referred] - made.incentive) + made.acquisition_saved)


CREDITS = {"causal": credit, "kumar2007": _published}


def _worth(made: Referrals, value: Array) -> Array:
    worth = _finite(value, "value")
    links(made.referrer, made.referred, len(worth))
    return worth


def _tree_values(tree: Forest, theta: Values, value: Array) -> tuple[Array, Array]:
    worth = _finite(value, "value")
    share = np.broadcast_to(np.asarray(theta, dtype=float), tree.parent.shape)
    if worth.shape != tree.parent.shape:
        raise BadParameters(f"value must hold one number per customer, {len(tree.parent)}, not {worth.shape}.")
    if not ((share >= 0) & (share <= 1)).all():
        raise BadParameters("theta must lie in 0 .. 1 for every customer.")
    return worth, share


def _finite(values: Array, name: str) -> Array:
    result = np.asarray(values, dtype=float)
    if result.ndim != 1 or not np.isfinite(result).all():
        raise BadParameters(f"{name} must be finite numbers, one per customer.")
    return result


def _per_link(values: Values, name: str, low: float, high: float, rows: int) -> Array:
    given = np.asarray(values, dtype=float)
    if given.ndim and given.shape != (rows,):
        raise BadParameters(f"{name} must be one number or one per referral, {rows}, but has shape {given.shape}.")
    bad = ~(np.isfinite(given) & (given >= low) & (given <= high))
    if bad.any():
        limits = f"in {low:g} .. {high:g}" if np.isfinite(high) else f"at least {low:g}" if low == 0 else "finite"
        raise BadParameters(f"{name} must be {limits}, but is {given[bad].flat[0]}.")
    return np.array(np.broadcast_to(given, (rows,)))
