"""The report's languages: words from words.toml, and what has a meaning."""

from __future__ import annotations

import tomllib
from importlib.resources import files

from klantwaarde.models import MODELS, SPEND_MODELS


def _words(name: str) -> dict[str, dict[str, str]]:
    return tomllib.loads(files("klantwaarde.report").joinpath(name).read_text("utf-8"))


WORDS = _words("words.toml")
"""Key to language to words."""
REVENUE = WORDS | _words("revenue.toml")
"""The same where nobody said what margin is made: money is called revenue."""

PARAMETERS = {
    (name, one.name): one.meaning for name, Model in (MODELS | SPEND_MODELS).items() for one in Model.parameters()
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
