-- The factors of a plain table; what it does not have is nothing.
select
  customer_id,
  cast(margin as double) as margin,
  cast(rate as double) as rate,
  cast(lifetime as double) as lifetime,
  case when $has_released then cast(released as double) else 0 end as released,
  case when $has_expected then cast(expected as double) else 0 end as expected,
  case when $has_realised then cast(realised as decimal(18, 4)) else 0 end as realised
from customers
