-- The statement customer by customer, the largest experience first.
select
  customer_id, line, opening, unwind, released, experience, spend, frequency, retention, new_customers, model_change,
  closing, realised, expected
from parts
where $line = '' or line = $line
order by abs(experience) desc, customer_id
