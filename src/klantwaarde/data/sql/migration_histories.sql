-- What was known at the first date of at most $most customers, the same ones every time, and where they went: their
-- history, the money of all their purchases, and what of it still counts in the last year of the second date.
with kept as (
  select
    customer_id,
    cast(count(*) filter (where is_purchase) as integer) as orders,
    sum(amount) as amount,
    sum(margin) as margin
  from occasions
  where day > $year_ago and day <= $as_of
  group by customer_id
)
select
  m.tier_before,
  m.tier_after,
  c.orders - 1 as x,
  date_diff('day', c.first_order, c.last_order) as t_x_days,
  date_diff('day', c.first_order, $as_of) as t_days,
  cast(coalesce(c.revenue - coalesce(c.returned, 0), 0) as double) as paid,
  coalesce(k.orders, 0) as kept_orders,
  cast(coalesce(k.amount, 0) as double) as kept_amount,
  cast(coalesce(k.margin, 0) as double) as kept_margin
from moved as m
join customers as c on m.customer_id = c.customer_id
left join kept as k on m.customer_id = k.customer_id
where c.orders > 0
order by md5(cast(m.customer_id as varchar)), m.customer_id
limit $most
