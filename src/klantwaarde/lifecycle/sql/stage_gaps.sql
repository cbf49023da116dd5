-- The repeat purchases of the last while, each with the history before it: x, t_x and T in days at the instant before.
with recent as (
  select customer_id, day
  from bought
  where day > $recent_from
), counted as (
  select customer_id, count(*) as n
  from recent
  group by customer_id
), before as (
  select customer_id, max(day) as last_day
  from bought
  where day <= $recent_from
  group by customer_id
), told as (
  select
    r.customer_id,
    r.day,
    c.first_order,
    c.orders - counted.n + row_number() over (partition by r.customer_id order by r.day) - 2 as x,
    coalesce(
      max(r.day) over (
        partition by r.customer_id order by r.day rows between unbounded preceding and 1 preceding
      ),
      before.last_day
    ) as previous_day
  from recent as r
  join counted on counted.customer_id = r.customer_id
  join customers as c on c.customer_id = r.customer_id
  left join before on before.customer_id = r.customer_id
)
select
  customer_id,
  day,
  cast(x as bigint) as x,
  cast(date_diff('day', first_order, previous_day) as bigint) as t_x_days,
  cast(date_diff('day', first_order, day) as bigint) as t_days
from told
where previous_day is not null
