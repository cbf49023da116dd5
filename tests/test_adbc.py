"""Orders from a file of SQLite and scored customers back into it, and which driver opens which address."""

from __future__ import annotations

import hashlib
import sqlite3
import subprocess
import sys
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import klantwaarde as kw
from klantwaarde.engine.duckdb import DuckDB
from klantwaarde.job.pipeline import Run
from klantwaarde.sources import adbc, publish
from klantwaarde.sources.source import open_source
from klantwaarde.sources.uri import DRIVERS, is_database, masked, scrubbed, short_name
from test_postgres import equal, made


def ask(file: Path, *statements: str) -> list[Any]:
    """The rows of the last statement, by another driver than ours."""
    with closing(sqlite3.connect(file)) as connection:
        rows = [connection.execute(statement).fetchall() for statement in statements]
        connection.commit()
    return rows[-1]


def address(file: Path) -> str:
    return f"sqlite://{file}"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with an odd name that holds the CDNOW sample, as SQLite keeps it, and a table with an odd name."""
    file = tmp_path_factory.mktemp("sqlite") / "my shop 100%20?#.db"
    rows = zip(*pq.read_table(kw.datasets.cdnow_sample()).to_pydict().values(), strict=True)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("create table orders (customer_id integer, date date, quantity integer, amount real)")
        told = [(who, str(day), many, float(paid)) for who, day, many, paid in rows]
        connection.executemany("insert into orders values (?, ?, ?, ?)", told)
        connection.execute('create table "Order ""lines""" as select * from orders')
        connection.execute("create table empty (customer_id integer, date text)")
        connection.commit()
    return file


@pytest.fixture(scope="module")
def runs(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    out = tmp_path_factory.mktemp("runs")
    to = {"table": "orders", "to": address(out / "scored.db"), "to_table": "Scored"}
    return {
        "file": made(out / "file", str(kw.datasets.cdnow_sample())),
        "table": made(out / "table", address(shop), **to),
    }


class TestRoundTrip:
    """Out of a file, through a run, and into another."""

    def test_a_run_from_a_table_equals_one_from_a_file(self, runs: dict[str, Run]) -> None:
        equal(*(pq.read_table(runs[name].out / "customers.parquet") for name in ("file", "table")))
        one, other = (runs[name].record for name in ("file", "table"))
        assert (one["lines"], one["money"], one["customers"]) == (other["lines"], other["money"], other["customers"])

    def test_what_was_written_equals_the_file(self, runs: dict[str, Run]) -> None:
        written = pq.read_table(runs["table"].out / "customers.parquet")
        rows = ask(runs["table"].out.parent / "scored.db", "select * from Scored order by rank")
        assert len(rows) == runs["table"].record["published"]["rows"] == written.num_rows > 2000
        for row, told in zip(rows, written.to_pylist(), strict=True):
            expected = [float(v) if isinstance(v, Decimal) else v for v in told.values()]
            assert list(row) == [str(v) if hasattr(v, "isoformat") else v for v in expected]

    def test_names_and_queries(self, shop: Path) -> None:
        odd = kw.orders(address(shop), table='"Order ""lines"""')
        asked = kw.orders(address(shop), query="select *, null as more from orders where amount > 10 -- the dear\n;")
        assert (odd.read, asked.read) == (6919, ask(shop, "select count(*) from orders where amount > 10")[0][0])

    def test_what_the_run_keeps(self, shop: Path, runs: dict[str, Run]) -> None:
        told = runs["table"].record["published"]
        assert told == {"to": address(runs["table"].out.parent / "scored.db"), "table": "Scored", "rows": 2357}
        assert (runs["table"].facts["title"], short_name(address(shop), None)) == ("orders", shop.stem)


class TestTypes:
    """SQLite keeps a type per value; the driver takes the first batch's types for those of all."""

    def test_types_that_change_after_many_rows(self, tmp_path: Path) -> None:
        count = 70_000  # more than a batch
        ask(
            tmp_path / "t.db",
            "create table orders (id, day, paid, counted)",
            f"with recursive r(i) as (select 1 union all select i + 1 from r where i < {count}) insert into orders "
            "select i, date('2024-01-01', '+' || (i % 300) || ' days'), null, 1 from r",
            "insert into orders values ('00123', '2024-12-24', 2.25, 1), ('00123', '2024-12-25', 3, 1)",
            "insert into orders values ('00123', '2024-12-26', 0.1 + 0.2, 1)",
        )
        engine = DuckDB(threads=1)
        open_source(engine, "read", address(tmp_path / "t.db"), table=None, encoding="utf-8")
        assert list(engine.columns("read").values()) == ["VARCHAR", "VARCHAR", "DOUBLE", "BIGINT"]
        found = engine.one("select count(*) as n, count(distinct id) as ids, sum(paid) as paid from read")
        assert found == {"n": count + 3, "ids": count + 1, "paid": 2.25 + 3 + (0.1 + 0.2)}
        assert engine.rows("select id from read where paid = 3") == [{"id": "00123"}]

    def test_whole_numbers_that_no_real_holds_stay_apart_beside_reals(self, tmp_path: Path) -> None:
        file = tmp_path / "shop.db"
        ask(file, "create table orders (id, small)",
            f"insert into orders values ({2**53 + 1}, 1), ({2**53}, 2), (1.5, 2.5), ({-(2**63)}, null)")  # fmt: skip
        engine = DuckDB()
        open_source(engine, "read", address(file), table=None, encoding="utf-8")
        assert engine.columns("read") == {"id": "VARCHAR", "small": "DOUBLE"}
        assert engine.one("select count(distinct id) as n from read") == {"n": 4}

    def test_tables_of_sqlite_s_own_are_none_of_the_shop_s(self, tmp_path: Path) -> None:
        file = tmp_path / "shop.db"
        ask(file, "create table orders (id integer primary key autoincrement)", "insert into orders values (7)",
            "analyze")  # fmt: skip
        engine = DuckDB()
        open_source(engine, "read", address(file), table=None, encoding="utf-8")
        assert engine.one("select id from read") == {"id": 7}

    def test_whole_numbers_blobs_and_columns_without_values(self, tmp_path: Path) -> None:
        ask(
            tmp_path / "t.db",
            "create table orders (id integer, raw blob, none text)",
            "insert into orders values (null, null, null), (9007199254740993, x'00ff', null)",
        )
        engine = DuckDB(threads=1)
        open_source(engine, "read", address(tmp_path / "t.db"), table="orders", encoding="utf-8")
        expected = [{"id": None, "raw": None, "none": None}, {"id": 2**53 + 1, "raw": b"\x00\xff", "none": None}]
        assert engine.rows("from read") == expected

    @pytest.mark.parametrize(
        ("ids", "back"),
        [
            (pa.array(["001", "1"]), ["001", "1"]),
            (pa.array([2**63 + 1, 2], pa.uint64()), [str(2**63 + 1), "2"]),
            (pa.array([Decimal(10**30 + 1), Decimal(2)]), [str(10**30 + 1), "2"]),
            (pa.array([Decimal(7), Decimal(2)], pa.decimal128(9, 0)), [7, 2]),
        ],
    )
    def test_ids_stay_what_they_are(self, tmp_path: Path, ids: pa.Array, back: list[Any]) -> None:
        pq.write_table(pa.table({"customer_id": ids}), tmp_path / "ids.parquet")
        publish.publish(address(tmp_path / "t.db"), "ids", tmp_path / "ids.parquet")
        assert [row[0] for row in ask(tmp_path / "t.db", "select customer_id from ids")] == back

    @pytest.mark.slow
    def test_rows_are_never_all_in_memory(self, tmp_path: Path) -> None:
        """420 MB of text pass through a process that holds less than half, with DuckDB held to 100 MB."""
        ask(
            tmp_path / "big.db",
            "create table orders (customer_id integer, date text, more text)",
            "with recursive r(i) as (select 1 union all select i + 1 from r where i < 700000) insert into orders "
            "select i, '2024-01-01', hex(randomblob(300)) from r",
        )
        script = (
            "import resource, sys\nfrom klantwaarde.engine.duckdb import DuckDB\n"
            "from klantwaarde.sources.source import open_source\n"
            "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\nengine = DuckDB('100MB', threads=1)\n"
            "open_source(engine, 'read', sys.argv[1], table='orders', encoding='utf-8')\n"
            "print(engine.one('select count(*) as n from read')['n'])\n"
            "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
        )
        command = [sys.executable, "-c", script, address(tmp_path / "big.db")]
        rows, megabytes = map(int, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
        assert rows == 700_000
        assert megabytes < 210


class TestReplaced:
    """The table is replaced whole, and nothing else is touched."""

    @pytest.fixture
    def parquet(self, tmp_path: Path) -> Path:
        pq.write_table(pa.table({"customer_id": [1, 2], "rank": [1, 2]}), tmp_path / "new.parquet")
        return tmp_path / "new.parquet"

    def test_the_new_one_takes_the_place_of_the_old(self, tmp_path: Path, parquet: Path) -> None:
        file = tmp_path / "t.db"
        assert publish.publish(address(file), "Scored", parquet) == 2
        ask(file, "create view leans as select count(*) as n from scored")
        pq.write_table(pa.table({"customer_id": [3], "rank": [1]}), parquet)
        publish.check_target(address(file), "main.scored")
        assert publish.publish(address(file), "scored", parquet) == 1, "names of SQLite have no capitals"
        assert (ask(file, "select * from scored"), ask(file, "select n from leans")) == ([(3, 1)], [(1,)])

    def test_a_fault_leaves_the_old_one(self, tmp_path: Path, parquet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = tmp_path / "t.db"
        publish.publish(address(file), "kept", parquet)

        def broken(path: Path) -> pa.RecordBatchReader:
            batches = pq.read_table(path).to_batches()
            return pa.RecordBatchReader.from_batches(batches[0].schema, (batches[i] for i in range(2)))

        monkeypatch.setattr(publish, "_batches", broken)
        with pytest.raises(Exception, match="index out of range"):
            publish.publish(address(file), "kept", parquet)
        assert ask(file, "select count(*) from kept") == [(2,)]

    def test_a_file_in_use_is_told(self, tmp_path: Path, parquet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = tmp_path / "t.db"
        publish.publish(address(file), "kept", parquet)
        monkeypatch.setattr(adbc, "WAIT", "pragma busy_timeout = 10")
        # By the same library: locks of two libraries in one process do not see each other.
        with adbc.connected(address(file), writes=True) as other:
            other.execute("delete from kept")
            with pytest.raises(kw.BadOrders, match="database is locked"):
                publish.publish(address(file), "kept", parquet)
        assert ask(file, "select count(*) from kept") == [(2,)]

    @pytest.mark.parametrize("name", ["orders", "ORDERS", "seen"])
    def test_others_are_never_replaced(self, tmp_path: Path, parquet: Path, name: str) -> None:
        file = tmp_path / "t.db"
        ask(file, "create table orders (a)", "create view seen as select 1 as a")
        for write in (publish.check_target, lambda *given: publish.publish(*given, parquet)):
            with pytest.raises(kw.BadParameters, match="not written by klantwaarde"):
                write(address(file), name)

    def test_places_that_cannot_be_written(self, tmp_path: Path) -> None:
        for to, table, words in (
            (address(tmp_path / "nowhere" / "t.db"), "a", "There is no folder .*nowhere"),
            (address(tmp_path / "t.db"), "other.a", "no schemas"),
            ("sqlite:///", "a", "names no file"),
            ("grpc://u:pw@h", "a", r"grpc://u:\*\*\*@h' can only be read from. Write to postgresql://.* or sqlite://"),
            ("mysql://u:pw@h/db", "a", r"mysql://u:\*\*\*@h/db is no address .*postgresql://.*sqlite://.*snowflake://"),
            ("results.db", "a", "is no address of a database"),
        ):
            with pytest.raises(kw.KlantwaardeError, match=words):
                publish.check_target(to, table)
        publish.check_target(address(tmp_path / "t.db"), "a")
        assert not (tmp_path / "t.db").exists(), "looking makes no file"


WRONG = [
    ({"table": "order"}, "no such table: order. Did you mean 'orders'"),
    ({"table": "a.b.c"}, "not understood"),
    ({"query": "selec 1"}, "syntax error"),
    ({"query": "delete from orders returning *"}, "syntax error"),
    ({"query": "select 1; drop table orders"}, "syntax error"),
    ({"query": "select 1) as q; drop table orders; --"}, "no column 'customer_id'"),
    ({"table": "empty"}, "holds no lines"),
    ({"table": "orders", "query": "select 1"}, "not both"),
    ({}, 'holds the tables Order "lines", empty, orders. Say which'),
    ({"table": "orders", "engine": "spark"}, "engine='duckdb'"),
]


@pytest.mark.parametrize(("given", "words"), WRONG)
def test_bad_input_is_told(shop: Path, given: dict[str, Any], words: str) -> None:
    before = hashlib.sha256(shop.read_bytes()).digest()
    with pytest.raises(kw.KlantwaardeError, match=words):
        kw.orders(address(shop), **given)
    assert hashlib.sha256(shop.read_bytes()).digest() == before


class TestAddresses:
    """Which driver opens an address, what it is handed, and what is told where none does."""

    @pytest.mark.parametrize("scheme", DRIVERS)
    def test_a_missing_driver(self, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
        packages = {
            "postgresql": "'klantwaarde[postgres]'",
            "postgres": "'klantwaarde[postgres]'",
            "sqlite": "'klantwaarde[sqlite]'",
            "snowflake": "adbc-driver-snowflake",
        }
        monkeypatch.setitem(sys.modules, f"{DRIVERS[scheme].module}.dbapi", None)
        with pytest.raises(kw.MissingExtra) as told:
            kw.orders(f"{scheme}://u:pw@h/db", table="orders")
        assert str(told.value).endswith(f"pip install {packages.get(scheme, 'adbc-driver-flightsql')}.")

    def test_an_unknown_scheme(self) -> None:
        with pytest.raises(kw.BadParameters, match=r"mysql://u:\*\*\*@h/db is no .*postgresql://.*, sqlite://") as told:
            kw.orders("mysql://u:secret@h/db", table="orders")
        assert "secret" not in str(told.value)

    @pytest.mark.parametrize(
        ("uri", "handed", "beside"),
        [
            ("snowflake://u:p%40@acc/db/sch?warehouse=w", "u:p%40@acc/db/sch?warehouse=w", {}),
            ("grpc+tls://u:p%40@h:1", "grpc+tls://h:1", {"username": "u", "password": "p@"}),
            ("grpc://h:1", "grpc://h:1", {}),
        ],
    )
    def test_what_a_driver_is_handed(
        self, monkeypatch: pytest.MonkeyPatch, uri: str, handed: str, beside: dict[str, str]
    ) -> None:
        seen: list[Any] = []

        class Refused(Exception):
            pass

        def connect(given: str, **more: Any) -> None:
            seen.append((given, more.get("db_kwargs", {})))
            raise Refused(f"cannot log in to {uri} with p@ or p%40")

        module = DRIVERS[uri.partition(":")[0]].module
        monkeypatch.setitem(sys.modules, module, SimpleNamespace())
        monkeypatch.setitem(sys.modules, f"{module}.dbapi", SimpleNamespace(connect=connect, Error=Refused))
        with pytest.raises(kw.BadOrders, match="cannot be opened") as told:
            kw.orders(uri, table="orders")
        assert seen == [(handed, beside)]
        assert not ("%40" in uri and ("p@" in str(told.value) or "p%40" in str(told.value)))

    def test_what_is_told(self) -> None:
        assert masked("snowflake://u:pw@acc/db?token=x") == "snowflake://u:***@acc/db?token=***"
        assert scrubbed("pw of x", "mysql://u:pw@h?token=x") == "*** of ***"
        assert is_database("SQLite:///x.db")
        assert not any(map(is_database, ("s3://bucket/x.parquet", "sqlite.db", Path("sqlite://x"))))

    def test_files_that_are_not_there_or_something_else(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        ask(tmp_path / "shop.db", "create table orders (customer_id, date)")
        (tmp_path / "text.db").write_text("customer_id,date\n" * 100)
        for source, words in (
            ("sqlite:///shop.db", r"There is no file /shop.db .*Did you mean sqlite://shop.db\?"),
            ("sqlite://other.db", "There is no file other.db"),
            ("sqlite://text.db", "file is not a database"),
            ("shop.db", f"is a database of SQLite. Give its address: sqlite://{tmp_path}/shop.db"),
        ):
            with pytest.raises(kw.BadOrders, match=words):
                kw.orders(source, table="orders")
        assert not (tmp_path / "other.db").exists()


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        ("", "r.csv", "the referrals below it"),
        ("\n\n", "r.csv", "first line of .* the referrals below it"),
        ("a", "r.doc", "Save the referrals as"),
        ("a\0b\n", "r.csv", "Save the referrals as"),
    ],
)
def test_messages_name_what_the_file_holds(tmp_path: Path, content: str, name: str, words: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(kw.BadOrders, match=words) as told:
        open_source(DuckDB(threads=1), "r", tmp_path / name, table=None, encoding="utf-8", what="referrals")
    assert "orders" not in str(told.value)
