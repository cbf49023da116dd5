-- Orders by number: with several lines, with the same amount on all of them, and on several days; and the money that is
-- counted more than once if they are one total, or one order.
with days as (
  select
    customer_id,
    order_id,
    day,
    count(*) as copies,
    min(amount) as least,
    max(amount) as most,
    sum(amount) as amount
  from lines
  where order_id is not null and amount > 0
  group by customer_id, order_id, day
), numbers as (
  select
    customer_id,
    order_id,
    count(*) as days,
    sum(copies) as copies,
    min(least) as least,
    max(most) as most,
    sum(amount) as amount,
    arg_max(amount, day) as latest
  from days
  group by customer_id, order_id
)
select
  count(*) filter (where copies > 1) as several,
  count(*) filter (where copies > 1 and least = most) as repeated,
  coalesce(sum(amount - most) filter (where copies > 1 and least = most), 0) as repeated_money,
  count(*) filter (where days > 1) as again,
  coalesce(sum(amount - latest) filter (where days > 1), 0) as again_money
from numbers
