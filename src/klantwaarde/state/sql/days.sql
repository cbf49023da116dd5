-- The part of profile.sql that moves with the calendar, from the rows of all batches.
select
  cast(coalesce(sum(lines) filter (where day > $today), 0) as bigint) as future,
  cast(coalesce(sum(lines) filter (where day < date '1971-01-01'), 0) as bigint) as long_ago,
  min(day) filter (where usable) as first_day,
  max(day) filter (where usable) as last_day,
  max(day) filter (where usable and day <= $today) as last_past_day
from kept
