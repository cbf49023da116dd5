"""Exports as shops make them, each read by its command in docs/recipes.md; what they hold was counted by hand."""

from __future__ import annotations

import json
import re
import shlex
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from klantwaarde.cli.app import app
from klantwaarde.doctor.doctor import reconciliation
from klantwaarde.job.opening import read_orders
from klantwaarde.job.settings import read_settings
from klantwaarde.purchases.customers import customers

EXPORTS = Path(__file__).parent / "exports"
PAGE = (Path(__file__).parents[1] / "docs" / "recipes.md").read_text("utf-8")
LINES = {shlex.split(line)[2]: line for line in re.findall(r"^klantwaarde check .*$", PAGE, flags=re.MULTILINE)}
GROUND = {"less than a year of data", "few repeat customers"}
"""Warnings that any base as small as these gets."""


class Held(NamedTuple):
    """By customer: purchases that stood, revenue, and money of those after the first; lines and money elsewhere."""

    customers: dict[str, tuple[int, str, str | None]]
    set_aside: str = "0"
    not_counted: str = "0"
    dropped: str = "0"
    warnings: frozenset[str] = frozenset()
    first: dict[str, str] = {}  # noqa: RUF012 - read only


HELD = {
    "shopify_orders_export.csv": Held(
        {
            "Anna@example.com": (2, "74.90", "24.95"),  # under two spellings, each on one line that counts
            "bram@example.com": (2, "69.95", "39.95"),  # 60 of which 30 came back, and 39.95
            "dina@example.com": (0, "0", None),  # all came back
        },
        set_aside="15.00",
        not_counted="80.00",  # voided
        warnings=frozenset({"lines without customer", "customers without a purchase"}),
        first={"Anna@example.com": "2024-01-05"},
    ),
    "woocommerce_orders.csv": Held(
        {
            "eva@example.com": (2, "104.90", "49.95"),
            "fred@example.com": (2, "135.00", "60.00"),
            "hanna@example.com": (2, "69.95", "50.00"),
        },
        not_counted="90.00",
    ),
    "magento_orders_grid.csv": Held(
        {
            "iris@example.com": (2, "195.00", "75.00"),
            "jan@example.com": (2, "1500.00", "500.00"),
            "kees@example.com": (0, "0", None),
        },
        not_counted="60.00",
        warnings=frozenset({"customers without a purchase"}),
        first={"jan@example.com": "2024-02-09"},
    ),
    "stripe_unified_payments.csv": Held(
        {"cus_A1": (3, "100.00", "75.00"), "cus_B2": (1, "40.00", "0"), "cus_C3": (1, "30.00", "0")},
        set_aside="12.00",
        not_counted="40.00",
        warnings=frozenset({"lines without customer"}),
    ),
    "lightspeed_sales_lines.csv": Held(
        {"Olga Prins": (2, "87.90", "49.95"), "Piet Quist": (2, "1149.00", "300.00")},
        set_aside="9.95",
        warnings=frozenset({"lines without customer"}),
    ),
    "amazon_all_orders.txt": Held(
        {"r1x@marketplace.amazon.nl": (2, "44.80", "9.95"), "s2y@marketplace.amazon.nl": (2, "42.40", "29.90")},
        first={"s2y@marketplace.amazon.nl": "2024-03-01"},  # 23:30 UTC on 29 February is the next day in Amsterdam
    ),
    "ga4_purchases.csv": Held(
        {"u-1": (3, "98.75", "63.25"), "u-2": (2, "144.75", "64.75")},
        set_aside="18.00",
        dropped="35.50",
        warnings=frozenset({"lines without customer"}),
    ),
    "exact_verkoopfacturen.csv": Held(
        {"00017": (3, "3650.00", "2400.00"), "00023": (2, "1000.00", "519.50"), "00031": (1, "2000.00", "0")},
    ),
    "bestellingen.xlsx": Held(
        {"17": (3, "135.75", "90.25"), "23": (1, "100.00", "0"), "31": (1, "75.00", "0")},
        set_aside="12.50",
        not_counted="60.00",
        warnings=frozenset({"lines without customer"}),
    ),
    "pos_with_refunds.csv": Held(
        {"90001": (2, "120.00", "55.00"), "90002": (2, "38.50", "20.00"), "90003": (1, "25.00", "0")},
        set_aside="12.00",
        warnings=frozenset({"lines without customer"}),
        first={"90001": "2024-02-08"},  # the first order came back
    ),
    "marketplace_two_currencies.csv": Held(
        {"uma": (3, "105.00", "65.00"), "wim": (2, "65.00", "45.00")}, not_counted="115.00"
    ),
    "b2b_ledger.csv": Held(
        {"C0100": (2, "12250.00", "7250.00"), "C0200": (2, "19000.00", "9000.00"), "C0300": (1, "3000.00", "0")},
        not_counted="-15000.00",  # payments
    ),
}


def checked(name: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, [*shlex.split(LINES[name])[1:], "--json"])
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout))


def flags(line: str) -> dict[str, Any]:
    given = shlex.split(line)[3:]
    told: dict[str, Any] = {}
    for place, word in enumerate(given):
        if word.startswith("--"):
            following = given[place + 1] if place + 1 < len(given) else "--"
            value: Any = True if following.startswith("--") else following
            told[word[2:].replace("-", "_")] = (value,) if word == "--where" else value
    return told


def test_every_export_has_its_recipe_and_is_counted() -> None:
    assert set(LINES) == set(HELD) == {path.name for path in EXPORTS.iterdir()}


@pytest.mark.parametrize("name", HELD)
def test_the_sheet_warns_of_what_is_there_and_of_nothing_else(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXPORTS)
    checks = [check for section in checked(name)["sections"].values() for check in section]
    assert {check["check"] for check in checks if check["level"] == "warning"} - GROUND == HELD[name].warnings
    assert all(check["code"] and check["text"] for check in checks)


@pytest.mark.parametrize("name", HELD)
def test_customers_orders_and_money_are_those_counted_by_hand(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXPORTS)
    base = customers(read_orders(read_settings(None, flags(LINES[name]) | {"orders": name})))
    rows = {str(row["customer_id"]): row for row in base.to_arrow().to_pylist()}
    held = HELD[name]
    assert rows.keys() == held.customers.keys()
    for who, (orders, revenue, later) in held.customers.items():
        row = rows[who]
        assert (row["orders"], row["revenue"]) == (orders, Decimal(revenue)), who
        assert row["repeat_amount"] == (None if later is None else Decimal(later)), who
    for who, day in held.first.items():
        assert str(rows[who]["first_order"]) == day
    account = reconciliation(base)
    assert account["set_aside"] == Decimal(held.set_aside)
    assert account["dropped"] == Decimal(held.dropped)
    assert (base.orders.profile["left_out_amount"] or 0) == Decimal(held.not_counted)
    parts = sum(amount for part, amount in account.items() if part != "input")
    assert account["input"] == parts
