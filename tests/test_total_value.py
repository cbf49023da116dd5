"""Value in total, from orders and links to a row per customer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from tests.conftest import Said

import klantwaarde as kw
from klantwaarde.beside.demo_links import simulated_links

Cli = Callable[..., Said]
AS_OF = "1998-03-31"
TERMS: dict[str, Any] = {"margin_rate": 0.3, "headroom": True}


@pytest.fixture(scope="module", name="base")
def _base() -> kw.Customers:
    return kw.customers(kw.orders(kw.datasets.cdnow_sample()), AS_OF)


@pytest.fixture(scope="module", name="fits")
def _fits(base: kw.Customers) -> tuple[kw.Fit[Any], kw.Fit[Any]]:
    return kw.fit(kw.ParetoNBD, base.cells()), kw.fit(kw.GammaGamma, base.spend())


@pytest.fixture(scope="module", name="linked")
def _linked(base: kw.Customers) -> dict[str, Any]:
    made = simulated_links(base)
    return {"referrals": kw.referrals(made.referrals, base), "influence": kw.influence(made.influence, base)}


def adds_up(frame: pd.DataFrame) -> None:
    """Every row, and the sum over all."""
    parts = frame.rlv.fillna(0) + frame.referral_value + frame.influence_value - frame.attributed_away
    np.testing.assert_allclose(parts, frame.total_attributed, rtol=0, atol=1e-9 * frame.total_accountable.abs().max())


class TestRows:
    def test_they_add_up(self, base: kw.Customers, fits: Any, linked: dict[str, Any]) -> None:
        scored = kw.score(base, kw.Fits(*fits), kw.Terms(**TERMS), kw.Beside(**linked, influence_share=0.1))
        frame, through = scored.to_pandas(), scored.total.indirect
        assert through is not None
        adds_up(frame)
        assert (frame.total_accountable >= frame.rlv.fillna(0) - 1e-9).all()
        assert frame.influence_value.sum() > 0
        assert frame.referral_value.sum() > 0
        # What is missing from customer equity is what outsiders are credited with, to the last cent.
        gap = frame.rlv.sum() - frame.total_attributed.sum()
        assert gap == pytest.approx(through.outside, abs=1e-9 * frame.rlv.sum())
        assert through.closes < 1e-12

    def test_as_the_books_of_the_kernel(self, base: kw.Customers, fits: Any, linked: dict[str, Any]) -> None:
        scored = kw.score(base, kw.Fits(*fits), kw.Terms(**TERMS), kw.Beside(referrals=linked["referrals"]))
        frame = scored.to_pandas().set_index("customer_id")
        links = linked["referrals"]
        nodes = base.engine.pandas(f"select * from {links.nodes} order by node")
        value = frame.rlv.reindex(nodes.customer_id).fillna(0).to_numpy()
        given = {"referrer": links.source, "referred": links.target, "anyway": links.anyway}
        given |= {"acceleration": links.acceleration / 7, "delta": scored.terms.delta}
        money = {"incentive": links.incentive, "acquisition_saved": links.acquisition}
        made = kw.network.Referrals(**given, **money)
        kept = kw.network.books(value, kw.network.attribution_matrix(len(value), made).phi)
        known = nodes.is_customer.to_numpy(dtype=bool)
        rows = frame.loc[nodes.customer_id[known]]
        for column, expected in {
            "total_accountable": kept.accountable,
            "attributed_away": kept.attributed_away,
            "referral_value": kept.received,
            "crv": kw.network.crv(made, value),
        }.items():
            np.testing.assert_allclose(rows[column], expected[known], rtol=1e-10, atol=1e-9)
        assert (frame.influence_value == 0).all()

    def test_profiles_are_cut_at_the_medians_of_those_above_zero(
        self, base: kw.Customers, fits: Any, linked: dict[str, Any]
    ) -> None:
        frame = kw.score(base, kw.Fits(*fits), kw.Terms(**TERMS), kw.Beside(referrals=linked["referrals"])).to_pandas()
        rlv_cut, crv_cut = (frame[name][frame[name] > 0].median() for name in ("rlv", "crv"))
        large, bringing = frame.rlv.fillna(0) >= rlv_cut, frame.crv >= crv_cut
        expected = np.select([large & bringing, large, bringing], ["champion", "affluent", "advocate"], "miser")
        assert (frame.profile == expected).all()
        assert frame.profile.nunique() == 4

    def test_headroom_is_that_of_the_kernel(self, base: kw.Customers, fits: Any) -> None:
        scored = kw.score(base, kw.Fits(*fits), kw.Terms(**TERMS))
        frame = scored.to_pandas().dropna(subset=["rlv"])
        history = (frame.x.to_numpy(float), frame.t_x.to_numpy(), frame["T"].to_numpy())
        expected = kw.value.headroom(fits[0].model, scored.terms.delta, *history, 0.3 * frame.expected_spend.to_numpy())
        np.testing.assert_allclose(frame.potential, expected, rtol=1e-12)

    def test_potential_rests_on_pareto_nbd_whatever_scores(self, base: kw.Customers, fits: Any) -> None:
        other = kw.score(base, kw.Fits(kw.fit(kw.MBGNBD, base.cells()), fits[1], potential=fits[0]), kw.Terms(**TERMS))
        assert other.potential.name == "pareto_nbd"
        assert (other.to_pandas().potential >= 0).all()
        with pytest.raises(kw.BadParameters, match="rests on a Pareto/NBD"):
            kw.score(base, kw.Fits(fits[0], fits[1], potential=kw.fit(kw.BGNBD, base.cells())))

    def test_without_links_nothing_is_claimed(self, base: kw.Customers, fits: Any) -> None:
        frame = kw.score(base, kw.Fits(*fits), kw.Terms(**TERMS)).to_pandas()
        columns = ["crv", "referral_value", "influence_value", "attributed_away", "future_referrals", "profile"]
        assert frame[[*columns, "total_accountable", "total_attributed", "cross_sell"]].isna().all().all()
        assert frame.potential.notna().all()

    def test_future_referrals_follow_the_stream(self, base: kw.Customers, fits: Any, linked: dict[str, Any]) -> None:
        scored = kw.score(base, kw.Fits(*fits), kw.Terms(**TERMS), kw.Beside(referrals=linked["referrals"]))
        through = scored.total.indirect
        assert through is not None
        assert through.forward is not None
        frame = scored.to_pandas()
        model, rate = fits[0].model, through.forward.model
        counts = np.bincount(linked["referrals"].source, minlength=linked["referrals"].size)
        ids = base.engine.pandas(f"select customer_id from {linked['referrals'].nodes} order by node").customer_id
        none = frame[~frame.customer_id.isin(ids[counts > 0])].dropna(subset=["dert"])
        history = (none.x.to_numpy(float), none.t_x.to_numpy(), none["T"].to_numpy())
        ages = np.maximum(history[2], 1 / 7)
        from klantwaarde.network.future_referrals import alive_with_referrals, departure, forward_rate

        gone_at = np.minimum(departure(model, *history), ages)
        alive = alive_with_referrals(rate, 0.0, ages, none.p_alive.to_numpy(), gone_at)
        left = none.dert / none.p_alive * (model.alpha + history[2]) / (model.r + history[0])
        expected = forward_rate(rate, 0.0, ages) * alive * left * through.newcomer
        np.testing.assert_allclose(none.future_referrals, expected, rtol=1e-9)

    def test_influence_that_is_not_there_is_worth_nothing(
        self, base: kw.Customers, fits: Any, linked: dict[str, Any]
    ) -> None:
        """The simulated links have nothing to do with who bought when."""
        scored = kw.score(base, kw.Fits(*fits), kw.Terms(**TERMS), kw.Beside(influence=linked["influence"]))
        through = scored.total.indirect
        assert through is not None
        assert through.estimate is not None
        assert through.estimate.verdict == "not distinguishable from similarity"
        frame = scored.to_pandas()
        assert (frame.influence_value == 0).all()
        assert (frame.total_attributed == frame.rlv.fillna(0)).all()


class TestPeersAndCategories:
    def test_peers_that_differ_have_a_ceiling_of_their_own(self) -> None:
        slow, fast = (
            kw.simulate(kw.ParetoNBD(2.0, alpha, 0.6, 40.0), 3000, start="2021-01-01", end="2023-12-31", seed=seed)
            for seed, alpha in ((1, 40.0), (2, 10.0))
        )
        fast = fast.set_column(0, "customer_id", pa.compute.add(fast["customer_id"], 3000))
        orders = pa.concat_tables([slow, fast]).append_column("amount", pa.array([10.0] * (len(slow) + len(fast))))
        base = kw.customers(kw.orders(orders), "2023-12-31")
        ids = base.to_pandas().customer_id
        shops = pa.table({"customer_id": ids, "shop": np.where(ids > 3000, "fast", "slow")})
        fit, spend = kw.fit(kw.ParetoNBD, base.cells()), None
        told = kw.attributes(shops, base)
        with pytest.raises(kw.BadParameters, match="no column 'town'"):
            kw.score(base, kw.Fits(fit, spend), beside=kw.Beside(attributes=told, peers="town"))
        scored = kw.score(base, kw.Fits(fit, spend), beside=kw.Beside(attributes=told, peers="shop"))
        beside = scored.total.peers
        assert beside is not None
        assert beside.peers.earned
        gamma = dict(zip(beside.names, beside.peers.gamma, strict=True))
        assert gamma["fast"] - gamma["slow"] == pytest.approx(np.log(4), abs=0.2)

    def test_cross_sell_needs_a_category(self, base: kw.Customers, fits: Any) -> None:
        with pytest.raises(kw.BadParameters, match="no column 'category'"):
            kw.score(base, kw.Fits(*fits), beside=kw.Beside(category="category"))

    def test_who_owns_all_has_nothing_left_to_buy(self) -> None:
        lines = kw.simulate(kw.ParetoNBD(1.0, 10.0, 0.6, 40.0), 800, start="2021-01-01", end="2023-12-31", seed=3)
        rng = np.random.default_rng(0)
        kind = rng.choice(["bread", "cheese", "wine"], len(lines))
        orders = lines.append_column("amount", pa.array(rng.gamma(4, 5, len(lines)))).append_column(
            "kind", pa.array(kind)
        )
        base = kw.customers(kw.orders(orders), "2023-12-31")
        scored = kw.score(
            base,
            kw.Fits(kw.fit(kw.ParetoNBD, base.cells()), kw.fit(kw.GammaGamma, base.spend())),
            beside=kw.Beside(category="kind"),
        )
        frame = scored.to_pandas().set_index("customer_id")
        owned = orders.to_pandas().groupby("customer_id").kind.nunique().reindex(frame.index)
        assert (frame.cross_sell[owned == 3] == 0).all()
        assert (frame.cross_sell[owned < 3] > 0).all()


class TestCommands:
    @pytest.fixture(name="files")
    def _files(self, base: kw.Customers, tmp_path: Path) -> dict[str, Path]:
        made = simulated_links(base)
        files = {name: tmp_path / f"{name}.csv" for name in made._fields}
        for name, path in files.items():
            pyarrow.csv.write_csv(getattr(made, name), path)
        return files

    def test_run(self, klantwaarde: Cli, files: dict[str, Path]) -> None:
        flags = [part for name, path in files.items() for part in (f"--{name}", path)]
        said = klantwaarde("run", kw.datasets.cdnow_sample(), "--as-of", AS_OF, *flags, "--influence-share", "0.1")
        assert said.code == 0
        frame = pq.read_table("results/customers.parquet").to_pandas()
        adds_up(frame)
        assert set(frame.profile) == {"champion", "affluent", "advocate", "miser"}
        words = ("--as-of", AS_OF, "--fit", "results/model.json", *flags, "--influence-share", "0.1", "--out", "again")
        again = klantwaarde("score", kw.datasets.cdnow_sample(), *words)
        assert again.code == 0
        pd.testing.assert_frame_equal(pq.read_table("again/customers.parquet").to_pandas(), frame)

    def test_seeds(self, klantwaarde: Cli, files: dict[str, Path]) -> None:
        told = ("seeds", kw.datasets.cdnow_sample(), "--as-of", AS_OF, "--influence", files["influence"], "--k", 10)
        assert klantwaarde(*told, "--out", "list.csv").code == 0
        rows = pd.read_csv("list.csv")
        assert list(rows.place) == list(range(1, 11))
        assert rows.customer_id.is_unique
        assert klantwaarde(*told, "--out", "list.txt").code == 2
        assert "--influence" in klantwaarde("seeds", kw.datasets.cdnow_sample()).err

    def test_validate_potential(self, klantwaarde: Cli, tmp_path: Path) -> None:
        lines = pq.read_table(kw.datasets.cdnow_sample())
        shops = pa.array(np.random.default_rng(0).choice(["a", "b", "c", "d"], len(lines)))
        pq.write_table(lines.append_column("shop", shops), tmp_path / "shops.parquet")
        said = klantwaarde("validate", "potential", "shops.parquet", "--store", "shop", "--repeats", 3)
        assert said.code == 0
        assert "headroom" in said.out
        assert klantwaarde("validate", "potential", "shops.parquet").code == 2
        assert "no column 'brand'" in klantwaarde("validate", "potential", "shops.parquet", "--store", "brand").err

    @pytest.mark.parametrize("share", ["1.5", "-0.1", "much"])
    def test_a_share_that_is_none(self, klantwaarde: Cli, share: str) -> None:
        said = klantwaarde("run", kw.datasets.cdnow_sample(), "--influence-share", share)
        assert said.code == 2
        assert "--influence-share" in said.err

    def test_money_is_needed(self, klantwaarde: Cli, files: dict[str, Path]) -> None:
        pq.write_table(pq.read_table(kw.datasets.cdnow_sample()).select(["customer_id", "date"]), "days.parquet")
        said = klantwaarde("run", "days.parquet", "--referrals", files["referrals"])
        assert said.code == 2
        assert "carry no amounts" in said.err


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:PySpark does not yet:FutureWarning")
def test_equal_on_spark(session: Any, tmp_path: Path) -> None:
    frames = []
    for source in (kw.datasets.cdnow_sample(), session.read.parquet(str(kw.datasets.cdnow_sample()))):
        base = kw.customers(kw.orders(source), AS_OF)
        made = simulated_links(kw.customers(kw.orders(kw.datasets.cdnow_sample()), AS_OF))
        paths = {}
        for name in ("referrals", "influence"):
            paths[name] = tmp_path / f"{name}.csv"
            pyarrow.csv.write_csv(getattr(made, name), paths[name])
        links = {
            "referrals": kw.referrals(paths["referrals"], base),
            "influence": kw.influence(paths["influence"], base),
        }
        fits = kw.fit(kw.ParetoNBD, base.cells()), kw.fit(kw.GammaGamma, base.spend())
        frames.append(
            kw.score(base, kw.Fits(*fits), kw.Terms(**TERMS), kw.Beside(**links, influence_share=0.1)).to_pandas()
        )
    one, other = frames
    for name in ("potential", "crv", "referral_value", "influence_value", "attributed_away", "future_referrals",
                 "total_accountable", "total_attributed"):  # fmt: skip
        np.testing.assert_allclose(one[name], other[name], rtol=1e-9, atol=1e-9)
    assert (one.profile == other.profile).all()
