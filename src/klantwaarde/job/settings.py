"""What a run can be told: flags and a TOML file become one checked value."""

from __future__ import annotations

import dataclasses
import datetime as dt
import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from klantwaarde.calendar import read_day, read_discount_rate, read_moment, read_since, read_unit
from klantwaarde.errors import BadParameters, named
from klantwaarde.models import MODELS
from klantwaarde.purchases.opening import check_money, check_reading
from klantwaarde.shown import masked
from klantwaarde.sources.uri import as_address, is_database, short_name
from klantwaarde.value.discount import horizon_days
from klantwaarde.value.score import check_partitions
from klantwaarde.value.terms import RankBy, check_margin_rate, read_influence_share


@dataclass(frozen=True)
class Settings:
    """Everything a run can be told; the same names on the command line (with dashes) and in settings.toml."""

    orders: str = ""
    customer_id: str = "customer_id"
    date: str = "date"
    amount: str | None = "auto"
    quantity: str | None = None
    price: str | None = None
    margin: str | None = None
    order_id: str | None = None
    return_of: str | None = None
    one_total_per_order: bool = False
    latest_per_order: bool = False
    refunded: str | None = None
    duplicates: str = "keep"
    unreadable: str = "error"
    decimal: str | None = None
    date_format: str | None = None
    timezone: str | None = None
    encoding: str = "utf-8"
    table: str | None = None
    query: str | None = None
    where: tuple[str, ...] | None = None
    status_column: str | None = None
    status_counts: str | None = None
    fold_ids: bool = False
    placeholder_ids: str = "keep"
    as_of: str | None = None
    unit: str = "week"
    model: str = "auto"
    annual_discount_rate: float = 0.10
    margin_rate: float | None = None
    horizon: str = "12 months"
    rank_by: str = "last_year"
    currency: str | None = None
    language: str = "en"
    title: str | None = None
    memory_limit: str | None = None
    engine: str = "duckdb"
    master: str = "local[*]"
    out: str = "results"
    partition_by: str | None = None
    referrals: str | None = None
    influence: str | None = None
    attributes: str | None = None
    influence_share: float | str = "estimate"
    peers: str | None = None
    category: str | None = None
    since: str | None = None
    to: str | None = None
    to_table: str = "klantwaarde_customers"
    state: str | None = None
    keep_model: bool = False
    fail_on_drift: bool = False
    new_customers: bool = False

    def __post_init__(self) -> None:
        """Refuse what no run can use, before anything is read; words and percentages become what they mean.

        From here on no text made of an address leaks.
        """
        for name in ADDRESSES:
            self._becomes(name, as_address(getattr(self, name)))
        for name, value in vars(self).items():
            for text in value if isinstance(value, tuple) else (value,):
                _refuse_text(name, text)
        for name, allowed in CHOICES.items():
            _one_of(name, getattr(self, name), allowed)
        self._becomes("unit", read_unit(self.unit))
        self._becomes("annual_discount_rate", read_discount_rate(self.annual_discount_rate))
        self._becomes("margin_rate", check_margin_rate(self.margin_rate, has_margin=self.margin is not None))
        self._becomes("influence_share", read_influence_share(self.influence_share))
        check_partitions(self.partitions())
        check_reading(self.encoding, self.timezone, self.date_format, self.decimal)
        check_money(self.amount, self.quantity, self.price, self.margin, self.refunded)
        _refuse_together(self)
        _check_days(self)

    def _becomes(self, name: str, value: Any) -> None:
        """What a setting means, in place of how it was written; what was not given stays so."""
        if getattr(self, name) is not None:
            object.__setattr__(self, name, value)

    def partitions(self) -> tuple[str, ...]:
        """The columns to partition by."""
        return tuple(name.strip() for name in (self.partition_by or "").split(",") if name.strip())

    def share(self) -> float | Literal["estimate"]:
        """The socially induced share of value."""
        return read_influence_share(self.influence_share)

    def told(self) -> dict[str, Any]:
        """The settings as they are kept: without passwords."""
        kept = dataclasses.asdict(self)
        return {name: masked(value) if isinstance(value, str) else value for name, value in kept.items()}

    def flags(self, *names: str) -> list[str]:
        """Those of these settings that are not the default, as the command line takes them: without passwords."""
        kept, usual = self.told(), Settings().told()
        pairs = ((f"--{name.replace('_', '-')}", kept[name]) for name in names if kept[name] != usual[name])
        return [word for flag, value in pairs for word in (flag, "" if value is None else str(value))]

    def name(self) -> str:
        """What the orders are called where no title was given."""
        return short_name(self.orders, self.table) if is_database(self.orders) else Path(self.orders).stem


CHOICES = {
    "model": ("auto", *MODELS),
    "rank_by": get_args(RankBy),
    "language": ("en", "nl"),
    "duplicates": ("keep", "drop"),
    "engine": ("duckdb", "spark"),
    "unreadable": ("error", "set_aside"),
    "decimal": (".", ","),
    "placeholder_ids": ("keep", "set_aside"),
}
"""What a setting may be, where that is a few words."""
MAY_BE_EMPTY = ("orders", "amount", "partition_by", "title", "currency")
MOST_SHOWN = 60
"""Characters of a value in a message."""
ADDRESSES = ("orders", "referrals", "influence", "attributes", "to")
"""The settings that may be the address of a database."""
NOTHING: tuple[Any, ...] = (None, [], ())
"""What an option is that was not given."""
COLUMNS = ("customer_id", "date", "amount", "quantity", "price", "margin")
"""The settings that name a column of money, of days or of customers."""
SOURCE = (
    "orders",
    *COLUMNS,
    "order_id",
    "return_of",
    "one_total_per_order",
    "latest_per_order",
    "refunded",
    "duplicates",
    "unreadable",
    "decimal",
    "date_format",
    "timezone",
    "encoding",
    "table",
    "query",
    "where",
    "status_column",
    "status_counts",
    "fold_ids",
    "placeholder_ids",
)
"""The settings that say how orders are read, as `kw.orders` takes them."""


def read_settings(
    config: str | Path | None, given: Mapping[str, Any], base: Mapping[str, Any] | None = None
) -> Settings:
    """Settings from a TOML file and what was given beside it, which prevails; None means not given."""
    told: dict[str, Any] = {}
    for layer in (
        dict(base or {}),
        _toml(config),
        {name: value for name, value in given.items() if value not in NOTHING},
    ):
        told = _without_rivals(told, layer) | layer
    if "where" in told:
        told["where"] = _conditions(told["where"])
    known = {item.name: str(item.type) for item in fields(Settings)}
    unknown = [name for name in told if name not in known]
    if unknown:
        where = f" in {config}" if config is not None else ""
        raise BadParameters(
            "\n".join(_unknown(name, known, where) for name in unknown) + f"\nSettings: {_list(known)}."
        )
    wrong = [name for name, value in told.items() if not _fits(known[name], value)]
    if wrong:
        raise BadParameters("\n".join(f"{_named(name, told[name])} should be {_kind(known[name])}." for name in wrong))
    return Settings(**told)


def in_file(config: str | Path | None, given: Mapping[str, Any]) -> dict[str, str]:
    """The settings that a TOML file has and that were not given beside it, with the file's name."""
    try:
        return {name: str(config) for name in _toml(config) if given.get(name) is None}
    except BadParameters:
        return {}


def _without_rivals(told: Mapping[str, Any], layer: Mapping[str, Any]) -> dict[str, Any]:
    """What was told so far, without what the next layer replaces by other means: an amount, or quantity and price."""
    means = (("amount",), ("quantity", "price"))
    gone = {name for one, other in (means, means[::-1]) if layer.keys() & set(one) for name in other}
    return {name: value for name, value in told.items() if name not in gone}


def _conditions(given: Any) -> Any:
    """One condition, or several: None where there is none; anything else as it is, to be refused."""
    if isinstance(given, list | tuple):
        return tuple(given) or None
    return (given,) if isinstance(given, str) else given


def _unknown(name: str, known: Mapping[str, Any], where: str) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"Unknown setting{where}: {name}." + (f" Did you mean {close[0]}?" if close else "")


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)


def _toml(config: str | Path | None) -> dict[str, Any]:
    if config is None:
        return {}
    try:
        told = tomllib.loads(Path(config).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadParameters(
            f"{config} cannot be read: {error.strerror}. Give {named('config')} a TOML file."
        ) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets thousands deep
        reason = "it is nested too deep" if isinstance(error, RecursionError) else error
        raise BadParameters(f"{config} is not a TOML file of settings: {reason}.") from error
    dates = {name: value.isoformat() for name, value in told.items() if isinstance(value, dt.date)}
    return {name.replace("-", "_"): value for name, value in (told | dates).items()}


def _fits(kind: str, value: Any) -> bool:
    if kind == "bool":
        return isinstance(value, bool)
    if kind.startswith("tuple"):
        return value is None or (isinstance(value, tuple) and all(isinstance(one, str) for one in value))
    wanted = (int, float, str) if kind.startswith("float") else str
    return (value is None and "None" in kind) or (isinstance(value, wanted) and not isinstance(value, bool))


def _kind(kind: str) -> str:
    words = {
        "bool": "true or false",
        "float": "a number, or a percentage such as '30%'",
        "str": "text",
        "tuple[str,": "a condition or a list of them",
    }
    return words[kind.split(maxsplit=1)[0]]


def _named(name: str, value: Any) -> str:
    """A setting with its value, cut where the value is long."""
    shown = repr(value)
    return named(name, value if len(shown) <= MOST_SHOWN else f"{shown[:MOST_SHOWN]}...")


def _one_of(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value is not None and value not in allowed:
        close = difflib.get_close_matches(str(value).lower(), allowed, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise BadParameters(f"{named(name, value)} is not understood. Choose from {', '.join(allowed)}.{hint}")


def _refuse_text(name: str, value: Any) -> None:
    """Raise BadParameters for text that no file can keep: bytes that are not UTF-8, a NUL; and for empty text."""
    if not isinstance(value, str):
        return
    if not value.strip() and name not in MAY_BE_EMPTY:
        raise BadParameters(f"{named(name)} is empty. Give it a value, or leave it out.")
    try:
        broken = "\0" in value or not value.encode()
    except UnicodeEncodeError:
        broken = True
    if broken and value:
        shown = value.encode(errors="replace").decode()
        raise BadParameters(f"{named(name, shown)} is not UTF-8 text. Write it in UTF-8; rename a file or a folder.")


def _refuse_together(given: Settings) -> None:
    """Raise BadParameters for settings that cannot go together, or not alone."""
    state = given.state is not None
    alone = [name for name in ("keep_model", "fail_on_drift", "new_customers") if getattr(given, name) and not state]
    if alone:
        needed = " and ".join(map(named, alone))
        raise BadParameters(f"{needed} need{'s' * (len(alone) == 1)} a state: give its folder with {named('state')}.")
    if given.peers is not None and given.attributes is None:
        told = named("peers", given.peers)
        raise BadParameters(f"{told} is an attribute of the customers: give {named('attributes')} too.")
    if state and given.engine == "spark":
        raise BadParameters(f"{named('state')} needs {named('engine', 'duckdb')}: Spark keeps none.")
    if state and given.category is not None:
        told = named("category", given.category)
        raise BadParameters(f"{told}: a state keeps no categories. Leave it out, or leave out {named('state')}.")
    if given.table is not None and given.query is not None:
        raise BadParameters(f"Give either {named('table')} or {named('query')}, not both.")


def _check_days(given: Settings) -> None:
    """Raise BadParameters for days that cannot be, and for those that contradict each other."""
    as_of = None if given.as_of is None else read_day(given.as_of, "as_of")
    read_moment(given.horizon, "horizon")
    if given.since is not None and not _is_results(given.since):
        read_moment(given.since, "since", " nor the folder of an earlier run")
    if as_of is not None:
        check_sides(given, as_of)


def check_sides(given: Settings, as_of: dt.date) -> dt.date | None:
    """Raise BadParameters unless horizon and since lie on their sides of a day; the day of since, if it names one."""
    horizon_days(given.horizon, as_of)
    return None if given.since is None or _is_results(given.since) else read_since(given.since, as_of)


def _is_results(since: str) -> bool:
    return (Path(since) / "model.json").exists()
