-- One row per customer, at the end of observation. Purchases that stood make the history, at their net money; booked
-- money counts on the day on which it moved.
-- Lines are summed as doubles: exact up to 2^53 of them, and the sum of integers would take twice the memory.
select
  customer_id,
  cast(sum(cast(lines as double)) as integer) as lines,
  cast(count(*) as integer) as occasions,
  min(day) filter (where is_purchase) as first_order,
  max(day) filter (where is_purchase) as last_order,
  cast(count(*) filter (where is_purchase) as integer) as orders,
  cast(count(*) filter (where is_purchase and day > $year_ago) as integer) as orders_last_year,
  cast(
    sum(net) filter (where is_purchase) - arg_min(net, day) filter (where is_purchase) as decimal(18, 4)
  ) as repeat_amount,
  cast(sum(amount) as decimal(18, 4)) as revenue,
  cast(sum(amount) filter (where day > $year_ago) as decimal(18, 4)) as revenue_last_year,
  cast(sum(amount) filter (where amount < 0) as decimal(18, 4)) as returned,
  cast(sum(margin) as decimal(18, 4)) as margin,
  cast(sum(margin) filter (where day > $year_ago) as decimal(18, 4)) as margin_last_year
from stood
where day <= $as_of
group by customer_id
