"""Column names, written once."""

MONEY = "decimal(18, 4)"
"""Money in SQL: exact sums, four decimals, up to 10^14. It becomes a float only for the models."""

PRICE = "decimal(18, 8)"
"""The price of one piece in SQL: more decimals, because quantities multiply what is rounded off."""

SCHEMA_VERSION = 1

SCORED = (
    ("customer_id", "id as it came in", "The customer."),
    ("first_order", "date", "Day of the first purchase; empty without any purchase."),
    ("last_order", "date", "Day of the last purchase up to the end of observation."),
    ("orders", "count", "Days on which the customer bought, the first included; what was given back whole is none."),
    ("x", "count", "Repeat purchases: orders minus one."),
    ("t_x", "unit of the fit", "Time from first to last purchase."),
    ("T", "unit of the fit", "Time from first purchase to the end of observation."),
    ("zbar", "money", "Mean of the repeat purchases, after returns; empty without any."),
    ("revenue", "money", "All amounts, returns netted, up to the end of observation."),
    ("value_realised", "money", "Margin on all of that: history, never added to what is to come."),
    ("value_last_year", "money", "Margin in the twelve months up to the end of observation."),
    ("p_alive", "chance", "That the customer is still a customer at the end of observation."),
    ("p_active", "chance", "Of at least one order within the horizon."),
    ("expected_orders", "count", "Orders expected within the horizon."),
    ("expected_spend", "money", "Expected amount per order."),
    ("dert", "count", "Discounted expected orders from now on, without horizon."),
    ("rlv", "money", "Residual value: margin per order times dert."),
    ("potential", "money", "Headroom (ceiling): what more there would be at the rate of the best peers; no equity."),
    ("cross_sell", "money", "Expected margin in categories not bought yet; no equity. Only with --category."),
    ("crv", "money", "Customer referral value: the causal worth of own referrals, one generation; no equity."),
    ("referral_value", "money", "Received in the books from whom the customer brought, and whom these brought."),
    ("influence_value", "money", "Received in the books from whom the customer influences."),
    ("attributed_away", "money", "Given away in the books to who brought or influences the customer."),
    ("future_referrals", "money", "Value of referrals still to come; no equity."),
    ("total_accountable", "money", "What would go with the customer: for targeting and retention; does not add up."),
    ("total_attributed", "money", "rlv + referral_value + influence_value - attributed_away: adds up, for the books."),
    ("profile", "name", "champion, affluent, advocate or miser: rlv against crv."),
    ("tier", "name", "Place in the pyramid: top, large, medium, small or inactive."),
    ("rank", "count", "1 is the best; active customers first, then the inactive."),
    ("reason", "text", "Why the model columns are empty, where they are."),
)
"""(column, unit, meaning) of the scored customers, in order."""

TIERS = ("top", "large", "medium", "small", "inactive")

MOST_PERIODS = 120
"""Points of a time series that a reader can take in."""
