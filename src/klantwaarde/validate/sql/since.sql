-- The distinct histories at a split and at the end, in days, and how many customers share both; -1: not a customer yet.
select
  coalesce(b.orders, 0) - 1 as x_before,
  coalesce(date_diff('day', b.first_order, b.last_order), 0) as t_x_before_days,
  c.orders - 1 as x,
  date_diff('day', c.first_order, c.last_order) as t_x_days,
  date_diff('day', c.first_order, $as_of) as t_days,
  count(*) as n
from customers as c
left join before as b on c.customer_id = b.customer_id
where c.orders > 0
group by
  coalesce(b.orders, 0) - 1,
  coalesce(date_diff('day', b.first_order, b.last_order), 0),
  c.orders - 1,
  date_diff('day', c.first_order, c.last_order),
  date_diff('day', c.first_order, $as_of)
order by x_before, t_x_before_days, x, t_x_days, t_days
