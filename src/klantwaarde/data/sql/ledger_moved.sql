-- Every customer of either date, with the one line of the ledger that his change belongs to.
-- Active is who is neither prospect nor lost; known is who is no prospect.
with joined as (
  select
    coalesce(a.customer_id, b.customer_id) as customer_id,
    b.stage as stage_before,
    a.stage as stage_after,
    coalesce(a.first_order, b.first_order) as first_order,
    coalesce(b.value, cast(0 as decimal(18, 4))) as opening,
    coalesce(a.value, cast(0 as decimal(18, 4))) as closing,
    coalesce(b.stage <> 'prospect', false) as was_known,
    coalesce(b.stage <> 'prospect' and b.stage <> 'lost', false) as was_active,
    coalesce(a.stage <> 'prospect', false) as is_known,
    coalesce(a.stage <> 'prospect' and a.stage <> 'lost', false) as is_active
  from before as b
  full join after as a on b.customer_id = a.customer_id
)
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
