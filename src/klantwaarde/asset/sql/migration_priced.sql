-- Scored customers with their tier, and money as it is kept; no value is 0.
select
  customer_id,
  tier,
  case
    when coalesce(value, 0) between -1e13 and 1e13 then cast(coalesce(value, 0) as decimal(18, 4))
  end as value
from customers
