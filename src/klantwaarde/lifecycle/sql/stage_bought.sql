-- The days of purchase, up to the end of observation.
select customer_id, day
from stood
where is_purchase and day <= $as_of
