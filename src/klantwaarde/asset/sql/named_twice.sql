-- Rows that name a customer a second time.
select count(customer_id) - count(distinct customer_id) as twice
from attributes
