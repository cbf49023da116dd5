"""Drift: whether what came since a model was fitted is what that model expects.

For each customer, the log-likelihood of what happened after the split (the model's own last day), given the history up
to it; for those won since, of their whole history:

    l = log L(x, t_x, T at the end) - log L(x, t_x, T at the split)

    z = (mean l - E[mean l]) / (s sqrt(1 + 1/R)),  s^2 = sum over customers of Var[l] / customers^2

Mean and variance come from R simulations of every customer by the model's own `draw`: with p_alive, the population
given alive draws the days after the split; newcomers are drawn from their first purchase on, with the same T. Days are
what orders are known by: drawn times are rounded up to days, two on one day are one, and densities are per day, so that
the unit of the fit changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from klantwaarde.calendar import check_unit, read_day
from klantwaarde.engine.relation import query
from klantwaarde.models import quantities
from klantwaarde.purchases.customers import Customers, customers
from klantwaarde.purchases.split import sample
from klantwaarde.wording.message import Message, message

if TYPE_CHECKING:
    import datetime as dt

    from klantwaarde.estimate.result import Fit
    from klantwaarde.typing import Array

MOST, ROUNDS = 50_000, 20  # customers and simulations of each: a million histories, a second or two
LARGE_Z = 4.0  # chance shows it once in 16,000 runs, so a daily run once in 43 years; 3 would be once a year
LARGE_SHARE = 0.10  # of the expected log-likelihood: about what a tenth more or fewer orders makes


class Drift(NamedTuple):
    """How far the log-likelihood per customer of what came since a fit lies from what the fit expects."""

    since: dt.date
    until: dt.date
    model: str
    customers: int
    log_likelihood: float
    """Per customer, per day of an order; as are the two below."""
    expected: float
    standard_error: float
    z: float
    orders: float
    """Repeat orders after `since` of these customers, and how many the model expects."""
    expected_orders: float
    alarm: bool

    @property
    def difference(self) -> float:
        """Log-likelihood per customer above (or below) what is expected."""
        return self.log_likelihood - self.expected

    @property
    def told(self) -> Message:
        """One line for a reader."""
        return message(
            "drift_alarm" if self.alarm else "drift_quiet",
            since=self.since,
            found=self.log_likelihood,
            expected=self.expected,
            z=self.z,
            orders=self.orders,
            expected_orders=self.expected_orders,
        )


class Histories(NamedTuple):
    """One row per customer, in days: x and t_x at the split (x = -1: not a customer yet), and x, t_x, T at the end."""

    x_before: Array
    t_x_before: Array
    x: Array
    t_x: Array
    T: Array


def drift(base: Customers, fit: Fit[Any], seed: int = 0) -> Drift | None:
    """The drift of a base since a fit's last day; None where no day has come since, or nobody has a purchase."""
    split = read_day(fit.as_of or str(base.as_of), "as_of")
    if base.as_of <= split or not base.totals["with_purchase"]:
        return None
    rows, days = _histories(base, split), (base.as_of - split).days
    known = _log_likelihood_before(fit, rows, days).mean()
    mean, variance, expected_orders = _expected(fit, rows, days, np.random.default_rng(seed))
    found, expected = float(_log_likelihood(fit, rows).mean() - known), float(mean.mean() - known)
    error = float(np.sqrt(variance.sum() * (1 + 1 / ROUNDS)) / len(rows.x))
    # Without any spread there is nothing to measure by: a day in which nobody can buy, or a model in which nobody does.
    z = (found - expected) / error if error > 0 else 0.0
    alarm = abs(z) > LARGE_Z and abs(found - expected) > LARGE_SHARE * abs(expected)
    told = (split, base.as_of, fit.name, len(rows.x), found, expected, error, z)
    return Drift(*told, float(_bought(rows).sum()), expected_orders, alarm)


def _histories(base: Customers, split: dt.date) -> Histories:
    followed = base
    if base.totals["with_purchase"] > MOST:
        followed = customers(sample(base, MOST), base.as_of, base.unit)
    # What came back since was not bought, at the split as little as at the end.
    before = customers(followed.orders, split, base.unit, known=base.as_of)
    table = query("since", customers=followed.table, before=before.table, as_of=base.as_of).arrow()
    n = np.asarray(table.column("n"), dtype=int)
    names = ("x_before", "t_x_before_days", "x", "t_x_days", "t_days")
    return Histories(*(np.repeat(np.asarray(table.column(name), dtype=float), n) for name in names))


def _bought(rows: Histories) -> Array:
    """Repeat orders after the split."""
    return np.asarray(rows.x - np.maximum(rows.x_before, 0))


def _log_likelihood(fit: Fit[Any], rows: Histories) -> Array:
    """Of each customer's history up to the end, orders after the split per day."""
    unit = check_unit(fit.unit or "day")
    whole = quantities.log_likelihood(fit.model, rows.x, rows.t_x / unit, rows.T / unit)
    return np.asarray(whole - _bought(rows) * np.log(unit))


def _log_likelihood_before(fit: Fit[Any], rows: Histories, days: int) -> Array:
    """Of each customer's history up to the split; 0 for those won since."""
    unit, known = check_unit(fit.unit or "day"), rows.x_before >= 0
    x, t_x, T = (np.where(known, value, 0.0) for value in (rows.x_before, rows.t_x_before, rows.T - days))
    return np.where(known, quantities.log_likelihood(fit.model, x, t_x / unit, T / unit), 0.0)


def _expected(fit: Fit[Any], rows: Histories, days: int, rng: np.random.Generator) -> tuple[Array, Array, float]:
    """Mean and variance of the log-likelihood of each customer, and the repeat orders of all."""
    # Around the first round, so that the sum of squares loses no digits.
    first = _log_likelihood(fit, _drawn(fit, rows, days, rng))
    total, squares, orders = np.zeros_like(first), np.zeros_like(first), 0.0
    for _ in range(ROUNDS):
        drawn = _drawn(fit, rows, days, rng)
        off = _log_likelihood(fit, drawn) - first
        total, squares, orders = total + off, squares + off**2, orders + float(_bought(drawn).sum())
    variance = (squares - total**2 / ROUNDS) / (ROUNDS - 1)
    return first + total / ROUNDS, variance, orders / ROUNDS


def _drawn(fit: Fit[Any], rows: Histories, days: int, rng: np.random.Generator) -> Histories:
    """The same customers, what comes after the split drawn from the model."""
    unit, known = check_unit(fit.unit or "day"), rows.x_before >= 0
    x, t_x = np.maximum(rows.x_before, 0.0), np.where(known, rows.t_x_before, 0.0)
    start = np.where(known, rows.T - days, 0.0)
    history = (x[known], t_x[known] / unit, start[known] / unit)
    stays = np.ones_like(known)
    stays[known] = rng.random(known.sum()) < quantities.p_alive(fit.model, *history)
    for who, population in ((known, fit.model.given_alive(*history)), (~known, fit.model)):
        place = np.flatnonzero(who)
        if len(place):
            customer, day = _days_of_buying(population, rng, (rows.T - start)[place], unit)
            kept = stays[place[customer]]
            customer, day = place[customer[kept]], day[kept]
            np.add.at(x, customer, 1.0)
            np.maximum.at(t_x, customer, start[customer] + day)
    return rows._replace(x=x, t_x=t_x)


def _days_of_buying(population: Any, rng: np.random.Generator, length: Array, unit: float) -> tuple[Array, Array]:
    """(customer, day) drawn from a population, in (0, length]: times rounded up to days, each counted once."""
    customer, time = population.draw(rng, length / unit)
    day = np.minimum(np.ceil(time * unit), length[customer])
    pairs = np.unique(np.stack([customer, day]), axis=1) if len(customer) else np.zeros((2, 0))
    return pairs[0].astype(int), pairs[1]
