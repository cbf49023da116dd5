-- One look at all lines, per day: what is missing, what looks odd, and the money in each group.
select
  day,
  cast(sum(lines) as bigint) as lines,
  sum(amount) as amount,
  cast(coalesce(sum(lines) filter (where customer_id is null), 0) as bigint) as no_customer,
  sum(amount) filter (where customer_id is null) as no_customer_amount,
  cast(coalesce(sum(lines) filter (where amount is null and $has_money), 0) as bigint) as no_amount,
  cast(coalesce(sum(lines) filter (where customer_id is null or (amount is null and $has_money)), 0) as bigint) as unusable,
  count(*) filter (where amount < 0) as negative,
  sum(amount) filter (where amount < 0) as negative_amount,
  cast(coalesce(sum(lines) filter (where amount = 0), 0) as bigint) as zero,
  sum(abs(amount)) as gross_amount,
  sum(abs(amount)) filter (where customer_id is null) as no_customer_gross,
  sum(margin) as margin,
  cast(coalesce(sum(lines) filter (where margin is null), 0) as bigint) as no_margin,
  cast(
    coalesce(
      sum(lines) filter (where customer_id is not null and (amount >= 0 or (amount is null and not $has_money))), 0
    ) as bigint
  ) as ordered,
  count(*) filter (where customer_id is not null and (amount is not null or not $has_money)) > 0 as is_usable
from all_lines
group by day
