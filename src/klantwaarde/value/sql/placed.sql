-- The scored customers with their tier, in the order and with the names of the output.
select
  customer_id,
  first_order,
  last_order,
  cast(orders as bigint) as orders,
  cast(x as bigint) as x,
  t_x_days / $days_per_unit as t_x,
  t_days / $days_per_unit as T,
  zbar,
  revenue,
  value_realised,
  value_last_year,
  p_alive,
  p_active,
  expected_orders,
  expected_spend,
  dert,
  rlv,
  potential,
  cross_sell,
  crv,
  referral_value,
  influence_value,
  attributed_away,
  future_referrals,
  total_accountable,
  total_attributed,
  profile,
  case
    when not is_active then 'inactive'
    when rank <= $top then 'top'
    when rank <= $top + $large then 'large'
    when rank <= $top + $large + $medium then 'medium'
    else 'small'
  end as tier,
  rank,
  case when orders = 0 then 'no purchase: nothing is left after returns' end as reason
from ranked
