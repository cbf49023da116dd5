-- The active customers by what places them, the best first.
select measure
from standing
where is_active
order by measure desc
