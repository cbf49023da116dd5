"""Whether stages tell what customers do next, and how soon they tell that a customer has gone.

Everything is asked of plain arrays, one value per customer: the stage or any other score at a day, what came after it
and, where the customers are simulated, the day on which each of them left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import expit, log_expit, logit, ndtr, xlog1py, xlogy

from klantwaarde.errors import BadOrders, BadParameters

if TYPE_CHECKING:
    from klantwaarde.typing import Array

SURE = 30.0  # log odds beyond which a chance counts as 0 or 1 when chances are corrected


class Trend(NamedTuple):
    """A Jonckheere-Terpstra test: the pairs in order, what chance gives, and the one-sided p of so many or more."""

    statistic: float
    expected: float
    deviation: float
    z: float
    p: float


class LogLoss(NamedTuple):
    """Nats per customer lost by telling who is active, each fitted on the other half: the less the better.

    base: one rate for all; stage: the share active in the stage; chance: a model's chance as it is, fitted on nothing;
    corrected: the chance with its log odds shifted and stretched. coarse: stage - corrected, what is lost by telling a
    stage for a chance, with its standard error.
    """

    customers: int
    base: float
    stage: float
    chance: float
    corrected: float
    coarse: float
    error: float


class Alarm(NamedTuple):
    """How a rule calls customers gone. false: share of the living who are called so; hits: of those who have left.

    delay: median days from leaving to the call, 0 for who was called before, inf where half are never called; with
    the quartiles. Shares and delays are NaN of nobody.
    """

    living: int
    gone: int
    false: float
    hits: float
    delay: float
    quartiles: tuple[float, float]


class Cut(NamedTuple):
    """A limit from which on a score says active, and its balanced accuracy there."""

    at: float
    accuracy: float


def trend(place: Array, value: Array) -> Trend:
    """Whether a value rises over ordered groups, whole numbers from the lowest up; a negative one is left out.

    Jonckheere (1954), Biometrika 41; Terpstra (1952). Of all pairs from two groups, those in which the higher group
    has the higher value, ties counting one half. Deviation as in Hollander & Wolfe (1999), "Nonparametric statistical
    methods", eq. 6.19, with ties; z without a correction for continuity. Where one group has everyone, or all have the
    same value, z is 0 and p is 1.
    """
    table = _sizes(place, value)
    below = np.cumsum(table, axis=1) - table / 2  # of the same group: lower values, and half of the equal ones
    pairs = table[1:] * np.cumsum(below, axis=0)[:-1]
    groups, ties, n = table.sum(axis=1), table.sum(axis=0), float(table.sum())
    expected = (n**2 - np.sum(groups**2)) / 4
    if min(table.shape) < 2:
        return Trend(float(pairs.sum()), expected, 0.0, 0.0, 1.0)
    deviation = float(np.sqrt(_variance(groups, ties, n)))
    z = float(pairs.sum() - expected) / deviation
    return Trend(float(pairs.sum()), float(expected), deviation, z, float(ndtr(-z)))


def _sizes(place: Array, value: Array) -> Array:
    """Customers per group (rows) and distinct value (columns)."""
    where, what = _same(place, value)
    if where.dtype.kind not in "iu" or np.isnan(what).any():
        raise BadOrders("a trend needs whole numbers as groups and values that are numbers; leave out the others.")
    kept = where >= 0
    if not kept.any():
        raise BadOrders("no customer is in a group: nothing can rise.")
    _, row = np.unique(where[kept], return_inverse=True)
    _, column = np.unique(what[kept], return_inverse=True)
    shape = row.max() + 1, column.max() + 1
    return np.bincount(row * shape[1] + column, minlength=shape[0] * shape[1]).reshape(shape).astype(float)


def _variance(groups: Array, ties: Array, n: float) -> float:
    def sixth(sizes: Array) -> float:
        return float(np.sum(sizes * (sizes - 1) * (2 * sizes + 5)))

    def triples(sizes: Array) -> float:
        return float(np.sum(sizes * (sizes - 1) * (sizes - 2)))

    def couples(sizes: Array) -> float:
        return float(np.sum(sizes * (sizes - 1)))

    whole = (sixth(np.array(n)) - sixth(groups) - sixth(ties)) / 72
    three = triples(groups) * triples(ties) / (36 * max(triples(np.array(n)), 1))  # of two customers 0 / 0
    return whole + three + couples(groups) * couples(ties) / (8 * couples(np.array(n)))


def log_loss(stage: Array, chance: Array, active: Array, seed: int = 0) -> LogLoss:
    """What it costs to tell a customer's stage, a whole number, instead of a chance of being active.

    active: whether the customer was. The customers are halved at random; what is fitted on one half is tried on the
    other. A stage's share counts one customer more, who is active as often as all are; that of all one more at even
    odds: so a stage not seen before costs no infinite loss. Raises BadOrders for fewer than two customers,
    BadParameters for chances that are none.
    """
    where, told, was = _same(stage, chance, active)
    if where.dtype.kind not in "iu" or len(where) < 2:
        raise BadOrders("stages must be whole numbers, of two customers or more.")
    if not np.all((told >= 0) & (told <= 1)):
        raise BadParameters("chance must lie between 0 and 1 for every customer.")
    y, where = (was != 0).astype(float), np.unique(where, return_inverse=True)[1]
    half = np.random.default_rng(seed).permutation(len(y)) % 2
    found = np.empty((3, len(y)))
    for test in (half == 0, half == 1):
        found[:, test] = _on_the_other(where, told, y, test)
    base, by_stage, corrected = (_surprise(y, row) for row in found)
    coarse = by_stage - corrected
    parts = {"base": base, "stage": by_stage, "chance": _surprise(y, told), "corrected": corrected, "coarse": coarse}
    means = {name: float(part.mean()) for name, part in parts.items()}
    return LogLoss(customers=len(y), error=float(coarse.std() / np.sqrt(len(y))), **means)


def _on_the_other(where: Array, told: Array, y: Array, test: Array) -> tuple[Array, Array, Array]:
    """Chances of those to test by one rate, by stage and by the corrected chance, from the others."""
    train = ~test
    rate = (y[train].sum() + 0.5) / (train.sum() + 1)
    number = int(where.max()) + 1
    n, active = np.bincount(where[train], minlength=number), np.bincount(where[train], y[train], minlength=number)
    odds = np.clip(logit(told), -SURE, SURE)
    shift, stretch = _correction(odds[train], y[train])
    return np.full(int(test.sum()), rate), ((active + rate) / (n + 1))[where[test]], expit(shift + stretch * odds[test])


def _correction(odds: Array, y: Array) -> Array:
    """Shift and stretch of log odds (Cox, 1958, Biometrika 45), about 0 and 1 a priori, each by a deviation of one.

    Without that, chances that separate the active from the others would be stretched without end.
    """
    from scipy.optimize import minimize  # noqa: PLC0415 - loaded where it is used

    def missed(by: Array) -> tuple[float, Array]:
        shifted = by[0] + by[1] * odds
        loss = -np.sum(np.where(y > 0, log_expit(shifted), log_expit(-shifted)))
        off, prior = expit(shifted) - y, by - np.array([0.0, 1.0])
        return float(loss + prior @ prior / 2), np.array([off.sum(), off @ odds]) + prior

    return np.asarray(minimize(missed, np.array([0.0, 1.0]), jac=True, method="BFGS").x)


def _surprise(y: Array, chance: Array) -> Array:
    return np.asarray(-xlogy(y, chance) - xlog1py(1 - y, -chance))


def confusion(stage: Array, alive: Array, number: int) -> Array:
    """Customers per stage, whole numbers below `number` (rows), who have left and who have not: (number, 2)."""
    where, living = _same(stage, alive)
    if where.dtype.kind not in "iu" or not np.all((where >= 0) & (where < number)):
        raise BadOrders(f"stages must be whole numbers from 0 to {number - 1}.")
    cells = where.astype(np.int64) * 2 + (living != 0)
    return np.bincount(cells, minlength=2 * number).reshape(number, 2)


def alarm(first: Array, today: Array, death: Array) -> Alarm:
    """How well, and how soon, customers are called gone who have left.

    In days after the first order: first, from when on a customer is called so who is silent after the last order seen;
    today, when that is asked; death, when the customer left, inf for never. The delay is that of the dead of today,
    whether they are called before today or will be after it.
    """
    called, now, died = (values.astype(float) for values in _same(first, today, death))
    dead, said = died <= now, called <= now
    delays = np.sort(np.maximum(called[dead] - died[dead], 0))
    # Of whole ranks: between a number and inf there is no middle.
    low, middle, high = (
        float(delays[int(np.ceil(len(delays) * share)) - 1]) if len(delays) else np.nan for share in (0.25, 0.5, 0.75)
    )
    return Alarm(int((~dead).sum()), int(dead.sum()), _share(said[~dead]), _share(said[dead]), middle, (low, high))


def equal_silence(last: Array, today: Array, death: Array, share: float) -> int:
    """The shortest silence, in whole days, that no more than a share of the living have today: the hiatus rule.

    Days as in `alarm`; last: of the last order. alarm(last + equal_silence(...), today, death) is the rule's.
    """
    before, now, died = (values.astype(float) for values in _same(last, today, death))
    if not 0 <= share <= 1:
        raise BadParameters(f"share={share} must lie between 0 and 1.")
    silences = np.sort((now - before)[died > now])[::-1]
    if not len(silences):
        raise BadOrders("nobody is alive today: no silence can be chosen by the living.")
    most = int(np.floor(share * len(silences) + 1e-9))
    return 0 if most == len(silences) else int(np.floor(silences[most])) + 1


def best_cut(score: Array, active: Array) -> Cut:
    """The limit of a score, among those that occur, from which on to say active with the highest balanced accuracy.

    Of limits that are as good the highest. Raises BadOrders unless some are active and some not.
    """
    scores, was = _same(score, active)
    y = _both(was)
    order = np.argsort(-scores, kind="stable")
    values, hit = scores[order], y[order]
    last = np.append(values[1:] != values[:-1], True)
    right, wrong = np.cumsum(hit) / hit.sum(), np.cumsum(~hit) / (~hit).sum()
    accuracy = (1 + right - wrong)[last] / 2
    best = int(np.argmax(accuracy))
    return Cut(float(values[last][best]), float(accuracy[best]))


def balanced_accuracy(said: Array, active: Array) -> float:
    """Mean of the share of the active who are said to be, and of the others who are not; half is what chance gives."""
    told, was = _same(said, active)
    y = _both(was)
    return float(((told[y] != 0).mean() + (told[~y] == 0).mean()) / 2)


def _both(active: Array) -> Array:
    y = np.asarray(active != 0)
    if y.all() or not y.any():
        raise BadOrders("everyone is active, or nobody is: there is nothing to tell apart. Choose another day.")
    return y


def _share(holds: Array) -> float:
    return float(holds.mean()) if len(holds) else np.nan


def _same(*columns: Array) -> tuple[Array, ...]:
    """Arrays of one value per customer, as many in each. Raises BadOrders."""
    found = tuple(np.asarray(column) for column in columns)
    if any(column.ndim != 1 or column.shape != found[0].shape for column in found):
        shapes = ", ".join(str(column.shape) for column in found)
        raise BadOrders(f"there must be one value per customer, in as many rows: the shapes are {shapes}.")
    return found
