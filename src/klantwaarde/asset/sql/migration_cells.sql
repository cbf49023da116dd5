-- The matrix of movement: customers and value by the tier at both dates.
select
  tier_before,
  tier_after,
  count(*) as customers,
  sum(opening) as opening,
  sum(closing) as closing
from moved
group by tier_before, tier_after
