-- Customers with revenue in the last twelve months or, where no amounts are known, with a purchase in them.
select count(*) as customers
from customers
where revenue_last_year > 0 or (not $has_money and orders_last_year > 0)
