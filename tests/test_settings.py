"""Settings: refused before anything is read, in the words of who wrote them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import klantwaarde as kw
from conftest import Said
from klantwaarde.job.settings import Settings, read_settings

Cli = Callable[..., Said]
SAMPLE = str(kw.datasets.cdnow_sample())

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"annual_discount_rate": float("nan")}, "annual_discount_rate=nan is no rate"),
    ({"annual_discount_rate": 10}, r"annual_discount_rate=10 is 1000% a year.*Did you mean 10%\?"),
    ({"margin_rate": -1}, "margin_rate=-1 must lie above 0"),
    ({"margin_rate": 30}, r"Did you mean 30%\?"),
    ({"margin_rate": 0.3, "margin": "margin"}, "The orders carry margins of their own"),
    ({"horizon": "-1 months"}, "horizon='-1 months' must be above 0"),
    ({"horizon": "1998-01-01", "as_of": "1998-06-30"}, "does not lie after the end of observation"),
    ({"horizon": ""}, "horizon= is empty"),
    ({"since": "3 moons"}, "Did you mean '3 months'"),
    ({"since": "0 months"}, "since='0 months' must be above 0"),
    ({"since": "30000 months"}, "longer than 100 years"),
    ({"since": "no/such/folder"}, "nor the folder of an earlier run"),
    ({"since": "1998-06-30", "as_of": "1998-06-30"}, "must lie before the end of observation"),
    ({"as_of": "0000-01-01"}, "as_of='0000-01-01' is not a day"),
    ({"as_of": "99999-01-01"}, "is not a day"),
    ({"unit": "fortnight"}, "not one of day, week, month, year"),
    ({"influence_share": 1}, "from 0 to below 1, or be 'estimate'"),
    ({"influence_share": "much"}, "influence_share='much' is no rate"),
    ({"peers": "channel"}, "give attributes= too"),
    ({"keep_model": True}, "keep_model= needs a state"),
    ({"keep_model": True, "fail_on_drift": True}, "keep_model= and fail_on_drift= need a state"),
    ({"state": "state", "engine": "spark"}, "Spark keeps none"),
    ({"state": "state", "category": "shelf"}, "a state keeps no categories"),
    ({"table": "orders", "query": "select 1"}, "Give either table= or query="),
    ({"quantity": "n"}, "quantity= and price= go together"),
    ({"amount": "amount", "quantity": "n", "price": "p"}, "not all of them"),
    ({"amount": None, "margin": "m"}, "margin= goes with amounts"),
    ({"encoding": "rot13"}, "encoding='rot13' is no known encoding of text"),
    ({"encoding": "base64"}, "is no known encoding of text"),
    ({"encoding": "utf-9"}, "is no known encoding of text"),
    ({"timezone": "Europe/Amsterdm"}, "Did you mean Europe/Amsterdam"),
    ({"date_format": "%!"}, "date_format='%!' is not understood"),
    ({"date_format": "\udcff"}, "date_format=.* is not"),
    ({"decimal": ";"}, "decimal=';' is not understood"),
    ({"model": "pareto"}, r"model='pareto' is not understood.*Did you mean pareto_nbd\?"),
    ({"partition_by": "rlv"}, "partition_by='rlv' is no column of groups"),
    ({"customer_id": ""}, "customer_id= is empty"),
    ({"title": "\udce9t\udce9"}, "title=.* is not UTF-8 text"),
    ({"currency": "\ud800"}, "currency=.* is not UTF-8 text"),
    ({"orders": "orders\udcff.csv"}, "orders=.* is not UTF-8 text"),
    ({"out": "a\0b"}, "out=.* is not UTF-8 text"),
]


@pytest.mark.parametrize(("given", "reason"), REFUSED, ids=lambda value: ascii(value)[:60])
def test_refused_before_anything_is_read(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(kw.BadParameters, match=reason):
        Settings(**given)


def test_words_become_what_they_mean() -> None:
    made = Settings(unit="weeks", annual_discount_rate="12%", margin_rate="0,3", influence_share="20%")  # type: ignore[arg-type]
    assert (made.unit, made.annual_discount_rate, made.margin_rate, made.share()) == ("week", 0.12, 0.3, 0.2)


class TestFiles:
    """A file of settings."""

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("margin_rat = 0.3", r"Unknown setting in .*s\.toml: margin_rat\. Did you mean margin_rate\?"),
            ("margin_rate = true", "margin_rate=True should be a number, or a percentage"),
            ("keep_model = 'yes'", "should be true or false"),
            ("title = 3", "should be text"),
            (f"title = {'[' * 5000}{']' * 5000}", "not a TOML file of settings: it is nested too deep"),
            (f"title = {'9' * 5000}", "not a TOML file of settings"),
            ("as_of = 1998-02-30", "not a TOML file of settings"),
            ("as_of = 12:00:00", "should be text"),
            ("[title]\na = 1", "should be text"),
            ("title = ", "not a TOML file of settings"),
        ],
        ids=lambda value: value[:30],
    )
    def test_refused(self, tmp_path: Path, text: str, reason: str) -> None:
        (tmp_path / "s.toml").write_text(text)
        with pytest.raises(kw.BadParameters, match=reason) as refused:
            read_settings(tmp_path / "s.toml", {})
        assert len(str(refused.value)) < 2000, "a long value is cut"

    def test_no_text_and_no_file(self, tmp_path: Path) -> None:
        (tmp_path / "s.toml").write_bytes(b"\xff\xfe")
        for path, reason in ((tmp_path / "s.toml", "not a TOML"), (tmp_path, "Is a directory"), ("x.toml", "No such")):
            with pytest.raises(kw.BadParameters, match=reason):
                read_settings(path, {})

    def test_dates_and_percentages(self, tmp_path: Path) -> None:
        (tmp_path / "s.toml").write_text("as_of = 1998-05-31\nmargin_rate = '30%'\ninfluence_share = 0.2\n")
        made = read_settings(tmp_path / "s.toml", {})
        assert (made.as_of, made.margin_rate, made.influence_share) == ("1998-05-31", 0.3, 0.2)


class TestWords:
    """Each setting as its reader wrote it."""

    def test_a_flag(self, klantwaarde: Cli) -> None:
        said = klantwaarde("run", SAMPLE, "--since", "3 moons")
        assert said.code == 2
        assert "--since '3 moons' is no duration" in said.err

    def test_a_line_of_a_file(self, klantwaarde: Cli, tmp_path: Path) -> None:
        (tmp_path / "s.toml").write_text('since = "3 moons"\nmargin_rate = 30\n')
        said = klantwaarde("run", SAMPLE, "--config", "s.toml", "--margin-rate", "0.3")
        assert 'since = "3 moons" (in s.toml) is no duration' in said.err
        said = klantwaarde("run", SAMPLE, "--config", "s.toml", "--since", "3 months")
        assert "margin_rate = 30 (in s.toml) must lie above 0" in said.err

    def test_a_remedy_is_one_for_the_command_line(self, klantwaarde: Cli, tmp_path: Path) -> None:
        (tmp_path / "o.csv").write_text("klant,date,amount\n1,2024-01-01,2\n")
        said = klantwaarde("check", "o.csv")
        assert said.code == 1
        assert "Name it with --customer-id." in said.err


class TestAfterOpening:
    """What only the orders can tell is told before they are counted."""

    @pytest.mark.parametrize(
        ("flags", "reason"),
        [
            (["--since", "10 years"], "--since '10 years' begins on 1988-06-30, before the first order, of 1997-01-01"),
            (["--since", "1998-06-30"], "--since 1998-06-30 must lie before the end of observation, 1998-06-30"),
            (["--horizon", "1998-01-01"], "--horizon 1998-01-01 does not lie after"),
            (["--category", "shelf"], "The orders have no column 'shelf' for --category"),
            (["--attributes", "a.csv", "--peers", "chanel"], "'chanel' for --peers. Did you mean 'channel'?"),
            (["--attributes", "b.csv"], "--attributes b.csv: there is no such file"),
            (["--order-id", "nr"], "no column 'nr' for order_id"),
        ],
    )
    def test_refused(self, klantwaarde: Cli, tmp_path: Path, flags: list[str], reason: str) -> None:
        (tmp_path / "a.csv").write_text("customer_id,channel\n1,shop\n")
        said = klantwaarde("run", SAMPLE, *flags)
        assert said.code in {1, 2}
        assert reason in said.err
        assert "building the customers" not in said.err
        assert "fitting" not in said.err
