-- The lines that stand apart, from $first to $last, their customers, and the customers from $since to $until beside
-- them.
select
  cast(coalesce(sum(lines) filter (where day between $first and $last), 0) as bigint) as lines,
  count(distinct case when day between $first and $last then customer_id end) as customers,
  sum(amount) filter (where day between $first and $last) as amount,
  count(distinct case when day between $since and $until then customer_id end) as beside
from lines
where (amount is null or amount >= 0) and (day between $first and $last or day between $since and $until)
