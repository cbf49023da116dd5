"""Facts about how the base of the report's sample moved in a year, the way a run hands them over."""

from __future__ import annotations

import datetime as dt
from typing import Any

from klantwaarde.wording.message import message


def movement_facts(*, money: bool = True) -> dict[str, Any]:
    """A year of 23,570 customers; every table adds up to every other. Without money there is no statement."""
    lines = {
        "new": (1234, 0.0, 28410.4), "won_back": (310, 1210.5, 15820.3), "lost": (4117, 80450.2, 9120.7),
        "up": (3890, 210400.0, 345210.9), "down": (7080, 351200.8, 212110.15), "same": (323, 1500.0, 1500.0),
        "intra_period": (12, 0.0, 95.2), "still_lost": (6604, 9000.0, 212.9), "prospect": (0, 0.0, 0.0),
    }  # fmt: skip
    names = ("prospect", "new", "growing", "core", "declining", "at_risk", "dormant", "lost", "won_back")
    before = (0, 1900, 180, 5020, 150, 3560, 4400, 6914, 200)
    after = (0, 410, 220, 4207, 310, 3100, 4280, 10733, 310)
    return {
        "start": "1997-06-30", "end": "1998-06-30", "rules": "default-1", "cuts": message("limits_constants"),
        "lost_told": message(
            "lost_rate", lost=4000, split=dt.date(1997, 6, 30), back=381, rate=0.095, low=0.086, high=0.105,
            end=dt.date(1998, 6, 30),
        ),
        "stages": {"before": dict(zip(names, before, strict=True)), "after": dict(zip(names, after, strict=True))},
        "ledger": {
            "label": "all",
            "flow": {
                "opening": 15410, "new": 1234, "won_back": 310, "lost": 4117, "closing": 12837, "net": -2573,
                "intra_new": 12, "intra_won_back": 40, "intra_lost": 52,
            },
            "gross": {"won": 1246, "won_back": 350, "lost": 4169},
            "lines": {
                name: {"customers": n, "opening": low, "closing": high, "change": high - low}
                for name, (n, low, high) in lines.items()
            },
            "opening": 653761.5, "closing": 612480.55, "won_value": 43120.2, "lost_value": 71429.5,
        },
        "accounts": [],
        "statement": _statement() if money else None,
        "migration": _migration(),
        "flows": _flows(),
    }  # fmt: skip


def _statement() -> dict[str, Any]:
    return {
        "opening": 653761.5, "unwind": 63100.2, "released": 148200.4, "spend": 5210.3, "frequency": -21480.6,
        "retention": 18944.95, "new_customers": 28505.6, "model_change": 12639.0, "closing": 612480.55,
        "experience": 2674.65, "expected_closing": 568661.3,
        "by_line": {"won_back": 14000.0, "lost": -60000.0, "up": 140000.0, "down": -91325.35, "same": 0.0},
        "memo": {
            "known": {"realised": 151020.1, "expected": 148000.0}, "new": {"realised": 9120.4, "expected": 9480.9},
        },
    }  # fmt: skip


def _migration() -> dict[str, Any]:
    names = ("top", "large", "medium", "small", "inactive", "absent")
    table = (
        (55, 25, 12, 3, 5), (30, 190, 110, 30, 40), (5, 120, 700, 400, 275), (0, 10, 300, 4000, 3690),
        (0, 0, 20, 1500, 10804), (2, 12, 200, 1032, 0),
    )  # fmt: skip
    worth = (700.0, 270.0, 110.0, 35.0, 5.0, 0.0)
    cells = [
        {"before": names[i], "after": names[j], "customers": n, "opening": n * worth[i], "closing": n * worth[j]}
        for i, row in enumerate(table) for j, n in enumerate(row) if n
    ]  # fmt: skip
    return {
        "cells": cells, "ups": 1985, "downs": 4590, "thresholds": {"top": 241.5, "large": 98.2, "medium": 39.9},
        "chance": {
            "customers": 22324, "of": 22324,
            "ups": {"actual": 1985, "expected": 1872.4, "deviation": 39.1, "p": 0.00398, "excess": 112.6},
            "downs": {"actual": 4590, "expected": 4571.3, "deviation": 44.2, "p": 0.672, "excess": 18.7},
        },
    }  # fmt: skip


def _flows() -> list[dict[str, Any]]:
    flows = {
        "absent": {"new": 410, "core": 600, "at_risk": 224, "lost": 12},
        "new": {"at_risk": 900, "core": 500, "dormant": 500},
        "growing": {"growing": 100, "core": 80},
        "core": {"core": 2500, "growing": 120, "declining": 310, "at_risk": 1000, "dormant": 500, "lost": 590},
        "declining": {"dormant": 150},
        "at_risk": {"core": 427, "at_risk": 976, "dormant": 1557, "lost": 600},
        "dormant": {"core": 100, "dormant": 1473, "lost": 2827},
        "lost": {"won_back": 310, "lost": 6604},
        "won_back": {"dormant": 100, "lost": 100},
    }
    return [{"before": a, "after": b, "customers": n} for a, row in flows.items() for b, n in row.items()]
