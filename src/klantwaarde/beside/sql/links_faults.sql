-- The first lines that each rule takes away, and how many there are.
select fault, line, lines
from (
  select
    fault,
    line,
    count(*) over (partition by fault) as lines,
    row_number() over (partition by fault order by line) as place
  from judged
  where fault is not null
) as faulty
where place <= $examples
order by fault, line
