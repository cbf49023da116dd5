-- What was known at the first date of at most $most customers, the same ones every time, and where they went: their
-- history, the money of all their purchases, and what of it still counts in the last year of the second date.
with chosen as (
  select customer_id
  from customers
  where orders > 0
  order by md5(cast(customer_id as varchar)), customer_id
  limit $most
), kept as (
  select
    customer_id,
    cast(count(*) filter (where is_purchase and day > $year_ago) as integer) as orders,
    sum(net) filter (where is_purchase) as paid,
    sum(amount) filter (where day > $year_ago) as amount,
    sum(margin) filter (where day > $year_ago) as margin
  from stood
  where day <= $as_of and customer_id in (select customer_id from chosen)
  group by customer_id
)
select
  m.tier_before,
  m.tier_after,
  c.orders - 1 as x,
  date_diff('day', c.first_order, c.last_order) as t_x_days,
  date_diff('day', c.first_order, $as_of) as t_days,
  cast(coalesce(k.paid, 0) as double) as paid,
  coalesce(k.orders, 0) as kept_orders,
  cast(coalesce(k.amount, 0) as double) as kept_amount,
  cast(coalesce(k.margin, 0) as double) as kept_margin
from chosen
join moved as m on chosen.customer_id = m.customer_id
join customers as c on chosen.customer_id = c.customer_id
left join kept as k on chosen.customer_id = k.customer_id
order by md5(cast(chosen.customer_id as varchar)), chosen.customer_id
