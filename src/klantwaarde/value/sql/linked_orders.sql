-- The days on which linked customers bought, by node.
select n.node, o.day
from stood as o
join nodes as n on o.customer_id = n.customer_id
where o.is_purchase and o.day <= $as_of
order by n.node, o.day
