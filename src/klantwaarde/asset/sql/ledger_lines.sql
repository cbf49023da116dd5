-- The ledger: customers and money per label, line and stage at both dates, and what happened within the period.
select
  label,
  line,
  stage_before,
  stage_after,
  count(*) as customers,
  sum(opening) as opening,
  sum(closing) as closing,
  cast(sum(won) as bigint) as won,
  cast(sum(won_back) as bigint) as won_back,
  cast(sum(lost) as bigint) as lost,
  sum(turned) as turned,
  count(*) filter (where is_contradicted) as contradicted,
  count(*) filter (where stage_after is null) as vanished
from counted
group by label, line, stage_before, stage_after
