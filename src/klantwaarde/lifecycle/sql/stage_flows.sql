-- How many customers went from which stage to which between two dates; null before the first order.
select a.stage as before, b.stage as after, count(*) as n
from later as b
left join earlier as a on a.customer_id = b.customer_id
group by a.stage, b.stage
order by before, after
