-- The valued customers, sorted: the best first, the inactive last.
select *
from valued
order by
  is_active desc,
  case
    when not is_active then null
    when $rank_by = 'rlv' then coalesce(rlv, dert)
    when $rank_by = 'realised' then coalesce(cast(value_realised as double), orders)
    else coalesce(cast(value_last_year as double), orders_last_year)
  end desc nulls last,
  coalesce(rlv, dert) desc nulls last,
  value_realised desc nulls last,
  customer_id
