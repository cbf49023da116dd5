-- The chance to be there and the lifetime left of some customers, in their order.
select
  coalesce(v.p_alive, 0) as p_alive,
  coalesce(v.lifetime, 0) as lifetime
from seen as s
left join valued as v on s.customer_id = v.customer_id
order by s.place
