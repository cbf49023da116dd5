-- The statement's parts per line of the ledger, apart for those known at the first date.
select
  line,
  was_known,
  count(*) as customers,
  sum(opening) as opening,
  sum(unwind) as unwind,
  sum(released) as released,
  sum(experience) as experience,
  sum(spend) as spend,
  sum(frequency) as frequency,
  sum(retention) as retention,
  sum(new_customers) as new_customers,
  sum(model_change) as model_change,
  sum(closing) as closing,
  sum(realised) as realised,
  sum(expected) as expected,
  count(*) filter (where is_negative) as negative
from parts
group by line, was_known
