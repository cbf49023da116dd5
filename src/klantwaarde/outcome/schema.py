"""The facts of a run, as `run.json` keeps them: plain values of JSON, each with its type.

Days are text (2024-06-30), money and counts numbers, sentences a `Sentence`; None where there is nothing to tell.
FACTS_VERSION counts what changes here: a new key is a new version, and `upgraded` makes it of older facts.
"""

from __future__ import annotations

from typing import NotRequired, TypeAlias, TypedDict

FACTS_VERSION = 2
"""1: facts without a version, as before; 2: the same with it."""

Plain: TypeAlias = dict[str, object]
"""A part of the facts while it is made, with days and amounts that are not plain yet."""
Number: TypeAlias = float | None
"""Money, a share, a chance or a mean; None where it cannot be told."""
Id: TypeAlias = int | float | str | None
"""A customer, as the orders name them."""


class Words(TypedDict):
    """A sentence as data: a code with the fields that its words need, and the English words."""

    code: str
    fields: dict[str, object]
    text: NotRequired[str]


Sentence: TypeAlias = Words | str
"""A sentence: as data, or as words where it has been worded, or comes from an older file."""


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


class Direct(TypedDict):
    """What customers are worth themselves."""

    own: Number
    headroom: Number
    cross_sell: Number


class Through(TypedDict):
    """What they are worth through others."""

    received: Number
    away: Number
    net: Number
    future: Number
    crv: Number
    newcomer: Number


class Past(TypedDict):
    """Money that has been made: history, never added to what is to come."""

    realised: Number
    incentives: NotRequired[Number]
    saved: NotRequired[Number]


class Books(TypedDict):
    """Value counted once; gap is what the books miss, of is what they are of."""

    own: Number
    by_referral: Number
    by_influence: Number
    away: Number
    attributed: Number
    accountable: Number
    outside: Number
    gap: Number
    of: Number
    capped: int


class Top(TypedDict):
    """How many of the first so many by one measure are not among those by the other."""

    first: int
    left: int


class Ranking(TypedDict):
    """Whether customers stand in another order with what they are worth through others."""

    spearman: Number
    tops: list[Top]
    customers: int


class Group(TypedDict):
    """One of the four profiles."""

    profile: str
    customers: int
    rlv: Number
    crv: Number


class Profiles(TypedDict):
    """The four profiles and what parts them."""

    groups: list[Group]
    rlv_cut: Number
    crv_cut: Number


class Person(TypedDict):
    """Who brings or influences most; low and high: with the shares of value that are assumed."""

    place: int
    customer_id: Id
    tier: str | None
    rlv: Number
    crv: Number
    influence_value: Number
    total_accountable: Number
    outside: bool
    links: int
    low: Number
    high: Number
    received: NotRequired[Number]


class Influence(TypedDict):
    """The verdict on influence: `said` is similarity, estimated, assumed or none; shares are of orders."""

    used: Number
    interval_used: bool
    order_share: Number
    said: str
    share: NotRequired[Number]
    low: NotRequired[Number]
    high: NotRequired[Number]
    null: NotRequired[Number]
    null_upper: NotRequired[Number]
    p_value: NotRequired[Number]
    decay: NotRequired[Number]
    orders: NotRequired[Number]


class Anyway(TypedDict):
    """Referral value, were this the chance of having come anyway."""

    chance: Number
    crv: Number


class Share(TypedDict):
    """Value passed on, were this the induced share."""

    share: Number
    passed_on: Number


class Bands(TypedDict):
    """What the indirect values would be by other assumptions."""

    anyway: list[Anyway]
    shares: list[Share]
    crv: Number
    passed_on: Number


class LinkFinding(TypedDict):
    """What a rule did with lines of a file."""

    kind: str
    count: int
    dropped: int
    rule: Sentence


class File(TypedDict):
    """A file besides the orders: lines read and used."""

    file: str
    read: int
    used: int
    findings: list[LinkFinding]
    said: Sentence | None


class Peers(TypedDict):
    """Peer cells: how many, and whether they earned populations of their own."""

    levels: int
    earned: bool


class Chances(TypedDict):
    """Chances of having come anyway: how many were given, and their mean."""

    referrals: int
    given: int
    mean: Number
    default: Number


class Assumed(TypedDict):
    """What total value takes for granted."""

    tau: Number
    peers: Peers | None
    categories: int | None
    anyway: Chances | None
    omega: Number
    share: Number


class Total(TypedDict):
    """Value in total; None within for what nobody asked for."""

    direct: Direct
    indirect: Through | None
    history: Past
    books: Books | None
    ranking: Ranking | None
    profiles: Profiles | None
    referrers: list[Person]
    influencers: list[Person]
    influence: Influence | None
    bands: Bands | None
    files: list[File]
    assumed: Assumed


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


class Flow(TypedDict):
    """Active customers from one day to another."""

    opening: int
    new: int
    won_back: int
    lost: int
    closing: int
    intra_new: int
    intra_won_back: int
    intra_lost: int
    net: int


class Gross(TypedDict):
    """The same with each turn within the period."""

    won: int
    won_back: int
    lost: int


class Line(TypedDict):
    """A line of the ledger."""

    customers: int
    opening: Number
    closing: Number
    change: Number


class Account(TypedDict):
    """The ledger of all, or of those with one label; lines by name."""

    label: str
    flow: Flow
    gross: Gross
    lines: dict[str, Line]
    opening: Number
    closing: Number
    won_value: Number
    lost_value: Number


class Pair(TypedDict):
    """Margin of the period beside what was expected."""

    realised: Number
    expected: Number


class Memo(TypedDict):
    """The same of known customers and of new ones."""

    known: Pair
    new: Pair


class Statement(TypedDict):
    """Why the value changed: opening + unwind - released + ... = closing."""

    opening: Number
    unwind: Number
    released: Number
    spend: Number
    frequency: Number
    retention: Number
    new_customers: Number
    model_change: Number
    closing: Number
    experience: Number
    expected_closing: Number
    by_line: dict[str, Number]
    memo: Memo


class Move(TypedDict):
    """Customers who went from one tier to another."""

    before: str
    after: str
    customers: int
    opening: Number
    closing: Number


class Thresholds(TypedDict):
    """The money that parted the tiers at the first day."""

    top: Number
    large: Number
    medium: Number


class Side(TypedDict):
    """Moves in one direction beside those that chance makes."""

    actual: int
    expected: Number
    deviation: Number
    p: Number
    excess: Number


class Chance(TypedDict):
    """Moves beside those that chance alone makes, of so many customers."""

    customers: int
    of: int
    ups: Side
    downs: Side


class Migration(TypedDict):
    """Who rose and fell in the pyramid."""

    cells: list[Move]
    ups: int
    downs: int
    thresholds: Thresholds | None
    chance: Chance | None


class Ends(TypedDict):
    """Customers per stage at both days."""

    before: dict[str, int]
    after: dict[str, int]


class StageMove(TypedDict):
    """Customers who went from one stage to another; before is None for who was not there yet."""

    before: str | None
    after: str
    customers: int


class Movement(TypedDict):
    """What changed between two days."""

    start: str
    end: str
    rules: str
    cuts: Sentence
    lost_told: Sentence | None
    stages: Ends
    days_in_stage: dict[str, Number]
    ledger: Account
    accounts: list[Account]
    statement: Statement | None
    migration: Migration | None
    migration_unequal: Sentence | None
    flows: list[StageMove]


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
