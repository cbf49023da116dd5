"""What is to be said of total value in whole sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from klantwaarde.report.locale import Speech


def verdict_told(total: Mapping[str, Any] | None, speech: Speech) -> str:
    """Whether influence can be told from similarity, with the share, its interval and what the null shows."""
    told = (total or {}).get("influence")
    if not told:
        return ""
    shares = {name: speech.share(told.get(name)) for name in ("used", "share", "low", "high", "null", "null_upper")}
    said = {
        "similarity": "verdict_similarity",
        "estimated": "verdict_estimated",
        "assumed": "verdict_assumed",
        "none": "verdict_none",
    }[told["said"]]
    return speech.word(said, orders=speech.number(told.get("orders")), **shares)


def ranking_told(total: Mapping[str, Any] | None, speech: Speech) -> str:
    """How far the order by accountable value differs from that by own value."""
    ranking = (total or {}).get("ranking")
    if not ranking:
        return ""
    alike = ranking["spearman"]
    sentences = [] if alike is None else [speech.word("ranking_alike", spearman=speech.number(alike, 3))]
    for top in ranking["tops"]:
        first = speech.number(top["first"])
        left, same = speech.count("ranking_left", top["left"], first=first), speech.word("ranking_same", first=first)
        sentences.append(left if top["left"] else same)
    return " ".join(sentences)


def assumed_told(total: Mapping[str, Any] | None, speech: Speech) -> list[str]:
    """What total value takes for granted, a sentence each."""
    if not total:
        return []
    assumed = total["assumed"]
    told = [speech.word("assumed_tau", rest=speech.share(1 - assumed["tau"], 0), tau=speech.number(assumed["tau"], 2))]
    if assumed["peers"]:
        peers = assumed["peers"]
        word = "assumed_peers" if peers["earned"] else "assumed_peers_not"
        told.append(speech.word(word, levels=speech.number(peers["levels"])))
    if assumed["categories"] is not None:
        told.append(speech.word("assumed_categories", categories=speech.number(assumed["categories"])))
    if assumed["anyway"]:
        told += [_anyway_told(assumed["anyway"], speech)]
        told.append(speech.word("assumed_omega", omega=speech.share(assumed["omega"], 0)))
    if assumed["share"] is not None:
        told.append(speech.word("assumed_share", share=speech.share(assumed["share"])))
    return told


def _anyway_told(anyway: Mapping[str, Any], speech: Speech) -> str:
    numbers = {name: speech.number(anyway[name]) for name in ("given", "referrals")}
    mean = speech.share(anyway["mean"], 0)
    if anyway["default"] is None:
        return speech.word("assumed_anyway", mean=mean, **numbers)
    return speech.word("assumed_anyway_default", mean=mean, default=speech.share(anyway["default"], 0), **numbers)
