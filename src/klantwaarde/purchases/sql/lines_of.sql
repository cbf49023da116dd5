-- The lines of some customers.
select *
from lines
where customer_id in (select customer_id from customers)
