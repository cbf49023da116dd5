"""Days, durations, units and rates as people write them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

import klantwaarde as kw
from klantwaarde.calendar import (
    Duration,
    day_before,
    month_end,
    months_before,
    read_day,
    read_discount_rate,
    read_duration,
    read_margin_rate,
    read_moment,
    read_rate,
    read_share,
    read_since,
    read_step,
    read_unit,
)

JUNE = dt.date(1998, 6, 30)


class TestDurations:
    @pytest.mark.parametrize(
        ("text", "number", "unit"),
        [
            ("12 months", 12, "month"),
            ("52 weeks", 52, "week"),
            ("90 days", 90, "day"),
            ("1 year", 1, "year"),
            (" 1 Year ", 1, "year"),
            ("2 quarters", 6, "month"),
            ("1.5 years", 1.5, "year"),
            ("1,5 jaar", 1.5, "year"),
            ("12 maanden", 12, "month"),
            ("4 weken", 4, "week"),
            ("30 dagen", 30, "day"),
            ("1 kwartaal", 3, "month"),
            ("3months", 3, "month"),
        ],
    )
    def test_as_people_write_them(self, text: str, number: float, unit: str) -> None:
        assert read_duration(text, "horizon") == Duration(number, unit)

    @pytest.mark.parametrize("text", ["2024-06-30", "soon", "", "12", "nan", "inf"])
    def test_other_text_is_none(self, text: str) -> None:
        assert read_duration(text, "horizon") is None

    @pytest.mark.parametrize("text", ["0 months", "-1 months", "- 3 days", "0.0 weeks"])
    def test_nothing_and_less(self, text: str) -> None:
        with pytest.raises(kw.BadParameters, match=r"must be above 0"):
            read_duration(text, "since")

    @pytest.mark.parametrize("text", ["30000 months", "101 years", "999999999 days"])
    def test_longer_than_the_calendar(self, text: str) -> None:
        with pytest.raises(kw.BadParameters, match=r"longer than 100 years"):
            read_duration(text, "since")

    @pytest.mark.parametrize(("text", "meant"), [("3 moons", "3 months"), ("2 yeers", "2 years"), ("1 wek", "1 week")])
    def test_near_misses(self, text: str, meant: str) -> None:
        with pytest.raises(kw.BadParameters, match=rf"no unit of time.*Did you mean '{meant}'\?"):
            read_duration(text, "since")

    @pytest.mark.parametrize("text", ["12", "soon", "", None, 12, 1.5, True, b"12 months", "nan months"])
    def test_neither_duration_nor_day(self, text: Any) -> None:
        with pytest.raises(kw.BadParameters, match=r"neither a duration .* nor a day|no unit of time"):
            read_moment(text, "horizon")

    def test_a_bare_number_means_months(self) -> None:
        with pytest.raises(kw.BadParameters, match=r"Did you mean '12 months'\?"):
            read_moment("12", "horizon")

    @pytest.mark.parametrize("text", ["1.5 days", "0.5 weeks", "2.5 months"])
    def test_a_part_of_a_day_begins_nowhere(self, text: str) -> None:
        with pytest.raises(kw.BadParameters, match="does not end on a day"):
            read_since(text, JUNE)


class TestDays:
    @pytest.mark.parametrize(
        "given",
        ["1998-06-30", " 1998-06-30 ", JUNE, dt.datetime(1998, 6, 30, 13), pd.Timestamp("1998-06-30 23:59")],
    )
    def test_as_people_write_them(self, given: Any) -> None:
        assert read_day(given, "as_of") == JUNE

    @pytest.mark.parametrize("given", ["tomorrow", "", "1998-06-31", "12 months", 19980630, None, pd.NaT, 1.5, ()])
    def test_none(self, given: Any) -> None:
        with pytest.raises(kw.BadParameters, match=r"is not a day\. Write it as YYYY-MM-DD"):
            read_day(given, "as_of")

    @pytest.mark.parametrize("given", ["0001-01-01", "9999-12-31", "3000-01-01", dt.date(999, 12, 31)])
    def test_outside_the_calendar(self, given: Any) -> None:
        with pytest.raises(kw.BadParameters, match="outside the years 1000 to 2999"):
            read_day(given, "as_of")

    @pytest.mark.parametrize(
        ("given", "meant"),
        [
            ("30-06-1998", "1998-06-30"),
            ("06/30/1998", "1998-06-30"),
            ("1998/6/30", "1998-06-30"),
            ("5.5.1998", "1998-05-05"),
        ],
    )
    def test_what_was_meant(self, given: str, meant: str) -> None:
        with pytest.raises(kw.BadParameters, match=rf"Did you mean {meant}\?"):
            read_day(given, "as_of")

    def test_day_and_month_are_never_guessed(self) -> None:
        with pytest.raises(kw.BadParameters) as refused:
            read_day("05-06-1998", "as_of")
        assert "Did you mean" not in str(refused.value)


class TestSince:
    @pytest.mark.parametrize(
        ("since", "as_of", "expected"),
        [
            ("12 months", "2024-02-29", "2023-02-28"),
            ("1 year", "2024-03-15", "2023-03-15"),
            ("1 jaar", "2024-03-15", "2023-03-15"),
            ("3 months", "1998-06-30", "1998-03-31"),
            ("1 quarter", "1998-06-30", "1998-03-31"),
            ("1 month", "2024-03-30", "2024-02-29"),
            ("1.5 years", "2024-03-31", "2022-09-30"),
            ("52 weeks", "2024-12-29", "2023-12-31"),
            ("90 days", "2024-03-30", "2023-12-31"),
            ("2024-01-05", "2024-03-30", "2024-01-05"),
        ],
    )
    def test_the_day_that_is_meant(self, since: str, as_of: str, expected: str) -> None:
        assert str(read_since(since, dt.date.fromisoformat(as_of))) == expected

    def test_must_lie_before_the_end(self) -> None:
        with pytest.raises(kw.BadParameters, match="must lie before"):
            read_since("2024-05-01", dt.date(2024, 5, 1))

    def test_no_duration_leads_out_of_the_calendar(self) -> None:
        for day in (dt.date(1000, 1, 1), dt.date(2999, 12, 31)):
            assert day_before(day, Duration(100, "year"), "since").year == day.year - 100
        assert months_before(dt.date(2000, 3, 31), 1) == month_end(2000 * 12 + 1) == dt.date(2000, 2, 29)


@pytest.mark.parametrize(
    ("given", "unit"),
    [("week", "week"), ("weeks", "week"), (" Weeks", "week"), ("dag", "day"), ("maanden", "month"), ("jaar", "year")],
)
def test_units(given: str, unit: str) -> None:
    assert read_unit(given) == unit


@pytest.mark.parametrize("given", ["quarter", "fortnight", "", None, 7, "weak"])
def test_no_units(given: Any) -> None:
    with pytest.raises(kw.BadParameters, match="not one of day, week, month, year"):
        read_unit(given)


def test_cells_and_customers_know_one_name_of_a_unit() -> None:
    assert kw.Cells([0.0], [0.0], [1.0], unit="weeks").unit == "week"
    assert kw.customers(kw.orders(kw.datasets.cdnow_sample()), unit="weken").unit == "week"


@pytest.mark.parametrize(
    ("given", "months"), [("month", 1), ("quarter", 3), ("year", 12), ("3 months", 3), ("jaar", 12), ("1 kwartaal", 3)]
)
def test_steps(given: str, months: int) -> None:
    assert read_step(given, "every") == months


@pytest.mark.parametrize("given", ["week", "2 months", "-3 months", "", None, "0 years", "quartre"])
def test_no_steps(given: Any) -> None:
    with pytest.raises(kw.BadParameters, match="not one of month, quarter, year"):
        read_step(given, "every")


class TestRates:
    @pytest.mark.parametrize(
        "given", [0.3, "0.30", "30%", "30 %", " 0,3 ", ".3", "3e-1", np.float32(0.3), np.float64(0.3)]
    )
    def test_thirty_per_cent(self, given: Any) -> None:
        assert read_rate(given, "margin_rate") == pytest.approx(0.3)

    @pytest.mark.parametrize(
        "given", ["nan", np.nan, np.inf, "-inf", "a third", "", None, True, 10**400, "1e999", "30%%", [0.3], "1.000,5"]
    )
    def test_no_rates(self, given: Any) -> None:
        with pytest.raises(kw.BadParameters, match="is no rate"):
            read_rate(given, "margin_rate")

    @pytest.mark.parametrize(("read", "given"), [(read_margin_rate, 30), (read_discount_rate, 10), (read_share, 20)])
    def test_a_percentage_without_its_sign(self, read: Any, given: float) -> None:
        with pytest.raises(kw.BadParameters, match=rf"Did you mean {given}%\?"):
            read(given, "rate")

    @pytest.mark.parametrize("given", [0, -0.1, "-10%", 1, "100%"])
    def test_no_discount_rates(self, given: Any) -> None:
        with pytest.raises(kw.BadParameters, match="ten per cent"):
            read_discount_rate(given)

    def test_whole_margins_and_no_influence_are_meant(self) -> None:
        assert read_margin_rate("100%") == 1
        assert read_share("0", "influence_share") == 0

    def test_decimals_are_numbers(self) -> None:
        assert read_rate(Decimal("0.3"), "margin_rate") == 0.3
        with pytest.raises(kw.BadParameters, match="is no rate"):
            read_rate(Decimal("NaN"), "margin_rate")
