-- The customers at one date with their stage. Someone known by a stage alone, such as a lead, is worth nothing yet.
select
  coalesce(v.customer_id, s.customer_id) as customer_id,
  cast(s.stage as varchar) as stage,
  v.first_order,
  v.is_active,
  v.measure,
  case when v.customer_id is null then cast(0 as decimal(18, 4)) else v.value end as value,
  v.customer_id is not null as is_scored
from placed as v
full join stages as s on v.customer_id = s.customer_id
