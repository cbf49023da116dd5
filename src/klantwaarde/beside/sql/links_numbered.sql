-- The candidates that are linked, numbered anew.
select
  m.new_node as node,
  c.customer_id,
  case when c.is_customer then cast(c.customer_id as varchar) else cast(c.key as varchar) end as id,
  c.is_customer
from candidates as c
join numbers as m on m.candidate = c.node
