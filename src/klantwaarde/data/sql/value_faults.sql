-- What can be wrong where stages are our own: each customer has one row and one stage.
select
  count(*) as customers,
  count(*) filter (where value is null) as no_value
from standing
