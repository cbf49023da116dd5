-- Every customer of either date; the factors at the first are added.
select m.*
from moved as m
left join factors_before as b on m.customer_id = b.customer_id
