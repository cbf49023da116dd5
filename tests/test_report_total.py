"""Total value in the report: the facts against tables and matrices worked out by other means, and what is said."""

from __future__ import annotations

import dataclasses
import functools
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

import klantwaarde as kw
from klantwaarde.beside.demo_links import simulated_links
from klantwaarde.engine.duckdb import DuckDB
from klantwaarde.engine.relation import Relation, registered
from klantwaarde.report.facts import plain
from klantwaarde.report.html import render
from klantwaarde.report.locale import Speech
from klantwaarde.report.people import MOST, top_influencers, top_referrers
from klantwaarde.report.total import PROFILES, ranking, total_facts
from klantwaarde.report.total_sentences import assumed_told, ranking_told, verdict_told
from klantwaarde.wording.message import LANGUAGES
from report_facts import report_facts
from report_facts import total_facts as made_up
from test_report_html import Page

BAND = (0.25, 0.5, 0.75)
SHARE = 0.1


@dataclasses.dataclass(frozen=True)
class Case:
    """A scored base with its table in the engine, the same as a frame, and the links with their nodes."""

    base: kw.Customers
    scored: kw.Scored
    table: Relation
    frame: pd.DataFrame
    links: dict[str, Any]
    facts: dict[str, Any]

    @property
    def through(self) -> Any:
        assert self.scored.total.indirect is not None
        return self.scored.total.indirect

    @property
    def nodes(self) -> pd.DataFrame:
        return self.base.engine.pandas(f"select * from {self.through.nodes} order by node")

    @property
    def value(self) -> np.ndarray[Any, Any]:
        """Residual value per node, 0 for outsiders."""
        return self.frame.set_index("customer_id").rlv.reindex(self.nodes.customer_id).fillna(0).to_numpy()


@pytest.fixture(scope="module", name="base")
def _base() -> kw.Customers:
    return kw.customers(kw.orders(kw.datasets.cdnow_sample()), "1998-03-31")


@pytest.fixture(scope="module", name="fits")
def _fits(base: kw.Customers) -> tuple[Any, Any]:
    return kw.fit(kw.ParetoNBD, base.cells()), kw.fit(kw.GammaGamma, base.spend())


def case(base: kw.Customers, fits: Any, **given: Any) -> Case:
    scored = kw.score(base, kw.Fits(*fits), kw.Terms(margin_rate=0.3, headroom=True), kw.Beside(**given))
    table = scored.rows.kept("written")
    told = total_facts(base, table, scored.terms, scored.total)
    assert told is not None
    return Case(base, scored, table, scored.to_pandas(), given, plain(told))


@pytest.fixture(scope="module", name="linked")
def _linked(base: kw.Customers, fits: Any) -> Case:
    made = simulated_links(base)
    links = {"referrals": kw.referrals(made.referrals, base), "influence": kw.influence(made.influence, base)}
    return case(base, fits, **links, attributes=kw.attributes(made.attributes, base), influence_share=SHARE)


@pytest.fixture(scope="module", name="alone")
def _alone(base: kw.Customers, fits: Any) -> Case:
    return case(base, fits)


class TestSums:
    def test_two_by_two(self, linked: Case) -> None:
        frame, direct, indirect = linked.frame, linked.facts["direct"], linked.facts["indirect"]
        assert direct["own"] == pytest.approx(frame.rlv.sum())
        assert direct["headroom"] == pytest.approx(frame.potential.sum())
        assert direct["cross_sell"] is None
        received = frame.referral_value.sum() + frame.influence_value.sum()
        assert indirect["net"] == pytest.approx(received - frame.attributed_away.sum(), abs=1e-6)
        assert indirect["future"] == pytest.approx(frame.future_referrals.sum())
        assert linked.facts["history"]["realised"] == pytest.approx(float(frame.value_realised.sum()))

    def test_past_cash_of_referrals(self, linked: Case) -> None:
        made = linked.scored.total.beside.referrals
        assert made is not None
        history = linked.facts["history"]
        assert history["incentives"] == pytest.approx(made.incentive.sum())
        assert history["saved"] == pytest.approx((made.anyway * made.acquisition).sum())

    def test_the_books_close(self, linked: Case) -> None:
        books = linked.facts["books"]
        left = books["own"] + books["by_referral"] + books["by_influence"] - books["away"]
        assert books["attributed"] == pytest.approx(left, rel=1e-12)
        assert books["attributed"] + books["outside"] == pytest.approx(books["own"], rel=1e-12)
        assert books["outside"] > 0
        assert books["gap"] <= 1e-9 * books["of"]
        assert books["accountable"] == pytest.approx(linked.frame.total_accountable.sum())
        assert books["accountable"] > books["own"]

    def test_profiles(self, linked: Case) -> None:
        told = linked.facts["profiles"]
        groups = linked.frame.groupby("profile")[["rlv", "crv"]].sum()
        counts = linked.frame.profile.value_counts()
        assert [row["profile"] for row in told["groups"]] == list(PROFILES)
        assert sum(row["customers"] for row in told["groups"]) == len(linked.frame)
        for row in told["groups"]:
            assert row["customers"] == counts[row["profile"]]
            assert (row["rlv"], row["crv"]) == pytest.approx(tuple(groups.loc[row["profile"]]))
        assert told["rlv_cut"] == pytest.approx(linked.frame.rlv[linked.frame.rlv > 0].median())

    def test_what_the_rules_did_is_told(self, linked: Case) -> None:
        for file in linked.facts["files"]:
            given = linked.links[file["file"]]
            assert [row["kind"] for row in file["findings"]] == [one.kind for one in given.findings]
            assert file["used"] == (given.customers if file["file"] == "attributes" else len(given))
        assert len(linked.facts["files"]) == 3

    def test_assumptions(self, linked: Case) -> None:
        links, assumed = linked.links["referrals"], linked.facts["assumed"]
        assert assumed["tau"] == 0.9
        assert assumed["omega"] == 0.5
        assert assumed["share"] == pytest.approx(SHARE)
        assert assumed["anyway"]["default"] == 0.5
        assert assumed["anyway"]["given"] == len(links) - 1  # one line of the demo has no chance of its own

    def test_of_orders_alone(self, alone: Case) -> None:
        facts = alone.facts
        assert facts["direct"]["own"] == pytest.approx(alone.frame.rlv.sum())
        assert {name: facts[name] for name in ("indirect", "books", "profiles", "bands", "influence", "ranking")} == (
            dict.fromkeys(("indirect", "books", "profiles", "bands", "influence", "ranking"))
        )
        assert facts["referrers"] == facts["influencers"] == facts["files"] == []

    def test_without_amounts_there_is_none(self, base: kw.Customers, fits: Any) -> None:
        frame = base.orders.engine.pandas(f"select customer_id, day from {base.orders.occasions} limit 200")
        bare = kw.customers(kw.orders(frame, date="day"), "1998-03-31")
        scored = kw.score(bare, kw.Fits(fits[0]))
        assert total_facts(bare, "unused", scored.terms, scored.total) is None
        assert total_facts(base, "unused", scored.terms, None) is None


class TestPeople:
    def test_referrers_by_hand(self, linked: Case) -> None:
        """theta V + pi saved - incentive per referral, summed by referrer; the band at one pi for all."""
        links, value = linked.through.referrals, linked.value
        sooner = 1 - np.exp(-linked.scored.terms.delta * links.acceleration / 7)

        def worth(anyway: Any) -> np.ndarray[Any, Any]:
            theta = (1 - anyway) + anyway * sooner
            each = theta * value[links.target] + anyway * links.acquisition - links.incentive
            return np.bincount(links.source, each, minlength=len(value))

        ends = np.stack([worth(chance) for chance in BAND])
        order = np.argsort(-worth(links.anyway), kind="stable")[:MOST]
        rows = linked.facts["referrers"]
        assert [str(row["customer_id"]) for row in rows] == linked.nodes.id.iloc[order].tolist()
        assert [row["outside"] for row in rows] == linked.nodes.customer_id.iloc[order].isna().tolist()
        for node, row in zip(order, rows, strict=True):
            assert row["crv"] == pytest.approx(worth(links.anyway)[node])
            assert (row["low"], row["high"]) == pytest.approx((ends[:, node].min(), ends[:, node].max()))
            assert row["links"] == (links.source == node).sum()

    def received(self, linked: Case, share: Any) -> np.ndarray[Any, Any]:
        """Phi T of the influence part, with T from a dense solve; share: a number or one per node."""
        made, links, n = linked.through.referrals, linked.through.influence, len(linked.value)
        sooner = 1 - np.exp(-linked.scored.terms.delta * made.acceleration / 7)
        brought, moved = np.zeros((n, n)), np.zeros((n, n))
        brought[made.source, made.target] = 0.5 * (1 - made.anyway * (1 - sooner))
        np.add.at(moved, (links.source, links.target), links.weight)
        np.fill_diagonal(moved, 0)
        moved = moved / np.maximum(moved.sum(axis=0), 1e-300) * share
        factor = np.minimum(1, 0.95 / np.maximum((brought + moved).sum(axis=0), 1e-300))
        whole = np.linalg.solve(np.eye(n) - (brought + moved) * factor, linked.value)
        return np.asarray(moved * factor @ whole)

    def test_influencers_by_a_dense_solve(self, linked: Case) -> None:
        used, low, high = (self.received(linked, share) for share in (SHARE, 0.05, 0.20))
        node = dict(zip(linked.nodes.customer_id, range(len(used)), strict=True))
        rows = linked.facts["influencers"]
        known = linked.nodes.customer_id.notna().to_numpy()
        assert [row["received"] for row in rows] == pytest.approx(sorted(used[known], reverse=True)[:MOST])
        for row in rows:
            at = node[row["customer_id"]]
            assert (row["received"], row["influence_value"]) == pytest.approx((used[at], used[at]))
            assert (row["low"], row["high"]) == pytest.approx((low[at], high[at]))

    def test_with_an_estimate_the_ends_are_those_of_its_interval_less_the_null(self, linked: Case) -> None:
        shares = np.random.default_rng(1).uniform(0, 0.2, len(linked.value))
        estimate = SimpleNamespace(
            share=0.12,
            interval=(0.04, 0.22),
            used_share=0.10,
            used_target_share=shares,
            null=SimpleNamespace(mean=0.02),
        )
        found = dataclasses.replace(linked.through, estimate=estimate)
        rows = top_influencers(linked.table, found, linked.scored.terms)
        low, high = (self.received(linked, shares * factor) for factor in (0.2, 2.0))
        node = dict(zip(linked.nodes.customer_id, range(len(low)), strict=True))
        for row in rows:
            at = node[row["customer_id"]]
            assert (row["low"], row["high"]) == pytest.approx((low[at], high[at]))

    def test_where_none_is_used_the_order_is_a_what_if(self, linked: Case) -> None:
        zero = dict(linked.through.received) | {"influence": np.zeros(len(linked.value))}
        found = dataclasses.replace(linked.through, share=0.0, received=zero)
        rows = top_influencers(linked.table, found, linked.scored.terms)
        assert [row["received"] for row in rows] == pytest.approx(
            [row["received"] for row in linked.facts["influencers"]]
        )

    def test_without_links_there_is_nobody(self, linked: Case) -> None:
        bare = dataclasses.replace(linked.through, referrals=None)
        assert top_referrers(linked.table, bare, linked.scored.terms) == []
        bare = dataclasses.replace(linked.through, influence=None)
        assert top_influencers(linked.table, bare, linked.scored.terms) == []

    def test_bands_hold_what_is_used(self, linked: Case) -> None:
        bands = linked.facts["bands"]
        assert [row["chance"] for row in bands["anyway"]] == list(BAND)
        assert [row["share"] for row in bands["shares"]] == [0.05, 0.1, 0.2]
        assert bands["passed_on"] == pytest.approx(bands["shares"][1]["passed_on"])
        worths = [row["crv"] for row in bands["anyway"]]
        assert worths == sorted(worths, reverse=True)


class TestRanking:
    def test_as_scipy_and_sets_have_it(self, linked: Case) -> None:
        frame, told = linked.frame, linked.facts["ranking"]
        own, whole = frame.rlv.fillna(0), frame.total_accountable
        assert told["spearman"] == pytest.approx(spearmanr(own, whole).statistic, abs=1e-12)
        for top, first in zip(told["tops"], (100, math.ceil(len(frame) / 100)), strict=True):
            assert top["first"] == first
            kept = frame.assign(own=own)
            best = set(kept.sort_values(["own", "total_accountable"], ascending=False).customer_id[:first])
            others = set(kept.sort_values(["total_accountable", "own"], ascending=False).customer_id[:first])
            assert top["left"] == len(best - others)

    @settings(max_examples=20, deadline=None)
    @given(st.lists(st.tuples(st.integers(-3, 9), st.integers(-3, 9)), min_size=1, max_size=250))
    def test_with_ties(self, rows: list[tuple[int, int]]) -> None:
        own, whole = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
        told = ranking(ranked_table(own, whole), len(rows))
        if len(set(own)) == 1 or len(set(whole)) == 1:
            assert told["spearman"] is None
        else:
            assert told["spearman"] == pytest.approx(spearmanr(own, whole).statistic, abs=1e-12)
        assert all(0 <= top["left"] <= top["first"] <= len(rows) for top in told["tops"])

    def test_the_same_order_loses_nobody(self) -> None:
        values = np.repeat(np.arange(150.0), 3)
        told = ranking(ranked_table(values, values * 2), 450)
        assert told["spearman"] == pytest.approx(1)
        assert [(top["first"], top["left"]) for top in told["tops"]] == [(100, 0), (5, 0)]

    def test_the_opposite_order_loses_all(self) -> None:
        values = np.arange(300.0)
        told = ranking(ranked_table(values, -values), 300)
        assert told["spearman"] == pytest.approx(-1)
        assert [(top["first"], top["left"]) for top in told["tops"]] == [(100, 100), (3, 3)]


ENGINE = DuckDB()


def ranked_table(own: np.ndarray[Any, Any], whole: np.ndarray[Any, Any]) -> Relation:
    columns = {"customer_id": np.arange(len(own)), "rlv": own, "total_accountable": whole}
    return registered(ENGINE, "scored", pa.table(columns))


@functools.cache
def page(language: str = "en", **total: Any) -> str:
    return Page(render(report_facts(language) | {"total": made_up(**total)})).text


def said(words: str) -> str:
    return words.replace("\N{NO-BREAK SPACE}", " ")


class TestPage:
    def test_in_english(self) -> None:
        text = page()
        assert "Direct own purchases €612,481 residual value" in text
        assert "€1,311,802 headroom (ceiling)" in text
        assert "Indirect through others −€45.75 €24,610 received" in text
        assert "+ received by referral €24,610 + received by influence €0 − attributed away €24,656" in text
        assert "= attributed value of the customers €612,435" in text
        assert "+ credited to people who are no customers €46 = own value again €612,481" in text
        assert "It does not add up: one customer may be counted with several others. €637,091" in text
        assert "The books close: gap €0.00 of €300,210" in text
        assert "accountable value (total_accountable)" in text
        assert "€17,530 of incentives paid, €20,884 of acquisition cost saved" in text
        assert "Never added: history" in text

    def test_in_dutch(self) -> None:
        text = page("nl")
        for words in (
            "Totale klantwaarde", "groeiruimte (bovengrens)", "= toegerekende waarde van de klanten € 612.435",
            "Die mag u niet optellen: een klant kan bij meer anderen meetellen. € 637.091", "Nooit optellen: historie",
            "brede klantwaarde (total_accountable)", "De boeken sluiten: verschil € 0,00 op € 300.210",
        ):  # fmt: skip
            assert words in text, words

    def test_stands_after_the_pyramid(self) -> None:
        html = render(report_facts())
        assert html.index('id="pyramid"') < html.index('id="total"') < html.index('id="risk"')
        assert html.index('href="#pyramid"') < html.index('href="#total"') < html.index('href="#risk"')

    def test_without_a_total_there_is_no_section(self) -> None:
        html = render(report_facts() | {"total": None})
        assert "#total" not in html
        assert 'id="total"' not in html

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_everyone_at_the_top_is_named(self, language: str) -> None:
        text, told = page(language), made_up()
        for row in told["referrers"] + told["influencers"]:
            assert row["customer_id"] in text

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_the_bands_are_always_there(self, language: str) -> None:
        text, speech = page(language), Speech(language, "EUR")
        for row in made_up()["bands"]["anyway"]:
            assert f"{said(speech.money(row['crv']))} " in text
        assert said(f"{speech.share(0.25, 0)} {speech.share(0.5, 0)} {speech.share(0.75, 0)}") in text
        assert said(f"{speech.share(0.05, 0)} {speech.share(0.1, 0)} {speech.share(0.2, 0)}") in text

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_of_orders_alone(self, language: str) -> None:
        text, speech = page(language, links=False), Speech(language)
        assert said(speech.word("total_no_links")) in text
        assert said(speech.word("total_headroom_note")) in text
        for key in ("total_books", "total_ranking", "total_bands", "total_profiles", "total_which", "column_crv"):
            assert said(speech.word(key)) not in text
        assert said(speech.word("column_potential")) in text

    def test_the_glossary_explains_what_is_there(self) -> None:
        text = page()
        for name in ("potential", "cross_sell", "crv", "total_attributed", "total_accountable", "profile"):
            assert f" {name} " in text

    def test_a_rule_without_words_says_its_name(self) -> None:
        assert "a rule of tomorrow" in page()


class TestSentences:
    @pytest.mark.parametrize(
        ("influence", "words"),
        [
            ("similarity", "not distinguishable from similarity"),
            ("estimated", "goes beyond similarity"),
            ("assumed", "You set the share"),
            ("none", "its share was set to zero"),
        ],
    )
    def test_verdict(self, influence: str, words: str) -> None:
        assert words in verdict_told(made_up(influence=influence), Speech())

    def test_the_similar_are_given_zero(self) -> None:
        told = said(verdict_told(made_up(), Speech()))
        assert "Of 31,021 orders 0.0% (95% interval 0.0% to 1.2%)" in told
        assert told.endswith("zero is used.")
        assert "a what-if that stays out of the books" in page()
        assert "Would receive" in page()
        assert "Would receive" not in page(influence="estimated")

    def test_ranking(self) -> None:
        told = ranking_told(made_up(), Speech())
        assert "(Spearman) 0.993." in told
        assert "Of the first 100 none changes." in told
        assert (
            "Of the 236 customers with the highest own value, 7 are not among the first 236 by accountable value."
            in told
        )

    def test_assumptions(self) -> None:
        told = said(" ".join(assumed_told(made_up(), Speech())))
        for words in (
            "10% of customers exceed (τ = 0.90)", "5 groups", "3,514 of 3,526 referrals, 50% for the others",
            "50% of what a referral brought", "12 categories", "due to others (s): 0.0% on average",
        ):  # fmt: skip
            assert words in told, words

    def test_nothing_is_said_of_nothing(self) -> None:
        assert (verdict_told(None, Speech()), ranking_told(None, Speech()), assumed_told(None, Speech())) == (
            "",
            "",
            [],
        )
