"""How text dates are read, beside a slow twin: Python's own parser, format by format and line by line."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import klantwaarde as kw
from klantwaarde.engine.duckdb import DuckDB
from klantwaarde.sources.parse import DATE_FORMATS, Reading, read_dates

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
    if form == "%Y%m%d" and not re.match(r"[0-9]{8}(?![0-9])", cell):
        return None
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
    other = {form: form.replace("%d", "%x").replace("%m", "%d").replace("%x", "%m") for form in DATE_FORMATS}
    if rivals and any(
        one is None and two for one, two in zip(days[rivals[0]], days.get(other[rivals[0]], []), strict=False)
    ):
        with pytest.raises(kw.BadOrders, match="nobody knows which is meant"):
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
    assert reading([*cells, last])[1:4] == (f"Column 'date' is text, read as {rule}.", 0, 1)
    with pytest.raises(kw.BadOrders, match=r"'05/06/2024'.*date_format"):
        reading([*cells, "05/05/2024"])


def test_the_form_of_most_lines_is_taken_wherever_they_stand() -> None:
    cells = ["2024-01-31"] * 100_000 + ["31.01.2024"] * 100_001
    assert reading(cells)[1:4] == ("Column 'date' is text, read as %d.%m.%Y.", 100_000, 0)
    assert reading(cells, "%Y-%m-%d")[1:3] == ("Column 'date' is text, read as %Y-%m-%d.", 100_001)


@pytest.mark.parametrize("times", [1, 30])
def test_a_format_of_the_user_may_hold_the_time(times: int) -> None:
    cells = ["31 jan 24 10:11", "1 feb 24 23:59", "2024-01-01", " ", None]
    assert reading(cells * times, "%d %b %y %H:%M")[2] == times


@pytest.mark.parametrize("name", ["texts", "found", "days", "day", "zone", "lines", "text", 'a "date"'])
def test_the_column_may_have_any_name(name: str) -> None:
    ENGINE.register("named", pa.table({name: ["2024-01-31T10:00Z", "x", "2024-01-31"] * 20}))
    assert read_dates(ENGINE, "named", name, None, strict=False)[2:4] == (20, 1)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["31.12.2024", "30.12.2024", "12.31.2024", "01.02.2024"], "nobody knows which is meant"),
        (["01.02.2024", "03.04.2024"], r"%d.%m.%Y and as %m.%d.%Y.*date_format"),
        (["13/01/2024", "14/01/2024", "01/13/2024", "02/03/2024"], "'01/13/2024'.*nobody knows which is meant"),
        (["13-01-2024", "01-13-2024", "02-03-2024"], "date_format"),
        (["202411", "202412"], "no dates we know"),
        (["2024115"], "no dates we know"),
        (["44927", "44928.5"], "no dates we know"),
        (["13/01/24", "14/02/24"], "with years of four digits"),
        (["2024-01", "2024-02"], "no dates we know"),
        (["31012024"], "no dates we know"),
    ],
)
@pytest.mark.parametrize("strict", [True, False])
def test_dates_that_could_be_others_are_refused(cells: list[str], words: str, strict: bool) -> None:
    ENGINE.register("lines", pa.table({"date": cells}))
    if strict or ("no dates" not in words and "years" not in words):
        with pytest.raises(kw.BadOrders, match=words):
            read_dates(ENGINE, "lines", "date", None, strict=strict)
    else:
        assert read_dates(ENGINE, "lines", "date", None, strict=False).unreadable == len(cells)


@pytest.mark.parametrize(
    ("cells", "form"), [(["12.31.2024", "01.13.2024"], "%m.%d.%Y"), (["2024.01.31", "2024.02.01"], "%Y.%m.%d")]
)
def test_days_between_points(cells: list[str], form: str) -> None:
    assert str(reading(cells).rule) == f"Column 'date' is text, read as {form}."


def amounts(cells: list[str], **how: Any) -> list[Any]:
    frame = pa.table({"customer_id": range(len(cells)), "date": [dt.date(2024, 1, 5)] * len(cells), "amount": cells})
    orders = kw.orders(frame, **how)
    return [row["amount"] for row in orders.engine.rows(f"select * from {orders.read_lines}")]


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["€100.00", "€ 1,250.50", "-€5.25", "€-5.25"], ["100", "1250.5", "-5.25", "-5.25"]),
        (["100,00 €", "1.250,50 EUR", "-5,25 eur"], ["100", "1250.5", "-5.25"]),
        (["kr 100,50", "1 250,50 kr.", "1\u202f250\u00a0000,50 KR"], ["100.5", "1250.5", "1250000.5"]),
        (["12,50 zł", "PLN 3,75"], ["12.5", "3.75"]),
        (["$10.25 USD", "US$5.50", "USD 1.25"], ["10.25", "5.5", "1.25"]),
        (["XAF 1.5", "2.25"], ["1.5", "2.25"]),
        (["R$ 1.250,50", "R$ 3,25"], ["1250.5", "3.25"]),
        (["1e2", "- 5.5", " 7 "], ["100", "-5.5", "7"]),
    ],
)
def test_one_currency_is_read(cells: list[str], numbers: list[str]) -> None:
    assert amounts(cells) == [Decimal(number) for number in numbers]


@pytest.mark.parametrize(
    ("cells", "counts"),
    [
        (["€100.00", "$100.00", "£5.00", "€3.00"], "EUR 2, [$] 1, GBP 1"),
        (["€100.00", "$100.00", "7.00"], "[$] 1, EUR 1"),
        (["10.00 EUR", "11.00 USD"], "EUR 1, USD 1"),
        (["kr 10", "10 zł"], "KR 1, PLN 1"),
        (["¥10", "CHF 10", "CHF 11"], "CHF 2, ¥ 1"),
        (["$10.00 USD", "$10.00 CAD"], "CAD 1, USD 1"),
    ],
)
@pytest.mark.parametrize("unreadable", ["error", "set_aside"])
def test_several_currencies_are_never_added(cells: list[str], counts: str, unreadable: str) -> None:
    with pytest.raises(kw.BadOrders, match=rf"'amount' is in several currencies \({counts}\), which cannot be added"):
        amounts(cells, unreadable=unreadable)


@pytest.mark.parametrize("cell", ["12k", "5 pcs", "10 20", "12 kr 50", "1 2345", "XYZ 5", "€", "5%"])
def test_what_is_no_number_with_a_currency_is_none(cell: str) -> None:
    with pytest.raises(kw.BadOrders, match="'amount' holds 1 value"):
        amounts(["1.00", cell])


def test_the_currency_is_said_with_the_numbers_that_lack_it() -> None:
    columns = {"customer_id": [1, 2, 3], "date": [dt.date(2024, 1, 5)] * 3}
    notes = [str(note) for note in kw.orders(pa.table({**columns, "amount": ["€ 1.00", "2.00", "3.00"]})).notes]
    assert "Column 'amount' is in EUR; 2 numbers without that mark are taken for the same." in notes
    notes = [str(note) for note in kw.orders(pa.table({**columns, "amount": ["€ 1.00"] * 3})).notes]
    assert "Column 'amount' is in EUR." in notes


def test_margins_in_another_currency() -> None:
    columns = {"customer_id": [1, 2], "date": [dt.date(2024, 1, 5)] * 2, "amount": ["€ 1.00"] * 2, "m": ["$ 1.00"] * 2}
    with pytest.raises(kw.BadOrders, match=r"'amount' in EUR and 'm' in \$ cannot be put together"):
        kw.orders(pa.table(columns), margin="m")


@pytest.mark.parametrize(
    "name", ["Amount", "AMOUNT", "a_mount", "Total Amount", "order_amount", "amountPaid", "Amount (EUR)"]
)
def test_an_amount_by_nearly_that_name_is_asked_for(name: str) -> None:
    frame = pa.table({"customer_id": [1], "date": [dt.date(2024, 1, 5)], name: [5.0]})
    with pytest.raises(kw.BadOrders, match=re.escape(f"Did you mean {name!r}? Name it with amount={name!r}")):
        kw.orders(frame)
    assert kw.orders(frame, amount=name).has_money
    assert not kw.orders(frame, amount="").has_money
    assert not kw.orders(frame, amount=None).has_money


@pytest.mark.parametrize("name", ["Customer ID", "CUSTOMER_ID", "customerid", "customer-id", " customer_id"])
def test_a_customer_by_nearly_that_name_is_asked_for(name: str) -> None:
    frame = pa.table({name: [1], "date": [dt.date(2024, 1, 5)], "other_id": [2], "custom": [3]})
    with pytest.raises(kw.BadOrders, match=re.escape(f"Did you mean {name!r}?")):
        kw.orders(frame)


def test_links_and_attributes_ask_too() -> None:
    base = kw.customers(kw.orders(pa.table({"customer_id": [1, 2], "date": [dt.date(2024, 1, 5)] * 2})))
    links = pa.table({"referrer_id": [1], "referred_id": [2], "Date": [dt.date(2024, 1, 5)]})
    with pytest.raises(kw.BadOrders, match=r"no column 'date'. Did you mean 'Date'\?"):
        kw.referrals(links, base)
    known = pa.table({"customer_id": [1], "Acquisition Cost": ["5"]})
    with pytest.raises(kw.BadOrders, match="Did you mean 'Acquisition Cost'"):
        kw.attributes(known, base)
    assert kw.attributes(known, base, numbers=["Acquisition Cost"]).columns == {"Acquisition Cost": "DOUBLE"}
