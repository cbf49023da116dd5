-- The days that returns changed, with what stands of each as it is known at $as_of.
-- A day that is below zero with its own returns takes from the purchases before it, the latest first: as from a stack,
-- whose height is balance. Of a purchase stands what was never taken again: the lowest height since, above the height
-- before it. What is more than all purchases before it is unmatched.
with days as (
  select
    customer_id,
    day,
    coalesce(sum(booked), 0) as booked,
    coalesce(sum(amount), 0) as amount,
    min(amount) as lowest_line,
    cast(coalesce(sum(lines) filter (where known > day), 0) as bigint) as tied_lines,
    coalesce(sum(amount) filter (where known > day), 0) as tied
  from tied
  where known <= $as_of
  group by customer_id, day
), running as (
  select
    *,
    sum(amount) over (
      partition by customer_id order by day rows between unbounded preceding and current row
    ) as total
  from days
  where customer_id in (select customer_id from days where amount < 0 or amount <> booked)
), reflected as (
  select
    *,
    least(
      0, min(total) over (partition by customer_id order by day rows between unbounded preceding and current row)
    ) as short
  from running
), stacked as (
  select
    *,
    total - short as balance,
    coalesce(
      min(total - short) over (
        partition by customer_id order by day rows between 1 preceding and 1 preceding
      ),
      0
    ) as balance_before,
    coalesce(
      min(short) over (partition by customer_id order by day rows between 1 preceding and 1 preceding), 0
    ) - short as unmatched,
    coalesce(
      min(total - short) over (
        partition by customer_id order by day rows between 1 following and unbounded following
      ),
      total - short
    ) as lowest
  from reflected
), left_over as (
  select
    *,
    case when amount > 0 then greatest(0, least(balance, lowest) - balance_before) else 0 end as net
  from stacked
)
select
  customer_id,
  day,
  cast(booked as decimal(18, 4)) as booked,
  cast(amount as decimal(18, 4)) as amount,
  cast(net as decimal(18, 4)) as net,
  coalesce(net > 0 or (amount = 0 and lowest_line = 0), false) as is_purchase,
  cast(unmatched as decimal(18, 4)) as unmatched,
  tied_lines,
  cast(tied as decimal(18, 4)) as tied
from left_over
where net <> booked or amount < 0 or tied_lines > 0
