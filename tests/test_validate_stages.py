"""What says whether stages tell anything, against enumeration, SciPy and stories in which the truth is known."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit, xlogy

from klantwaarde.errors import BadOrders, BadParameters
from klantwaarde.models import BGNBD, ParetoNBD, quantities
from klantwaarde.models.bg_nbd import coins_survived, first_points
from klantwaarde.numerics import poisson_points
from klantwaarde.validate.stages import (
    alarm,
    balanced_accuracy,
    best_cut,
    confusion,
    equal_silence,
    log_loss,
    trend,
)

PARETO, BG = ParetoNBD(0.553, 10.58, 0.606, 11.67), BGNBD(0.243, 4.414, 0.793, 2.426)  # CDNOW, in weeks


class Lives(NamedTuple):
    """Repeat orders of simulated customers, and when each of them left; inf for not within T."""

    customer: Any
    time: Any
    death: Any

    def history(self, T: Any) -> tuple[Any, Any, Any]:
        """(x, t_x, T)."""
        last = np.zeros(len(T))
        np.maximum.at(last, self.customer, self.time)
        return np.bincount(self.customer, minlength=len(T)), last, T


def lives(model: ParetoNBD | BGNBD, rng: np.random.Generator, T: Any) -> Lives:
    """The story of a model with what it hides: under BG/NBD who leaves does so with the last order."""
    rate, n = rng.gamma(model.r, size=len(T)) / model.alpha, len(T)
    if isinstance(model, ParetoNBD):
        with np.errstate(divide="ignore", over="ignore"):
            death = rng.exponential(size=n) / (rng.gamma(model.s, size=n) / model.beta)
        return Lives(*poisson_points(rng, rate, np.minimum(death, T)), np.where(death <= T, death, np.inf))
    most = coins_survived(rng, model.a, model.b, n) + 1
    customer, time = first_points(rng, rate, T, most)
    made = Lives(customer, time, np.full(n, np.inf))
    x, last, _ = made.history(T)
    return made._replace(death=np.where(x == most, last, np.inf))


def pairs_in_order(place: tuple[int, ...], value: tuple[float, ...]) -> float:
    """The definition, pair by pair."""
    return sum(
        float(value[i] < value[j]) + 0.5 * float(value[i] == value[j])
        for i, j in product(range(len(place)), repeat=2)
        if place[i] < place[j]
    )


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ((0, 0, 1, 1, 2, 2, 2), (1, 2, 3, 4, 5, 6, 7)),
        ((0, 0, 0, 1, 2, 2, 3), (0, 0, 1, 0, 2, 2, 1)),
        ((0, 1, 1, 3, 3, 3, 3), (0, 0, 0, 0, 0, 1, 1)),
        ((2, 1, 0), (5, 5, 1)),
        ((0, 1), (1, 2)),
    ],
)
def test_a_trend_is_that_of_all_permutations(place: tuple[int, ...], value: tuple[float, ...]) -> None:
    found = trend(np.array(place), np.array(value, dtype=float))
    every = [pairs_in_order(place, mixed) for mixed in permutations(value)]
    assert found.statistic == pairs_in_order(place, value)
    assert found.expected == pytest.approx(np.mean(every), abs=1e-12)
    assert found.deviation == pytest.approx(np.std(every), abs=1e-12)
    assert found.z == pytest.approx((found.statistic - np.mean(every)) / np.std(every), abs=1e-12)


def test_the_normal_tail_is_near_the_exact_one() -> None:
    """Of all ways to share nine values out over three groups of three, as near as the next terms of the expansion.

    With equal pairs counted half the error is kurtosis / 24 He3 phi and step^2 / 24 phi' (Edgeworth on a lattice; a
    symmetric law has no skew), at most 0.551 and 0.242 of the factors; twice that leaves room for the terms beyond.
    """
    place, value = np.repeat([0, 1, 2], 3), np.arange(9.0)
    ways = sorted({tuple(way) for way in permutations(tuple(place))})
    found = [trend(np.array(way), value) for way in ways]
    assert len(ways) == 1680
    z = np.array([one.z for one in found])
    exact = np.array([(z > at + 1e-9).mean() + (np.abs(z - at) < 1e-9).mean() / 2 for at in np.unique(z)])
    told = np.array([one.p for one in found])[np.unique(z, return_index=True)[1]]
    terms = abs((z**4).mean() - 3) * 0.551 / 24 + 0.242 / (24 * found[0].deviation ** 2)
    assert np.abs(told - exact).max() < 2 * terms < 0.03


def test_two_groups_are_mann_whitney_s() -> None:
    peer = pytest.importorskip("scipy.stats").mannwhitneyu
    rng = np.random.default_rng(1)
    place = rng.integers(0, 2, 300)
    for values in (rng.poisson(1.0 + 0.2 * place).astype(float), rng.normal(0.2 * place)):
        one, other = values[place == 1], values[place == 0]
        told = peer(one, other, alternative="greater", method="asymptotic", use_continuity=False)
        found = trend(place, values)
        assert found.statistic == told.statistic
        assert found.p == pytest.approx(told.pvalue, rel=1e-10)


def test_a_trend_has_a_direction_and_nothing_to_tell_has_none() -> None:
    place, value = np.array([0, 1, 2, 2, -1]), np.array([1.0, 2, 3, 3, -9])
    assert trend(place, value).z == -trend(-place + 2 - 5 * (place < 0), value).z > 0
    assert trend(place, value).statistic == 5  # of pairs: 1 + 2 + 2, whoever has a negative place left out
    for flat in (trend(place[:4], np.ones(4)), trend(np.zeros(4, dtype=int), value[:4])):
        assert (flat.z, flat.p, flat.statistic) == (0, 1, flat.expected)


def entropy(p: Any) -> Any:
    return -xlogy(p, p) - xlogy(1 - p, 1 - p)


def test_the_losses_are_the_entropies_of_the_truth() -> None:
    """Stages are the chance in three steps: each loss is a mean entropy, in the limit."""
    rng, n = np.random.default_rng(3), 150_000
    odds = rng.normal(-1, 2, n)
    p, stage = expit(odds), np.searchsorted([-2.0, 0.5], odds)
    active = rng.random(n) < p
    wrong = expit(0.7 + 0.6 * odds)  # the same chance, shifted and stretched
    found = log_loss(stage, wrong, active)
    shares = np.array([p[stage == at].mean() for at in range(3)])
    truth = [entropy(p.mean()), entropy(shares)[stage].mean(), (-xlogy(p, wrong) - xlogy(1 - p, 1 - wrong)).mean()]
    error = 4 / np.sqrt(n)  # four times the deviation of a loss, which is below 1
    assert [found.base, found.stage, found.chance] == pytest.approx(truth, abs=error)
    assert found.corrected == pytest.approx(entropy(p).mean(), abs=error)
    assert found.coarse == pytest.approx(truth[1] - entropy(p).mean(), abs=4 * found.error)
    assert found.coarse == pytest.approx(found.stage - found.corrected, abs=1e-12)


def test_what_is_fitted_is_not_tried_on_itself() -> None:
    """Stages that say nothing, one for every customer, gain nothing: on their own half they would be perfect."""
    rng = np.random.default_rng(4)
    active = rng.random(2000) < 0.3
    found = log_loss(np.arange(2000), np.full(2000, 0.3), active)
    assert found.stage == pytest.approx(found.base, abs=1e-3)
    assert found.base > entropy(active.mean()) - 1e-9
    sure = log_loss(active.astype(int), active.astype(float), active)  # they separate; no step runs away
    assert 0 <= sure.corrected < 1e-3
    assert sure.chance == 0


def test_calls_of_the_dead_by_hand() -> None:
    #                    dead, called 10 days on | before it left | never | alive, called | alive, not
    first, death = np.array([60, 20, 1e9, 90, 101.0]), np.array([50, 30, 70, np.inf, 200])
    found = alarm(first, np.full(5, 100), death)
    assert (found.living, found.gone, found.false) == (2, 3, 0.5)
    assert found.hits == pytest.approx(2 / 3)
    assert found.delay == 10
    assert found.quartiles == (0, 1e9 - 70)
    assert np.isnan(alarm(first[3:], np.full(2, 100), death[3:]).hits)
    assert alarm(np.full(4, np.inf), np.full(4, 9), np.zeros(4)).delay == np.inf


def test_a_silence_calls_as_many_of_the_living() -> None:
    rng, n = np.random.default_rng(5), 3000
    today = rng.integers(100, 700, n)
    last, death = (today * rng.random(n)).astype(int), np.where(rng.random(n) < 0.5, np.inf, 1.0)
    for share in (0, 0.01, 0.2, 0.77, 1):
        days = equal_silence(last, today, death, share)
        assert alarm(last + days, today, death).false <= share
        assert days == 0 or alarm(last + days - 1, today, death).false > share


def test_the_best_cut_is_the_best_of_all() -> None:
    rng = np.random.default_rng(6)
    for _ in range(20):
        score, active = rng.integers(0, 9, 60), rng.random(60) < 0.4
        cuts = {float(at): balanced_accuracy(score >= at, active) for at in np.unique(score)}
        found = best_cut(score, active)
        assert found.accuracy == pytest.approx(max(cuts.values()), abs=1e-12)
        assert cuts[found.at] == pytest.approx(found.accuracy, abs=1e-12)
    assert balanced_accuracy(np.array([1, 0, 0]), np.array([1, 1, 0])) == 0.75


@pytest.mark.parametrize("model", [PARETO, BG])
def test_p_alive_is_how_often_they_are_alive_and_no_rule_of_silence_beats_it(model: ParetoNBD | BGNBD) -> None:
    """Of all rules with as few false alarms the one by P(alive) finds most of the dead (Neyman & Pearson, 1933)."""
    rng, n = np.random.default_rng(7), 60_000
    T = rng.uniform(20, 100, n)
    made = lives(model, rng, T)
    history = made.history(T)
    chance = quantities.p_alive(model, *history)
    fifth = np.minimum((chance * 5).astype(int), 4)
    counted = confusion(fifth, made.death > T, 5)
    for at in np.flatnonzero(counted.sum(axis=1) > 200):
        told, size = chance[fifth == at], counted[at].sum()
        error = 4 * np.sqrt((told * (1 - told)).sum()) / size + 1e-9
        assert counted[at, 1] / size == pytest.approx(told.mean(), abs=error)
    assert counted.sum() == n
    days, gone = (7 * history[1]).astype(int), np.where(made.death <= T, 7 * made.death, np.inf)
    for cut in (0.5, 0.8):
        by_chance = alarm(np.where(chance < cut, 0.0, np.inf), 7 * T, gone)
        silence = equal_silence(days, 7 * T, gone, by_chance.false)
        assert by_chance.hits > alarm(days + silence, 7 * T, gone).hits - 0.5 / np.sqrt(by_chance.gone)


def test_a_call_at_a_limit_of_p_alive_comes_when_the_chance_gets_there() -> None:
    """Delay of one history, from the root of P(alive): left at 30 weeks after the last of four orders at 28."""
    at = brentq(lambda T: quantities.p_alive(PARETO, 3.0, 28.0, T).item() - 0.5, 28, 500)
    found = alarm(np.array([7 * at]), np.array([700]), np.array([210.0]))
    assert found.delay == pytest.approx(7 * at - 210)
    assert found.hits == 1


@pytest.mark.slow
def test_stages_on_real_orders_tell_what_comes() -> None:
    """Whatever the rules, orders fall over the stages, and telling the stage is better than one rate."""
    from benchmarks.stages import real, seen

    from klantwaarde.lifecycle.rules import RULES

    for name, frame, as_of, end in real():
        found = seen(frame, as_of, end)
        later = found.rows.later.to_numpy()
        for rules in RULES:
            place = found.place(rules)
            assert trend(-place + place.max(), later).p < 1e-9, (name, rules)
            lost = log_loss(place, found.chance(), later > 0)
            assert lost.stage + 5 * lost.error < lost.base, (name, rules, lost)


def test_what_cannot_be_told_is_an_error() -> None:
    two, chance = np.array([0, 1]), np.array([0.2, 0.4])
    with pytest.raises(BadOrders, match="one value per customer"):
        trend(two, np.ones(3))
    with pytest.raises(BadOrders, match="whole numbers as groups"):
        trend(chance, two)
    with pytest.raises(BadOrders, match="whole numbers as groups"):
        trend(two, np.array([1, np.nan]))
    with pytest.raises(BadOrders, match="no customer is in a group"):
        trend(-two - 1, chance)
    with pytest.raises(BadParameters, match="between 0 and 1"):
        log_loss(two, np.array([0.1, np.nan]), two)
    with pytest.raises(BadOrders, match="two customers or more"):
        log_loss(two[:1], chance[:1], two[:1])
    with pytest.raises(BadOrders, match="nothing to tell apart"):
        best_cut(chance, np.ones(2))
    with pytest.raises(BadOrders, match="from 0 to 0"):
        confusion(two, two, 1)
    with pytest.raises(BadOrders, match="nobody is alive"):
        equal_silence(two, two, two, 0.1)
    with pytest.raises(BadParameters, match="share=2"):
        equal_silence(two, two + 9, two + 99, 2)
