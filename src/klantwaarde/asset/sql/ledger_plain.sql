-- Customers of a plain table with their own stages and money as it is kept.
select
  c.customer_id,
  cast(c.stage as varchar) as stage,
  c.first_order,
  case when c.value between -1e13 and 1e13 then cast(c.value as decimal(18, 4)) end as value
from customers as c
