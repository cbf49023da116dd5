-- Per customer with recent repeat purchases: how many, and the last that ended a silence of the dormant or lost.
select
  g.customer_id,
  cast(count(*) filter (where g.day > $trend_from) as integer) as recent_orders,
  max(g.day) filter (where g.day > $back_from and g.t_days >= m.gone_days) as back_day,
  cast(
    arg_max(g.t_days - g.t_x_days, g.day) filter (where g.day > $back_from and g.t_days >= m.gone_days) as integer
  ) as back_gap
from gaps as g
left join marks as m on g.x = m.x and g.t_x_days = m.t_x_days
group by g.customer_id
