"""The page docs/scored.md: what each column of the output means, from the names that the code writes."""

from __future__ import annotations

import pyarrow as pa

import klantwaarde as kw
from klantwaarde.asset.moves import MOVES
from klantwaarde.asset.pyramid import Band
from klantwaarde.purchases.schema import SCHEMA_VERSION, SCORED, TIERS

HISTORY, YEAR, NOW = "all history", "last 12 months", "at the end"
HORIZON = {
    "orders": HISTORY,
    "x": HISTORY,
    "t_x": HISTORY,
    "T": HISTORY,
    "zbar": HISTORY,
    "revenue": HISTORY,
    "value_realised": HISTORY,
    "value_last_year": YEAR,
    "p_alive": NOW,
    "p_active": "the horizon",
    "expected_orders": "the horizon",
    "expected_spend": "from now on",
    "dert": "endless, discounted",
    "rlv": "endless, discounted",
    "potential": "endless, discounted",
    "cross_sell": "endless, discounted",
    "crv": "endless, discounted",
    "referral_value": "endless, discounted",
    "influence_value": "endless, discounted",
    "attributed_away": "endless, discounted",
    "future_referrals": "endless, discounted",
    "total_accountable": "endless, discounted",
    "total_attributed": "endless, discounted",
    "profile": NOW,
    "tier": NOW,
    "rank": NOW,
}

BANDS = {
    "tier": f"{', '.join(TIERS)}; one row each, in this order.",
    "customers": "In the tier.",
    "customers_share": "Of the active customers; for the inactive, of all.",
    "orders": "Theirs so far.",
    "revenue": "Sum over the tier, money; of all time.",
    "revenue_share": "Of the sum over all tiers.",
    "value_last_year": "Sum over the tier, money.",
    "value_last_year_share": "Of the sum over all tiers.",
    "value_realised": "Sum over the tier, money.",
    "rlv": "Sum over the tier, money.",
    "rlv_share": "Of the sum over all tiers.",
    "p_alive_mean": "Mean over the tier.",
    "threshold": "The lowest value in the tier of the measure that ranks; empty for the inactive.",
}

PAGE = """# The scored customers

Made by `make docs` from `klantwaarde.purchases.schema.SCORED`; do not edit it by hand.

`customers.parquet`, and what `kw.score(...)` returns: one row for every customer of the input, best rank first.
Schema version {version}. A new column raises no version; a changed or dropped one does.

* **end**: the end of observation, `as_of`; nothing after it is used.
* **unit**: the unit of the fit (`day`, `week`, `month`, `year`; default week), whatever the customers were counted in;
  scores of an earlier run's models are in their unit. A year is 365.25 days, a month a twelfth of it.
* **horizon**: the run's `horizon` (default "12 months"), counted from the end.
* **money**: in the currency of the orders, which is never converted. What has been spent is exact, DECIMAL(18, 4); what
  is expected is a float. The rate of `rlv` and `dert` is annual and effective, converted inside.

The file's footer (key-value metadata) holds `klantwaarde_schema`, `as_of`, `unit`, `horizon`, `annual_discount_rate`,
`margin_rate` and `rank_by`.

| column | type | unit | over | meaning |
| --- | --- | --- | --- | --- |
{columns}

## Order, ties and tiers

Rows come by `rank`. Active customers come first: those with revenue in the twelve months up to the end (or, in orders
without amounts, with a purchase in them). Within each group the ranking measure decides (`rank_by`: `last_year`, the
default, `rlv` or `realised`); ties go to the higher `rlv`, then to the higher `value_realised`, then to the lower
`customer_id`. The same input gives the same ranks.

Of the active customers the first 1 % are `top`, the next 4 % `large`, the next 15 % `medium`, the rest `small`. Sizes
are rounded up, from the top down. All others are `inactive`.

## What is empty, and when

* Without amounts: `zbar`, `revenue`, `value_realised`, `value_last_year`, `expected_spend`, `rlv`. Counts then rank.
* Without any purchase (only returns): the dates, `x`, `t_x`, `T`, `zbar` and the model columns; `reason` says so.
* Without a repeat purchase: `zbar`. `expected_spend` is then the population's mean. Who came back and paid nothing
  (`zbar` 0) is expected to pay less than who paid a cent, by the same formula; where nobody paid for a repeat purchase,
  money that is expected stays empty, and the data doctor says so.
* Without any repeat purchase in the whole base no spend model can be fitted: `expected_spend` and `rlv`.

Never add `value_realised` to `rlv`: one is history, the other is still to come.

## The other files

**pyramid.parquet**: one row per tier.

| column | meaning |
| --- | --- |
{bands}

**moves.parquet** (with `--since`): every customer of either day, behind every figure of ledger, statement and pyramid
movement; the sums of its columns are those figures. `kw.results(folder).moves` reads it.

| column | unit | meaning |
| --- | --- | --- |
{moves}

**model.json**: the fits (`timing`, `spend`): parameters, covariance, log-likelihood, status, reason and notes (each as
`text` in English with the `code` and `fields` it is made of), unit, end of observation, and the settings of the run. No
customer is in it. `kw.load_fit` and `klantwaarde score --fit` read it.

**run.json**: what went in (`source`, `settings`), what was left out and why (`lines`, `money`, `notes`), the model and
why it was chosen, versions, `seconds` per step, `peak_memory_mb`, and under `facts` all that the report says, each
value as `klantwaarde.outcome.schema.Facts` types it, with a `facts_version`; facts of earlier versions are read.
`facts_sum` is their checksum: facts that were changed by hand are refused. Sentences are there as `text` in English
with `code` and `fields`, so that `klantwaarde report` can say them in Dutch.
The lists of the most valuable customers are in it, so treat it as you treat the customers themselves.

**report.html**: the page for people, without scripts, fonts or network.

In Python `kw.run(orders, out=..., **settings)` makes the same folder, and `kw.results(folder)` reads it: `.facts`,
`.record`, `.fits`, and `.customers`, `.stages`, `.pyramid` and `.moves`, each with `to_arrow()`, `to_polars()` and
`to_pandas()`, which gives money as floats, days as timestamps, tiers and stages as ordered categories.
"""


def scored_page() -> str:
    """The text of docs/scored.md."""
    types = {field.name: _told(field.type) for field in _schema()} | {"customer_id": "as it came in"}
    columns = [
        f"| `{name}` | {types[name]} | {unit} | {HORIZON.get(name, '')} | {meaning} |" for name, unit, meaning in SCORED
    ]
    bands = [f"| `{name}` | {BANDS[name]} |" for name in Band._fields]
    moves = [f"| `{name}` | {unit} | {meaning} |" for name, unit, meaning in MOVES]
    return PAGE.format(
        moves="\n".join(moves), version=SCHEMA_VERSION, columns="\n".join(columns), bands="\n".join(bands)
    )


def _schema() -> pa.Schema:
    customers = kw.customers(kw.orders(kw.datasets.cdnow_sample()), as_of="1997-09-30")
    fit, spend = kw.fit(kw.MBGNBD, customers.cells()), kw.fit(kw.GammaGamma, customers.spend())
    schema = kw.score(customers, kw.Fits(fit, spend)).to_arrow().schema
    if schema.names != [name for name, _, _ in SCORED]:
        raise SystemExit(f"SCORED does not name the columns that are written: {schema.names}.")
    return schema


def _told(kind: pa.DataType) -> str:
    return {"date32[day]": "date", "int64": "whole number", "double": "float", "string": "text"}.get(
        str(kind), "DECIMAL(18, 4)" if pa.types.is_decimal(kind) else str(kind)
    )
