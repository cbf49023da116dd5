-- Customers, value and potential per stage and level of an attribute.
select
  s.stage,
  coalesce(cast(l.level as varchar), 'unknown') as level,
  count(*) as customers,
  cast(sum(cast(v.value as decimal(18, 4))) as double) as value,
  cast(sum(cast(v.potential as decimal(18, 4))) as double) as potential
from staged as s
left join levels as l on l.customer_id = s.customer_id
left join amounts as v on v.customer_id = s.customer_id
group by s.stage, coalesce(cast(l.level as varchar), 'unknown')
order by s.stage, level
