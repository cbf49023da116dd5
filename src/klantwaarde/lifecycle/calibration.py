"""When a customer is lost: limits under which no more than a stated share comes back within twelve months.

A fixed limit of P(alive) does not order customers by what they do later: for who bought once it says little, and the
chance of an order decides. So limits are found per class of repeat orders, on a split twelve months before the end:
the largest below which, of those then lost, at most `target` bought again. The rate that is reported is cross-fitted:
limits found on one half of the customers, applied to the other.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from klantwaarde.calendar import check_unit, read_day, year_before
from klantwaarde.engine.relation import query
from klantwaarde.errors import BadOrders, BadParameters
from klantwaarde.estimate.fit import fit
from klantwaarde.lifecycle.rules import CLASSES, RULES, Cuts, Rules, frequency_class
from klantwaarde.models import ParetoNBD, quantities
from klantwaarde.purchases.customers import Customers, customers
from klantwaarde.purchases.returns import stood_at
from klantwaarde.wording.message import Message, message

if TYPE_CHECKING:
    import pyarrow as pa

    from klantwaarde.estimate.result import Fit
    from klantwaarde.purchases.orders import Orders
    from klantwaarde.typing import Array

LEAST_HISTORY = 182  # days before the split, or there is nothing to fit
PRIOR = 20  # customers whose return the model tells, beside those who were seen
Z = 1.959963984540054  # of a two-sided 95 % interval


class Returns(NamedTuple):
    """Histories at a split: chances by a model, customers, and how many of them bought again. All of shape (cells,)."""

    kind: Array
    """Place in CLASSES."""
    p_alive: Array
    p_active: Array
    expected: Array
    """The chance of an order up to the end, by the model."""
    n: Array
    returned: Array
    young: Array
    """Whether customers with this history are new, and so not lost whatever the limits."""


class Rate(NamedTuple):
    """How many of the lost came back, with Wilson's 95 % interval; the rate is None where nobody is lost."""

    lost: int
    returned: int
    rate: float | None
    low: float
    high: float


@dataclass(frozen=True)
class Calibration:
    """Limits of LOST, and the return rate of those below them on a split; without one, constants."""

    cuts: Cuts
    split: dt.date | None
    end: dt.date
    target: float
    rate: Rate
    """Of all classes, cross-fitted."""
    by_class: tuple[tuple[str, Rate], ...]
    """Per class of repeat orders, of the limits on the customers they were found on."""

    @property
    def told(self) -> Message:
        """One sentence: what the limits rest on, and how many of the lost came back."""
        found = self.rate
        if self.split is None or found.rate is None:
            return message("limits_of_lost", limits=self.cuts.told)
        shares = {"rate": found.rate, "low": found.low, "high": found.high}
        days = {"split": self.split, "end": self.end}
        return message("lost_rate", lost=found.lost, back=found.returned, **shares, **days)


def calibration(
    orders: Orders,
    Model: Any = ParetoNBD,
    *,
    as_of: str | dt.date | None = None,
    unit: str = "week",
    target: float = 0.10,
) -> Calibration:
    """Limits of LOST on a split twelve months before as_of (default: as for `customers`), for a timing model.

    target: the largest share of the lost that may come back within twelve months. Where there are less than 26 weeks
    before the split, the limits are the default constants, and `told` says so. Raises BadParameters for a target
    outside 0 to 1.
    """
    if not 0 < target < 1:
        raise BadParameters(f"target={target} must lie between 0 and 1: 0.10 is one lost customer in ten coming back.")
    end = orders.default_as_of() if as_of is None else read_day(as_of, "as_of")
    split, first = year_before(end), orders.window.first if orders.window else orders.profile["first_day"]
    if (split - first).days < LEAST_HISTORY:
        had = max((end - first).days, 0)
        return _constants(
            end, target, message("limits_too_short", days=had + 1, needed=LEAST_HISTORY + (end - split).days + 1)
        )
    try:
        base = customers(orders, split, unit)
        found = returns(base, end, fit(Model, base.cells()))
    except BadOrders:
        return _constants(end, target, message("limits_nothing_to_learn", split=split))
    cuts = lost_cuts(found, target)
    each = tuple((name, lost_rate(_of_class(found, place), cuts)) for place, name in enumerate(CLASSES))
    return Calibration(cuts, split, end, target, cross_fitted(found, target), each)


def _constants(end: dt.date, target: float, why: Message) -> Calibration:
    return Calibration(Cuts(told=why), None, end, target, wilson(0, 0), ())


def returns(base: Customers, end: dt.date, found: Fit[Any], rules: Rules = RULES["default"]) -> Returns:
    """Histories at the end of a base, with chances under a fit, and who bought again up to `end`."""
    stood = stood_at(base.orders, end)
    table = query("stage_returns", customers=base.table, stood=stood, as_of=base.as_of, end=end).arrow()
    x, t_x, T, n, returned = _floats(table, "x", "t_x_days", "t_days", "n", "returned")
    days = check_unit(found.unit or "")
    history = (x, t_x / days, T / days)
    alive = quantities.p_alive(found.model, *history)
    active = quantities.p_active(found.model, rules.active_days / days, *history)
    ahead = quantities.p_active(found.model, (end - base.as_of).days / days, *history)
    young = (rules.new_days >= T) & (alive >= rules.dormant)
    return Returns(frequency_class(x), alive, active, ahead, n, returned, young)


def lost_cuts(found: Returns, target: float = 0.10) -> Cuts:
    """The largest limits below which at most `target` of the customers bought again.

    Per class first of P(active), then of P(alive) with those below the first counted in; of who bought once of
    P(active) only, of which P(alive) is a function there. To those below a limit are added PRIOR customers who come
    back as often as the model expects: of a few the model decides, of many what they did. The rate has to be one
    standard error below the target, because the largest of many limits is the one that luck favoured. Where no limit
    will do, the default one stays for chances lower than any that was seen: what came back does not contradict it.
    """
    pairs = [_cuts_of(_of_class(found, place), target, alive=place > 0) for place in range(len(CLASSES))]
    told = message("limits_calibrated", target=target)
    return Cuts(tuple(alive for alive, _ in pairs), tuple(active for _, active in pairs), told)


def _cuts_of(part: Returns, target: float, *, alive: bool) -> tuple[float, float]:
    """(limit of P(alive), limit of P(active)) of one class; of P(alive) 0 where it is not asked for."""
    part = _pick(part, ~part.young)
    usual, nobody = Cuts(), _pick(part, np.zeros(len(part.n), dtype=bool))
    active = _largest(part.p_active, part, nobody, target)
    by_active = _or_unseen(active, part.p_active, usual.p_active[0])
    if not alive:
        return 0.0, by_active
    below = part.p_active < active
    rest = _pick(part, ~below)
    return _or_unseen(
        _largest(rest.p_alive, rest, _pick(part, below), target), part.p_alive, usual.p_alive[0]
    ), by_active


def _or_unseen(limit: float, seen: Array, usual: float) -> float:
    """The limit or, where there is none, the usual one as far as it lies below all that was seen."""
    return limit or float(min(usual, np.min(seen, initial=usual)))


def _largest(chance: Array, part: Returns, counted: Returns, target: float) -> float:
    """The largest limit of a chance, no higher than that of DORMANT, below which few enough came back; else 0."""
    most = RULES["default"].dormant
    order = np.argsort(chance, kind="stable")
    values, part = chance[order], _pick(part, order)
    lost = counted.n.sum() + np.cumsum(part.n)
    back = counted.returned.sum() + np.cumsum(part.returned)
    expected = (counted.expected @ counted.n + np.cumsum(part.expected * part.n)) / np.maximum(lost, 1)
    limit = np.append(values[1:], np.inf)
    slack = np.sqrt(target * (1 - target) * (lost + PRIOR))
    good = (limit > values) & (values < most) & (back + PRIOR * expected + slack <= target * (lost + PRIOR))
    return float(min(limit[np.flatnonzero(good)[-1]], most)) if good.any() else 0.0


def lost_rate(found: Returns, cuts: Cuts) -> Rate:
    """Customers under the limits, and how many of them bought again."""
    lost = is_lost(found, cuts)
    return wilson(round(float(found.returned[lost].sum())), round(float(found.n[lost].sum())))


def is_lost(found: Returns, cuts: Cuts) -> Array:
    """Whether customers with these histories are lost; shape (cells,)."""
    alive, active = np.asarray(cuts.p_alive)[found.kind], np.asarray(cuts.p_active)[found.kind]
    return ~found.young & ((found.p_alive < alive) | (found.p_active < active))


def cross_fitted(found: Returns, target: float = 0.10, seed: int = 0) -> Rate:
    """The return rate of the lost, the limits being found on the other half of the customers."""
    halves = split_customers(found, seed)
    rates = [lost_rate(halves[1 - place], lost_cuts(halves[place], target)) for place in (0, 1)]
    return wilson(sum(rate.returned for rate in rates), sum(rate.lost for rate in rates))


def split_customers(found: Returns, seed: int = 0) -> tuple[Returns, Returns]:
    """Two halves of the customers at random; every time the same ones."""
    rng = np.random.default_rng(seed)
    n, returned = found.n.astype(np.int64), found.returned.astype(np.int64)
    half = rng.binomial(n, 0.5)
    back = rng.hypergeometric(returned, n - returned, half)
    return (
        found._replace(n=half.astype(float), returned=back.astype(float)),
        found._replace(n=(n - half).astype(float), returned=(returned - back).astype(float)),
    )


def wilson(successes: int, n: int) -> Rate:
    """A share with Wilson's 95 % interval (Wilson, 1927, JASA 22); 0 to 1 where there is nothing to go by."""
    if not n:
        return Rate(0, 0, None, 0.0, 1.0)
    share, slack = successes / n, Z**2 / n
    middle = (share + slack / 2) / (1 + slack)
    half = Z / (1 + slack) * float(np.sqrt(share * (1 - share) / n + slack / (4 * n)))
    return Rate(n, successes, share, min(max(middle - half, 0.0), share), max(min(middle + half, 1.0), share))


def _of_class(found: Returns, place: int) -> Returns:
    return _pick(found, found.kind == place)


def _pick(found: Returns, rows: Array) -> Returns:
    return Returns(*(values[rows] for values in found))


def _floats(table: pa.Table, *names: str) -> tuple[Array, ...]:
    return tuple(np.asarray(table.column(name).cast("float64", safe=False)) for name in names)
