"""Whether the stages of docs/validation.md tell anything, on real orders and where the truth is known.

    python -m benchmarks.stages later|loss|hiatus|states [model]
    python -m benchmarks.stages spend
    python -m benchmarks.stages gone|confusion [customers]

The first five read ../shared/data, and leave out what is not there but CDNOW; the last two simulate so many customers.
The model is mbg_nbd unless another one is named.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.special import stdtr
from tests import test_stage_holdouts as shops
from tests import test_validate_stages as stories

import klantwaarde as kw
from klantwaarde.estimate.result import Fit
from klantwaarde.lifecycle.calibration import calibration
from klantwaarde.lifecycle.rules import NEVER, RULES, STAGES, Cuts, Marks, first_day_below
from klantwaarde.lifecycle.stage_cells import Judge
from klantwaarde.lifecycle.stages import staged
from klantwaarde.lifecycle.transitions import agreement
from klantwaarde.models import MODELS, quantities
from klantwaarde.purchases.customers import Customers
from klantwaarde.typing import Array
from klantwaarde.validate.stages import alarm, balanced_accuracy, best_cut, confusion, equal_silence, log_loss, trend

CUSTOMERS, SEEDS, WEEKS, PERIOD, START = 20_000, 5, 104, 28, "2023-01-02"
STEADY = ("growing", "core", "declining")
FOUR = (STEADY, ("at_risk",), ("dormant",), ("lost",))
BEST_FIRST = ("growing", "core", "declining", "new", "won_back", "at_risk", "dormant", "lost", "prospect")
ALIKE = kw.ParetoNBD(5.0, 25.0, 0.606, 11.67)
WORLDS: tuple[tuple[str, Any, Any], ...] = (
    ("Pareto/NBD", stories.PARETO, kw.ParetoNBD),
    ("Pareto/NBD, rates alike", ALIKE, kw.ParetoNBD),
    ("BG/NBD", stories.BG, kw.BGNBD),
    ("Pareto/NBD, MBG/NBD fitted", stories.PARETO, kw.MBGNBD),
)


class Seen(NamedTuple):
    """Customers at a day, and what they did after it: a row each."""

    base: Customers
    fit: Fit[Any]
    cuts: Cuts
    rows: pd.DataFrame
    horizon: float

    def chance(self) -> Array:
        """P(at least one order up to the end)."""
        return quantities.p_active(self.fit.model, self.horizon, *history(self.rows))

    def place(self, rules: str) -> Array:
        """Stages as whole numbers, the best first."""
        found = staged(self.base, self.fit, RULES[rules], self.cuts).to_pandas().set_index("customer_id").stage
        return self.rows.customer_id.map(found).map(BEST_FIRST.index).to_numpy(dtype=int)


def history(rows: pd.DataFrame) -> tuple[Array, Array, Array]:
    return rows.x.to_numpy(float), rows.t_x.to_numpy() / 7, rows["T"].to_numpy() / 7


def tell(*cells: object) -> None:
    """One row, as a page has it."""
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def known(base: Customers) -> pd.DataFrame:
    sql = f"select customer_id, orders - 1 as x, first_order, last_order from {base.table} where orders > 0"
    rows = base.engine.pandas(sql).sort_values("customer_id", ignore_index=True)
    first, last = pd.to_datetime(rows.first_order), pd.to_datetime(rows.last_order)
    return rows.assign(t_x=(last - first).dt.days, T=(pd.Timestamp(base.as_of) - first).dt.days)


def seen(frame: pd.DataFrame, as_of: dt.date, end: dt.date, Model: Any = kw.MBGNBD) -> Seen:
    orders = kw.orders(frame)
    base = kw.customers(orders, as_of)
    cuts = calibration(orders, Model, as_of=as_of).cuts
    later = frame[(frame.date > pd.Timestamp(as_of)) & (frame.date <= pd.Timestamp(end))]
    rows = known(base)
    days = later.drop_duplicates(["customer_id", "date"]).groupby("customer_id").size()
    rows["later"] = rows.customer_id.map(days).fillna(0).to_numpy()
    if "amount" in frame:
        rows["money"] = rows.customer_id.map(later.groupby("customer_id").amount.sum()).fillna(0).to_numpy()
    return Seen(base, kw.fit(Model, base.cells()), cuts, rows, (end - as_of).days / 7)


def real() -> Iterator[tuple[str, pd.DataFrame, dt.date, dt.date]]:
    """(name, orders, the day of the stages, the end): the shops that are here."""
    for name, shop in shops.SHOPS.items():
        if (shops.DATA / shop.file).exists():
            frame = shops.read(name)
        elif name == "cdnow":
            frame = pd.read_parquet(kw.datasets.cdnow())
        else:
            continue
        frame = frame.assign(date=pd.to_datetime(frame.date))
        yield name, frame, dt.date.fromisoformat(shop.as_of), dt.date.fromisoformat(shop.end)


def later_table(Model: Any) -> None:
    """What is done later falls over core, at risk, dormant, lost."""
    tell(
        "orders",
        "rules",
        "customers",
        "core",
        "at risk",
        "dormant",
        "lost",
        "z active",
        "z orders",
        "z money",
        "pairs",
        "p",
    )
    for name, frame, as_of, end in real():
        found = seen(frame, as_of, end, Model)
        for rules in RULES:
            place = found.place(rules)
            four = np.select([np.isin(place, [BEST_FIRST.index(s) for s in some]) for some in FOUR], range(4), -1)
            bought = found.rows.later.to_numpy()
            shares = (f"{(bought[four == at] > 0).mean():.1%}" if (four == at).any() else "none" for at in range(4))
            risen = np.where(four < 0, -1, 3 - four)  # groups go up, and so should what they do
            values = [
                (bought > 0).astype(float),
                bought,
                *([found.rows.money.to_numpy()] if "money" in found.rows else []),
            ]
            tests = [trend(risen, value) for value in values]
            z = [f"{one.z:.1f}" for one in tests] + ["none"] * (3 - len(tests))
            pairs = tests[1].statistic / (2 * tests[1].expected)
            tell(name, rules, f"{(four >= 0).sum():,}", *shares, *z, f"{pairs:.3f}", tail(max(one.p for one in tests)))


def tail(p: float) -> str:
    return f"{p:.0e}" if p > 1e-300 else "< 1e-300"


def loss_table(Model: Any) -> None:
    tell("orders", "rules", "customers", "one rate", "stage", "P(active)", "corrected", "stage - corrected, ± s.e.")
    for name, frame, as_of, end in real():
        found = seen(frame, as_of, end, Model)
        for rules in RULES:
            lost = log_loss(found.place(rules), found.chance(), found.rows.later.to_numpy() > 0)
            four = (f"{value:.4f}" for value in (lost.base, lost.stage, lost.chance, lost.corrected))
            tell(name, rules, f"{lost.customers:,}", *four, f"{lost.coarse:+.4f} ± {lost.error:.4f}")


def hiatus_table(Model: Any) -> None:
    """Limits are found half-way through what is known, and tried on what came after."""
    tell("orders", "found on", "by", "limit", "balanced accuracy", "with the limit of hindsight")
    for name, frame, as_of, end in real():
        first = frame.date.min().date()
        middle = first + (as_of - first) / 2
        before, after = seen(frame, middle, as_of, Model), seen(frame, as_of, end, Model)
        then, now = before.rows.later.to_numpy() > 0, after.rows.later.to_numpy() > 0
        scores = {"hiatus, days": [-(one.rows["T"] - one.rows.t_x).to_numpy() for one in (before, after)]}
        scores |= {f"stages, {rules}": [-one.place(rules) for one in (before, after)] for rules in RULES}
        scores["P(active)"] = [one.chance() for one in (before, after)]
        for by, (old, new) in scores.items():
            cut, hindsight = best_cut(old, then), best_cut(new, now)
            at = f"{BEST_FIRST[int(-cut.at)]} or better" if by.startswith("stages") else f"{abs(cut.at):.3g}"
            tell(name, middle, by, at, f"{balanced_accuracy(new >= cut.at, now):.3f}", f"{hindsight.accuracy:.3f}")


def states_table(Model: Any) -> None:
    """Agreement of the stages with the likeliest state of the hidden Markov model in the last period before."""
    tell("orders", "states", *(f"{rules} and states" for rules in RULES), "default and days")
    for name, frame, as_of, end in real():
        found = seen(frame, as_of, end, Model)
        counts = periods(frame, found.rows, as_of)
        told = (counts >= 0).any(axis=1)
        model = kw.hmm.fit_hmm(counts[told]).model
        state = np.full(len(counts), -1)
        state[told] = model.posterior(counts[told], last=True).argmax(axis=1)
        places = {rules: found.place(rules) for rules in RULES}
        cells = [agreement(place, state) for place in places.values()]
        tell(name, len(model.rates), *(f"{one:.3f}" for one in [*cells, agreement(places["default"], places["days"])]))


def periods(frame: pd.DataFrame, rows: pd.DataFrame, as_of: dt.date) -> Array:
    """Orders per four weeks up to a day, from the first full four weeks of a customer; before them -1."""
    number = int(rows["T"].max()) // PERIOD
    ago = (pd.Timestamp(as_of) - frame.date).dt.days
    kept = frame[(ago >= 0) & (ago < number * PERIOD)].drop_duplicates(["customer_id", "date"])
    who = np.searchsorted(rows.customer_id, kept.customer_id)
    column = number - 1 - ago[kept.index].to_numpy() // PERIOD
    counts = np.bincount(who * number + column, minlength=len(rows) * number).reshape(len(rows), number)
    full = rows["T"].to_numpy() // PERIOD
    return np.where(np.arange(number) < number - full[:, None], -1, counts)


def spend_table() -> None:
    """Two samples of log amounts per customer, of the last 91 days and before: how often they differ by p < 0.05."""
    tell("orders", "three amounts or more in each", "of customers", "p below 0.05", "amounts shuffled")
    rng = np.random.default_rng(1)
    for name, frame, as_of, _ in real():
        if "amount" not in frame:
            continue
        paid = frame[(frame.amount > 0) & (frame.date <= pd.Timestamp(as_of))].sort_values("customer_id")
        recent = (paid.date > pd.Timestamp(as_of) - pd.Timedelta(days=91)).to_numpy()
        who, amount = paid.customer_id.to_numpy(), np.log(paid.amount.to_numpy())
        shuffled = np.concatenate(
            [drifts(who, amount[np.lexsort((rng.random(len(who)), who))], recent) for _ in range(20)]
        )
        p = drifts(who, amount, recent)
        tell(
            name,
            len(p),
            f"{paid.customer_id.nunique():,}",
            f"{(p < 0.05).mean():.1%}",
            f"{(shuffled < 0.05).mean():.1%}",
        )


def drifts(who: Array, value: Array, recent: Array) -> Array:
    """p of a t-test with equal variances per customer, of those with three values or more in each sample."""
    told = pd.Series(value).groupby([who, recent]).agg(["size", "mean", "var"]).unstack()
    sizes, means, spread = (told[name].to_numpy(dtype=float) for name in ("size", "mean", "var"))
    kept = (sizes >= 3).all(axis=1)
    (n, m), means, spread = sizes[kept].T, means[kept].T, spread[kept].T
    pooled = ((n - 1) * spread[0] + (m - 1) * spread[1]) / (n + m - 2)
    t = (means[1] - means[0]) / np.sqrt(pooled * (1 / n + 1 / m))
    return np.asarray(2 * stdtr(n + m - 2, -np.abs(t)))


class World(NamedTuple):
    """Simulated customers at the end, and the day after the first order on which each left."""

    found: Seen
    death: Array

    def marks(self, rules: str) -> Marks:
        """The days on which the rules call a silent customer something."""
        judge = Judge(self.found.fit, RULES[rules], self.found.cuts, None)
        return judge.marks(self.found.rows.x.to_numpy(), self.found.rows.t_x.to_numpy())


def world(model: Any, Model: Any, customers: int, seed: int = 1) -> World:
    """First orders evenly over two years; days are floored, of orders as of leaving."""
    rng, last = np.random.default_rng(seed), 7 * WEEKS - 1
    born = rng.integers(last + 1, size=customers)
    made = stories.lives(model, rng, (last + 1 - born) / 7)
    who = np.append(np.arange(customers), made.customer)
    day = np.append(born, born[made.customer] + np.minimum((7 * made.time).astype(int), last - born[made.customer]))
    date = np.datetime64(START, "D") + day
    frame = pa.table({"customer_id": pa.array(who), "date": pa.array(date, pa.date32())}).to_pandas()
    as_of = (np.datetime64(START, "D") + last).astype(object)
    frame["date"] = pd.to_datetime(frame.date)
    return World(seen(frame, as_of, as_of + dt.timedelta(days=1), Model), np.floor(7 * made.death))


class Call(NamedTuple):
    """A rule, and another at as many false alarms, from some limit on."""

    false: float
    hits: float
    late: float
    limit: float
    other_hits: float
    other_late: float


def gone_table(customers: int) -> None:
    """Calls of the silent beside another rule at as many false alarms: silence, or P(alive) where it is silence."""
    tell("orders", "rule", "false", "hits", "days late", "as false", "hits", "days late", "more hits, of worlds")
    for name, model, Model in WORLDS:
        worlds = [world(model, Model, customers, seed) for seed in range(1, SEEDS + 1)]
        for rules, stage in product(("default", "days"), ("at risk", "dormant", "lost")):
            found = [call(made, rules, stage) for made in worlds]
            mean = Call(*np.mean(found, axis=0))
            by = f"silent {mean.limit:.0f} days" if rules == "default" else f"P(alive) below {mean.limit:.2f}"
            one, two = (f"{mean.hits:.1%}", days(mean.late)), (f"{mean.other_hits:.1%}", days(mean.other_late))
            ahead = sum(each.hits > each.other_hits for each in found)
            tell(name, f"{rules}: {stage}", f"{mean.false:.1%}", *one, by, *two, f"{ahead} of {SEEDS}")


def call(made: World, rules: str, stage: str) -> Call:
    marks = made.marks(rules)
    starts = {"at risk": marks.risk_from, "dormant": marks.gone, "lost": marks.lost}
    last, today = (made.found.rows[column].to_numpy() for column in ("t_x", "T"))
    one = alarm(np.maximum(starts[stage], marks.young + 1), today, made.death)
    if rules == "default":
        limit: float = equal_silence(last, today, made.death, one.false)
        first = last + limit
    else:
        limit, first = by_chance(made, one.false, last, today)
    two = alarm(first, today, made.death)
    return Call(one.false, one.hits, one.delay, limit, two.hits, two.delay)


def by_chance(made: World, share: float, last: Array, today: Array) -> tuple[float, Array]:
    """The limit of P(alive) that no more than a share of the living are below today, and the days it is passed."""
    fit, (x, t_x, T) = made.found.fit, history(made.found.rows)
    chance = np.sort(quantities.p_alive(fit.model, x, t_x, T)[made.death > today])
    cut = float(chance[min(int(share * len(chance)), len(chance) - 1)])

    def alive(rows: Array, day: Array) -> Array:
        return quantities.p_alive(fit.model, x[rows], t_x[rows], day / 7)

    return cut, first_day_below(alive, last.astype(np.int64), np.full(len(x), cut))


def days(delay: float) -> str:
    return "never" if delay > NEVER / 2 else f"{delay:.0f}"


def confusion_table(customers: int) -> None:
    """Who had left, of the customers of each stage."""
    groups = (STEADY, ("new",), ("won_back",), *FOUR[1:])
    tell("orders", "rules", "growing, core, declining", "new", "won back", "at risk", "dormant", "lost")
    for name, model, Model in WORLDS:
        made = world(model, Model, customers)
        for rules in RULES:
            table = confusion(made.found.place(rules), made.death > made.found.rows["T"].to_numpy(), len(STAGES))
            each = [table[[BEST_FIRST.index(stage) for stage in some]].sum(axis=0) for some in groups]
            tell(name, rules, *(f"{left:,} of {left + stays:,}" for left, stays in each))


def main() -> None:
    name, option = [*sys.argv[1:], "", ""][:2]
    real_ones = {"later": later_table, "loss": loss_table, "hiatus": hiatus_table, "states": states_table}
    simulated = {"gone": gone_table, "confusion": confusion_table}
    if name in real_ones:
        real_ones[name](MODELS[option or "mbg_nbd"])
    elif name in simulated:
        simulated[name](int(option or CUSTOMERS))
    elif name == "spend":
        spend_table()
    else:
        sys.exit(f"Which table? {', '.join([*real_ones, 'spend', *simulated])}.")


if __name__ == "__main__":
    main()
