-- Customers known at three dates in a row; of them those back at the third in a stage they had left, and without order.
select
  count(*) as seen,
  count(*) filter (where one.stage = three.stage and one.stage <> two.stage) as flapped,
  count(*) filter (
    where one.stage = three.stage and one.stage <> two.stage and one.last_order = three.last_order
  ) as flapped_quietly
from stages_three as three
join stages_two as two on two.customer_id = three.customer_id
join stages_one as one on one.customer_id = three.customer_id
