-- How many customers went from which stage to which between two dates.
select b.stage as before, a.stage as after, count(*) as customers
from after as a
left join before as b on a.customer_id = b.customer_id
group by b.stage, a.stage
order by customers desc, before, after
