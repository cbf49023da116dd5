-- The level of every customer, as text.
select
  customer_id,
  coalesce(cast(level as varchar), 'unknown') as level
from attributes
