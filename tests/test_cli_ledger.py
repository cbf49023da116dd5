"""What `klantwaarde ledger` and `stages` say beside their numbers: whether the fits can be trusted, and money."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import klantwaarde as kw
from conftest import Said
from klantwaarde.cli.ledger import _money
from klantwaarde.report.facts import plain

Cli = Callable[..., Said]


@pytest.fixture(scope="module", name="faithful")
def _faithful(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A year of 60 customers who keep buying, every 7 to 40 days: nobody leaves."""
    rows = [(f"k{who}", day) for who in range(60) for day in range(who % 30, 360, 7 + 3 * (who % 12))]
    frame = pd.DataFrame(rows, columns=["customer_id", "day"])
    frame["date"] = pd.Timestamp("2023-01-01") + pd.to_timedelta(frame.pop("day"), unit="D")
    path = tmp_path_factory.mktemp("faithful") / "orders.parquet"
    frame.assign(amount=5 + np.arange(len(frame)) % 17).to_parquet(path)
    return path


def told_doubts(said: Said) -> list[str]:
    """The doubts on the timing model, said beside the output."""
    return [line for line in said.err.splitlines() if line.startswith("! Valued with bg_nbd")]


class TestDoubts:
    """Where nobody leaves, the chance to leave cannot be told: the fit ends at a boundary, and the commands say so."""

    @pytest.mark.slow
    def test_ledger_says_it_once_with_every_day(self, klantwaarde: Cli, faithful: Path) -> None:
        words = ("ledger", faithful, "--model", "bg_nbd", "--start", "2023-09-30")
        said = klantwaarde(*words)
        assert said.code == 0
        (doubt,) = told_doubts(said)
        assert "bg_nbd (boundary on 2023-09-30, 2023-12-" in doubt
        made = json.loads(klantwaarde(*words, "--json").out)
        fits = [fit for each in made for fit in each["fits"] if fit["model"] == "bg_nbd"]
        assert [fit["as_of"] for fit in fits] == [day for each in made for day in (each["start"], each["end"])]
        assert {fit["status"] for fit in fits} == {"boundary"}
        assert doubt.endswith(f". {fits[-1]['reason']}")

    def test_stages_say_it(self, klantwaarde: Cli, faithful: Path) -> None:
        words = ("stages", faithful, "--model", "bg_nbd", "--as-of", "2023-09-30")
        (doubt,) = told_doubts(klantwaarde(*words))
        assert "bg_nbd (boundary on 2023-09-30). " in doubt
        (timing, spend) = json.loads(klantwaarde(*words, "--json").out)["fits"]
        assert (timing["status"], spend["model"]) == ("boundary", "gamma_gamma")
        assert timing["reason"] in doubt

    @pytest.mark.slow
    def test_nothing_is_fitted_that_nobody_reads(
        self, klantwaarde: Cli, faithful: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read: list[str] = []

        def fitted(Model: type[Any], cells: Any) -> kw.Fit[Any]:
            assert Model is not kw.ParetoNBD, "a second model was fitted, for potential, which no movement looks at"
            read.append(Model.__name__)
            return kw.fit(Model, cells)

        monkeypatch.setattr("klantwaarde.value.terms.fit", fitted)
        words = (faithful, "--model", "bg_nbd", "--as-of", "2023-09-30")
        assert klantwaarde("stages", *words).code == 0
        assert klantwaarde("ledger", *words, "--start", "2023-06-30").code == 0
        assert read == ["BGNBD", "GammaGamma"] * 3  # one date of stages, two of the ledger
        base = kw.customers(kw.orders(faithful), "2023-09-30")
        scored = kw.score(base, kw.Fits(kw.fit(kw.BGNBD, base.cells())))
        assert scored.potential is None
        assert scored.to_pandas().potential.isna().all()

    def test_good_fits_need_no_word(self, klantwaarde: Cli) -> None:
        words = ("ledger", kw.datasets.cdnow_sample(), "--start", "1998-03-31", "--model", "pareto_nbd")
        assert "! Valued with" not in klantwaarde(*words).err


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        (Decimal("-0.0049"), "0.00"),
        (-0.0, "0.00"),
        (Decimal("-0.0051"), "-0.01"),
        (-1234.5, "-1,234.50"),
    ],
)
def test_no_cents_have_no_sign(amount: Decimal | float, said: str) -> None:
    assert _money(amount) == said


def test_nothing_is_kept_as_less_than_nothing() -> None:
    kept = plain({"gap": -0.0, "change": Decimal("-0.00"), "less": -0.01})
    assert [math.copysign(1, value) for value in kept.values()] == [1, 1, -1]
