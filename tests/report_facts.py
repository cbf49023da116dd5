"""Realistic facts for the report, the way the pipeline hands them over."""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import Any

from klantwaarde.wording.message import message

TIERS = (
    ("top", 90, 0.01),
    ("large", 360, 0.04),
    ("medium", 1350, 0.15),
    ("small", 7200, 0.80),
    ("inactive", 14570, 0.618),
)


def report_facts(language: str = "en", *, money: bool = True, currency: str | None = "EUR") -> dict[str, Any]:
    """Facts about 23,570 customers; without money every amount is None."""
    facts: dict[str, Any] = {
        "language": language,
        "title": "Customer base" if language == "en" else "Klantenbestand",
        "generated_at": "2026-11-22T10:00:00",
        "version": "0.1.0",
        "currency": currency,
        "money": True,
        "as_of": "1998-06-30",
        "first_order": "1997-01-01",
        "unit": "week",
        "horizon": "12 months",
        "rank_by": "last_year",
        "base": _base(),
        "pyramid": _pyramid(),
        "total": total_facts(),
        "value_risk": _value_risk(),
        "tracking": _tracking(),
        "top_customers": [_customer(place, 0.995 - 0.012 * place, 2400 / place**0.6) for place in range(1, 21)],
        "top_at_risk": [_customer(place + 40, 0.49 - 0.018 * place, 310 / place**0.5) for place in range(1, 21)],
        "at_risk_rule": "stage at risk or dormant, sorted by what is still expected of them",
        "model": _model(),
        "spend": _spend(),
        "assumptions": _assumptions(),
        "doctor": _doctor(),
    }
    return facts if money else without_money(facts)


def without_money(facts: dict[str, Any]) -> dict[str, Any]:
    """The same facts from orders that carry no amounts."""
    amounts = {
        "revenue",
        "revenue_share",
        "value_realised",
        "value_last_year",
        "rlv",
        "value_last_year_share",
        "rlv_share",
        "threshold",
    }
    blank = _blanked(facts, amounts)
    blank |= {"money": False, "currency": None, "spend": None, "total": None}
    blank["value_risk"] |= {"value_measure": "orders", "value_edges": [1, 2, 4, 8, 16, 60]}
    return blank


def _blanked(part: Any, amounts: set[str]) -> Any:
    if isinstance(part, dict):
        return {name: None if name in amounts else _blanked(value, amounts) for name, value in part.items()}
    return [_blanked(value, amounts) for value in part] if isinstance(part, list) else part


def _base() -> dict[str, Any]:
    return {
        "customers": 23570,
        "with_purchase": 23502,
        "active": 9000,
        "inactive": 14570,
        "new_last_year": 1234,
        "orders": 67591,
        "repeat_customers": 11213,
        "revenue": 2500315.63,
        "value_realised": 750094.69,
        "value_last_year": 251873.12,
        "rlv": 612480.55,
        "expected_orders": 18231.4,
        "expected_active": 6120.8,
    }


def _pyramid() -> list[dict[str, Any]]:
    earned = (31250.4, 52100.0, 78910.25, 89612.47, 0.0)
    revenue = (301250.4, 451300.0, 612400.75, 808214.1, 327150.38)
    to_come = (60120.8, 98450.2, 142300.9, 231870.1, 79738.55)
    return [
        {
            "tier": tier,
            "customers": customers,
            "customers_share": share,
            "orders": round(customers * (28 / (1 + level) ** 1.6)),
            "revenue": revenue[level],
            "revenue_share": revenue[level] / sum(revenue),
            "value_last_year": last_year,
            "value_last_year_share": last_year / sum(earned),
            "value_realised": revenue[level] * 0.3,
            "rlv": rlv,
            "rlv_share": rlv / sum(to_come),
            "p_alive_mean": (0.94, 0.9, 0.85, 0.71, 0.21)[level],
            "threshold": (241.5, 98.2, 39.9, 0.9, None)[level],
        }
        for level, ((tier, customers, share), last_year, rlv) in enumerate(zip(TIERS, earned, to_come, strict=True))
    ]


def total_facts(*, links: bool = True, influence: str = "similarity") -> dict[str, Any]:
    """Total value with referrals and influence, or of orders alone; influence: what is said of it."""
    direct = {"own": 612480.55, "headroom": 1311802.4, "cross_sell": 40210.75}
    if not links:
        return (
            {
                "direct": direct | {"cross_sell": None},
                "history": {"realised": 750094.69},
                "influence": None,
                "files": [],
                "assumed": {"tau": 0.9} | dict.fromkeys(("peers", "categories", "anyway", "omega", "share")),
            }
            | dict.fromkeys(("indirect", "books", "ranking", "profiles", "bands"))
            | {"referrers": [], "influencers": []}
        )
    used = {"similarity": 0.0, "none": 0.0, "estimated": 0.051, "assumed": 0.08}[influence]
    moved, brought, away = 400000.0 * used, 24610.2, 24655.95 + 400000.0 * used
    return {
        "direct": direct,
        "indirect": {
            "received": brought + moved, "away": away, "net": brought + moved - away, "future": 76801.3,
            "crv": 49020.4, "newcomer": 27.4,
        },
        "history": {"realised": 750094.69, "incentives": 17530.0, "saved": 20884.12},
        "books": {
            "own": 612480.55, "by_referral": brought, "by_influence": moved, "away": away,
            "attributed": 612434.8, "accountable": 637090.75 + moved, "outside": 45.75, "gap": 0.0, "of": 300210.5,
            "capped": 3,
        },
        "ranking": {
            "spearman": 0.99342, "customers": 23570, "tops": [{"first": 100, "left": 0}, {"first": 236, "left": 7}],
        },
        "profiles": {
            "rlv_cut": 9.4, "crv_cut": 8.2,
            "groups": [
                {"profile": "champion", "customers": 445, "rlv": 70110.2, "crv": 20841.7},
                {"profile": "affluent", "customers": 11446, "rlv": 500101.4, "crv": -310.5},
                {"profile": "advocate", "customers": 648, "rlv": 2411.1, "crv": 28610.3},
                {"profile": "miser", "customers": 11031, "rlv": 39857.85, "crv": -121.1},
            ],
        },
        "referrers": [_person(place) for place in range(1, 11)],
        "influencers": [_person(place + 20) | {"received": 400.0 / place} for place in range(1, 11)],
        "influence": {"used": used, "interval_used": influence == "estimated", "order_share": 0.1, "said": influence}
        | ({} if influence in {"assumed", "none"} else _estimate(used)),
        "bands": {
            "anyway": [
                {"chance": 0.25, "crv": 67910.3}, {"chance": 0.5, "crv": 49310.9}, {"chance": 0.75, "crv": 30711.5},
            ],
            "shares": [{"share": share, "passed_on": 400000 * share} for share in (0.05, 0.1, 0.2)],
            "crv": 49020.4,
            "passed_on": moved,
        },
        "files": [
            _file("referrals", 3535, ("no id", 1, 1), ("circle cut", 1, 1), ("no anyway", 12, 0)),
            _file("influence", 15559, ("repeated", 23, 23), ("circle kept", 3202, 0)),
            _file("attributes", 21239, ("not a customer", 1, 1), ("a rule of tomorrow", 2, 0)),
        ],
        "assumed": {
            "tau": 0.9, "peers": {"levels": 5, "earned": False}, "categories": 12,
            "anyway": {"referrals": 3526, "given": 3514, "mean": 0.497, "default": 0.5}, "omega": 0.5, "share": used,
        },
    }  # fmt: skip


def _person(place: int) -> dict[str, Any]:
    crv = 2100 / place
    return {
        "place": place - 1, "customer_id": f"R-{place:03d}", "tier": "large", "rlv": 40.0 + place, "crv": crv,
        "influence_value": 0.0, "total_accountable": 40.0 + place + crv / 2, "links": 60 - place, "low": crv * 0.6,
        "high": crv * 1.4,
    }  # fmt: skip


def _estimate(used: float) -> dict[str, Any]:
    return {
        "share": used + 0.0004, "low": used * 0.7, "high": used * 1.3 + 0.0119, "null": 0.0004, "null_upper": 0.009,
        "p_value": 0.4, "decay": 3.2, "orders": 31021,
    }  # fmt: skip


def _file(name: str, read: int, *findings: tuple[str, int, int]) -> dict[str, Any]:
    told = [
        {"kind": kind, "count": count, "dropped": dropped, "rule": f"{kind}: as it says"}
        for kind, count, dropped in findings
    ]
    return {"file": name, "read": read, "used": read - sum(row["dropped"] for row in told), "findings": told}


def _value_risk() -> dict[str, Any]:
    customers = [
        [5210, 3120, 1410, 402, 61],
        [1890, 1302, 690, 260, 48],
        [1204, 1011, 602, 291, 66],
        [802, 940, 811, 420, 120],
        [310, 702, 880, 702, 326],
    ]
    each = (2.0, 6.5, 18.0, 52.0, 160.0)
    rlv = [
        [n * value * 0.25 * (row + 0.4) for n, value in zip(line, each, strict=True)]
        for row, line in enumerate(customers)
    ]
    return {
        "p_alive_edges": [0, 0.2, 0.4, 0.6, 0.8, 1],
        "value_edges": [0.0, 15.0, 30.0, 75.0, 200.0, 4171.98],
        "value_measure": "realised",
        "customers": customers,
        "rlv": rlv,
    }


def _tracking() -> dict[str, Any]:
    weeks = range(77)
    expected = [780 * (1 - math.exp(-week / 7)) * math.exp(-week / 90) for week in weeks]
    return {
        "period": "week",
        "start": [(date(1997, 1, 1) + timedelta(weeks=week)).isoformat() for week in weeks],
        "actual": [
            round(value * (1 + 0.18 * math.sin(week * 1.7) + 0.1 * math.cos(week / 8)))
            for week, value in zip(weeks, expected, strict=True)
        ],
        "expected": expected,
    }


def _customer(place: int, p_alive: float, rlv: float) -> dict[str, Any]:
    orders = max(2, 90 - 2 * place)
    return {
        "customer_id": f"C-{place * 7919 % 23570:05d}",
        "tier": ("top", "large", "medium", "inactive")[min(place // 15, 3)],
        "rank": place,
        "orders": orders,
        "last_order": (date(1998, 6, 28) - timedelta(days=3 * place)).isoformat(),
        "value_realised": 31.7 * orders,
        "value_last_year": 12.1 * orders,
        "p_alive": p_alive,
        "p_active": p_alive * 0.97,
        "expected_orders": rlv / 41,
        "rlv": rlv,
    }


def _model() -> dict[str, Any]:
    return {
        "name": "pareto_nbd",
        "parameters": {"r": 0.5533, "alpha": 10.5776, "s": 0.6062, "beta": 11.6687},
        "standard_errors": {"r": 0.0142, "alpha": 0.3111, "s": None, "beta": 1.2234},
        "log_likelihood": -95949.76,
        "status": "converged",
        "reason": message("fit_left", left=1e-9),
        "doubt": None,
        "notes": ["Fitted on 21,402 distinct histories."],
        "choice": [
            {"model": "mbg_nbd", "wmae": 1.2304, "total_error": -0.094, "chosen": False},
            {"model": "pareto_nbd", "wmae": 1.2012, "total_error": 0.018, "chosen": True},
        ],
        "choice_split": "1998-02-14",
    }


def _spend() -> dict[str, Any]:
    return {
        "name": "gamma_gamma",
        "parameters": {"p": 6.25, "q": 3.74, "gamma": 15.44},
        "standard_errors": {"p": 0.61, "q": 0.12, "gamma": 1.92},
        "status": "converged",
        "reason": message("fit_left", left=1e-9),
        "doubt": None,
        "notes": ["Amount and number of orders correlate at 0.11: close enough to unrelated for this model."],
    }


def _assumptions() -> list[dict[str, str]]:
    return [
        {
            "name": "annual discount rate",
            "value": "10 %",
            "meaning": "Money of next year counts for 10 % less than money of today.",
        },
        {
            "name": "margin rate",
            "value": "30 %",
            "meaning": "Of every euro of revenue, 30 cents remain as value.",
        },
        {
            "name": "horizon",
            "value": "12 months",
            "meaning": "Orders are expected over this stretch of time.",
        },
    ]


def _doctor() -> dict[str, Any]:
    def check(name: str, level: str, count: int, text: str, **more: Any) -> dict[str, Any]:
        return {
            "check": name,
            "level": level,
            "count": count,
            "money": None,
            "text": text,
            "examples": [],
            "remedy": None,
        } | more

    correct = [
        check(
            "returns", "info", 12, "12 rows have a negative amount: returns, taken off.", money=-123.45,
            examples=["row 12: customer 4412, 1997-02-03, −14.99", "row 871: customer 90, 1997-03-09, −8.50"],
        ),
        check(
            "exact duplicates", "warning", 255, "255 rows equal another row in full.", money=3811.2,
            examples=["rows 77 and 78: customer 10, 1997-01-05, 29.33"],
            remedy="Give an order number, or deduplicate before the run.",
        ),
    ]  # fmt: skip
    complete = [
        check(
            "no customer", "warning", 1840, "1,840 rows have no customer number.", money=61204.0,
            examples=["row 5: 1997-01-01, 11.77"],
            remedy="Find out at which till or shop the number is not asked for.",
        ),
    ]  # fmt: skip
    ground = [check("length of history", "info", 78, "78 weeks of history: enough for a forecast of 12 months.")]
    return {
        "verdict": "Usable, with one thing to mend: 2.4 % of the revenue has no customer number.",
        "sections": {"correct": correct, "timely": [], "complete": complete, "ground": ground},
    }
