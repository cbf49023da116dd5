-- Customers by an attribute, as text.
select
  customer_id,
  cast(label as varchar) as label
from attributes
