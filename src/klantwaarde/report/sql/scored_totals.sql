-- The scored base in one row.
select
  count(*) as customers,
  count(*) filter (where tier <> 'inactive') as active,
  sum(value_realised) as value_realised,
  sum(value_last_year) as value_last_year,
  avg(cast(value_realised as double)) as value_realised_mean,
  max(cast(value_realised as double)) as value_realised_max,
  sum(rlv) as rlv,
  sum(dert) as dert,
  sum(p_alive) as p_alive,
  sum(expected_orders) as expected_orders,
  sum(p_active) as expected_active
from scored
