-- The customers behind one line of the ledger, the largest change first.
select customer_id, label, line, stage_before, stage_after, opening, closing, change, won, won_back, lost
from counted
where line = $line and ($label = '' or label = $label)
order by abs(change) desc, customer_id
