"""Which lines count, which ids are one, and which are none: found, counted, and mended where it is asked."""

from __future__ import annotations

import unicodedata
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import klantwaarde as kw
from klantwaarde.doctor.doctor import reconciliation
from klantwaarde.doctor.finding import Check
from klantwaarde.engine.duckdb import DuckDB
from klantwaarde.errors import BadOrders, BadParameters
from klantwaarde.job.pipeline import run
from klantwaarde.job.settings import Settings, read_settings
from klantwaarde.purchases.identity import key
from klantwaarde.sources.filters import Condition, conditions

LINES = pd.DataFrame(
    {
        "customer_id": ["a", "a", "b", "b", "c", "d"],
        "date": pd.to_datetime(["2024-01-05", "2024-02-05", "2024-01-06", "2024-03-01", "2024-01-07", "2024-01-08"]),
        "amount": [10.0, 20.0, 30.0, 40.0, 50.0, 60.0],
        "Financial Status": ["paid", "refunded", "paid", "voided", None, "paid"],
        "shop": ["x", "y", "x", "o'y", "x", "z, w"],
        "pieces": [1, 2, 3, 4, 5, 6],
        "open": [True, False, True, True, False, None],
    }
)


def checks(base: kw.Customers) -> dict[str, Check]:
    return {check.check: check for check in kw.doctor(base).checks}


def counted(**how: Any) -> list[float]:
    """The amounts of the lines that count."""
    orders = kw.orders(LINES, **how)
    rows = orders.engine.rows(f"select amount from {orders.lines} order by amount")
    return [float(row["amount"]) for row in rows]


class TestConditions:
    @pytest.mark.parametrize(
        ("where", "kept"),
        [
            ("Financial Status = paid", LINES["Financial Status"] == "paid"),
            ('"Financial Status" = "paid"', LINES["Financial Status"] == "paid"),
            ("Financial Status != paid", LINES["Financial Status"] != "paid"),
            ("Financial Status = ''", LINES["Financial Status"].isna()),
            ("Financial Status != ''", LINES["Financial Status"].notna()),
            ("Financial Status in (paid, voided)", LINES["Financial Status"].isin(["paid", "voided"])),
            ("Financial Status in (paid, '')", ~LINES["Financial Status"].isin(["refunded", "voided"])),
            ("Financial Status not in (paid, voided)", ~LINES["Financial Status"].isin(["paid", "voided"])),
            ("shop = 'o''y'", LINES["shop"] == "o'y"),
            ('shop in ("z, w", y)', LINES["shop"].isin(["z, w", "y"])),
            ("pieces >= 4", LINES["pieces"] >= 4),
            ("pieces<2.5", LINES["pieces"] < 2.5),
            ("date > 2024-01-31", LINES["date"] > "2024-01-31"),
            ("date in (2024-01-05, 2024-01-06)", LINES["date"].isin(pd.to_datetime(["2024-01-05", "2024-01-06"]))),
            ("open = true", LINES["open"].eq(True)),
            (["pieces > 1", "shop != y"], (LINES["pieces"] > 1) & (LINES["shop"] != "y")),
        ],
    )
    def test_the_lines_that_pandas_keeps(self, where: Any, kept: Any) -> None:
        assert counted(where=where) == list(LINES.loc[kept, "amount"])

    def test_text_is_compared_as_numbers_where_the_value_is_one(self, tmp_path: Path) -> None:
        path = tmp_path / "orders.csv"
        LINES.assign(pieces=[9, 10, 11, 100, 20, 3]).to_csv(path, index=False)
        orders = kw.orders(path, where="pieces >= 10")
        assert orders.profile["lines"] == 4

    @pytest.mark.parametrize(
        "where",
        ["", "paid", "shop =", "shop like x", "shop in x", "shop in ()", "shop = x, y", "shop = 'x' or 1 = 1", "= x"],
    )
    def test_what_is_no_condition_is_refused(self, where: str) -> None:
        with pytest.raises(BadParameters, match="is not understood"):
            kw.orders(LINES, where=where)

    @pytest.mark.parametrize(
        ("where", "told"),
        [
            ("stat = paid", "there is no column 'stat'. The columns are customer_id, date"),
            ("pieces = many", "column 'pieces' is compared with 'many', which is not a number"),
            ("date > yesterday", "which is not a day such as 2024-12-31"),
            ("open = perhaps", "which is not true or false"),
        ],
    )
    def test_what_does_not_go_with_a_column_is_refused(self, where: str, told: str) -> None:
        with pytest.raises(BadParameters, match=told):
            kw.orders(LINES, where=where)

    @given(st.text(alphabet="a'\";)(-/* \\$%", min_size=1, max_size=8))
    @settings(max_examples=30, deadline=None)
    def test_no_value_is_ever_run(self, value: str) -> None:
        quoted = "'" + value.replace("'", "''") + "'"
        frame = pd.DataFrame({"customer_id": ["p", "q"], "date": pd.to_datetime("2024-01-01"), "shop": [value, "k"]})
        orders = kw.orders(frame, where=f"shop != {quoted}")
        kept = 2 if not value.strip() else 1
        if value.strip() == value:
            assert orders.profile["lines"] == kept or not value.strip()

    def test_lines_left_out_are_counted_with_their_money(self) -> None:
        base = kw.customers(kw.orders(LINES, where="Financial Status = paid"), "2024-12-31")
        parts = reconciliation(base)
        assert parts["left_out"] == Decimal(110)
        assert parts["input"] == Decimal(210)
        assert parts["input"] == sum(parts[name] for name in ("scored", "set_aside", "after", "dropped", "left_out"))
        found = checks(base)
        assert (found["lines that do not count"].count, found["lines that do not count"].money) == (3, 110.0)
        assert "not counted 110.00" in found["money adds up"].text
        assert base.orders.read == 6

    def test_rows_keep_their_numbers(self) -> None:
        orders = kw.orders(LINES, where="pieces > 2")
        assert [str(told)[:5] for told in orders.examples("amount > 0")] == ["row 3", "row 4", "row 5"]

    def test_nothing_left_is_refused(self) -> None:
        with pytest.raises(BadOrders, match="No line counts: none meets 'shop' = 'elsewhere'"):
            kw.orders(LINES, where="shop = elsewhere")

    def test_a_grammar_of_its_own(self) -> None:
        types = {"a b": "VARCHAR", 'c"d': "VARCHAR"}
        assert conditions('"c""d" NOT  IN (x , "y")', types) == (Condition('c"d', "not in", ("x", "y")),)
        assert conditions(("a b=1", "a b<>''"), types) == (Condition("a b", "=", ("1",)), Condition("a b", "!=", ("",)))


class TestStatuses:
    def test_only_those_named_count(self) -> None:
        assert counted(status_column="Financial Status", status_counts="paid, voided") == [10, 30, 40, 60]
        assert counted(status_column="Financial Status", status_counts=["paid", ""]) == [10, 30, 50, 60]
        assert counted(status_column="Financial Status", status_counts="paid,''") == [10, 30, 50, 60]

    def test_every_status_is_shown_with_its_lines(self) -> None:
        orders = kw.orders(LINES, status_column="Financial Status", status_counts="paid")
        text = checks(kw.customers(orders))["lines that do not count"].text
        assert "'Financial Status' count: paid 3." in text
        assert "do not count: blank 1, refunded 1, voided 1." in text

    def test_an_unknown_status_is_refused_with_those_that_there_are(self) -> None:
        with pytest.raises(BadParameters, match=r"'payed' is no status in column 'Financial Status'.*'paid' \(3\)"):
            kw.orders(LINES, status_column="Financial Status", status_counts="payed")
        with pytest.raises(BadParameters, match=r"Say which count.*'paid' \(3\), 'blank' \(1\)"):
            kw.orders(LINES, status_column="Financial Status")
        with pytest.raises(BadParameters, match="the columns are customer_id"):
            kw.orders(LINES, status_column="state", status_counts="paid")
        with pytest.raises(BadParameters, match="goes with"):
            kw.orders(LINES, status_counts="paid")

    def test_a_column_that_nobody_asks_is_shown(self) -> None:
        found = checks(kw.customers(kw.orders(LINES)))["a column that may say what counts"]
        assert found.level == "info"
        assert "has paid 3, blank 1, refunded 1, voided 1" in found.text
        asked = kw.orders(LINES, where="Financial Status != voided")
        assert "a column that may say what counts" not in checks(kw.customers(asked))

    def test_several_currencies_are_a_warning(self) -> None:
        one, two = (LINES.assign(Valuta=["EUR"] * 5 + [last]) for last in ("EUR", "USD"))
        assert "several currencies" not in checks(kw.customers(kw.orders(one)))
        found = checks(kw.customers(kw.orders(two)))["several currencies"]
        assert found.level == "warning"
        assert "EUR 5, USD 1" in found.text


SPELLINGS = {
    "decimals": ("17850", "17850.0", "17850.000000", "17850."),
    "zeros": ("17850", "00017850"),
    "blanks": ("k 1", "\u00a0k 1", "k\u00a01", "k 1\u200b", "\ufeffk 1", "k\t1", " k  1 "),
    "quotes": ("k1", '"k1"', "'k1'"),
    "accents": (unicodedata.normalize("NFC", "renée"), unicodedata.normalize("NFD", "renée")),
    "mail": ("ann@x.nl", "Ann@X.nl", "ANN@X.NL"),
}
APART = ["1.000", "1", "1.5", "15", "Ann", "ann", "1,0", "10", "a", "á", "1.23457E+12", "0", "00x", "x"]


def orders_of(ids: list[str], **how: Any) -> kw.Orders:
    frame = pd.DataFrame({"customer_id": ids, "date": pd.to_datetime("2024-01-01"), "amount": 10.0})
    return kw.orders(frame.assign(date=frame["date"] + pd.to_timedelta(range(len(ids)), unit="D")), **how)


def by_hand(text: str) -> str:
    """The rules of folding in plain Python."""
    shown = "".join(" " if one in "\t\n\r\f\v" or unicodedata.category(one) == "Zs" else one for one in text)
    hidden = {"\u00ad", "\u2060", "\ufeff", *map(chr, range(0x200B, 0x2010))}
    plain = " ".join("".join(one for one in shown if one not in hidden).split())
    if len(plain) > 1 and plain[0] in "\"'" and plain[-1] in "\"'":
        plain = plain.strip("\"' ")
    plain = unicodedata.normalize("NFC", plain.lower() if "@" in plain else plain)
    whole, point, rest = plain.partition(".")
    if whole.isascii() and whole.isdigit() and set(rest) <= {"0"} and not (point and len(rest) == 3):
        plain = whole.lstrip("0") or "0"
    return plain or text


IDS = st.text(alphabet="0017.5aé\u0301e@B \u00a0\u200b\t\"'", min_size=1, max_size=7).filter(lambda text: text.strip())


class TestFolding:
    @pytest.mark.parametrize("kind", SPELLINGS)
    def test_spellings_are_found_with_their_money(self, kind: str) -> None:
        ids = SPELLINGS[kind]
        found = checks(kw.customers(orders_of([*ids, "other"])))["ids in several spellings"]
        assert (found.level, found.count, found.money) == ("warning", len(ids), 10.0 * len(ids))
        assert found.said.fields["way"].code == f"way_{kind}"  # type: ignore[union-attr]

    @pytest.mark.parametrize("kind", SPELLINGS)
    def test_spellings_are_folded_when_asked_and_never_unasked(self, kind: str) -> None:
        ids = SPELLINGS[kind]
        assert kw.customers(orders_of([*ids, "other"])).totals["customers"] == len(ids) + 1
        base = kw.customers(orders_of([*ids, ids[1], "other"], fold_ids=True))
        kept = {row["customer_id"]: row["lines"] for row in base.to_arrow().to_pylist()}
        assert kept == {ids[1]: len(ids) + 1, "other": 1}, "the commonest spelling stays"
        found = checks(base)["ids in several spellings"]
        assert (found.level, found.count) == ("info", len(ids) - 1)

    def test_what_is_not_the_same_stays_apart(self) -> None:
        assert kw.customers(orders_of(APART, fold_ids=True)).totals["customers"] == len(APART)

    def test_healthy_ids_say_nothing(self) -> None:
        assert "ids in several spellings" not in checks(kw.customers(orders_of(["001", "002", "10", "a@b.nl", "é"])))

    @given(st.lists(IDS, min_size=1, max_size=12))
    @settings(max_examples=50, deadline=None)
    def test_folding_is_what_plain_python_makes_of_it(self, ids: list[str]) -> None:
        base = kw.customers(orders_of(ids, fold_ids=True))
        table = base.to_pandas()
        assert table["revenue"].sum() == pytest.approx(10.0 * len(ids))
        expected = pd.Series(ids).groupby([by_hand(one) for one in ids])
        assert sorted(table["lines"]) == sorted(expected.size())
        assert set(table["customer_id"]) <= set(ids)
        commonest = {min(part.value_counts()[lambda n: n == n.max()].index) for _, part in expected}
        assert set(table["customer_id"]) == commonest

    @given(IDS)
    @settings(max_examples=100, deadline=None)
    def test_folding_twice_is_folding_once(self, text: str) -> None:
        engine = DuckDB()
        engine.create("ids", "select $text as id", {"text": text})
        once = engine.one(f"select {key(engine, 'ids', 'id')} as id from ids")["id"]
        engine.create("ids", "select $text as id", {"text": once})
        assert engine.one(f"select {key(engine, 'ids', 'id')} as id from ids")["id"] == once == by_hand(text)

    def test_ids_that_lost_digits_are_told_and_stay(self) -> None:
        base = kw.customers(orders_of(["1.23457E+12", "1.23457E+12", "1,2e+9", "12E4"], fold_ids=True))
        found = checks(base)["ids that lost digits"]
        assert (found.level, found.count, found.money) == ("warning", 2, 30.0)
        assert base.totals["customers"] == 3

    def test_links_and_attributes_are_folded_alike(self) -> None:
        ids = ["17850.0", "00123", "Ann@x.nl", "k"]
        links = pd.DataFrame({"referrer_id": ["17850", "123"], "referred_id": ["ANN@x.nl", '"k"']})
        known = pd.DataFrame({"customer_id": ["017850", "123", "ann@x.nl", "k\u200b"], "city": list("pqrs")})
        base = kw.customers(orders_of(ids, fold_ids=True))
        assert len(kw.referrals(links, base).source) == 2
        assert kw.attributes(known, base).customers == 4
        plain = kw.customers(orders_of(ids))
        assert kw.attributes(known, plain).customers < 4

    def test_a_state_folds_over_batches_and_remembers(self, tmp_path: Path) -> None:
        def add(ids: list[str], **how: Any) -> Any:
            frame = pd.DataFrame({"customer_id": ids, "amount": 10.0})
            frame["date"] = pd.date_range(f"2024-0{how.pop('month')}-01", periods=len(ids), freq="D")
            path = tmp_path / "orders.csv"
            frame.to_csv(path, index=False)
            out, state = str(tmp_path / "out"), str(tmp_path / "state")
            return run(Settings(str(path), out=out, state=state, model="mbg_nbd", **how), lambda _: None)

        add(["1", "1", "2", "3", "3"], month=1, fold_ids=True)
        made = add(["1.0", "002", "3.0", "4"], month=2, fold_ids=True)
        assert made.record["customers"] == 4
        assert Decimal(made.record["money"]["scored"]) == 90
        written = pd.read_parquet(tmp_path / "out" / "customers.parquet")
        assert set(written["customer_id"]) == {"1", "002", "3", "4"}
        with pytest.raises(BadOrders, match="spellings of ids are not folded here and folded in the state"):
            add(["5"], month=3)


class TestPlaceholders:
    IDS = ("nan", "NULL", "None", "N/A", "guest", r"\N", "-", "Onbekend", "temp", "#N/A")

    @pytest.mark.parametrize("name", IDS)
    def test_an_id_that_says_there_is_none_is_told(self, name: str) -> None:
        base = kw.customers(orders_of(["a", "b", name, name]))
        found = checks(base)["ids that stand for no customer"]
        assert (found.level, found.count, found.money) == ("warning", 1, 20.0)
        assert base.totals["customers"] == 3, "and kept"

    def test_a_zero_is_one_where_it_buys_more_than_customers_do(self) -> None:
        assert "ids that stand for no customer" not in checks(kw.customers(orders_of(["0", "1", "2", "3"])))
        often = [str(one) for one in range(20)] + ["0"] * 5
        assert checks(kw.customers(orders_of(often)))["ids that stand for no customer"].count == 1
        frame = pd.DataFrame({"customer_id": [int(one) for one in often]})
        frame["date"] = pd.date_range("2024-01-01", periods=len(often))
        assert checks(kw.customers(kw.orders(frame, amount=None)))["ids that stand for no customer"].count == 1

    def test_they_are_set_aside_when_asked(self) -> None:
        orders = orders_of(["a", "b", *self.IDS, "0", "999999", "-1"], placeholder_ids="set_aside")
        base = kw.customers(orders)
        assert (base.totals["customers"], orders.profile["no_customer"]) == (2, 13)
        assert reconciliation(base)["set_aside"] == Decimal(130)
        assert "ids that stand for no customer" not in checks(base)

    def test_one_id_with_many_more_days(self) -> None:
        ids = [f"c{n}" for n in range(40)] * 2 + ["desk"] * 31
        found = checks(kw.customers(orders_of(ids)))["one customer on many more days"]
        assert "31 days" in found.text
        assert "customer desk" in found.examples[0]
        assert "one customer on many more days" not in checks(kw.customers(orders_of(ids[:-2])))


class TestSettings:
    def test_a_file_and_flags(self, tmp_path: Path) -> None:
        path = tmp_path / "settings.toml"
        path.write_text('where = ["a = b", "c > 1"]\nfold_ids = true\n')
        assert read_settings(path, {"where": []}).where == ("a = b", "c > 1")
        assert read_settings(path, {"where": ["d = e"]}).where == ("d = e",)
        path.write_text('where = "a = b"\n')
        assert read_settings(path, {}).where == ("a = b",)
        path.write_text("where = 3\n")
        with pytest.raises(BadParameters, match="where"):
            read_settings(path, {})

    def test_a_run_tells_what_it_left_out(self, tmp_path: Path) -> None:
        path = tmp_path / "orders.parquet"
        LINES.to_parquet(path)
        out = str(tmp_path / "out")
        how = {"where": ("pieces < 6",), "status_column": "Financial Status", "status_counts": "paid,refunded"}
        made = run(Settings(str(path), out=out, model="mbg_nbd", **how), lambda _: None)  # type: ignore[arg-type]
        assert made.record["lines"]["left_out"] == 3
        assert Decimal(made.record["money"]["left_out"]) == 150
        assert made.record["settings"]["where"] == ["pieces < 6"]
