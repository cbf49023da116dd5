-- Every customer of either date, with stage and value at both.
-- Active is who is neither prospect nor lost; known is who is no prospect.
select
  coalesce(a.customer_id, b.customer_id) as customer_id,
  b.stage as stage_before,
  a.stage as stage_after,
  coalesce(a.first_order, b.first_order) as first_order,
  coalesce(b.value, cast(0 as decimal(18, 4))) as opening,
  coalesce(a.value, cast(0 as decimal(18, 4))) as closing,
  coalesce(b.stage <> 'prospect', false) as was_known,
  coalesce(b.stage <> 'prospect' and b.stage <> 'lost', false) as was_active,
  coalesce(a.stage <> 'prospect', false) as is_known,
  coalesce(a.stage <> 'prospect' and a.stage <> 'lost', false) as is_active
from before as b
full join after as a on b.customer_id = a.customer_id
