-- The linked customers with what the books need of them, by node.
select
  n.node,
  coalesce(v.rlv, 0) as rlv,
  coalesce(v.p_alive, 0) as p_alive,
  coalesce(v.lifetime, 0) as lifetime,
  coalesce(v.x, 0) as x,
  coalesce(v.t_x_days, 0) as t_x_days,
  coalesce(v.t_days, 0) as t_days,
  case when v.dert is null then 0 else 1 end as bought,
  case when v.customer_id is null then 0 else 1 end as known
from nodes as n
left join valued as v on n.customer_id = v.customer_id
order by n.node
