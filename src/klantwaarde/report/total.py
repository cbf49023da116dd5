"""Total value in facts: direct and indirect, current and potential, and the books that they close."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from klantwaarde.engine.relation import Relation, query
from klantwaarde.network.attribution import OMEGA
from klantwaarde.outcome.kinds import Plain
from klantwaarde.report.people import BETWEEN, interval_used, top_influencers, top_referrers
from klantwaarde.wording.message import as_data, message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klantwaarde.beside.attributes import Attributes
    from klantwaarde.beside.links import Links
    from klantwaarde.purchases.customers import Customers
    from klantwaarde.value.indirect import Indirect
    from klantwaarde.value.terms import Basis
    from klantwaarde.value.total_value import Totals
    from klantwaarde.wording.message import Message

FEW = 100
"""Customers of whom the report says whether they stay at the top; the same for one in a hundred."""

PROFILES = ("champion", "affluent", "advocate", "miser")


def total_facts(base: Customers, table: Relation, terms: Basis, total: Totals | None) -> Plain | None:
    """What the report says of total value; None where the orders carry no amounts, or nothing was worked out.

    table: the scored customers in the engine. Money in the currency of the orders. What rests on links is None without.
    """
    if total is None or not base.orders.has_money:
        return None
    through = total.indirect
    sums = query("total_sums", scored=table).one()
    return {
        "direct": {name: sums[name] for name in ("own", "headroom", "cross_sell")},
        "indirect": None if through is None else _indirect(sums, through),
        "history": {"realised": sums["realised"]} | (_cash(through) if through is not None else {}),
        "books": None if through is None else _books(sums, through),
        "ranking": None if through is None else ranking(table, int(sums["customers"])),
        "profiles": _profiles(table, total),
        "referrers": [] if through is None else top_referrers(table, through, terms),
        "influencers": [] if through is None else top_influencers(table, through, terms),
        "influence": None if through is None else _influence(through),
        "bands": None if through is None else _bands(through),
        "files": _files(total),
        "assumed": _assumed(total),
    }


def _indirect(sums: Mapping[str, Any], through: Indirect) -> Plain:
    received = float(sums["by_referral"] or 0) + float(sums["by_influence"] or 0)
    return {
        "received": received,
        "away": sums["away"],
        "net": received - float(sums["away"] or 0),
        "future": None if through.forward is None else sums["future"],
        "crv": sums["crv"],
        "newcomer": through.newcomer,
    }


def _cash(through: Indirect) -> Plain:
    """Money of referrals made: paid or saved, and past."""
    return {} if through.referrals is None else {"incentives": through.incentives, "saved": through.saved}


def _books(sums: Mapping[str, Any], through: Indirect) -> Plain:
    """Own value, what is received and given away, and what is left over (`gap`) of all that is accounted for (`of`)."""
    scale = float(np.abs(through.books.accountable).sum())
    names = ("own", "by_referral", "by_influence", "away", "attributed", "accountable")
    return {name: sums[name] for name in names} | {
        "outside": through.outside,
        "gap": through.closes * scale,
        "of": scale,
        "capped": through.capped,
    }


def ranking(table: Relation, customers: int) -> Plain:
    """How alike the order by accountable value is to that by own value: Spearman's rank correlation, equals sharing
    ranks, and how many of the first by own value are not among as many first by accountable value.
    """  # noqa: D205 - one sentence
    orders = {name: query(f"total_{name}", scored=table).ranked().kept(name) for name in ("by_own", "by_whole")}
    few, part = min(FEW, customers), math.ceil(customers / 100)
    asked = {"centre": (customers + 1) / 2, "few": few, "part": part}
    found = query("total_ranks", **orders, **asked).one()
    for ranked in orders.values():
        ranked.drop()
    spread = math.sqrt(float(found["own"] or 0) * float(found["whole"] or 0))
    return {
        "spearman": float(found["product"]) / spread if spread else None,
        "tops": [{"first": few, "left": found["few_left"]}]
        + ([{"first": part, "left": found["part_left"]}] if part != few else []),
        "customers": customers,
    }


def _profiles(table: Relation, total: Totals) -> Plain | None:
    """Customers, residual and referral value of the four profiles, and where they are cut."""
    if not total.cuts.get("has_referrals"):
        return None
    found = {row["profile"]: row for row in query("total_profiles", scored=table).rows()}
    groups = [
        {"profile": name} | {what: found.get(name, {}).get(what) or 0 for what in ("customers", "rlv", "crv")}
        for name in PROFILES
    ]
    return {"groups": groups} | {name: total.cuts[name] for name in ("rlv_cut", "crv_cut")}


def _influence(through: Indirect) -> Plain | None:
    """The verdict on influence: `said` is similarity, estimated, assumed or none; shares are of orders."""
    if through.influence is None:
        return None
    estimate = through.estimate
    told: Plain = {"used": through.share, "interval_used": interval_used(through), "order_share": BETWEEN}
    if estimate is None:
        return told | {"said": "assumed" if through.share > 0 else "none"}
    return told | {
        "said": "estimated" if interval_used(through) else "similarity",
        "share": estimate.share,
        "low": estimate.interval[0],
        "high": estimate.interval[1],
        "null": estimate.null.mean,
        "null_upper": estimate.null.upper,
        "p_value": estimate.p_value,
        "decay": estimate.decay,
        "orders": estimate.orders,
    }


def _bands(through: Indirect) -> Plain:
    """Referral value under other chances of coming anyway, and what influence passes on under other induced shares;
    beside them what is used. Of everyone who is linked, outsiders among them.
    """  # noqa: D205 - one sentence
    return {
        "anyway": [{"chance": chance, "crv": crv} for chance, crv in sorted(through.band.items())],
        "shares": [{"share": share, "passed_on": passed} for share, passed in sorted(through.shares.items())],
        "crv": float(through.crv.sum()),
        "passed_on": float(through.received["influence"].sum()),
    }


def _files(total: Totals) -> list[Plain]:
    """What the rules did with the files beside the orders: lines read and used, and each rule with its counts."""
    files: list[Plain] = []
    for kind in ("referrals", "influence", "attributes"):
        given = getattr(total.beside, kind)
        if given is None:
            continue
        findings = [
            {"kind": one.kind, "count": one.count, "dropped": one.dropped, "rule": one.rule} for one in given.findings
        ]
        used = given.read - sum(one.dropped for one in given.findings)
        taken = files_said(kind, given)
        said = None if taken is None else as_data(taken)
        files.append({"file": kind, "read": given.read, "used": used, "findings": findings, "said": said})
    return files


def files_said(kind: str, given: Links | Attributes) -> Message | None:
    """What was taken away from a file beside the orders, and why, in one sentence; None where nothing was."""
    gone = [one for one in given.findings if one.dropped]
    dropped, named = sum(one.dropped for one in gone), message(f"file_{kind}")
    reasons = [message(f"dropped_{one.kind.replace(' ', '_')}", n=one.dropped) for one in gone]
    if not given.read:
        return message("file_empty", file=named)
    if dropped == given.read:
        return message("file_useless", file=named, read=given.read, reasons=reasons)
    return message("file_dropped", file=named, dropped=dropped, read=given.read, reasons=reasons) if dropped else None


def _assumed(total: Totals) -> Plain:
    """What total value takes for granted; None for what was not needed."""
    through, referrals = total.indirect, total.beside.referrals or None
    return {
        "tau": total.tau,
        "peers": None if total.peers is None else _peers(total),
        "categories": None if total.breadth is None else len(total.breadth.categories),
        "anyway": None if referrals is None else _anyway(referrals),
        "omega": None if referrals is None else OMEGA,
        "share": None if through is None or through.influence is None else through.share,
    }


def _peers(total: Totals) -> Plain:
    cells = total.peers
    return {} if cells is None else {"levels": len(cells.names), "earned": cells.peers.earned}


def _anyway(links: Links) -> Plain:
    """The chance of having come anyway: of how many referrals it is given, and what stands for the others."""
    without = ~links.anyway_given
    return {
        "referrals": len(links),
        "given": int(links.anyway_given.sum()),
        "mean": float(links.anyway.mean()) if len(links) else None,
        "default": float(links.anyway[without][0]) if without.any() else None,
    }
