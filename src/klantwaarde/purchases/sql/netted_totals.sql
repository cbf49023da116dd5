-- The returns that changed earlier days, or no day: those tied to an order, and customer-days below zero without it.
select
  cast(coalesce(sum(tied_lines), 0) as bigint) as tied_lines,
  -- What is more than its order counts with the untied.
  coalesce(sum(tied - case when amount < 0 then amount - least(amount - tied, 0) else 0 end), 0) as tied,
  count(*) filter (where amount < 0 and unmatched < -amount) as matched_days,
  coalesce(sum(amount + unmatched) filter (where amount < 0), 0) as matched,
  count(*) filter (where unmatched > 0) as unmatched_days,
  coalesce(-sum(unmatched), 0) as unmatched,
  count(*) filter (where booked < 0) as days_below_zero,
  count(*) filter (where booked > 0 and not is_purchase) as cancelled
from netted
