-- Customers who had bought up to a day.
select count(*) as n
from customers
where first_order <= $day
