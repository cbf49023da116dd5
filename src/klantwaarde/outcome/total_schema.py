"""The facts of value in total, each with its type."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from klantwaarde.outcome.kinds import Id, Number, Sentence


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
