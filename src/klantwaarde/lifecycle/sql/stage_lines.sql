-- The lines of repeat customers with an order since a day.
select *
from lines
where customer_id in (select customer_id from customers where last_order > $recent_from and orders > 1)
