"""The picture of champions, affluents, advocates and misers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.patches import Rectangle

from klantwaarde.report.figures import INK, QUIET, TIERS, sheet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from klantwaarde.report.locale import Speech

PLACES = {"advocate": (0, 1), "champion": (1, 1), "miser": (0, 0), "affluent": (1, 0)}
"""Column and row from below: own value to the right, referral value upwards."""

INKS = {
    "champion": (TIERS["top"], "white"),
    "affluent": (TIERS["large"], "white"),
    "advocate": (TIERS["small"], INK),
    "miser": ("#eef5f6", INK),
}


def profiles(facts: Mapping[str, Any], speech: Speech, *, narrow: bool = False) -> Figure:
    """Four boxes: own value to the right of its cut, referral value above its cut; customers and money in each."""
    width, height, left, foot = (4.6, 4.3, 0.55, 0.6) if narrow else (9.0, 4.0, 0.75, 0.6)
    figure, axes = sheet(width, height)
    box = ((width - left - 0.05) / 2, (height - foot - 0.05) / 2)
    told = facts["total"]["profiles"]
    for group in told["groups"]:
        column, row = PLACES[group["profile"]]
        corner = (left + column * box[0], foot + row * box[1])
        face, _ = INKS[group["profile"]]
        axes.add_patch(Rectangle(corner, *box, facecolor=face, edgecolor="white", linewidth=3))
        _write(axes, group, speech, (corner[0] + 0.17, corner[1] + box[1] - 0.17), narrow=narrow)
    _axes_told(axes, told, speech, (left, foot, width, height), narrow=narrow)
    return figure


def _write(axes: Axes, group: Mapping[str, Any], speech: Speech, at: tuple[float, float], *, narrow: bool) -> None:
    """Name, number of customers and both sums, from the upper left of a box."""
    ink, (x, y) = INKS[group["profile"]][1], at
    lines = [
        (speech.known("profile_", group["profile"]), 11 if narrow else 13, "bold"),
        (speech.count("customers", group["customers"]), 9.5 if narrow else 12, "normal"),
        (speech.word("total_profile_rlv", money=speech.compact(group["rlv"])), 8.5 if narrow else 10, "normal"),
        (speech.word("total_profile_crv", money=speech.compact(group["crv"])), 8.5 if narrow else 10, "normal"),
    ]
    for text, size, weight in lines:
        axes.text(x, y, text, va="top", fontsize=size, fontweight=weight, color=ink)
        y -= size / 72 * 1.75


def _axes_told(
    axes: Axes, told: Mapping[str, Any], speech: Speech, place: tuple[float, float, float, float], *, narrow: bool
) -> None:
    """What rises to the right and upwards, and where both are cut."""
    left, foot, width, height = place
    size = 8 if narrow else 9.5
    middle, half = left + (width - left) / 2, foot + (height - foot) / 2
    axes.text(middle, foot - 0.08, speech.compact(told["rlv_cut"]), ha="center", va="top", fontsize=size, color=INK)
    cut = speech.compact(told["crv_cut"])
    axes.text(left - 0.06, half, cut, ha="right", va="center", rotation=90, fontsize=size, color=INK)
    right = f"{speech.word('column_rlv')} →"
    axes.text(width, 0.12, right, ha="right", fontsize=size, color=QUIET)
    upwards = f"{speech.word('column_crv')} →"
    axes.text(0.12, height, upwards, ha="center", va="top", rotation=90, fontsize=size, color=QUIET)
