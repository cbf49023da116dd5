-- Events with their day and value.
select
  customer_id,
  cast(day as date) as day,
  event,
  cast(value as decimal(18, 4)) as value
from events
