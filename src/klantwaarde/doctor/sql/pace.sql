-- Lines in the last weeks, and in the rest of the year up to the end of observation.
select
  cast(coalesce(sum(lines) filter (where day > $recent), 0) as bigint) as recent,
  cast(coalesce(sum(lines) filter (where day > $year_ago and day <= $recent), 0) as bigint) as earlier
from lines
where day <= $as_of and day > $year_ago
