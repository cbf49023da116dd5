-- The tier of each customer by the money that parts the tiers; what no tier has a floor for is not reached.
select
  customer_id,
  case
    when not coalesce(is_active, false) then 'inactive'
    when measure >= t.top then 'top'
    when measure >= t.large then 'large'
    when measure >= t.medium then 'medium'
    else 'small'
  end as tier,
  value
from standing
cross join thresholds as t
