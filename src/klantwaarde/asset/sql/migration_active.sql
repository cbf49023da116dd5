-- The active customers.
select count(*) as n
from standing
where is_active
