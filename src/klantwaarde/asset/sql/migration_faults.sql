-- What must not be in a table of one row per customer with a tier.
select
  count(*) as customers,
  count(*) filter (where customer_id is null) as no_id,
  count(customer_id) - count(distinct customer_id) as twice,
  count(*) filter (
    where tier is null or tier not in ('top', 'large', 'medium', 'small', 'inactive', 'prospect')
  ) as no_tier,
  count(*) filter (where value is null) as no_value
from placed
