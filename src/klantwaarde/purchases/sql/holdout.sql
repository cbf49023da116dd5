-- History up to the split, and what was bought after it up to the end: purchases that stood, at their net money.
with later as (
  select customer_id, count(*) as orders, sum(net) as amount
  from stood
  where is_purchase and day > $as_of and day <= $end
  group by customer_id
)
select
  c.orders - 1 as x,
  date_diff('day', first_order, last_order) as t_x_days,
  date_diff('day', first_order, $as_of) as t_days,
  case when c.orders > 1 then cast(repeat_amount as double) / (c.orders - 1) else 0 end as zbar,
  cast(revenue as double) as revenue,
  coalesce(later.orders, 0) as actual_orders,
  cast(coalesce(later.amount, 0) as double) as actual_amount
from customers as c
left join later on c.customer_id = later.customer_id
where c.orders > 0
order by x, t_x_days, t_days, zbar, actual_orders, actual_amount
