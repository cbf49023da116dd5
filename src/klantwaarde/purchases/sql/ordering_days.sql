-- Lines per day up to today. What is given back moves no end of the observation.
select day, cast(sum(lines) as bigint) as n
from lines
where day <= $today and (amount is null or amount >= 0)
group by day
order by day
