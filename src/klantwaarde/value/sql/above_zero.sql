-- How many customers have a residual value above zero.
select count(*) as n
from valued
where rlv > 0
