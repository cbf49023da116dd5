-- What each customer bought on a day in a group (store, brand, category), and what stands of it after returns in that group.
-- pair names the customer and the group together, as netted does; empty where nothing was given back.
select
  g.customer_id,
  g.day,
  g.label,
  coalesce(n.net, g.amount) as amount,
  coalesce(n.is_purchase, g.is_purchase) as is_purchase
from (
  select
    customer_id,
    day,
    label,
    pair,
    cast(sum(amount) as decimal(18, 4)) as amount,
    sum(amount) > 0 or (sum(amount) = 0 and min(amount) = 0) as is_purchase
  from lines
  where customer_id is not null and day is not null and label is not null and day <= $as_of
  group by customer_id, day, label, pair
) as g
left join netted as n on g.pair = n.customer_id and g.day = n.day
order by g.customer_id, g.day, g.label
