-- The valued customers, sorted: the best first, the inactive last. A sort moves what it carries: what follows from these
-- columns is added after it.
select
  customer_id,
  first_order,
  last_order,
  orders,
  x,
  t_x_days,
  t_days,
  zbar,
  revenue,
  value_realised,
  value_last_year,
  is_active,
  p_alive,
  p_active,
  expected_orders,
  expected_spend,
  dert,
  headroom_orders,
  rlv
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
