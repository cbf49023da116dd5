-- The occasions of all batches, by the rule of occasions.sql: a row is the sum of several lines here.
select
  customer_id,
  day,
  cast(sum(amount) as decimal(18, 4)) as amount,
  cast(sum(amount) as decimal(18, 4)) as net,
  cast(sum(margin) as decimal(18, 4)) as margin,
  cast(sum(lines) as bigint) as lines,
  coalesce(sum(amount) > 0 or (sum(amount) = 0 and min(amount) = 0), true) as is_purchase
from lines
group by customer_id, day
