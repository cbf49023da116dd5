-- One look at all lines: what is missing, what looks odd, and the money in each group.
select
  count(*) as lines,
  sum(amount) as amount,
  count(*) filter (where customer_id is null) as no_customer,
  sum(amount) filter (where customer_id is null) as no_customer_amount,
  count(*) filter (where day is null) as no_date,
  sum(amount) filter (where day is null) as no_date_amount,
  count(*) filter (where amount is null and $has_money) as no_amount,
  count(*) filter (where customer_id is null or day is null or (amount is null and $has_money)) as set_aside,
  sum(amount) filter (where customer_id is null or day is null) as set_aside_amount,
  count(*) filter (where customer_id is null and day is null) as no_customer_no_date,
  count(*) filter (where amount < 0) as negative,
  sum(amount) filter (where amount < 0) as negative_amount,
  count(*) filter (where amount = 0) as zero,
  sum(abs(amount)) as gross_amount,
  sum(abs(amount)) filter (where customer_id is null or day is null) as set_aside_gross,
  sum(margin) as margin,
  count(*) filter (where margin is null) as no_margin,
  count(*) filter (where day > $today) as future,
  count(*) filter (where day < date '1971-01-01') as long_ago,
  min(day) filter (where customer_id is not null and (amount is not null or not $has_money)) as first_day,
  max(day) filter (where customer_id is not null and (amount is not null or not $has_money)) as last_day,
  max(day) filter (
    where day <= $today and customer_id is not null and (amount is not null or not $has_money)
  ) as last_past_day
from all_lines
