-- Orders of the new batch of which an earlier batch has lines above zero too, and the money of these.
with arrived as (
  select customer_id, order_id, sum(lines) as lines, sum(amount) as amount
  from batch
  where order_id is not null and amount > 0
  group by customer_id, order_id
), every as (
  select customer_id, order_id, sum(lines) as lines, sum(amount) as amount
  from lines
  where order_id is not null and amount > 0
  group by customer_id, order_id
)
select count(*) as n, coalesce(sum(e.amount - a.amount), 0) as money
from arrived as a
join every as e on a.customer_id = e.customer_id and a.order_id = e.order_id
where e.lines > a.lines
