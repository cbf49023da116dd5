-- Customers whose events do not lead from one stage to the other.
select customer_id
from counted
where is_contradicted
order by customer_id
