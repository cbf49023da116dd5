-- Every customer of either day: the line of the ledger, stages and tiers at both, and what the value became and why.
select
  c.customer_id,
  c.line,
  c.stage_before,
  c.stage_after,
  m.tier_before,
  m.tier_after,
  c.opening,
  p.unwind,
  p.released,
  p.spend,
  p.frequency,
  p.retention,
  p.new_customers,
  p.model_change,
  c.closing,
  c.change
from counted as c
join migrated as m on m.customer_id = c.customer_id
left join parts as p on p.customer_id = c.customer_id
order by c.line, abs(c.change) desc, c.customer_id
