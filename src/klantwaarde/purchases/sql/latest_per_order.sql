-- The lines without those of an order that comes again later: of the lines of one customer with one order number those
-- count that came last (in the last batch that has it) and, of these, those of its last day. Returns of that batch stay.
with bought as (
  select
    *,
    order_id is not null and customer_id is not null and day is not null as is_numbered,
    coalesce(amount, 0) >= 0 as is_bought
  from lines
), last_batch as (
  select
    *,
    max(case when is_numbered and is_bought then coalesce(came, 0) end) over (
      partition by customer_id, order_id
    ) as last_came
  from bought
), last_of_all as (
  select
    *,
    max(case when is_numbered and is_bought and coalesce(came, 0) = last_came then day end) over (
      partition by customer_id, order_id
    ) as last_day
  from last_batch
)
select customer_id, day, amount, margin, lines, order_id, return_of, came
from last_of_all
where
  not is_numbered
  or last_came is null
  or coalesce(came, 0) > last_came
  or (coalesce(came, 0) = last_came and (not is_bought or day = last_day))
