-- The customers of the ledger with the factors of their value by the parameters of the first date, at the second.
select
  m.*,
  a.margin as margin_after,
  a.rate as rate_after,
  a.lifetime as lifetime_after,
  a.expected as expected_after,
  a.realised as realised_after
from moved as m
left join factors_after as a on m.customer_id = a.customer_id
