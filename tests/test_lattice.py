"""The day lattice against integration at high precision, against a quadrature per row, and what it must leave alone."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klantwaarde.estimate import lattice
from klantwaarde.estimate.lattice import lattice_of
from klantwaarde.estimate.partials import Histories, pareto_nbd, prepared
from klantwaarde.purchases.cells import Cells

CDNOW = np.array([0.5533, 10.578, 0.6062, 11.669])
DAY = 1 / 7


def daily(rows: int, days: int = 120, seed: int = 0) -> Cells:
    """Histories in whole days, given in weeks: x orders on x distinct days."""
    rng = np.random.default_rng(seed)
    T = rng.integers(1, days, rows)
    x = np.minimum(rng.geometric(0.4, rows) - 1, T)
    t_x = np.where(x > 0, x + np.floor((T - x + 1) * rng.random(rows)), 0)
    return Cells(x, t_x * DAY, T * DAY, rng.integers(1, 9, rows))


def on_lattice(data: Cells) -> Histories:
    rows = prepared(data, on_lattice=True)
    assert isinstance(rows, Histories)
    assert rows.lattice is not None, "what the test looks at is there"
    return rows


def assert_same(theta: np.ndarray, data: Cells) -> None:
    """As near as the quadrature is: 24 nodes err by up to 1e-11 of an integral."""
    (value, gradient), (found, slopes) = (pareto_nbd(theta, rows) for rows in (prepared(data), on_lattice(data)))
    assert found == pytest.approx(value, rel=1e-12, abs=1e-11 * data.customers)
    np.testing.assert_allclose(slopes, gradient, rtol=1e-9, atol=1e-10 * data.customers)


def oracle(theta: np.ndarray, x: float, t_x: float, T: float) -> mp.mpf:
    """Log-likelihood of one history: the time of leaving integrated with mpmath."""
    r, alpha, s, beta = map(mp.mpf, theta)

    def stays(u: mp.mpf) -> mp.mpf:
        return mp.rf(r, x) * alpha**r / (alpha + u) ** (r + x)

    gone = mp.quad(lambda u: stays(u) * s * beta**s / (beta + u) ** (s + 1), mp.linspace(t_x, T, 9)) if t_x < T else 0
    return mp.log(stays(mp.mpf(T)) * (beta / (beta + T)) ** s + gone)


@pytest.mark.parametrize("theta", [CDNOW, CDNOW * [3, 0.2, 2, 5], np.array([8.0, 30.0, 0.2, 2.0])])
def test_a_history_is_as_integrated(theta: np.ndarray) -> None:
    """Each with customers enough of its own that the others do not hide what it misses."""
    data = daily(4000)
    whole, _ = pareto_nbd(theta, on_lattice(data))
    with mp.workdps(30):
        for row in range(0, 4000, 571):
            n = data.n.copy()
            n[row] += 1.0
            more, _ = pareto_nbd(theta, on_lattice(Cells(data.x, data.t_x, data.T, n)))
            exact = oracle(theta, int(data.x[row]), *(mp.mpf(round(t * 7)) / 7 for t in (data.t_x[row], data.T[row])))
            assert more - whole == pytest.approx(float(exact), rel=1e-11, abs=1e-13 * data.customers)


@pytest.mark.parametrize("theta", [CDNOW, CDNOW * [3, 0.2, 2, 5], np.array([8.0, 30.0, 0.2, 2.0])])
def test_the_gradient_is_that_of_the_value(theta: np.ndarray) -> None:
    rows = on_lattice(daily(4000))
    z, step = np.log(theta), 1e-5
    _, gradient = pareto_nbd(theta, rows)
    plain = [
        (pareto_nbd(np.exp(z + e), rows)[0] - pareto_nbd(np.exp(z - e), rows)[0]) / (2 * step) for e in step * np.eye(4)
    ]
    np.testing.assert_allclose(gradient, plain, rtol=1e-7, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-5, 4), min_size=4, max_size=4), st.integers(0, 2**32 - 1), st.sampled_from([1.0, DAY, 0.01]))
def test_it_is_the_quadrature_anywhere(z: list[float], seed: int, unit: float) -> None:
    data = daily(1_000, days=40, seed=seed)
    scaled = Cells(data.x, data.t_x * 7 * unit, data.T * 7 * unit, data.n)
    assert lattice_of(scaled) is not None
    assert_same(np.exp(z) * [1, 7 * unit, 1, 7 * unit], scaled)


def test_the_order_of_rows_does_not_matter() -> None:
    data, order = daily(4000), np.random.default_rng(3).permutation(4000)
    mixed = Cells(data.x[order], data.t_x[order], data.T[order], data.n[order])
    (one, slopes), (other, others) = (pareto_nbd(CDNOW, on_lattice(part)) for part in (data, mixed))
    assert one == pytest.approx(other, rel=1e-14)
    np.testing.assert_allclose(slopes, others, rtol=1e-12)


class TestWhatItLeavesAlone:
    """Each guard: rows that would be wrong in the tables go through the quadrature, and the sum is right."""

    def test_times_that_are_no_whole_steps(self) -> None:
        data = daily(4000)
        T = data.T.copy()
        T[7] += 0.4 * DAY
        assert lattice_of(Cells(data.x, data.t_x, T, data.n)) is None

    def test_more_purchases_than_days(self) -> None:
        """Tables begin at x steps: a history before that would lie left of where they are scaled."""
        data = daily(4000)
        x = data.x.copy()
        x[5], data.t_x[5], data.T[5] = 40.0, 2 * DAY, 30 * DAY
        crowded = Cells(x, data.t_x, data.T, data.n)
        found = lattice_of(crowded)
        assert found is not None
        assert [block[0].tolist() for block in found.rest] == [[40.0]]
        assert_same(CDNOW, crowded)

    @pytest.mark.parametrize("alpha", [0.1 * DAY, 0.7 * DAY, 2 * DAY])
    def test_an_integrand_that_falls_within_a_step(self, alpha: float) -> None:
        data, theta = daily(4000), np.array([0.5, alpha, 0.6, 11.0])
        found = lattice_of(data)
        assert found is not None
        assert not lattice.pareto_nbd(theta, found)[2].all(), "some lines are left to the quadrature"
        assert_same(theta, data)

    def test_a_span_that_is_no_double(self) -> None:
        data = daily(60_000, days=2000)
        theta = np.array([900.0, 900.0 * DAY, 0.6, 11.0])
        assert_same(theta, data)
        assert np.isfinite(pareto_nbd(theta, on_lattice(data))[0])

    def test_few_rows_for_many_days(self) -> None:
        assert lattice_of(daily(20, days=3000)) is None

    def test_a_single_day(self) -> None:
        cells = Cells([0.0, 0.0], [0.0, 0.0], [0.0, DAY], [3.0, 5.0])
        assert_same(CDNOW, cells)
        assert lattice_of(Cells([0.0], [0.0], [0.0], [3.0])) is None
