"""How text dates are read, beside a slow twin: Python's own parser, format by format and line by line."""

from __future__ import annotations

import datetime as dt
import re

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import klantwaarde as kw
from klantwaarde.data.duckdb import DuckDB
from klantwaarde.data.parse import DATE_FORMATS, Reading, read_dates

MANY = 150_000
ENGINE = DuckDB(threads=1)
DAYS = st.dates(dt.date(1995, 1, 1), dt.date(2030, 12, 31))
TIMES = st.sampled_from(["", "", " 10:11:12", "T10:11:12Z", " 10:11 UTC", " 10:11:12+02:00", "T23:59:59.123"])
CELLS = st.one_of(
    st.none(),
    st.sampled_from(["", " ", "x", "2024-13-01", "31-02-2024", "24-01-02", "20240230", "-"]),
    st.builds(lambda day, form, time: day.strftime(form) + time, DAYS, st.sampled_from(DATE_FORMATS), TIMES),
)


def reading(cells: list[str | None], fmt: str | None = None) -> Reading:
    ENGINE.register("lines", pa.table({"date": pa.array(cells, pa.string())}))
    return read_dates(ENGINE, "lines", "date", fmt, strict=False)


def as_day(cell: str, form: str) -> dt.date | None:
    found = re.fullmatch(r"([0-9./-]+?)([ T]+[0-9:.]+(Z| UTC|\+[0-9:]+)?)?", cell)
    try:
        return dt.datetime.strptime(found[1], form).date() if found else None
    except ValueError:
        return None


@settings(max_examples=40, deadline=None)
@given(st.lists(CELLS, min_size=1, max_size=12), st.sampled_from([1, 30]))
def test_the_reading_is_that_of_all_formats_on_all_lines(cells: list[str | None], times: int) -> None:
    cells = cells * times  # texts that repeat are counted together
    filled = [cell for cell in cells if cell and cell.strip()]
    days = {form: [as_day(cell, form) for cell in filled] for form in DATE_FORMATS}
    good = {form: sum(day is not None for day in found) for form, found in days.items()}
    most = max(good.values())
    rivals = [form for form in DATE_FORMATS if good[form] == most and most > 0]
    differ = any(
        one and other and one != other
        for rival in rivals[1:]
        for one, other in zip(days[rivals[0]], days[rival], strict=True)
    )
    if differ:
        with pytest.raises(kw.BadOrders, match="can be read as"):
            reading(cells)
        return
    found = reading(cells)
    assert found.unreadable == len(filled) - most
    if rivals:
        assert found.rule == f"Column 'date' is text, read as {rivals[0]}."
    zones = [re.search(r"(Z|UTC|\+[0-9:]+)$", cell) for cell in filled if ":" in cell]
    assert found.zones == len({zone[0].replace("UTC", "Z") if zone else "" for zone in zones})


@pytest.mark.parametrize(("last", "rule"), [("13/01/2024", "%d/%m/%Y"), ("01/13/2024", "%m/%d/%Y")])
def test_the_last_of_many_lines_decides_between_day_and_month(last: str, rule: str) -> None:
    cells = ["05/06/2024", "07/08/2024 12:00:00"] * (MANY // 2)
    assert reading([*cells, last])[1:] == (f"Column 'date' is text, read as {rule}.", 0, 1)
    with pytest.raises(kw.BadOrders, match=r"'05/06/2024'.*date_format"):
        reading([*cells, "05/05/2024"])


def test_the_form_of_most_lines_is_taken_wherever_they_stand() -> None:
    cells = ["2024-01-31"] * 100_000 + ["31.01.2024"] * 100_001
    assert reading(cells)[1:] == ("Column 'date' is text, read as %d.%m.%Y.", 100_000, 0)
    assert reading(cells, "%Y-%m-%d")[1:3] == ("Column 'date' is text, read as %Y-%m-%d.", 100_001)


@pytest.mark.parametrize("times", [1, 30])
def test_a_format_of_the_user_may_hold_the_time(times: int) -> None:
    cells = ["31 jan 24 10:11", "1 feb 24 23:59", "2024-01-01", " ", None]
    assert reading(cells * times, "%d %b %y %H:%M")[2] == times


@pytest.mark.parametrize("name", ["texts", "found", "days", "day", "zone", "lines", "text", 'a "date"'])
def test_the_column_may_have_any_name(name: str) -> None:
    ENGINE.register("named", pa.table({name: ["2024-01-31T10:00Z", "x", "2024-01-31"] * 20}))
    assert read_dates(ENGINE, "named", name, None, strict=False)[2:] == (20, 1)
