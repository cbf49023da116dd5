"""The books close: worked examples by hand, conservation on any network, and the same answers as elimination."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from klantwaarde.errors import BadParameters, NotConverged
from klantwaarde.network import solve
from klantwaarde.network.attribution import attribution_matrix
from klantwaarde.network.books import Books, books, conservation, received_parts
from klantwaarde.network.forest import forest
from klantwaarde.network.referral import Referrals, responsibility
from klantwaarde.network.solve import accountable, column_sums, spectral_radius
from klantwaarde.typing import Array

SHARED = Path("../shared/data")
CLOSED = 1e-12


def matrix(n: int, **shares: float) -> sparse.csr_array:
    """Shares named by two letters: AB is what of B is owed to A."""
    places = np.array([["ABCDEFGH".index(letter) for letter in name] for name in shares]).reshape(-1, 2)
    return sparse.csr_array((list(shares.values()), places.T), shape=(n, n))


def solved(phi: sparse.csr_array, value: Array) -> Array:
    return np.linalg.solve(np.eye(len(value)) - phi.toarray(), value)


def random_phi(seed: int, n: int, links: int, *, least: float = 0.0, most: float = 0.95) -> sparse.csr_array:
    """Cycles, hubs and links to oneself; a column gives |shares| up to `most` away, of either sign if least < 0."""
    rng = np.random.default_rng(seed)
    row = (n * rng.random(links) ** rng.integers(1, 5)).astype(int)
    phi = sparse.coo_array((rng.uniform(least, 1, links), (row, rng.integers(0, n, links))), shape=(n, n)).tocsr()
    sizes = column_sums(abs(phi))
    away = rng.uniform(0, most, n)
    return sparse.csr_array(phi @ sparse.diags_array(np.where(sizes > 0, away / np.where(sizes > 0, sizes, 1), 0.0)))


WORKED = [  # phi, value, then T and N by hand (or printed)
    (
        "A referred B, B referred C, D influences C",
        matrix(4, AB=0.30, BC=0.25, DC=0.10),
        (100, 200, 80, 50),
        (166, 220, 80, 58),
        (166, 154, 52, 58),
    ),
    ("pass-up of a half", matrix(3, AB=0.30, BC=0.25), (100, 200, 80), (166, 220, 80), (166, 154, 60)),
    ("pass-up of all", matrix(3, AB=0.60, BC=0.50), (100, 200, 80), (244, 240, 80), (244, 96, 40)),
    ("nobody linked", matrix(2), (10, -3), (10, -3), (10, -3)),
    ("an eye for an eye", matrix(2, AB=0.5, BA=0.5), (3, 0), (4, 2), (2, 1)),
    ("a share in oneself", matrix(2, AA=0.5), (3, 1), (6, 1), (3, 1)),
]

TOY = matrix(5, AB=0.5, AC=0.4, BD=0.6, CD=0.3, DE=0.5, EC=0.2)
CENTRALITY = [
    ("Hubbell, half the weights", 0.5 * TOY, np.ones(5), (1.584379, 1.383940, 1.191970, 1.279799, 1.119197)),
    (
        "linear model of influence",
        TOY,
        np.array([10.0, 20, 30, 40, 50]),
        (61.443, 62.062, 51.031, 70.103, 60.206),
    ),
]


@pytest.mark.parametrize(("phi", "value", "gross", "net"), [row[1:] for row in WORKED], ids=[row[0] for row in WORKED])
def test_books_by_hand(phi: sparse.csr_array, value: tuple[float, ...], gross: Array, net: Array) -> None:
    kept = books(np.array(value), phi)
    assert isinstance(kept, Books)
    np.testing.assert_allclose(kept.accountable, gross, rtol=1e-11)
    np.testing.assert_allclose(kept.attributed, net, rtol=1e-11)
    np.testing.assert_array_equal(kept.direct, value)
    assert conservation(kept) < CLOSED


def test_the_four_columns_of_the_worked_example() -> None:
    kept = books(np.array([100.0, 200, 80, 50]), WORKED[0][1])
    np.testing.assert_allclose(kept.received, (66, 20, 0, 8), rtol=1e-12)
    np.testing.assert_allclose(kept.attributed_away, (0, 66, 28, 0), rtol=1e-12)
    assert kept.attributed.sum() == pytest.approx(430, rel=1e-14)
    assert kept.received.sum() == pytest.approx(94, rel=1e-14)


@pytest.mark.parametrize(("phi", "value", "expected"), [row[1:] for row in CENTRALITY], ids=[r[0] for r in CENTRALITY])
def test_gross_value_is_centrality(phi: sparse.csr_array, value: Array, expected: tuple[float, ...]) -> None:
    scale = max(expected)
    np.testing.assert_allclose(accountable(phi, value), expected, rtol=0, atol=1e-3 if scale > 10 else 1e-6)


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 60),
    density=st.floats(0, 6),
    negative=st.booleans(),
    most=st.sampled_from([0.3, 0.95, 0.999]),
)
@settings(max_examples=150, deadline=None)
def test_books_close_on_any_network(seed: int, n: int, density: float, negative: bool, most: float) -> None:
    phi = random_phi(seed, n, int(density * n), least=-1.0 if negative else 0.0, most=most)
    value = np.random.default_rng(seed).lognormal(3, 2, n)
    kept = books(value, phi)
    assert conservation(kept) < CLOSED
    np.testing.assert_allclose(kept.accountable, solved(phi, value), rtol=1e-9, atol=1e-12 * np.abs(value).max())
    np.testing.assert_allclose(
        kept.attributed,
        (1 - column_sums(phi)) * kept.accountable,
        rtol=1e-7,
        atol=1e-9 * np.abs(kept.accountable).sum(),
    )
    if not negative:
        assert (kept.accountable >= value).all()
        assert (kept.attributed >= -1e-9 * value.sum()).all()


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 40), scale=st.floats(0.5, 0.99))
@settings(max_examples=60, deadline=None)
def test_books_close_on_strong_links_of_both_signs(seed: int, n: int, scale: float) -> None:
    """|Shares| of a column may exceed one, as long as what goes round dies out."""
    rng = np.random.default_rng(seed)
    dense = rng.normal(size=(n, n)) * (rng.random((n, n)) < 4 / n)
    radius = np.abs(np.linalg.eigvals(dense)).max()
    phi = sparse.csr_array(dense * (scale / radius if radius > 0.01 else 0.1))
    given_away = column_sums(phi)
    if (given_away >= 1).any():
        with pytest.raises(BadParameters, match="column"):
            books(rng.normal(size=n), phi)
        return
    value = rng.normal(10, 5, n)
    kept = books(value, phi)
    assert conservation(kept) < CLOSED
    np.testing.assert_allclose(
        kept.accountable, solved(phi, value), rtol=1e-7, atol=1e-9 * np.abs(kept.accountable).max()
    )


def test_conservation_does_not_hang_on_the_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    phi, value = random_phi(5, 300, 1500), np.random.default_rng(5).lognormal(3, 2, 300)
    rough = accountable(phi, value, tolerance=0.1)
    away = column_sums(phi) * rough
    assert abs(rough - accountable(phi, value)).max() > 1e-6  # truncated indeed
    net = value + phi @ rough - away
    assert abs(net.sum() - value.sum()) < CLOSED * abs(rough).sum()


def test_long_chains_and_cycles_take_no_step_per_link() -> None:
    n = 100_000
    row = np.arange(n - 1)
    chain = sparse.csr_array((np.full(n - 1, 0.9), (row, row + 1)), shape=(n, n))
    np.testing.assert_allclose(books(np.ones(n), chain).accountable, (1 - 0.9 ** np.arange(n, 0, -1)) / 0.1, rtol=1e-10)
    ring = sparse.csr_array((np.full(n, 0.999), (np.arange(n), np.roll(np.arange(n), -1))), shape=(n, n))
    np.testing.assert_allclose(books(np.ones(n), ring).accountable, 1000, rtol=1e-12)
    both = sparse.csr_array(0.495 * (ring + ring.T) / 0.999)
    np.testing.assert_allclose(books(np.ones(n), both).accountable, 100, rtol=1e-9)


def test_elimination_and_iteration_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    phi, value = random_phi(8, 900, 4000, least=-0.5, most=0.99), np.random.default_rng(8).lognormal(3, 1, 900)
    exact = solved(phi, value)
    np.testing.assert_allclose(accountable(phi, value), exact, rtol=1e-10)
    monkeypatch.setattr(solve, "DENSE", 0)
    np.testing.assert_allclose(accountable(phi, value), exact, rtol=1e-10)
    monkeypatch.setattr(solve, "HELPS", 0.0)  # nothing but walks
    np.testing.assert_allclose(accountable(phi, value), exact, rtol=1e-10)
    monkeypatch.setattr(solve, "SPLIT", 1)  # on threads
    np.testing.assert_allclose(accountable(phi, value), exact, rtol=1e-10)


def test_spectral_radius_is_that_of_the_cycles() -> None:
    assert spectral_radius(matrix(3, AB=5.0, BC=-7.0)) == 0
    assert spectral_radius(matrix(3, AB=-2.0, BA=3.0, BC=9.0)) == pytest.approx(6**0.5)
    links = random_phi(4, 3000, 30_000)
    even = sparse.csr_array(links @ sparse.diags_array(-1.7 / column_sums(links)))  # all columns sum to -1.7
    assert spectral_radius(even) == pytest.approx(1.7, rel=1e-6)


def test_books_of_nobody() -> None:
    kept = books(np.array([]), sparse.csr_array((0, 0)))
    assert (len(kept.attributed), conservation(kept)) == (0, 0.0)


def test_negative_shares_are_legal() -> None:
    phi = matrix(3, AB=-0.5, BC=0.4, AC=-0.2)
    kept = books(np.array([10.0, 20, 30]), phi)
    np.testing.assert_allclose(kept.accountable, (10 - 0.5 * 32 - 6, 32, 30), rtol=1e-12)
    assert kept.attributed.sum() == pytest.approx(60, rel=1e-13)


BAD = [
    (np.ones(2), matrix(2, AB=1.0), "column 1"),
    (np.ones(3), matrix(3, AB=0.6, CB=0.5, AC=2.0), "columns 1, 2"),
    (np.ones(2), matrix(3, AB=0.1), "shape"),
    (np.array([1.0, np.nan]), matrix(2), "row 1"),
    (np.ones((2, 2)), matrix(2), "one number per customer"),
    (np.ones(2), matrix(2, AB=np.inf), "column 1"),
    (np.ones(2), matrix(2, AB=-2.0, BA=0.5), "spectral radius"),
    (np.ones(2), np.ones(2), "sparse"),
]


@pytest.mark.parametrize(("value", "phi", "told"), BAD)
def test_books_refuse(value: Array, phi: sparse.csr_array, told: str) -> None:
    with pytest.raises(BadParameters, match=told):
        books(value, phi)


def test_cycles_that_keep_everything_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solve, "LONGEST", 20)
    monkeypatch.setattr(solve, "HELPS", -1.0)
    monkeypatch.setattr(solve, "DENSE", 0)
    with pytest.raises(NotConverged, match="Cap"):
        accountable(matrix(3, AB=0.5, CB=0.499, BA=0.999, BC=0.999), np.ones(3))


def test_received_parts_add_up() -> None:
    referral, influence = matrix(4, AB=0.30, BC=0.25), matrix(4, DC=0.10)
    kept = books(np.array([100.0, 200, 80, 50]), referral + influence)
    parts = received_parts(kept, {"referral": referral, "influence": influence})
    np.testing.assert_allclose(parts["referral"], (66, 20, 0, 0), rtol=1e-12)
    np.testing.assert_allclose(parts["influence"], (0, 0, 0, 8), rtol=1e-12)
    with pytest.raises(BadParameters, match="do not add up"):
        received_parts(kept, {"referral": referral})


def test_attribution_matrix_of_the_worked_example() -> None:
    made = Referrals(np.array([0, 1]), np.array([1, 2]), anyway=np.array([0.4, 0.5]))
    shares = attribution_matrix(4, made, matrix(4, DC=0.10))
    np.testing.assert_allclose(shares.phi.toarray(), WORKED[0][1].toarray(), rtol=1e-14)
    assert shares.capped == 0
    assert set(shares.parts) == {"referral", "influence"}
    assert (attribution_matrix(4).phi.nnz, attribution_matrix(4, made, omega=1.0).phi[0, 1]) == (0, 0.6)


def test_columns_are_capped_and_counted() -> None:
    made = Referrals(np.array([0, 0]), np.array([1, 2]), anyway=np.array([0.0, 0.5]))
    shares = attribution_matrix(3, made, matrix(3, CB=-0.8), omega=1.0)
    assert shares.capped == 1
    np.testing.assert_allclose(column_sums(abs(shares.phi)), (0, 0.95, 0.5), rtol=1e-14)
    np.testing.assert_allclose(shares.phi[0, 1] / shares.phi[2, 1], -1 / 0.8, rtol=1e-14)
    kept = books(np.array([1.0, 2, 3]), shares.phi)
    assert sum(part.sum() for part in received_parts(kept, shares.parts).values()) == pytest.approx(kept.received.sum())
    for wrong in ({"omega": 1.5}, {"psi_max": 1.0}, {"influence": matrix(2)}):
        with pytest.raises(BadParameters):
            attribution_matrix(3, made, **wrong)


def test_a_forest_swept_is_the_system_solved() -> None:
    rng = np.random.default_rng(3)
    n = 20_000
    parent = (rng.random(n) * np.arange(n)).astype(int)
    below = np.flatnonzero((rng.random(n) < 0.7) & (np.arange(n) > 0))
    tree, theta, value = forest(parent[below], below, n), rng.random(n), rng.normal(50, 40, n)
    phi = sparse.csr_array((theta[below], (parent[below], below)), shape=(n, n))
    swept = responsibility(tree, theta, value)
    np.testing.assert_allclose(accountable(phi, value), swept, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        sparse.linalg.spsolve(sparse.eye_array(n, format="csc") - phi.tocsc(), value), swept, rtol=1e-9, atol=1e-9
    )


def test_trust_of_both_signs_closes() -> None:
    path = SHARED / "bitcoin_trust" / "otc.parquet"
    if not path.exists():
        pytest.skip("no ../shared")
    table = pq.read_table(path).to_pandas()
    names, place = np.unique(table[["rater", "ratee"]].to_numpy().ravel(), return_inverse=True)
    rater, ratee = place.reshape(-1, 2).T
    links = sparse.csr_array((table["rating"].to_numpy(float), (rater, ratee)), shape=(len(names),) * 2)
    weights = attribution_matrix(len(names), influence=links)
    assert weights.capped > 1000
    kept = books(np.random.default_rng(0).lognormal(3, 1, len(names)), weights.phi)
    assert conservation(kept) < CLOSED
    np.testing.assert_allclose(kept.accountable - weights.phi @ kept.accountable, kept.direct, rtol=1e-9, atol=1e-7)


def test_introductions_close_despite_cycles_and_absent_introducers() -> None:
    path = SHARED / "plasm_lockdrop" / "locks.parquet"
    if not path.exists():
        pytest.skip("no ../shared")
    table = pq.read_table(path).to_pandas().sort_values("timestamp", kind="stable")
    named = table[table["introducer"].notna()].drop_duplicates("account")
    others = named[named["introducer"] != named["account"]]
    assert len(others) < len(named)  # some introduced themselves
    names = np.unique(np.concatenate([table["account"].to_numpy(), others["introducer"].to_numpy(np.int64)]))
    assert len(names) > table["account"].nunique()  # introducers who took no part themselves
    above, below = (np.searchsorted(names, others[name].to_numpy(np.int64)) for name in ("introducer", "account"))
    value = np.bincount(np.searchsorted(names, table["account"]), weights=table["amount_eth"], minlength=len(names))

    kept = books(value, attribution_matrix(len(names), Referrals(above, below)).phi)
    assert conservation(kept) < CLOSED
    assert kept.attributed.sum() == pytest.approx(value.sum(), rel=1e-12)
    np.testing.assert_array_equal(kept.received > 0, np.bincount(above, kept.accountable[below], len(names)) > 0)

    tree = forest(above, below, len(names), others["timestamp"].to_numpy())
    links = sparse.csr_array((np.ones(len(above)), (above, below)), shape=(len(names),) * 2)
    parts, part = sparse.csgraph.connected_components(links, connection="strong")
    assert tree.cycles == (np.bincount(part, minlength=parts) > 1).sum() > 0
    assert responsibility(tree, 0.0, value).sum() == pytest.approx(value.sum())
