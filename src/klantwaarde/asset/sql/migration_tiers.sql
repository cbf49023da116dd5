-- Customers of a plain table with tiers of their own, and money as it is kept.
select
  customer_id,
  tier,
  case when value between -1e13 and 1e13 then cast(value as decimal(18, 4)) end as value
from customers
