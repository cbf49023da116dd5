-- Repeat purchases per day.
select occasions.day as day, count(*) as n
from occasions
join customers on occasions.customer_id = customers.customer_id
where is_purchase and occasions.day <= $as_of and occasions.day > customers.first_order
group by occasions.day
order by day
