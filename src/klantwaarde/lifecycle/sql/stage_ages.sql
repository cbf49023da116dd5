-- How many customers have been in which stage for how many days.
select
  stage,
  cast(date_diff('day', stage_since, $as_of) as bigint) as days,
  count(*) as n
from staged
where stage_since is not null
group by stage, date_diff('day', stage_since, $as_of)
order by stage, days
