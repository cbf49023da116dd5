"""Quantities at random points and at corners: in their bounds, in order, and against quadrature in long double."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from evidence.numeric_fuzz import fuzz, main, points, table
from scipy.special import roots_legendre

from klantwaarde.models import MODELS, ParetoNBD
from klantwaarde.models.quantities import cet, p_active

Long = np.longdouble
RATIO, PANEL = 1.35, 20  # of the edges of panels, and nodes in each: a hundred more of either move nothing by 1e-15
# A power of a whole row of numbers, and a random corner: a or s at 1, nothing bought, hardly seen, seen for long.
CORNERS: list[tuple[list[float], tuple[float, float, float], float]] = [
    ([0.001, 3002.0, 44576.0, 405.6], (0.0, 0.0, 0.0038), 0.0146),  # once 0.3 % too much
    ([1e-4, 1e5, 1e5, 1e5], (0.0, 0.0, 1e-3), 1e-3),
    ([1e5, 1e-4, 1.0, 1e-4], (0.0, 0.0, 1e-3), 1e5),
    ([0.5, 10.0, 1.0, 10.0], (3.0, 20.0, 30.0), 1.0),
    ([0.5, 10.0, 0.3, 10.0], (1e6, 1e5, 1e5), 1e-3),
    ([0.5, 10.0, 0.3, 10.0], (1e6, 9.99e4, 1e5), 1e5),
    ([1e-4, 1e-4, 1e-4, 1e-4], (0.0, 0.0, 1e5), 1e5),
    ([1e-4, 1e-4, 1e5, 1e5], (1.0, 1e-3, 1e-3), 1e5),
]


def _log_integral(log_of: Any, length: np.ndarray) -> np.ndarray:
    """Log of the integral of e^log_of(w) over w in (0, length), log_of falling: panels that grow from 1e-30."""
    edges = np.concatenate([[0], 1e-30 * RATIO ** np.arange(np.log(1e30) / np.log(RATIO) + 1)]).astype(Long)
    edges = np.minimum(edges, 1)
    edges[-1] = 1
    nodes, weights = (np.asarray(part, dtype=Long) for part in roots_legendre(PANEL))
    place = (edges[:-1, None] + np.diff(edges)[:, None] * (nodes + 1) / 2).ravel()
    share = (np.diff(edges)[:, None] * weights / 2).ravel()
    logs = log_of(length[:, None] * place)
    most = logs.max(axis=1, keepdims=True)
    return np.asarray(most[:, 0] + np.log((np.exp(logs - most) * share).sum(axis=1) * length))


def _oracle(name: str, model: Any, history: Any, ahead: np.ndarray) -> np.ndarray:
    """Chance of a purchase, from the density of the next one and that of the time of death."""
    r, alpha, third, fourth = (np.asarray(v, dtype=Long) for v in (*model, *[0 * model[0]] * (4 - len(model))))
    x, t_x, T = (np.asarray(v, dtype=Long) for v in history)
    seen = (T - t_x) / (alpha + t_x)
    if name == "nbd":
        gone = np.full(len(x), -np.inf, dtype=Long)
    elif name == "pareto_nbd":

        def death(w: np.ndarray) -> np.ndarray:  # at t_x + w, over the chance of the same history and living until T
            left = (T - t_x)[:, None] - w
            buying = (r + x)[:, None] * np.log1p(left / ((alpha + t_x)[:, None] + w))
            living = third[:, None] * np.log1p(left / ((fourth + t_x)[:, None] + w))
            return np.asarray(buying + living - np.log((fourth + t_x)[:, None] + w))

        with np.errstate(divide="ignore"):
            gone = np.log(third) + _log_integral(death, T - t_x)
    else:
        coins = fourth + x - (name == "bg_nbd")
        with np.errstate(divide="ignore", invalid="ignore"):
            gone = np.log(third / coins) + (r + x) * np.log1p(seen)
        gone = np.where((x == 0) & (name == "bg_nbd"), -np.inf, gone)
    alive = -np.logaddexp(Long(0), gone)
    leaving = third if name == "pareto_nbd" else 0 * third

    def purchase(w: np.ndarray) -> np.ndarray:
        return np.asarray(
            -(r + x + 1)[:, None] * np.log1p(w / (alpha + T)[:, None])
            - leaving[:, None] * np.log1p(w / (fourth + T)[:, None])
        )

    return np.asarray(np.exp(alive + np.log((r + x) / (alpha + T)) + _log_integral(purchase, np.asarray(ahead, Long))))


def _asked(name: str) -> tuple[Any, Any, np.ndarray]:
    """300 random questions, and the corners."""
    some = points(name, 300, np.random.default_rng(11))
    kind = MODELS[name]
    values = zip(*(corner[0] for corner in CORNERS), strict=True)
    model = kind(*(np.append(one, other) for one, other in zip(some.model, values, strict=False)))
    times = zip(*(corner[1] for corner in CORNERS), strict=True)
    history = tuple(np.append(one, other) for one, other in zip(some.history, times, strict=True))
    return model, history, np.append(some.ahead, [corner[2] for corner in CORNERS])


@pytest.mark.parametrize("name", MODELS)
def test_p_active_is_the_integral_of_the_next_purchase(name: str) -> None:
    model, history, ahead = _asked(name)
    answer = p_active(model, ahead, *history)
    truth = np.asarray(_oracle(name, model, history, ahead), dtype=float)
    assert np.count_nonzero(truth > 1e-290) > 150
    assert answer == pytest.approx(truth, rel=5e-9, abs=1e-290)


def test_p_active_of_rare_buyers_who_leave_soon() -> None:
    model = ParetoNBD(0.001, 3002.0, 44576.0, 405.6)
    assert p_active(model, 0.0146, 0, 0, 0.0038) == pytest.approx(
        1.595060620415933e-09, rel=1e-9
    )  # 40 digits of mpmath


@pytest.mark.parametrize("name", MODELS)
def test_p_active_of_next_to_no_time_is_what_is_expected(name: str) -> None:
    some = points(name, 2_000, np.random.default_rng(3))
    soon = 1e-9 * (some.model.alpha + some.history[2]) / (some.model.r + some.history[0] + 1)
    if name == "pareto_nbd":
        soon = np.minimum(soon, 1e-9 * (some.model.beta + some.history[2]) / (some.model.s + 1))
    assert p_active(some.model, soon, *some.history) == pytest.approx(
        cet(some.model, soon, *some.history), rel=2e-9, abs=1e-290
    )


@pytest.mark.parametrize("name", MODELS)
def test_no_rule_is_broken_at_ten_thousand_random_points(name: str) -> None:
    rows = fuzz(name, 10_000, seed=2)
    assert {row.quantity for row in rows} >= {"p_alive", "p_active", "cet", "dert", "expected_purchases"}
    assert [row for row in rows if row.broken] == []


def test_a_broken_rule_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("klantwaarde.models.quantities.p_active", lambda _model, t, *_: np.where(t > 1, -1e-13, np.nan))
    said: list[str] = []
    assert main(100, said.append) == 1
    assert "| pareto_nbd | p_active | in [0, 1] | 100 | 100 |" in said[0]
    assert table([]).count("\n") == 1
