-- What ranks the customers at some places.
select rank, measure
from ranked
where rank in (select place from places)
