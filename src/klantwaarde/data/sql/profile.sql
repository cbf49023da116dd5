-- One look at all lines: what is missing, what looks odd, and the money in each group.
select
  cast(sum(lines) as bigint) as lines,
  sum(amount) as amount,
  cast(coalesce(sum(lines) filter (where customer_id is null), 0) as bigint) as no_customer,
  sum(amount) filter (where customer_id is null) as no_customer_amount,
  cast(coalesce(sum(lines) filter (where day is null), 0) as bigint) as no_date,
  sum(amount) filter (where day is null) as no_date_amount,
  cast(coalesce(sum(lines) filter (where amount is null and $has_money), 0) as bigint) as no_amount,
  cast(coalesce(sum(lines) filter (where customer_id is null or day is null or (amount is null and $has_money)), 0) as bigint) as set_aside,
  sum(amount) filter (where customer_id is null or day is null) as set_aside_amount,
  cast(coalesce(sum(lines) filter (where customer_id is null and day is null), 0) as bigint) as no_customer_no_date,
  count(*) filter (where amount < 0) as negative,
  sum(amount) filter (where amount < 0) as negative_amount,
  cast(coalesce(sum(lines) filter (where amount = 0), 0) as bigint) as zero,
  sum(abs(amount)) as gross_amount,
  sum(abs(amount)) filter (where customer_id is null or day is null) as set_aside_gross,
  sum(margin) as margin,
  cast(coalesce(sum(lines) filter (where margin is null), 0) as bigint) as no_margin,
  cast(coalesce(sum(lines) filter (where day > $today), 0) as bigint) as future,
  cast(coalesce(sum(lines) filter (where day < date '1971-01-01'), 0) as bigint) as long_ago,
  min(day) filter (where customer_id is not null and (amount is not null or not $has_money)) as first_day,
  max(day) filter (where customer_id is not null and (amount is not null or not $has_money)) as last_day,
  max(day) filter (
    where day <= $today and customer_id is not null and (amount is not null or not $has_money)
  ) as last_past_day
from all_lines
