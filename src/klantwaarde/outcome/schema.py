"""The facts of a run, as `run.json` keeps them: plain values of JSON, each with its type.

Days are text (2024-06-30), money and counts numbers, sentences a `Sentence`; None where there is nothing to tell.
FACTS_VERSION counts what changes here: a new key is a new version, and `upgraded` makes it of older facts.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict

from klantwaarde.outcome.kinds import Id, Number, Sentence
from klantwaarde.outcome.movement_schema import Movement
from klantwaarde.outcome.total_schema import Total

FACTS_VERSION = 2
"""1: facts without a version, as before; 2: the same with it."""


class Base(TypedDict):
    """The customers in all; money of everything so far, of the last year, and what is expected."""

    customers: int
    with_purchase: int
    new_last_year: int
    orders: int
    repeat_customers: int
    revenue: Number
    active: int
    value_realised: Number
    value_last_year: Number
    rlv: Number
    expected_orders: Number
    expected_active: Number
    inactive: int
    new_to_data: bool
    order_value: Number
    orders_each: Number
    days_between: Number


class Tier(TypedDict):
    """One band of the pyramid; shares are of all."""

    tier: str
    customers: int
    customers_share: Number
    orders: int
    revenue: Number
    revenue_share: Number
    value_last_year: Number
    value_last_year_share: Number
    value_realised: Number
    rlv: Number
    rlv_share: Number
    p_alive_mean: Number
    threshold: Number


class ValueRisk(TypedDict):
    """Customers and their residual value by chance to be there (rows) and money made (columns), within edges."""

    p_alive_edges: list[float]
    value_edges: list[float]
    value_measure: str
    customers: list[list[int]]
    rlv: list[list[float]]


class Tracking(TypedDict):
    """Orders expected and made, period by period, of so many of the customers."""

    period: str
    start: list[str]
    actual: list[float]
    expected: list[float]
    customers: int
    of: int


class Stage(TypedDict):
    """Customers in a stage with what is expected of them."""

    customers: int
    rlv: Number
    expected_orders: Number


class Customer(TypedDict):
    """A customer in a list."""

    customer_id: Id
    tier: str | None
    stage: str | None
    rank: int
    orders: int
    last_order: str | None
    value_realised: Number
    value_last_year: Number
    p_alive: Number
    p_active: Number
    expected_orders: Number
    rlv: Number


class Model(TypedDict):
    """A fit: parameters, their standard errors, and what is to be thought of it."""

    name: str
    parameters: dict[str, Number]
    standard_errors: dict[str, Number]
    log_likelihood: Number
    status: str
    reason: Sentence
    doubt: Sentence | None
    notes: list[Sentence]


class Tried(TypedDict):
    """A model that was tried on the last quarter."""

    model: str
    wmae: Number
    total_error: Number
    chosen: bool


class Timing(Model):
    """The timing model, and how it was chosen."""

    choice: list[Tried]
    choice_split: str | None


class Assumption(TypedDict):
    """Something that the numbers take for granted."""

    name: Sentence
    value: Sentence
    meaning: Sentence


class Setting(TypedDict):
    """A setting that would change what was found."""

    name: str
    value: str | None


class Finding(TypedDict):
    """One finding of the data doctor."""

    section: str
    check: str
    level: str
    count: int
    text: str
    money: Number
    examples: list[Sentence]
    remedy: Sentence | None
    setting: Setting | None
    code: NotRequired[str]
    fields: NotRequired[dict[str, object]]


class Sections(TypedDict):
    """The findings by what they are about."""

    correct: list[Finding]
    timely: list[Finding]
    complete: list[Finding]
    ground: list[Finding]


class Doctor(TypedDict):
    """Whether the orders are correct, current and complete."""

    verdict: Sentence
    sections: Sections


class Facts(TypedDict):
    """Everything that a report says."""

    facts_version: int
    language: str
    title: str | None
    currency: str | None
    version: str
    generated_at: str
    money: bool
    money_is: str
    as_of: str
    first_order: str | None
    unit: str
    horizon: str
    rank_by: str
    base: Base
    pyramid: list[Tier]
    total: Total | None
    value_risk: ValueRisk | None
    tracking: Tracking | None
    stages: dict[str, Stage] | None
    top_customers: list[Customer]
    top_at_risk: list[Customer]
    at_risk_rule: Sentence
    model: Timing
    spend: Model | None
    assumptions: list[Assumption]
    doctor: Doctor
    movement: Movement | None
