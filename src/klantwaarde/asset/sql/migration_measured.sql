-- Customers of a plain table with what ranks them, and money as it is kept.
select
  customer_id,
  cast(measure as double) as measure,
  case when $has_active then is_active else coalesce(measure > 0, false) end as is_active,
  case when value between -1e13 and 1e13 then cast(value as decimal(18, 4)) end as value
from customers
