-- The customers by own value, the best first; of equals the one accountable for more.
select customer_id, coalesce(rlv, 0) as own
from scored
order by coalesce(rlv, 0) desc, coalesce(total_accountable, 0) desc, customer_id
