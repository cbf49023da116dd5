-- Events that are none of ours, and how often.
select event, count(*) as n
from events
where event is null or event not in ('won', 'won_back', 'lost')
group by event
order by event
