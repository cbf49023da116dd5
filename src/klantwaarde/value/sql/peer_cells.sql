-- The distinct histories within each peer cell, in days, and how many customers share each.
select
  g.level,
  c.orders - 1 as x,
  date_diff('day', c.first_order, c.last_order) as t_x_days,
  date_diff('day', c.first_order, $as_of) as t_days,
  count(*) as n
from customers as c
join levels as g on c.customer_id = g.customer_id
where c.orders > 0
group by
  g.level, c.orders - 1, date_diff('day', c.first_order, c.last_order), date_diff('day', c.first_order, $as_of)
order by g.level, x, t_x_days, t_days
