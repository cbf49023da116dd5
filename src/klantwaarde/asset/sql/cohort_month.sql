-- Customers by the month of their first order.
select
  customer_id,
  concat(cast(year(first_order) as varchar), '-', lpad(cast(month(first_order) as varchar), 2, '0')) as label
from customers
where first_order is not null
