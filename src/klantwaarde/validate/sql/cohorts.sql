-- New customers per day.
select first_order as day, count(*) as n
from customers
where orders > 0
group by first_order
order by day
