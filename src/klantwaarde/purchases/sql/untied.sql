-- The lines of customers who gave something back, each netted on its own day: no order numbers say of which order it was.
select customer_id, day, day as known, amount as booked, amount, lines
from lines
where customer_id in (select customer_id from lines where amount < 0)
