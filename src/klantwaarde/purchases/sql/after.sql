-- The usable lines after the end of observation, which are left out.
select cast(coalesce(sum(lines), 0) as bigint) as lines, sum(amount) as amount, count(distinct customer_id) as customers
from lines
where day > $as_of
