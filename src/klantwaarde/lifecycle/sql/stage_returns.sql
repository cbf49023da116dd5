-- The distinct histories at a day, and how many customers of each bought again after it.
select
  c.orders - 1 as x,
  date_diff('day', c.first_order, c.last_order) as t_x_days,
  date_diff('day', c.first_order, $as_of) as t_days,
  count(*) as n,
  count(later.customer_id) as returned
from customers as c
left join (
  select customer_id
  from stood
  where is_purchase and day > $as_of and day <= $end
  group by customer_id
) as later
  on c.customer_id = later.customer_id
where c.orders > 0
group by
  c.orders - 1, date_diff('day', c.first_order, c.last_order), date_diff('day', c.first_order, $as_of)
order by x, t_x_days, t_days
