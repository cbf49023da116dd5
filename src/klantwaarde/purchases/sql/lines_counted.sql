-- Lines and their money.
select
  coalesce(sum(lines), 0) as lines,
  sum(amount) as amount
from lines
