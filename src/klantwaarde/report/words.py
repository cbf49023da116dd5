"""The report's languages: words from words.toml, and what has a meaning."""

from __future__ import annotations

import tomllib
from importlib.resources import files


def _words(name: str) -> dict[str, dict[str, str]]:
    return tomllib.loads(files("klantwaarde.report").joinpath(name).read_text("utf-8"))


WORDS = _words("words.toml")
"""Key to language to words."""
REVENUE = WORDS | _words("revenue.toml")
"""The same where nobody said what margin is made: money is called revenue."""

PARAMETERS = {
    ("nbd", "r"): "parameter_pace_alike",
    ("nbd", "alpha"): "parameter_pace_scale",
    ("bg_nbd", "r"): "parameter_pace_alike",
    ("bg_nbd", "alpha"): "parameter_pace_scale",
    ("bg_nbd", "a"): "parameter_leave",
    ("bg_nbd", "b"): "parameter_stay",
    ("mbg_nbd", "r"): "parameter_pace_alike",
    ("mbg_nbd", "alpha"): "parameter_pace_scale",
    ("mbg_nbd", "a"): "parameter_leave",
    ("mbg_nbd", "b"): "parameter_stay",
    ("pareto_nbd", "r"): "parameter_pace_alike",
    ("pareto_nbd", "alpha"): "parameter_pace_scale",
    ("pareto_nbd", "s"): "parameter_loss_alike",
    ("pareto_nbd", "beta"): "parameter_loss_scale",
    ("gamma_gamma", "p"): "parameter_spend_within",
    ("gamma_gamma", "q"): "parameter_spend_between",
    ("gamma_gamma", "gamma"): "parameter_spend_scale",
}
"""What a parameter of a model means: a key of WORDS."""

COLUMNS = (
    "customer_id",
    "tier",
    "rlv",
    "stage",
    "p_alive",
    "expected_orders",
    "orders",
    "last_order",
    "value_last_year",
    "value_realised",
    "rank",
)
"""The columns of the lists, what is expected first; each has a `column_` and a `meaning_` in WORDS."""

MONEY_COLUMNS = ("value_realised", "value_last_year", "rlv")
"""The columns that are left out when the orders carry no amounts."""

TOTAL_COLUMNS = {
    "potential": "direct.headroom",
    "cross_sell": "direct.cross_sell",
    "crv": "profiles",
    "referral_value": "indirect",
    "influence_value": "indirect",
    "attributed_away": "indirect",
    "future_referrals": "indirect.future",
    "total_attributed": "indirect",
    "total_accountable": "indirect",
    "profile": "profiles",
}
"""The columns of total value that the glossary explains, and the part of the facts without which they are empty."""
