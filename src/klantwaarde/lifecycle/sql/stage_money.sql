-- How many customers brought how much, in whole units of money.
select cast(floor(cast(coalesce(revenue, 0) as double)) as bigint) as money, count(*) as n
from customers
where orders > 0
group by cast(floor(cast(coalesce(revenue, 0) as double)) as bigint)
order by money
