-- Value and potential per customer, where they are known.
select
  v.customer_id,
  v.rlv as value,
  p.potential
from valued as v
left join potentials as p on p.customer_id = v.customer_id
