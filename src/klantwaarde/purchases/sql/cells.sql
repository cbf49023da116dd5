-- The distinct histories, in days, and how many customers share each.
select
  orders - 1 as x,
  date_diff('day', first_order, last_order) as t_x_days,
  date_diff('day', first_order, $as_of) as t_days,
  count(*) as n
from customers
where orders > 0
group by orders - 1, date_diff('day', first_order, last_order), date_diff('day', first_order, $as_of)
order by x, t_x_days, t_days
