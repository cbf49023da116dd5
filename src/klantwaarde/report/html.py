"""The report: one self-contained HTML page from one dict of facts."""

from __future__ import annotations

import io
import re
import warnings
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from matplotlib import style

from klantwaarde.errors import BadParameters
from klantwaarde.files import write_text
from klantwaarde.outcome.check import upgraded
from klantwaarde.report import figures
from klantwaarde.report.locale import Speech
from klantwaarde.report.movement import chance_told, moves
from klantwaarde.report.movement_figures import statement_told, waterfall
from klantwaarde.report.profiles import profiles
from klantwaarde.report.total_sentences import assumed_told, ranking_told, verdict_told
from klantwaarde.report.worded import said_in
from klantwaarde.report.words import COLUMNS, MONEY_COLUMNS, TOTAL_COLUMNS
from klantwaarde.shown import visible
from klantwaarde.wording.message import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

DRAWING = {"svg.fonttype": "none", "svg.hashsalt": "klantwaarde", "text.parse_math": False}
"""Text stays text, ids do not change between runs, and a dollar is a dollar."""


def write_report(facts: Mapping[str, Any], path: Path) -> None:
    """The report as a file, whole or not at all; the same facts give the same bytes."""
    write_text(path, render(facts))


def render(facts: Mapping[str, Any]) -> str:
    """The report as one HTML page that needs no network, fonts or scripts, and asks the browser to allow none.

    What a reader's screen would obey and not show (ids may hold anything) is shown as escapes.
    """
    # Facts of before there were these can be told again.
    facts = upgraded(facts, "the facts")
    currency = None if facts["currency"] is None else visible(facts["currency"])
    speech = Speech(_language(facts["language"]), currency, facts["money_is"])
    facts = _visible(said_in(facts, speech.language, speech.currency))
    pictures = {name: _picture(name, facts, speech) for name in PICTURES if drawable(name, facts)}
    template = _environment().get_template("report.html.j2")
    page = template.render(
        facts=facts,
        say=speech,
        pictures=pictures,
        columns=[name for name in COLUMNS if facts["money"] or name not in MONEY_COLUMNS],
        total_columns=[name for name, needs in TOTAL_COLUMNS.items() if _has(facts["total"], needs)],
        verdict_told=verdict_told(facts["total"], speech),
        ranking_told=ranking_told(facts["total"], speech),
        assumed_told=assumed_told(facts["total"], speech),
        moves=moves(facts["movement"]),
        chance_told=chance_told(facts["movement"], speech),
        corner_told=_corner_told(facts, speech),
        gap_told=_gap_told(facts, speech),
        bands=figures.value_bands(facts, speech) if "value_risk" in pictures else [],
        smallest=_smallest(facts["model"]["choice"]),
        rule=facts["at_risk_rule"],
        fit_told=partial(_fit_told, speech=speech),
    )
    return visible(page, keep="\n\t")


def _visible(value: Any) -> Any:
    """The facts as what is drawn can hold them: what would be obeyed, as escapes."""
    if isinstance(value, str):
        return visible(value, keep="\n\t")
    if isinstance(value, dict):
        return {_visible(key): _visible(item) for key, item in value.items()}
    return [_visible(item) for item in value] if type(value) in {list, tuple} else value


def drawable(name: str, facts: Mapping[str, Any]) -> bool:
    """Whether there is anything to draw in a picture."""
    if name == "profiles":
        return _has(facts["total"], "profiles")
    if name == "statement":
        return bool(facts["money"]) and _has(facts["movement"], "statement")
    part = facts[name]
    if name == "value_risk":
        return bool(part) and any(map(any, part["customers"]))
    return bool(part) and (name != "tracking" or any(part["actual"]))


def _has(total: Mapping[str, Any] | None, needs: str) -> bool:
    """Whether total value, or movement, has a part; what the part is called with a point for a part of a part."""
    found: Any = total
    for name in needs.split("."):
        found = (found or {}).get(name)
    return found is not None


def _language(language: str) -> str:
    if language not in LANGUAGES:
        raise BadParameters(f"The report speaks {' and '.join(LANGUAGES)}, not {language!r}.")
    return language


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("klantwaarde.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _picture(name: str, facts: Mapping[str, Any], speech: Speech) -> Markup:
    """A picture twice: for wide screens and paper, and for phones; the page shows one of them."""
    picture = PICTURES[name]
    draw, told = picture.draw, picture.told(facts, speech)
    drawn = [
        Markup('<div class="{}">{}</div>').format(size, svg(draw, f"{name}-{size}", speech.word(picture.title), told))
        for size, draw in (
            ("wide", partial(draw, facts, speech)),
            ("narrow", partial(draw, facts, speech, narrow=True)),
        )
    ]
    return Markup("").join(drawn)


def svg(draw: Callable[[], Figure], name: str, title: str, told: str) -> Markup:
    """An inline SVG with ids that begin with `name`, and a title and words for those who cannot see it."""
    page = io.StringIO()
    with style.context(DRAWING, after_reset=True), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # the reader's browser has its own fonts
        draw().savefig(page, format="svg", metadata={"Date": None})
    # Our own drawing, with title and words escaped; the labels in it are escaped by Matplotlib.
    return Markup(_inline(page.getvalue(), name, str(escape(title)), str(escape(told))))  # noqa: S704


def _inline(drawn: str, name: str, title: str, told: str) -> str:
    """Matplotlib's file as an element of a page: no prologue, no metadata, ids of its own."""
    body = drawn[drawn.index("<svg") :]
    body = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'xlink:href="#|(?<=\s)href="#', f'href="#{name}-', body)
    body = body.replace("url(#", f"url(#{name}-")
    box = re.search(r'viewBox="[^"]*"', body)
    head = f'<svg {box[0] if box else ""} role="img" aria-labelledby="{name}-title {name}-text">'
    words = f'<title id="{name}-title">{title}</title><desc id="{name}-text">{told}</desc>'
    return re.sub(r"\n\s*", "\n", head + words + body[body.index(">") + 1 :])


def _pyramid_told(facts: Mapping[str, Any], speech: Speech) -> str:
    layers = facts["pyramid"]
    return "; ".join(
        f"{speech.known('tier_', layer['tier'])}: {speech.count('customers', layer['customers'])}" for layer in layers
    )


def _profiles_told(facts: Mapping[str, Any], speech: Speech) -> str:
    groups = facts["total"]["profiles"]["groups"]
    return "; ".join(
        f"{speech.known('profile_', group['profile'])}: {speech.count('customers', group['customers'])}"
        for group in groups
    )


def _corner_told(facts: Mapping[str, Any], speech: Speech) -> str:
    """How many customers the outlined corner holds, and what is still expected of them."""
    if not drawable("value_risk", facts):
        return speech.word("risk_none")
    grid = facts["value_risk"]
    rows, first = figures.corner(grid)
    customers = speech.count("customers", _total(grid["customers"], rows, first))
    told = speech.word("risk_insight", customers=customers, chance=speech.chance(grid["p_alive_edges"][rows]))
    if facts["money"] and grid["rlv"]:
        told += " " + speech.word("risk_insight_money", money=speech.money(_total(grid["rlv"], rows, first)))
    return told


def _total(table: list[list[float | None]], rows: int, first: int) -> float:
    return sum(value or 0 for row in table[:rows] for value in row[first:])


def _gap_told(facts: Mapping[str, Any], speech: Speech) -> str:
    """Repeat orders in all, actual and expected, and how far the expected are off."""
    if not drawable("tracking", facts):
        return speech.word("tracking_none")
    actual, expected = (sum(value or 0 for value in facts["tracking"][name]) for name in ("actual", "expected"))
    return speech.word(
        "tracking_more" if expected > actual else "tracking_fewer",
        actual=speech.count("repeat_orders", actual),
        expected=speech.number(expected),
        gap=speech.share(abs(expected / actual - 1) if actual else None),
    )


def _smallest(choice: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the chosen model is the one that erred least customer by customer."""
    known = [row for row in choice if row["wmae"] is not None]
    return bool(known) and min(known, key=lambda row: row["wmae"])["chosen"] is True


def _fit_told(fit: Mapping[str, Any], speech: Speech) -> list[str]:
    """What a reader has to know of a fit."""
    converged = fit["status"] == "converged"
    doubt = fit.get("doubt", None if converged else fit["reason"])  # older facts have a reason only
    return [*([speech.word("fit_optimum")] if converged else []), *([doubt] if doubt else []), *fit["notes"]]


class _Picture(NamedTuple):
    """How a picture is drawn, the word that is its title, and what it shows in words."""

    draw: Callable[..., Figure]
    title: str
    told: Callable[[Mapping[str, Any], Speech], str]


PICTURES = {
    "pyramid": _Picture(figures.pyramid, "pyramid_title", _pyramid_told),
    "profiles": _Picture(profiles, "total_profiles", _profiles_told),
    "statement": _Picture(waterfall, "statement_title", statement_told),
    "value_risk": _Picture(figures.value_risk, "risk_title", _corner_told),
    "tracking": _Picture(figures.tracking, "tracking_title", _gap_told),
}
