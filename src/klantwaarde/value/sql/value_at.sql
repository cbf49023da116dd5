-- Residual values of those who have any, at some places from the smallest up.
select rlv
from valued
where rlv > 0
order by rlv
limit $limit offset $offset
