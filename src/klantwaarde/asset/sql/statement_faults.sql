-- Rows whose value is not the product of its factors, and rows that release more than all that is to come.
select
  count(*) filter (
    where abs(cast(s.value as double) - f.margin * f.rate * f.lifetime)
      > 0.0001 + 1e-9 * abs(cast(s.value as double))
  ) as n,
  count(*) filter (where f.released < 0 or f.released > f.rate * f.lifetime * (1 + 1e-9)) as more
from standing as s
join factors as f on s.customer_id = f.customer_id
