-- What can be wrong where stages are our own: each customer has one row.
select
  count(*) as customers,
  count(*) filter (where stage is null) as no_stage,
  count(*) filter (where value is null) as no_value
from standing
