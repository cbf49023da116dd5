-- Lines in the last weeks, and in the rest of the year up to the end of observation.
select
  count(*) filter (where day > $recent) as recent,
  count(*) filter (where day > $year_ago and day <= $recent) as earlier
from lines
where day <= $as_of and day > $year_ago
