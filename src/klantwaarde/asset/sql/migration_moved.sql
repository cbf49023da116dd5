-- Every customer of either date with the tier at both.
select
  coalesce(a.customer_id, b.customer_id) as customer_id,
  coalesce(b.tier, 'absent') as tier_before,
  coalesce(a.tier, 'absent') as tier_after,
  coalesce(b.value, cast(0 as decimal(18, 4))) as opening,
  coalesce(a.value, cast(0 as decimal(18, 4))) as closing
from before as b
full join after as a on b.customer_id = a.customer_id
