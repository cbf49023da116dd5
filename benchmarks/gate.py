"""The regression gate: our steps next to the floor of the same run, against the committed reference."""

from __future__ import annotations

from typing import Any

from benchmarks.table import found, times

WORSE = 1.5
NOTICEABLE = 0.1  # seconds; below it a difference is the machine's, not ours
OURS, FLOOR = "klantwaarde", "floor"
SHORT, SHORT_ENOUGH = 0.005, 0.5
"""Seconds below which half a peer's speed will do."""


def slower(result: dict[str, Any], reference: dict[str, Any]) -> list[str]:
    """Each of our steps that takes more than WORSE times what it took, both as ratios to their own run's floor.

    A slow machine slows the floor too, so that the ratio holds from one machine to another. Sizes that are not in
    both are passed over.
    """
    kept = {size["customers"]: size for size in reference["sizes"]}
    return [
        fault
        for size in result["sizes"]
        if size["customers"] in kept
        for fault in _slower(size, kept[size["customers"]])
    ]


def _slower(now: dict[str, Any], then: dict[str, Any]) -> list[str]:
    floors, steps = (floor(now), floor(then)), (steps_of(now), steps_of(then))
    faults = []
    for name in steps[0].keys() & steps[1].keys():
        allowed = WORSE * steps[1][name] / floors[1] * floors[0]
        if steps[0][name] > allowed + NOTICEABLE:
            ratios = (step[name] / bottom for step, bottom in zip(steps, floors, strict=True))
            told = "{:.1f} times the floor, was {:.1f}".format(*ratios)
            faults.append(f"{now['customers']:,} customers, {name}: {told}")
    return sorted(faults)


def behind(size: dict[str, Any]) -> list[str]:
    """Each step in which lifetimes gave the equal answer sooner; where both take under 5 ms, in half the time."""
    told = []
    for verdict in size["comparisons"]:
        many = times(size, verdict["peer"], verdict["step"])
        theirs = found(size, verdict["peer"], verdict["step"])
        if many is None or theirs is None or verdict["peer"] != "lifetimes":
            continue
        both_short = max(theirs["seconds"], theirs["seconds"] / many) < SHORT
        if many < (SHORT_ENOUGH if both_short else 1.0):
            told.append(f"{size['customers']:,} customers, {verdict['step']}: lifetimes took {many:.2f} of our time")
    return told


def floor(size: dict[str, Any]) -> float:
    """Seconds of the floor: scan, group and write together."""
    return sum(measure["seconds"] for measure in size["measures"] if measure["library"] == FLOOR)


def steps_of(size: dict[str, Any]) -> dict[str, float]:
    """Seconds of each of our steps, and of the parts of a run."""
    ours = [m for m in size["measures"] if m["library"] == OURS and m["status"] == "done"]
    parts = [(f"run: {part}", s) for m in ours for part, s in m["answer"].get("seconds", {}).items()]
    return {m["step"]: m["seconds"] for m in ours} | dict(parts)
