-- The lines with one amount per order: where all lines above zero of one customer with one order number carry the same
-- amount, the first of them counts. Lines that differ all count.
with counted as (
  select
    *,
    min(amount) over (partition by customer_id, order_id, coalesce(amount > 0, false)) as least,
    max(amount) over (partition by customer_id, order_id, coalesce(amount > 0, false)) as most,
    row_number() over (
      partition by customer_id, order_id, coalesce(amount > 0, false) order by day, margin
    ) as place
  from lines
)
select customer_id, day, amount, margin, lines, order_id, return_of, came
from counted
where
  order_id is null
  or customer_id is null
  or day is null
  or not coalesce(amount > 0, false)
  or least <> most
  or place = 1
