-- The lines of customers who gave something back. A return counts on the last day up to its own on which its order has a
-- line above zero, and is known from its own day on; where there is no such day, it counts on its own.
-- Two rows for a return that counts on an earlier day: booked on its own, netted on the other.
with numbered as (
  select
    customer_id,
    day,
    amount,
    lines,
    coalesce(case when amount < 0 then return_of end, order_id) as number
  from lines
  where customer_id in (select customer_id from lines where amount < 0)
), placed as (
  select
    *,
    case
      when amount < 0 and number is not null then
        max(case when amount > 0 then day end) over (
          partition by customer_id, number order by day range between unbounded preceding and current row
        )
    end as order_day
  from numbered
)
select customer_id, day, known, booked, amount, lines
from (
  select
    customer_id,
    day,
    day as known,
    amount as booked,
    case when order_day is null or order_day = day then amount end as amount,
    lines
  from placed
  union all
  select customer_id, order_day as day, day as known, cast(null as decimal(18, 4)) as booked, amount, lines
  from placed
  where order_day < day
) as booked_and_netted
