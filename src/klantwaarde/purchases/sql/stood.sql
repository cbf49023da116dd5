-- The occasions with what stands of each: its net money, and whether it still is a purchase.
select
  o.customer_id,
  o.day,
  o.amount,
  coalesce(n.net, o.net) as net,
  o.margin,
  o.lines,
  coalesce(n.is_purchase, o.is_purchase) as is_purchase
from occasions as o
left join netted as n on o.customer_id = n.customer_id and o.day = n.day
