-- The customers by the value that they are accountable for, the best first; of equals the one with more of their own.
select customer_id, coalesce(total_accountable, 0) as whole
from scored
order by coalesce(total_accountable, 0) desc, coalesce(rlv, 0) desc, customer_id
