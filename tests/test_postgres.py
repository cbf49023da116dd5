"""Orders from a real PostgreSQL server, and scored customers back into it; the test starts and stops the server."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import klantwaarde as kw
from conftest import Said
from klantwaarde.job.pipeline import Run, run
from klantwaarde.job.settings import read_settings
from klantwaarde.sources.publish import MARK, publish
from klantwaarde.sources.uri import DRIVERS, POSTGRESQL, is_database, masked, name_parts, short_name

Cli = Callable[..., Said]
PASSWORD = "s3cret word"
GIVEN = {"as_of": "1998-03-31", "margin_rate": 0.3, "model": "mbg_nbd"}
binaries = Path(max(map(str, Path("/usr/lib/postgresql").glob("*/bin")), default="none"))


def missing() -> str | None:
    if not (binaries / "initdb").exists():
        return "there is no PostgreSQL server under /usr/lib/postgresql"
    try:
        import adbc_driver_postgresql  # noqa: F401
    except ImportError:
        return "adbc-driver-postgresql is not installed"
    return None


def unprivileged() -> str | None:
    """Whom the server runs as: it refuses root."""
    users = {user.pw_name for user in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in users) if os.geteuid() == 0 else None


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of an empty server that listens on a socket in a folder of its own, and nowhere else."""
    reason = missing()
    if reason and os.environ.get("KLANTWAARDE_REQUIRE_ALL"):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    folder, user = Path(tempfile.mkdtemp(prefix="kwpg")), unprivileged()
    secret = folder / "password"
    secret.write_text(PASSWORD)
    for path in (folder, secret):
        shutil.chown(path, user) if user else None

    def ask(name: str, *words: str) -> None:
        command = [str(binaries / name), "-D", str(folder / "data"), *words]
        subprocess.run(command, user=user, extra_groups=[] if user else None, check=True, capture_output=True, cwd="/")

    try:
        ask("initdb", "-U", "postgres", "-A", "scram-sha-256", f"--pwfile={secret}", "-N", "-E", "UTF8")
        told = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        ask("pg_ctl", "-w", "-l", str(folder / "log"), "-o", told, "start")
        try:
            yield f"postgresql://postgres:{PASSWORD.replace(' ', '%20')}@/postgres?host={folder}"
        finally:
            ask("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def ask(server: str, *statements: str) -> list[tuple[Any, ...]]:
    """The rows of the last statement."""
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(server) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        rows = cursor.fetchall() if cursor.description else []
        connection.commit()
    return rows


@pytest.fixture(scope="module")
def database(server: str) -> str:
    """The server with the CDNOW sample and a few odd tables in it."""
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(server) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("orders", pq.read_table(kw.datasets.cdnow_sample()), mode="create")
        connection.commit()
    ask(
        server,
        'create schema "Shop 1"',
        'create table "Shop 1"."Order ""lines""" as select * from orders',
        "create table typed (id uuid, at timestamptz, paid numeric(12, 2), free numeric, cash money, day date)",
        "insert into typed select ('00000000-0000-0000-0000-00000000000' || i % 5)::uuid, "
        "timestamptz '2024-01-01 23:30:00+00' + i * interval '40 hours', i * 1.01, i * 0.00001 + 12345678901, "
        "i * 2.5, date '2024-01-01' + i from generate_series(1, 50) as i",
        "insert into typed values (null, 'infinity', 'NaN', 'NaN', null, '-infinity')",
        "create table nothing (customer_id bigint, date date)",
    )
    return server


def made(out: Path, orders: str, **given: Any) -> Run:
    return run(read_settings(None, GIVEN | {"orders": orders, "out": str(out)} | given), lambda _: None)


def equal(one: pa.Table, other: pa.Table) -> None:
    """Equal in ids, days, counts and money, and within 1e-12 in what is computed."""
    assert one.column_names == other.column_names
    assert one.num_rows == other.num_rows > 0
    for name in one.column_names:
        a, b = one.column(name).to_pylist(), other.column(name).to_pylist()
        if pa.types.is_floating(one.schema.field(name).type):
            np.testing.assert_allclose(np.array(a, float), np.array(b, float), rtol=1e-12, err_msg=name)
        else:
            assert a == b, name


@pytest.fixture(scope="module")
def runs(database: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    out = tmp_path_factory.mktemp("runs")
    ask(database, "create schema results")
    table = {"table": "orders", "to": database, "to_table": "results.Scored"}
    return {
        "file": made(out / "file", str(kw.datasets.cdnow_sample())),
        "table": made(out / "table", database, **table),
    }


class TestRoundTrip:
    """Into the database, through a run, and back into it."""

    def test_a_run_from_a_table_equals_one_from_a_file(self, runs: dict[str, Run]) -> None:
        equal(*(pq.read_table(runs[name].out / "customers.parquet") for name in ("file", "table")))
        one, other = (runs[name].record for name in ("file", "table"))
        assert (one["lines"], one["money"], one["customers"]) == (other["lines"], other["money"], other["customers"])

    def test_what_was_written_back_equals_the_file(self, runs: dict[str, Run], database: str) -> None:
        written = pq.read_table(runs["table"].out / "customers.parquet")
        rows = ask(database, 'select * from results."Scored" order by rank')
        assert len(rows) == runs["table"].record["published"]["rows"] == written.num_rows
        for row, told in zip(rows, written.to_pylist(), strict=True):
            # Numbers without stated digits come back as text.
            back = [Decimal(v) if isinstance(told[n], Decimal) else v for n, v in zip(told, row, strict=True)]
            assert back == list(told.values())

    def test_no_password_is_kept(self, runs: dict[str, Run]) -> None:
        for file in runs["table"].out.iterdir():
            for secret in (PASSWORD, PASSWORD.replace(" ", "%20")):
                assert secret.encode() not in file.read_bytes(), file.name
        assert "postgres:***@" in runs["table"].record["settings"]["to"]
        assert runs["table"].facts["title"] == "orders"

    def test_other_names_and_queries(self, database: str) -> None:
        odd = kw.orders(database, table='"Shop 1"."Order ""lines"""')
        asked = kw.orders(database, query="select *, 'a' as more from orders where amount > 10 -- the dear ones\n;")
        dear = ask(database, "select count(*) from orders where amount > 10")[0][0]
        assert (odd.read, asked.read) == (6919, dear)


class TestTypes:
    """What PostgreSQL has and Arrow has not."""

    def test_numbers_instants_and_ids(self, database: str) -> None:
        base = kw.customers(kw.orders(database, "id", "at", "paid", table="typed", timezone="Europe/Amsterdam"))
        table = base.to_arrow()
        assert {str(v) for v in table["customer_id"].to_pylist()} == {str(uuid.UUID(int=i)) for i in range(5)}
        assert sum(table["revenue"].to_pylist()) == sum(Decimal("1.01") * i for i in range(1, 51))
        expected = ask(
            database, "select min((at at time zone 'Europe/Amsterdam')::date) from typed where id is not null"
        )
        assert base.totals["first_order"] == expected[0][0]
        assert (base.orders.profile["no_date"], base.orders.profile["set_aside"]) == (1, 1), "infinity is no date"

    @pytest.mark.parametrize("column", ["paid", "free", "cash"])
    def test_money_is_exact(self, database: str, column: str) -> None:
        found = kw.orders(database, "id", "day", column, table="typed").profile["amount"]
        exact = f"select sum(round({column}::numeric, 4))::text from typed where {column}::numeric <> 'NaN'"
        assert found == Decimal(ask(database, exact)[0][0])

    @pytest.mark.parametrize("kind", ["integer", "bigint", "text", "uuid", "numeric(9)", "numeric"])
    def test_ids_come_back_as_they_went_in(self, database: str, kind: str, tmp_path: Path) -> None:
        cast = "lpad(i::text, 32, '0')::uuid" if kind == "uuid" else f"i::{kind}"
        query = f"select {cast} as customer_id, date '2024-01-01' + i % 90 as date from generate_series(1, 400) as i"
        base = kw.customers(kw.orders(database, query=query.replace("400) as i", "400) as i, generate_series(1, 2)")))
        base.engine.write_parquet(f"select * from {base.table}", tmp_path / "base.parquet")
        name = f"ids_{''.join(filter(str.isalpha, kind))}"
        assert publish(database, name, tmp_path / "base.parquet") == 400
        assert ask(database, f"select count(*) from {name} join ({query}) as q using (customer_id)") == [(400,)]


class TestOtherDrivers:
    """A driver of which nothing is known but its address: here PostgreSQL's, under another name."""

    @pytest.fixture(autouse=True)
    def _unknown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(DRIVERS, "postgresql", POSTGRESQL._replace(name="Other"))

    def test_tables_and_queries_are_read(self, database: str) -> None:
        exact = ask(database, "select count(*), sum(amount)::text from orders where amount > 10")[0]
        found = kw.orders(database, query="select * from orders where amount > 10;")
        assert (found.read, found.profile["amount"]) == (exact[0], Decimal(exact[1]))
        assert kw.orders(database, table='"Shop 1"."Order ""lines"""').read == 6919

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"table": "order"}, "does not exist.*Did you mean 'orders'"),
            ({"query": "delete from orders returning *"}, "syntax error"),
            ({}, r"holds the tables Shop 1\.Order \"lines\".*public\.orders.*Say which"),
        ],
    )
    def test_bad_input_is_told(self, database: str, given: dict[str, Any], words: str) -> None:
        with pytest.raises(kw.BadOrders, match=words):
            kw.orders(database, **given)


class TestReplaced:
    """The table is swapped whole, and nothing else is touched."""

    @pytest.fixture
    def parquet(self, tmp_path: Path) -> Path:
        pq.write_table(pa.table({"customer_id": [1, 2], "rank": [1, 2]}), tmp_path / "new.parquet")
        return tmp_path / "new.parquet"

    def test_the_new_one_takes_the_place_of_the_old(self, database: str, parquet: Path) -> None:
        ask(database, "create role reader")
        assert publish(database, "swapped", parquet) == 2
        ask(database, "grant select on swapped to reader", "grant select on swapped to public")
        pq.write_table(pa.table({"customer_id": [3], "rank": [1]}), parquet)
        assert publish(database, "swapped", parquet) == 1
        assert ask(database, "select customer_id from swapped") == [(3,)]
        assert ask(database, "select has_table_privilege('reader', 'swapped', 'select')") == [(True,)]
        left = ask(database, "select count(*) from information_schema.tables where table_name like 'klantwaarde%'")
        assert left == [(0,)]
        assert ask(database, "select obj_description('swapped'::regclass)")[0][0].startswith(MARK)

    def test_readers_see_the_old_one_or_the_new(self, database: str, tmp_path: Path) -> None:
        files = [tmp_path / f"{rows}.parquet" for rows in (500, 700)]
        for file in files:
            pq.write_table(pa.table({"customer_id": range(int(file.stem))}), file)
        publish(database, "read", files[0])
        stop, seen = threading.Event(), set()

        def look() -> None:
            while not stop.is_set():
                seen.add(ask(database, "select count(*) from read")[0][0])

        with ThreadPoolExecutor(1) as pool:
            reader = pool.submit(look)
            for file in files * 5:
                publish(database, "read", file)
            stop.set()
            reader.result()
        assert seen <= {500, 700}

    def test_a_fault_leaves_the_old_one(self, database: str, parquet: Path) -> None:
        publish(database, "kept", parquet)
        ask(database, "create view leans as select * from kept")
        with pytest.raises(kw.BadOrders, match=r"leans|depend"):
            publish(database, "kept", parquet)
        assert ask(database, "select count(*) from kept") == [(2,)]

    def test_other_tables_are_never_replaced(self, database: str, klantwaarde: Cli) -> None:
        said = klantwaarde("run", database, "--table", "orders", "--to", database, "--to-table", "orders")
        assert (said.code, "that the orders are read from" in said.err) == (2, True), said.err
        ask(database, "create table theirs as select 1 as one")
        said = klantwaarde("run", database, "--table", "orders", "--to", database, "--to-table", "theirs")
        assert (said.code, "not written by klantwaarde" in said.err) == (2, True), said.err
        assert ask(database, "select one from theirs") == [(1,)]
        assert "s3cret" not in said.err
        assert ask(database, "select count(*) from orders") == [(6919,)]


WRONG = [
    ({"table": "order"}, r"'?\"order\" does not exist.*Did you mean 'orders'"),
    ({"table": "a.b.c"}, "not understood"),
    ({"query": "selec 1"}, "syntax error"),
    ({"query": "delete from orders returning *"}, "syntax error"),
    ({"query": "select 1; drop table orders"}, "syntax error"),
    ({"query": "select setval(pg_get_serial_sequence('x', 'y'), 1)"}, "does not exist"),
    ({"query": "select 1 as a, 2 as A"}, "more than one column"),
    ({"table": "nothing"}, "holds no lines"),
    ({"table": "orders", "query": "select 1"}, "not both"),
    ({}, "holds the tables .*public.orders.*Say which"),
    ({"table": "orders", "engine": "spark"}, "engine='duckdb'"),
]


@pytest.mark.parametrize(("given", "words"), WRONG)
def test_bad_input_is_told(database: str, given: dict[str, Any], words: str) -> None:
    with pytest.raises(kw.KlantwaardeError, match=words) as told:
        kw.orders(database, **given)
    assert "s3cret" not in str(told.value)


def test_addresses_that_lead_nowhere(database: str, tmp_path: Path) -> None:
    for address, words in (
        (database.replace("s3cret", "wrong"), "password authentication failed.*PGPASSWORD"),
        (database.replace("/postgres?", "/nowhere?"), "nowhere.*does not exist.*Check the address"),
        (f"postgresql://u:s3cret@/db?host={tmp_path}", "cannot be opened.*Check that the server runs"),
        ("postgresql://u:s3cret/x@127.0.0.1/db", "percent-encoded"),
    ):
        with pytest.raises(kw.KlantwaardeError, match=words) as told:
            kw.orders(address, table="orders")
        assert not any(secret in str(told.value) for secret in ("s3cret", "wrong%20word"))


def test_what_runs_can_only_read(database: str) -> None:
    ask(database, "create sequence counter")
    with pytest.raises(kw.BadOrders, match="read-only transaction"):
        kw.orders(database, query="select nextval('counter') as customer_id, date '2024-01-01' as date")


def test_the_command_line_reads_and_writes(database: str, klantwaarde: Cli) -> None:
    query = "select customer_id, date, amount from orders"
    said = klantwaarde("run", database, "--query", query, "--model", "mbg_nbd", "--to", database)
    assert (said.code, "2,357 rows written to table klantwaarde_customers" in said.err) == (0, True)
    assert json.loads(Path("results/run.json").read_text())["published"]["rows"] == 2357
    again = klantwaarde("score", database, "--query", query, "--fit", "results/model.json", "--out", "again")
    assert (again.code, "published" in json.loads(Path("again/run.json").read_text())) == (0, False)


@pytest.mark.slow
def test_no_command_tells_the_password(database: str, klantwaarde: Cli, tmp_path: Path) -> None:
    where, quick = (database, "--table", "orders"), ("--model", "mbg_nbd", "--margin-rate", "0.3")
    odd = f" {database.replace('postgresql', 'POSTGRESQL')}&options=-c%20search_path%3Ds3cret "
    told = [klantwaarde("run", *where, *quick, "--since", "3 months", "--to", odd, "--to-table", "public.masked")]
    told += [klantwaarde("run", *where, *quick, "--state", "state", "--out", "kept", "--json")]
    told += [klantwaarde("score", *where, "--fit", "results/model.json", "--out", "again")]
    told += [
        klantwaarde("report", "results", "--language", "nl"),
        klantwaarde("check", odd, "--table", "public.orders"),
    ]
    told += [klantwaarde("stages", *where, *quick), klantwaarde("ledger", *where, *quick, "--start", "1998-01-01")]
    told += [klantwaarde("backtest", *where, "--split", "1998-03-31", "--models", "nbd")]
    assert [said.err for said in told if said.code] == []
    told += [klantwaarde("check", database, "--table", "none"), klantwaarde("check", database, "--query", "select 1/0")]
    told += [
        klantwaarde("check", f"{odd.strip()}%20-c%20s3cret"),
        klantwaarde("run", *where, "--to", "mysql" + odd[11:]),
    ]
    assert not [said for said in told if "s3cret" in said.out + said.err]
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()]


class TestAddresses:
    """What is told of an address."""

    @pytest.mark.parametrize(
        ("address", "told"),
        [
            ("postgresql://u:pw@h/db", "postgresql://u:***@h/db"),
            ("postgres://u:p@ss:w@h:1/db?a=b", "postgres://u:***@h:1/db?a=b"),
            (
                "postgresql://h/db?user=u&password=pw&sslpassword=x",
                "postgresql://h/db?user=u&password=***&sslpassword=***",
            ),
            ("postgresql://u@h:5432/db", "postgresql://u@h:5432/db"),
            ("orders:x@y.parquet", "orders:x@y.parquet"),
        ],
    )
    def test_passwords_are_masked(self, address: str, told: str) -> None:
        assert masked(address) == told

    def test_names(self) -> None:
        assert name_parts('a."b.""c"""') == ("a", 'b."c"')
        assert short_name("postgresql://u:pw@h/db?password=x", None) == "db"
        assert not is_database("postgresql.parquet")
        with pytest.raises(kw.BadParameters):
            name_parts("a" * 64)
