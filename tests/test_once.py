"""What a run computes of every customer is computed once per date, however many parts of it ask."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.counting import evaluations

from klantwaarde.cli.app import _simulated
from klantwaarde.job.pipeline import run
from klantwaarde.job.settings import read_settings
from klantwaarde.purchases.datasets import cdnow_sample

PER_DATE = {
    "valued": 2,  # the later date's customers once more by the parameters of the earlier one: the model change
    "occasions": 5,  # lines by day are no table: who needs the days of some customers reads these
}
"""More often than once, by statement."""
DATES = 2
TWO_ASK = {"top_customers": 2, "total_people": 2}  # the best, and those at risk; who brings, and who moves others
"""Of those that have no day: how often a date needs them."""


def test_in_a_run_with_links_and_an_earlier_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside = _simulated(tmp_path / "beside")
    given = {"orders": str(cdnow_sample()), "out": str(tmp_path / "out"), "since": "1997-12-31", "model": "mbg_nbd"}
    settings = read_settings(None, given | beside)
    with evaluations(monkeypatch) as seen:
        run(settings, lambda _: None)
    assert seen.counts["valued", "1998-06-30"] == PER_DATE["valued"], "what the test looks at is there"
    assert seen.counts["cells", "1998-06-30"] == 1
    dated = {key: n for key, n in seen.counts.items() if key[1] and n > PER_DATE.get(key[0], 1)}
    undated = {key: n for key, n in seen.counts.items() if not key[1] and n > DATES * TWO_ASK.get(key[0], 1)}
    assert dated | undated == {}
