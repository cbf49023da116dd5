"""What a run can be told: flags and a TOML file become one checked value."""

from __future__ import annotations

import dataclasses
import datetime as dt
import difflib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from klantwaarde.data.attributes import attributes
from klantwaarde.data.cells import UNITS
from klantwaarde.data.customers import Customers, read_day
from klantwaarde.data.links import influence, referrals
from klantwaarde.data.orders import Orders, orders
from klantwaarde.data.uri import is_database, masked, short_name
from klantwaarde.errors import BadParameters
from klantwaarde.models import MODELS
from klantwaarde.value.score import RankBy, check_partitions


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
    duplicates: str = "keep"
    unreadable: str = "error"
    decimal: str | None = None
    date_format: str | None = None
    timezone: str = "UTC"
    encoding: str = "utf-8"
    table: str | None = None
    query: str | None = None
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
    influence_share: str = "estimate"
    peers: str | None = None
    category: str | None = None
    since: str | None = None
    to: str | None = None
    to_table: str = "klantwaarde_customers"
    state: str | None = None
    keep_model: bool = False
    fail_on_drift: bool = False

    def __post_init__(self) -> None:
        """Refuse what no run can use, before anything is read."""
        _one_of("model", self.model, ("auto", *MODELS))
        _one_of("rank_by", self.rank_by, get_args(RankBy))
        _one_of("language", self.language, ("en", "nl"))
        _one_of("duplicates", self.duplicates, ("keep", "drop"))
        _one_of("engine", self.engine, ("duckdb", "spark"))
        _one_of("unreadable", self.unreadable, ("error", "set_aside"))
        _one_of("unit", self.unit, tuple(UNITS))
        check_partitions(self.partitions())
        self.share()
        if self.decimal is not None:
            _one_of("decimal", self.decimal, (".", ","))
        if self.as_of is not None:
            read_day(self.as_of, "as_of")
        if self.state is None and (self.keep_model or self.fail_on_drift):
            raise BadParameters("keep_model and fail_on_drift go with a state: give its folder with state (--state).")

    def partitions(self) -> tuple[str, ...]:
        """The columns to partition by."""
        return tuple(name.strip() for name in (self.partition_by or "").split(",") if name.strip())

    def share(self) -> float | Literal["estimate"]:
        """The socially induced share of value."""
        try:
            return "estimate" if self.influence_share == "estimate" else float(self.influence_share)
        except ValueError as error:
            raise BadParameters(
                f"influence_share={self.influence_share!r} is no share. Give a number from 0 to below 1, or estimate."
            ) from error

    def told(self) -> dict[str, Any]:
        """The settings as they are kept: without passwords."""
        kept = dataclasses.asdict(self)
        return {name: masked(value) if isinstance(value, str) else value for name, value in kept.items()}

    def name(self) -> str:
        """What the orders are called where no title was given."""
        return short_name(self.orders, self.table) if is_database(self.orders) else Path(self.orders).stem


COLUMNS = ("customer_id", "date", "amount", "quantity", "price", "margin")
"""The settings that name a column of money, of days or of customers."""
SOURCE = (
    "orders",
    *COLUMNS,
    "order_id",
    "duplicates",
    "unreadable",
    "decimal",
    "date_format",
    "timezone",
    "encoding",
    "table",
    "query",
)
"""The settings that say how orders are read, as `kw.orders` takes them."""


def read_settings(
    config: str | Path | None, given: Mapping[str, Any], base: Mapping[str, Any] | None = None
) -> Settings:
    """Settings from a TOML file and what was given beside it, which prevails; None means not given."""
    told: dict[str, Any] = {}
    for layer in (dict(base or {}), _toml(config), {name: value for name, value in given.items() if value is not None}):
        told = _without_rivals(told, layer) | layer
    known = {item.name: item for item in fields(Settings)}
    unknown = [name for name in told if name not in known]
    if unknown:
        raise BadParameters(
            "\n".join(_unknown(name, known) for name in unknown) + f"\nSettings are {', '.join(known)}."
        )
    wrong = [name for name, value in told.items() if not _fits(str(known[name].type), value)]
    if wrong:
        raise BadParameters("\n".join(f"{name} = {told[name]!r} should be {known[name].type}." for name in wrong))
    return Settings(**told)


def _without_rivals(told: Mapping[str, Any], layer: Mapping[str, Any]) -> dict[str, Any]:
    """What was told so far, without what the next layer replaces by other means: an amount, or quantity and price."""
    means = (("amount",), ("quantity", "price"))
    gone = {name for one, other in (means, means[::-1]) if layer.keys() & set(one) for name in other}
    return {name: value for name, value in told.items() if name not in gone}


def _unknown(name: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"{name} is no setting." + (f" Did you mean {close[0]}?" if close else "")


def read_orders(settings: Settings) -> Orders:
    """The orders that the settings name."""
    if not settings.orders:
        raise BadParameters("No orders were named. Give a file, or orders = in the settings.")
    names = {name: getattr(settings, name) for name in SOURCE if name != "orders"}
    if settings.quantity is not None and settings.amount == "auto":
        names["amount"] = None
    names |= {name: getattr(settings, name) for name in ("memory_limit", "engine", "master")}
    return orders(settings.orders, **names)


def beside(settings: Settings, base: Customers) -> dict[str, Any]:
    """What the settings name beside the orders, opened: as `kw.score` takes it."""
    readers: dict[str, Callable[..., Any]] = {"referrals": referrals, "influence": influence, "attributes": attributes}
    named = {name: getattr(settings, name) for name in readers}
    found: dict[str, Any] = {name: readers[name](path, base) for name, path in named.items() if path is not None}
    return found | {
        "influence_share": settings.share(),
        "peers": settings.peers,
        "category": settings.category,
    }


def _toml(config: str | Path | None) -> dict[str, Any]:
    if config is None:
        return {}
    try:
        told = tomllib.loads(Path(config).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadParameters(f"{config} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadParameters(f"{config} is no TOML file: {error}.") from error
    dates = {name: value.isoformat() for name, value in told.items() if isinstance(value, dt.date)}
    return {name.replace("-", "_"): value for name, value in (told | dates).items()}


def _fits(kind: str, value: Any) -> bool:
    if kind == "bool":
        return isinstance(value, bool)
    wanted = (int, float) if kind.startswith("float") else str
    return (value is None and "None" in kind) or (isinstance(value, wanted) and not isinstance(value, bool))


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise BadParameters(f"{name}={value!r} is not understood. Choose from {', '.join(allowed)}.")
