-- What must not be in a table of one row per customer at one date.
select
  count(*) as customers,
  count(*) filter (where customer_id is null) as no_id,
  count(customer_id) - count(distinct customer_id) as twice,
  count(*) filter (where stage is null) as no_stage,
  count(*) filter (
    where stage not in (
      'prospect', 'new', 'growing', 'core', 'declining', 'at_risk', 'dormant', 'lost', 'won_back'
    )
  ) as other_stage,
  count(*) filter (where value is null) as no_value
from standing
