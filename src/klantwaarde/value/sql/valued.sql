-- One row per customer of the input, with scores and value.
-- cell_scores has one row per distinct history, spend_lines one per x: expected spend is linear in zbar for given x.
with measured as (
  select
    c.*,
    case when orders > 0 then orders - 1 end as x,
    cast(date_diff('day', first_order, last_order) as integer) as t_x_days,
    cast(date_diff('day', first_order, $as_of) as integer) as t_days,
    case when orders > 1 then cast(repeat_amount as double) / (orders - 1) end as zbar,
    case
      when not $has_money then null
      when $has_margin then cast(coalesce(margin, 0) as decimal(18, 4))
      -- Only large amounts need a wide product, which is ten times slower.
      when abs(revenue) < 100000000 then cast(revenue * $margin_rate as decimal(18, 4))
      else cast(cast(revenue as decimal(28, 4)) * $margin_rate as decimal(18, 4))
    end as value_realised,
    case
      when not $has_money then null
      when $has_margin then cast(coalesce(margin_last_year, 0) as decimal(18, 4))
      when abs(coalesce(revenue_last_year, 0)) < 100000000
        then cast(coalesce(revenue_last_year, 0) * $margin_rate as decimal(18, 4))
      else cast(cast(revenue_last_year as decimal(28, 4)) * $margin_rate as decimal(18, 4))
    end as value_last_year,
    coalesce(revenue_last_year > 0, false) or (not $has_money and orders_last_year > 0) as is_active
  from customers as c
)
select
  measured.*,
  p_alive,
  p_active,
  expected_orders,
  intercept + slope * coalesce(zbar, 0) as expected_spend,
  dert,
  lifetime,
  headroom_orders,
  (intercept + slope * coalesce(zbar, 0)) * dert * cast($expected_margin_rate as double) as rlv
from measured
left join cell_scores as s
  on measured.x = s.x and measured.t_x_days = s.t_x_days and measured.t_days = s.t_days
left join spend_lines as l
  on measured.orders > 0 and l.x = measured.x
