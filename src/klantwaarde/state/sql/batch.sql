-- Lines as the state keeps them: summed per customer, day and order number, those with a margin apart from those without,
-- and what was given back apart from what was bought. What is set aside stays, so that its days can be counted.
select
  customer_id,
  day,
  customer_id is not null and day is not null and (amount is not null or not $has_money) as usable,
  order_id,
  return_of,
  coalesce(came, 0) + $came as came,
  cast(sum(amount) as decimal(18, 4)) as amount,
  cast(sum(margin) as decimal(18, 4)) as margin,
  cast(sum(lines) as bigint) as lines
from all_lines
group by
  margin is not null,
  coalesce(amount < 0, false),
  customer_id,
  day,
  order_id,
  return_of,
  coalesce(came, 0),
  customer_id is not null and day is not null and (amount is not null or not $has_money)
