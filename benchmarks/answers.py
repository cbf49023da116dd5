"""The judge: whether a peer gave the same answer, and if not, what sets them apart. Only equals are raced.

Fits are equal if no parameter is more than 1 % apart and ours is not the lower likelihood, both parameter sets being
put into one likelihood function; summaries and predictions if they agree for every customer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from benchmarks.job import MODELS, SPEND, TIMING, Job, Watch

APART = 0.01
"""Parameters this far apart, relative to ours, are other answers."""
LOWER = 1e-8
"""Log-likelihood per customer: less than this is rounding."""
CLOSE = 1e-6
"""Relative difference of predictions and summaries."""


class Verdict(NamedTuple):
    """Equal or not, in words; fault: ours is the worse one."""

    equal: bool
    words: str
    fault: bool = False
    figures: Mapping[str, Any] = {}


def judge_fit(
    peer: str,
    ours: Mapping[str, float],
    theirs: Mapping[str, float],
    by_us: Callable[[Mapping[str, float]], float],
    by_them: Callable[[Mapping[str, float]], float],
) -> Verdict:
    """A fit: two parameter sets, and the log-likelihood per customer of each by both libraries' functions."""
    if not np.isfinite(list(theirs.values())).all():
        return Verdict(equal=False, words=f"{peer}'s parameters are not finite")
    apart = max(abs(theirs[name] / ours[name] - 1) for name in ours)
    gains = {name: by(ours) - by(theirs) for name, by in (("klantwaarde", by_us), (peer, by_them))}
    figures = {
        "apart": apart,
        "parameters": dict(theirs),
        "log_likelihood": {"klantwaarde": by_us(ours), peer: by_us(theirs)},
        "gain": gains,
        "likelihoods_differ": abs(by_us(ours) - by_them(ours)),
    }
    for whose, gain in gains.items():
        if not gain >= -LOWER:  # NaN is lower too
            words = f"klantwaarde ended lower by {whose}'s likelihood, by {-gain:.2g} per customer"
            return Verdict(equal=False, words=words, fault=whose == "klantwaarde", figures=figures)
    gain = gains["klantwaarde"]
    if apart <= APART:
        higher = "equal" if gain <= LOWER else f"{gain:.1g} per customer higher than {peer}'s"
        words = f"parameters within {max(apart, 1e-4):.2%}; log-likelihood {higher}"
        return Verdict(equal=True, words=words, figures=figures)
    why = f"{peer} ended lower, by {gain:.2g} per customer" if gain > LOWER else "at the same likelihood"
    return Verdict(equal=False, words=f"parameters up to {apart:.1%} apart: {why}", figures=figures)


def judge_predictions(peer: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Verdict:
    """Predictions for the same customers at the same parameters, where the peer's are finite."""
    if not all(np.isfinite(values).all() for values in ours.values()):
        return Verdict(equal=False, words="klantwaarde's predictions are not all finite", fault=True)
    return _judge_columns(peer, ours, theirs)


def judge_summary(peer: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Verdict:
    """Customers with x, t_x, T and zbar."""
    if not np.array_equal(ours["customer_id"], theirs["customer_id"]):
        return Verdict(equal=False, words="other customers")
    return _judge_columns(peer, ours, theirs)


def _judge_columns(peer: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Verdict:
    worst = {name: _difference(ours[name], theirs[name]) for name in ours}
    lost = {name: int((~np.isfinite(theirs[name])).sum()) for name in ours}
    figures = {"difference": worst, "not_finite": lost}
    told = f"; {peer} has no number for {max(lost.values()):,}" if any(lost.values()) else ""
    name = max(worst, key=lambda name: worst[name])
    if worst[name] <= CLOSE and not told:
        return Verdict(equal=True, words=f"within {worst[name]:.0e} for every customer", figures=figures)
    return Verdict(equal=False, words=f"{name} up to {worst[name]:.1g} apart{told}", figures=figures)


def _difference(ours: Any, theirs: Any) -> float:
    """Largest difference relative to ours (to 1e-9, where ours is smaller), where theirs is finite."""
    ours, theirs = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    known = np.isfinite(theirs)
    return float(np.max(np.abs(theirs - ours)[known] / np.maximum(np.abs(ours[known]), 1e-9), initial=0.0))


def _fit(peer: str, model: str, step: str) -> Callable[[Job, Watch], dict[str, Any]]:
    def judged(job: Job, _: Watch) -> dict[str, Any]:
        with np.load(job.file("spend.npz" if model == SPEND else "cells.npz")) as kept:
            data = dict(kept)
        ours, told = _told(job, "klantwaarde", f"fit {model}")["parameters"], _told(job, peer, step)
        theirs = {name: told["parameters"][name] for name in ours}
        verdict = judge_fit(
            peer, ours, theirs,
            lambda parameters: _log_likelihood(model, parameters, data),
            _by_peer(peer, model, data, told, ours),
        )  # fmt: skip
        return verdict._asdict()

    return judged


def _by_peer(
    peer: str, model: str, data: Mapping[str, Any], told: Mapping[str, Any], ours: Mapping[str, float]
) -> Callable[[Mapping[str, float]], float]:
    """The peer's likelihood: asked here, or told by itself where it lives in another Python."""
    if "log_likelihoods" in told:
        by = told["log_likelihoods"]
        return lambda parameters: float(by["klantwaarde" if parameters == ours else peer])
    by_them = import_module(f"benchmarks.libraries.{peer}").log_likelihood
    return lambda parameters: float(by_them(model, parameters, data))


def _log_likelihood(model: str, parameters: Mapping[str, float], data: Mapping[str, Any]) -> float:
    """Our log-likelihood per customer."""
    import klantwaarde as kw
    from klantwaarde.models import MODELS as TIMING_MODELS

    kind = kw.GammaGamma if model == SPEND else TIMING_MODELS[model]
    history = [data[name] for name in (("x", "zbar") if model == SPEND else ("x", "t_x", "T"))]
    return float(np.average(kw.models.log_likelihood(kind(**parameters), *history), weights=data["n"]))


def _told(job: Job, library: str, step: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(job.result(library, step).read_text(encoding="utf-8"))["answer"]
    return answer


def _predictions(peer: str, model: str) -> Callable[[Job, Watch], dict[str, Any]]:
    def judged(job: Job, _: Watch) -> dict[str, Any]:
        with np.load(job.file(f"klantwaarde-{model}.npz")) as ours, np.load(job.file(f"{peer}-{model}.npz")) as theirs:
            return judge_predictions(peer, dict(ours), dict(theirs))._asdict()

    return judged


def _summary(peer: str) -> Callable[[Job, Watch], dict[str, Any]]:
    def judged(job: Job, _: Watch) -> dict[str, Any]:
        with np.load(job.file("histories.npz")) as ours, np.load(job.file(f"{peer}-summary.npz")) as theirs:
            return judge_summary(peer, dict(ours), dict(theirs))._asdict()

    return judged


STEPS = {
    "lifetimes summary": _summary("lifetimes"),
    **{f"lifetimes fit {model}": _fit("lifetimes", model, f"fit {model}") for model in MODELS},
    **{f"lifetimes fit {model}, weights": _fit("lifetimes", model, f"fit {model}, weights") for model in MODELS},
    **{f"lifetimes predict {model}": _predictions("lifetimes", model) for model in TIMING},
    **{f"pymc_marketing fit {model}": _fit("pymc_marketing", model, f"fit {model}") for model in MODELS},
}
