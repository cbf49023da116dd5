-- Customers per stage.
select stage, count(*) as n
from staged
group by stage
order by stage
