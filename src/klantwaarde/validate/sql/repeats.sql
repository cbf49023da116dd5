-- Repeat purchases per day.
select o.day as day, count(*) as n
from stood as o
join customers as c on o.customer_id = c.customer_id
where is_purchase and o.day <= $as_of and o.day > c.first_order
group by o.day
order by day
