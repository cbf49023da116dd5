-- All lines of a customer on one day are one occasion, with returns of that day netted. An occasion that nets below zero
-- is no purchase, nor is one that returns bring to zero; a free order is. Without amounts every occasion is a purchase.
select
  customer_id,
  day,
  cast(sum(amount) as decimal(18, 4)) as amount,
  cast(sum(amount) as decimal(18, 4)) as net,
  cast(sum(margin) as decimal(18, 4)) as margin,
  cast(sum(lines) as integer) as lines,
  coalesce(sum(amount) > 0 or (sum(amount) = 0 and min(amount) = 0), true) as is_purchase
from lines
group by customer_id, day
