-- The scored customers of a standing.
select customer_id, is_active, measure, value
from standing
where is_scored
