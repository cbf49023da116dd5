-- Money of the usable lines that say their margin, and that margin.
select sum(margin) as margin, sum(amount) as amount, count(*) as lines
from lines
where margin is not null and day <= $as_of
