"""Calls as they were before three values stood for their arguments: the same answers, with a warning."""

from __future__ import annotations

import warnings
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from klantwaarde.errors import BadParameters, expect
from klantwaarde.estimate.result import Fit
from klantwaarde.value.terms import Beside, Fits, Terms

if TYPE_CHECKING:
    from collections.abc import Mapping

LEVEL = 3
"""Of the warning: the line that called `score`."""


def from_old_call(
    fits: Any, terms: Any, beside: Any, old: Mapping[str, Any]
) -> tuple[Fits, Terms | None, Beside | None]:
    """The three values from arguments one by one: a timing fit, a spend fit, then keywords.

    Headroom was computed unless it was declined, and still is for these calls.
    """
    known = {name: Kind for Kind in (Terms, Beside, Fits) for name in (field.name for field in fields(Kind))}
    unknown = [name for name in old if name not in known or name == "timing"]
    if unknown:
        raise TypeError(f"score() got an unexpected keyword argument {unknown[0]!r}")
    given = {Terms: terms, Beside: beside, Fits: fits}
    mixed = [name for name in old if isinstance(given[known[name]], known[name])]
    if mixed:
        raise BadParameters(f"Give {', '.join(mixed)} within kw.Terms, kw.Beside or kw.Fits, not besides them.")
    if isinstance(terms, Fit) and "spend" in old:
        raise TypeError("score() got multiple values for argument 'spend'")
    if not isinstance(fits, Fits):
        remedy = "kw.fits(customers) makes it; a model alone lacks its unit of time"
        expect(fits, (Fits, Fit), "fits", remedy)
        expect(terms, (Fit, Terms, type(None)), "spend", "kw.fit(kw.GammaGamma, customers.spend()) makes one")
        spend = terms if isinstance(terms, Fit) else old.get("spend")
        fits, terms = Fits(fits, spend, old.get("potential")), terms if isinstance(terms, Terms) else None
    part = {Kind: {name: old[name] for name in old if known[name] is Kind} for Kind in (Terms, Beside)}
    warnings.warn(
        "score(customers, fit, spend, margin_rate=..., ...) goes in a later version: write score(customers, "
        "kw.Fits(fit, spend), kw.Terms(margin_rate=...)), with kw.Terms(headroom=True) where potential is wanted.",
        DeprecationWarning,
        stacklevel=LEVEL,
    )
    return fits, terms or Terms(**({"headroom": True} | part[Terms])), beside or Beside(**part[Beside])
