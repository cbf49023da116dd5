-- Customers of a plain table with the stages given beside and money as it is kept.
select
  c.customer_id,
  cast(s.stage as varchar) as stage,
  c.first_order,
  case when c.value between -1e13 and 1e13 then cast(c.value as decimal(18, 4)) end as value
from customers as c
left join stages as s on s.customer_id = c.customer_id
