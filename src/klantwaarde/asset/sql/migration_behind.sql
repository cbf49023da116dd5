-- The customers behind one cell of the matrix, the largest change first.
select customer_id, tier_before, tier_after, opening, closing, cast(closing - opening as decimal(18, 4)) as change
from moved
where tier_before = $tier_before and tier_after = $tier_after
order by abs(closing - opening) desc, customer_id
