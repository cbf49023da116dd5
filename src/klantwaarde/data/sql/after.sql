-- The usable lines after the end of observation, which are left out.
select count(*) as lines, sum(amount) as amount, count(distinct customer_id) as customers
from lines
where day > $as_of
