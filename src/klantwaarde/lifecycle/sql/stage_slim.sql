-- The stage of each customer with what a later date wants to know of it.
select s.customer_id, s.stage, s.stage_since, c.last_order
from staged as s
join customers as c on c.customer_id = s.customer_id
