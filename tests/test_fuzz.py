"""A minute of anything that can be typed or handed in; `make fuzz` takes longer."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests import fuzz


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_no_input_ends_in_a_traceback(tmp_path: Path) -> None:
    counts, failures = fuzz.fuzz(60, folder=tmp_path)
    assert not failures, "\n".join(f"seed {failure.seed}: {failure.said}" for failure in failures)
    assert counts.total() > 20
    assert {outcome for _, outcome in counts} >= {"0", "1", "2"}, "some are fine, some are not"


def test_a_try_can_be_repeated() -> None:
    first, second = (fuzz.words_of(random.Random(7)) for _ in range(2))
    assert first == second
    assert fuzz.orders_text(random.Random(7)) == fuzz.orders_text(random.Random(7))


def test_damaged_pages_are_told(tmp_path: Path) -> None:
    """A page header that the engine's reader of Parquet cannot decode has an error of no kind of its own."""
    import pandas as pd

    import klantwaarde as kw

    frame = pd.DataFrame({"customer_id": range(1000), "date": pd.Timestamp("2024-01-01"), "amount": 1.5})
    frame.to_parquet(tmp_path / "o.parquet")
    whole = (tmp_path / "o.parquet").read_bytes()
    told = []
    for at in range(4, 60, 3):
        (tmp_path / "d.parquet").write_bytes(whole[:at] + b"\xff\xff\xff" + whole[at + 3 :])
        try:
            kw.customers(kw.orders(tmp_path / "d.parquet"))
        except kw.BadOrders as error:
            told.append(str(error))
    assert told, "some of this damage cannot be read"
