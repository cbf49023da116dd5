-- Customers by the quarter of their first order.
select
  customer_id,
  concat(cast(year(first_order) as varchar), 'Q', cast(quarter(first_order) as varchar)) as label
from customers
where first_order is not null
