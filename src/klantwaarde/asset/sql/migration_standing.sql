-- What places each customer in the pyramid at one date, and what he is worth: discounted expected orders where no amounts
-- are known.
select
  customer_id,
  first_order,
  is_active,
  case
    when $rank_by = 'rlv' then coalesce(rlv, dert)
    when $rank_by = 'realised' then coalesce(cast(value_realised as double), orders)
    else coalesce(cast(value_last_year as double), orders_last_year)
  end as measure,
  -- What no DECIMAL holds becomes null, and is refused by name.
  case
    when coalesce(case when $priced then rlv else dert end, 0) between -1e13 and 1e13
      then cast(coalesce(case when $priced then rlv else dert end, 0) as decimal(18, 4))
  end as value
from valued
