-- The customers at some nodes, in the order of their places; of those who are no customers the id that the links have.
select p.place, s.customer_id, n.id, s.tier, s.rlv, s.crv, s.influence_value, s.total_accountable
from picked as p
join nodes as n on p.node = n.node
left join scored as s on n.customer_id = s.customer_id
order by p.place
