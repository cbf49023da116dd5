-- Lines per day up to today, by the rule of ordering_days.sql.
select day, ordered as n
from profiled
where day <= $today and ordered > 0
order by day
