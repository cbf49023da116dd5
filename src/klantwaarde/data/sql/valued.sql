-- One row per customer of the input, with scores and value.
-- cell_scores has one row per distinct history, spend_lines one per x: expected spend is linear in zbar for given x.
with measured as (
  select
    c.*,
    case when orders > 0 then orders - 1 end as x,
    date_diff('day', first_order, last_order) as t_x_days,
    date_diff('day', first_order, $as_of) as t_days,
    case when orders > 1 then cast(repeat_amount as double) / (orders - 1) end as zbar,
    cast(
      case
        when not $has_money then null
        when $has_margin then coalesce(margin, 0)
        else revenue * $margin_rate
      end as decimal(18, 4)
    ) as value_realised,
    cast(
      case
        when not $has_money then null
        when $has_margin then coalesce(margin_last_year, 0)
        else coalesce(revenue_last_year, 0) * $margin_rate
      end as decimal(18, 4)
    ) as value_last_year,
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
  on measured.orders > 0 and l.x = case when zbar > 0 then measured.x else 0 end
