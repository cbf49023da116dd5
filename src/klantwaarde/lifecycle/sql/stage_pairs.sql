-- The distinct histories (x, t_x) before recent purchases.
select distinct x, t_x_days
from gaps
order by x, t_x_days
