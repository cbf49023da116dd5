-- What each customer spent on a day in a group (store, brand, category), returns netted.
select customer_id, day, label, cast(sum(amount) as decimal(18, 4)) as amount
from lines
where customer_id is not null and day is not null and label is not null and day <= $as_of
group by customer_id, day, label
order by customer_id, day, label
