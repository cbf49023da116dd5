-- How often each customer was won, won back and lost in the period, and what he was worth then.
select
  customer_id,
  count(*) filter (where event = 'won') as won,
  count(*) filter (where event = 'won_back') as won_back,
  count(*) filter (where event = 'lost') as lost,
  sum(value) filter (where event <> 'lost') as value_in,
  sum(value) filter (where event = 'lost') as value_out
from events
where
  (cast($opened as date) is null or day > cast($opened as date))
  and (cast($closed as date) is null or day <= cast($closed as date))
group by customer_id
