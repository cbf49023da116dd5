-- Each customer's stage and residual value at one date: discounted expected orders where no amounts are known.
-- Someone known by a stage alone, such as a lead, is worth nothing yet.
select
  coalesce(v.customer_id, s.customer_id) as customer_id,
  cast(s.stage as varchar) as stage,
  v.first_order,
  -- What no DECIMAL holds becomes null, and is refused by name.
  case
    when coalesce(case when $priced then v.rlv else v.dert end, 0) between -1e13 and 1e13
      then cast(coalesce(case when $priced then v.rlv else v.dert end, 0) as decimal(18, 4))
  end as value
from valued as v
full join stages as s on v.customer_id = s.customer_id
