-- The one line of the ledger that each customer's change belongs to.
select
  *,
  cast(closing - opening as decimal(18, 4)) as change,
  case
    when was_active and is_active and closing > opening then 'up'
    when was_active and is_active and closing < opening then 'down'
    when was_active and is_active then 'same'
    when was_active then 'lost'
    when is_active and was_known then 'won_back'
    when is_active then 'new'
    when was_known then 'still_lost'
    when is_known then 'intra_period'
    else 'prospect'
  end as line
from joined
