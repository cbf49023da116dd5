-- The factors of each customer's residual value at one date, and what a period is expected to bring.
-- ahead has one row per distinct history. A newcomer is expected to spend as the population does. Without amounts an
-- order is the money.
select
  v.*,
  case when $priced then v.expected_spend * cast($expected_margin_rate as double) else 1 end as factor_margin,
  h.rate as factor_rate,
  v.dert / h.rate as factor_lifetime,
  h.released as factor_released,
  coalesce(
    cast($newcomer_margin as double),
    case when $priced then v.expected_spend * cast($expected_margin_rate as double) else 1 end
  ) * h.expected as factor_expected,
  case when $priced then v.value_realised else cast(v.orders as decimal(18, 4)) end as factor_realised
from valued as v
left join ahead as h on v.x = h.x and v.t_x_days = h.t_x_days and v.t_days = h.t_days
