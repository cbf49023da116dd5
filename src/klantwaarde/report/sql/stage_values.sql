-- Customers per stage, and what is still expected of them.
select s.stage, count(*) as customers, sum(v.rlv) as rlv, sum(v.expected_orders) as expected_orders
from staged as s
join scored as v on s.customer_id = v.customer_id
group by s.stage
