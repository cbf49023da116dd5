-- At most $most customers, the same ones every time and in every engine.
select customer_id
from customers
where orders > 0
order by md5(cast(customer_id as varchar)), customer_id
limit $most
