-- Customers per day up to today: what ordering_days.sql counts, however many lines a customer has on a day.
select day, count(distinct customer_id) as n
from lines
where day <= $today and (amount is null or amount >= 0)
group by day
order by day
