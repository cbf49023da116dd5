-- The most valuable customers for the future, of all or of those more likely gone than not.
select customer_id, tier, rank, orders, last_order, value_realised, value_last_year, p_alive, p_active, expected_orders, rlv
from scored
where p_alive is not null and p_alive < $below
order by coalesce(rlv, expected_orders) desc, rank
limit $most
