-- The most valuable customers for the future: all of them, or those whose stage says that it is time to act.
select
  v.customer_id,
  tier,
  stage,
  rank,
  orders,
  last_order,
  value_realised,
  value_last_year,
  v.p_alive,
  v.p_active,
  expected_orders,
  rlv
from scored as v
left join staged as s on v.customer_id = s.customer_id
where v.p_alive is not null and (not $at_risk or stage in ('at_risk', 'dormant'))
order by coalesce(rlv, expected_orders) desc, rank
limit $most
