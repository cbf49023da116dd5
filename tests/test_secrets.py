"""Passwords in addresses, in whatever form: no command prints or writes them, and no error holds them."""

from __future__ import annotations

import copy
import json
import os
import pickle
import shlex
import sqlite3
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

import klantwaarde as kw
from conftest import Said
from klantwaarde.job.settings import ADDRESSES, read_settings
from klantwaarde.shown import masked
from klantwaarde.sources.uri import Address, as_address, is_database, revealed, scrub

Cli = Callable[..., Said]
SECRET = "hush"
"""Every part of every password here."""
HERE = "127.0.0.1:1"
"""Where nothing listens."""
FORMS = {
    "plain": f"postgresql://ann:hush1@{HERE}/db",
    "blanks around": f"  postgresql://ann:hush1@{HERE}/db ",
    "a line end": f"\tpostgresql://ann:hush1@{HERE}/db\n",
    "quotes around": f"'postgresql://ann:hush1@{HERE}/db'",
    "capitals": f"POSTGRESQL://ann:hush1@{HERE}/db",
    "no user": f"postgresql://:hush1@{HERE}/db",
    "no host": "postgresql://ann:hush1/db",
    "no host, no database": "postgresql://ann:hush1",
    "parameter": f"postgresql://ann@{HERE}/db?password=hush1&sslpassword=hush2",
    "parameter with @": f"postgresql://{HERE}/db?password=hush1@hush2",
    "parameter, encoded": f"postgresql://{HERE}/db?p%61ssword=hush1",
    "parameter without =": f"postgresql://{HERE}/db?hush1",
    "options": f"postgresql://ann@{HERE}/db?options=-c%20my.key%3Dhush1",
    "options with blanks": f"postgresql://ann@{HERE}/db?options=-c my.key=hush1",
    "encoded": f"postgresql://ann:hush1%40hush2@{HERE}/db",
    "with @": f"postgresql://ann:hush1@hush2@{HERE}/db",
    "with :": f"postgresql://ann:hush1:hush2@{HERE}/db",
    "with /": f"postgresql://ann:hush1/hush2@{HERE}/db",
    "with #": f"postgresql://ann:hush1#hush2@{HERE}/db",
    "with ?": f"postgresql://ann:hush1?hush2@{HERE}/db",
    "with ? and =": f"postgresql://ann:hush1?password=hush2@{HERE}/db",
    "with %": f"postgresql://ann:hush1%hush2@{HERE}/db",
    "with a blank": f"postgresql://ann:hush1 hush2@{HERE}/db",
    "user with @": f"postgresql://ann@shop:hush1@{HERE}/db",
    "user with /": f"postgresql://ann/shop:hush1@{HERE}/db",
    "libpq": "host=127.0.0.1 port=1 user=ann password=hush1",
    "libpq, quoted": "host=127.0.0.1 port=1 password = 'hush1 hush2' user=ann",
    "libpq, password alone": "password=hush1",
    "no scheme": f"ann:hush1@{HERE}/db",
    "one slash": f"postgresql:/ann:hush1@{HERE}/db",
    "no slash": f"postgresql:ann:hush1@{HERE}/db",
    "another scheme": f"mysql://ann:hush1@{HERE}/db",
    "SQLAlchemy": f"postgresql+psycopg2://ann:hush1@{HERE}/db",
    "JDBC": f"jdbc:postgresql://{HERE}/db?user=ann&password=hush1",
    "SQLite": "sqlite://nowhere/shop.db?password=hush1",
    "Flight": f"grpc://ann:hush1@{HERE}",
    "Snowflake": "snowflake://ann:hush1@account/db?token=hush2",
}
forms = pytest.mark.parametrize("form", FORMS)
some = ("plain", "no host", "options", "with /", "libpq")
mostly_slow = pytest.mark.parametrize(
    "form", [form if form in some else pytest.param(form, marks=pytest.mark.slow) for form in FORMS]
)
"""Through many commands: a few forms while one works, all of them before a change lands."""


@pytest.fixture(scope="module", name="model")
def _model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model.json."""
    path = tmp_path_factory.mktemp("model") / "model.json"
    fit = kw.fit(kw.BGNBD, kw.customers(kw.orders(kw.datasets.cdnow_sample())).cells())
    fit.save(path)
    return path


def commands(address: str, model: Path) -> Iterator[tuple[object, ...]]:
    """Every place of the command line where an address can stand, or where it ends up by mistake."""
    where, sample = (address, "--table", "orders"), kw.datasets.cdnow_sample()
    yield "check", *where, "--json"
    yield "run", *where, "--since", "3 months"
    yield "run", *where, "--state", "state"
    yield "score", *where, "--fit", model
    yield "backtest", *where, "--split", "1998-03-31"
    yield "ledger", *where
    yield "stages", *where
    yield "seeds", *where, "--influence", sample
    yield "seeds", sample, "--influence", address
    yield "validate", "potential", *where, "--store", "store"
    yield "run", sample, "--to", address
    yield "stages", sample, "--attributes", address, "--model", "nbd", "--rules", "nowhere"
    yield "report", address
    yield "run", sample, address
    yield "run", sample, "--margin-rate", address
    yield "run", sample, "--as-of", address
    yield "run", sample, "--unit", address
    yield "check", sample, "--amount", address
    yield "sql", "--as-of", "1998-01-01", "--dialect", address
    yield "check", sample, "--config", address
    yield (address,)
    yield "run", f"--{address}"


def files(folder: Path) -> bytes:
    return b"".join(path.read_bytes() + str(path).encode() for path in folder.rglob("*") if path.is_file())


@mostly_slow
def test_no_command_tells(klantwaarde: Cli, model: Path, tmp_path: Path, form: str) -> None:
    for words in commands(FORMS[form], model):
        said = klantwaarde(*words)
        assert said.code in {1, 2}, words
        assert "Traceback" not in said.err
        assert SECRET not in said.out + said.err, words
    assert SECRET.encode() not in files(tmp_path)


@mostly_slow
def test_no_settings_file_tells(klantwaarde: Cli, tmp_path: Path, form: str) -> None:
    (folder := tmp_path / "there").mkdir()
    for name in (*ADDRESSES, "unit", "nonsense"):
        (folder / "s.toml").write_text(f"orders = {str(kw.datasets.cdnow_sample())!r}\n" if name != "orders" else "")
        with (folder / "s.toml").open("a") as written:
            written.write(f"{name} = {json.dumps(FORMS[form])}\ntable = 'orders'\n")
        said = klantwaarde("run", "--config", "there/s.toml", "--model", "nbd")
        assert (said.code in {1, 2}, SECRET in said.out + said.err) == (True, False), (name, said.err)


def every(error: BaseException | None) -> Iterator[str]:
    """All texts of an error and of those that led to it, as tracebacks, notebooks and logs show them."""
    while error is not None:
        yield from map(str, (error, repr(error), error.args, vars(error)))
        error = error.__cause__ or error.__context__


@forms
def test_no_error_holds(model: Path, form: str) -> None:
    from klantwaarde.sources.publish import check_target, publish

    base = kw.customers(kw.orders(kw.datasets.cdnow_sample()))
    address = FORMS[form]
    for call in (
        lambda: kw.orders(address, table="orders"),
        lambda: kw.orders(Path(address), table="orders"),
        lambda: kw.orders(address, table="orders", engine="dusk"),
        lambda: kw.influence(address, base),
        lambda: kw.attributes(address, base),
        lambda: check_target(address, "t"),
        lambda: publish(address, "t", Path(kw.datasets.cdnow_sample())),
        lambda: read_settings(None, {"orders": address, "unit": address}),
    ):
        with pytest.raises(kw.KlantwaardeError) as told:
            call()
        told_all = [*every(told.value), "".join(traceback.format_exception(told.value)), *map(str, told.value.args)]
        assert not [text for text in told_all if SECRET in text]
        assert SECRET.encode() not in pickle.dumps(told.value)


@forms
def test_what_is_made_of_an_address_is_masked(form: str) -> None:
    address = as_address(FORMS[form])
    assert isinstance(address, Address)
    texts = (
        f"{address} {address!r} {address:>80}",
        "%s %r" % (address, address),  # noqa: UP031 - another way to print
        "".join(address),
        address + "",
        address[:],
        address.upper().lower(),
        json.dumps({"a": address}),
        str(Path(address)),
        repr([address]),
        address.encode().decode(),
        pickle.dumps(address).decode("latin-1"),
        str(copy.deepcopy(address)),
    )
    assert not [text for text in texts if SECRET in text]
    assert SECRET in revealed(address)
    assert revealed(copy.deepcopy(address)) == revealed(address)
    with pytest.raises(AttributeError):
        address.other = 1  # type: ignore[attr-defined]
    settings = read_settings(None, dict.fromkeys(ADDRESSES, FORMS[form]))
    kept = (settings.told(), vars(settings), settings, settings.flags(*ADDRESSES), settings.name())
    assert not [one for one in map(str, kept) if SECRET in one]


@pytest.mark.parametrize("name", ["orders:x@y.parquet", "orders.csv", "sqlite.db", "a b.csv", "s=1.csv", "postgresql"])
def test_names_of_files_are_left_alone(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).touch()
    assert type(as_address(name)) is str
    assert (as_address(name), masked(name)) == (name, name)


def test_a_file_that_is_there_is_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (folder := tmp_path / "password=1").mkdir()
    pd.read_parquet(kw.datasets.cdnow_sample()).to_parquet(folder / "a.parquet")
    for path in ("password=1/a.parquet", "password=*/*.parquet"):
        assert kw.orders(path).read == 6919


@pytest.mark.parametrize(
    ("address", "real"),
    [
        (" POSTGRESQL://u:P%40@h/db ", "postgresql://u:P%40@h/db"),
        ("postgresql://u:p@/db?host=/tmp/x", "postgresql://u:p@/db?host=/tmp/x"),
        ("postgresql://u:p@[::1]:5432,h2/db?sslmode=require", "postgresql://u:p@[::1]:5432,h2/db?sslmode=require"),
    ],
)
def test_the_driver_is_handed_the_whole(address: str, real: str) -> None:
    made = as_address(address)
    assert (is_database(address), is_database(made)) == (True, True)
    assert (revealed(made), made.understood) == (real, True)


def test_what_is_harmless_is_told() -> None:
    for address in ("postgresql://u@h:5432/db?sslmode=require", "sqlite:///C:/x/file.db", "snowflake://u@a/d?role=r"):
        assert as_address(address) == address
    for text in (
        "Write postgresql://user@host:5432/database, or mail me@x.org.",
        "at 12:30 a@b",
        "https://x.org/a:b c",
    ):
        assert masked(text) == text


def test_masking_again_changes_nothing() -> None:
    for text in FORMS.values():
        once = masked(f"There is no file {text} (looked in /tmp).")
        assert masked(once) == once


def test_what_a_driver_repeats_is_scrubbed_with_what_led_to_it() -> None:
    address = as_address(FORMS["options"])
    error = ValueError("hush1", 3)
    error.__cause__ = RuntimeError("server: unknown my.key=hush1")
    found = scrub(error, address)
    assert found is not None
    assert not [text for text in every(found) if SECRET in text]


class Stubborn(Exception):
    """An error that says what it likes."""

    def __str__(self) -> str:
        return "hush1"


def test_an_error_that_keeps_a_password_leads_to_nothing() -> None:
    assert scrub(Stubborn(), as_address(FORMS["plain"])) is None


def test_a_fault_of_ours_is_told_without(klantwaarde: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError(f"{FORMS['plain']} and password=hush2")

    monkeypatch.setattr("klantwaarde.cli.app.sheet", broken)
    monkeypatch.setenv("KLANTWAARDE_DEBUG", "")  # so that what --debug sets is forgotten
    said = klantwaarde("--debug", "check", kw.datasets.cdnow_sample())
    assert (said.code, "Traceback" in said.err, "RuntimeError" in said.err) == (70, True, True)
    assert SECRET not in said.err


def test_a_password_that_was_not_kept_is_asked_for() -> None:
    pytest.importorskip("adbc_driver_postgresql", reason="the driver of PostgreSQL is an extra")
    with pytest.raises(kw.BadParameters, match=r"ann:\*\*\*@.* was not kept. Give the address again"):
        kw.orders(str(as_address(FORMS["plain"])), table="orders")


@pytest.fixture(scope="module", name="shop")
def _shop(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a database that is there, with a password in it: SQLite takes all of it for the file's name."""
    path = tmp_path_factory.mktemp("shop") / "shop?password=hush1"
    frame = pd.read_parquet(kw.datasets.cdnow_sample()).assign(date=lambda orders: orders.date.astype(str).str[:10])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table orders (customer_id, date, quantity, amount)")
        connection.executemany(
            "insert into orders values (?, ?, ?, ?)", frame.astype({"amount": float}).to_numpy().tolist()
        )
        connection.commit()
    return f"sqlite://{path}"


def tells_nothing(folder: Path, *texts: str) -> None:
    assert not [text for text in texts if SECRET in text]
    for path in folder.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


@pytest.mark.slow
def test_a_whole_run_tells_nothing(klantwaarde: Cli, shop: str, tmp_path: Path) -> None:
    to = f"sqlite://{Path(shop[9:]).parent}/to?password=hush2"
    where = (shop, "--table", "orders", "--margin-rate", "0.3", "--model", "mbg_nbd")
    told = [klantwaarde("run", *where, "--since", "3 months", "--to", to, "--currency", "a b", "--state", "state")]
    told += [klantwaarde("run", *where, "--since", "3 months", "--out", "two", "--json")]
    told += [klantwaarde("report", "two", "--language", "nl")]
    told += [klantwaarde("score", shop, "--table", "orders", "--fit", "two/model.json", "--out", "three")]
    told += [klantwaarde("check", shop, "--table", "orders", *more) for more in ((), ("--json",))]
    told += [klantwaarde("backtest", shop, "--table", "orders", "--split", "1998-03-31", "--models", "nbd")]
    assert [said.code for said in told] == [0] * len(told)
    tells_nothing(tmp_path, *(said.out + said.err for said in told))
    record = json.loads(Path("two/run.json").read_text())
    command = shlex.split(record["ledger_command"])
    assert command[:2] == ["klantwaarde", "ledger"]
    assert command[2] == f"sqlite://{Path(shop[9:]).parent}/shop?password=***"
    for flag in ("--table", "--margin-rate", "--model", "--as-of"):
        assert flag in command
    assert "klantwaarde ledger" not in Path("two/report.html").read_text()
    assert json.loads(Path("results/run.json").read_text())["ledger_command"] is None, (
        "a state's orders are in the state"
    )


@pytest.mark.slow
def test_the_ledger_command_runs(klantwaarde: Cli, tmp_path: Path) -> None:
    frame = pd.read_parquet(kw.datasets.cdnow_sample()).rename(columns={"customer_id": "who is it"})
    frame.to_csv(tmp_path / "my orders.csv", index=False)
    where = ("my orders.csv", "--customer-id", "who is it", "--model", "nbd", "--as-of", "1998-03-31")
    assert klantwaarde("run", *where, "--since", "3 months").code == 0
    command = shlex.split(json.loads(Path("results/run.json").read_text())["ledger_command"])
    said = klantwaarde(*command[1:])
    assert said.code == 0, said.err
    assert "lost, 1997-12-31 to 1998-03-31" in said.out


@pytest.mark.slow
@pytest.mark.parametrize("form", ["plain", "no host", "options", "with /", "libpq", "another scheme"])
def test_a_process_in_development_mode_tells_nothing(tmp_path: Path, form: str) -> None:
    environment = os.environ | {"PGPASSWORD": "hush3", "COLUMNS": "40"}
    for words in (("check",), ("run", "--since", "3 months")):
        command = [
            sys.executable,
            "-X",
            "dev",
            "-m",
            "klantwaarde",
            words[0],
            FORMS[form],
            "--table",
            "o",
            *words[1:],
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
        assert done.returncode in {1, 2}
        tells_nothing(tmp_path, done.stdout, done.stderr)
    script = f"import klantwaarde as kw; kw.orders({FORMS[form]!r}, table='o')"
    done = subprocess.run([sys.executable, "-X", "dev", "-"], input=script, capture_output=True, text=True, check=False)
    assert "klantwaarde.errors.Bad" in done.stderr
    tells_nothing(tmp_path, done.stdout, done.stderr)
