-- Two rankings of the same customers: products and squares of centred ranks, equals sharing the mean of theirs, and how
-- many of the first by own value are not among as many by the whole.
with own_mid as (
  select own, avg(rank) as mid
  from by_own
  group by own
),
whole_mid as (
  select whole, avg(rank) as mid
  from by_whole
  group by whole
),
centred as (
  select
    o.rank as own_rank,
    w.rank as whole_rank,
    a.mid - cast($centre as double) as own_mid,
    b.mid - cast($centre as double) as whole_mid
  from by_own as o
  join by_whole as w on o.customer_id = w.customer_id
  join own_mid as a on o.own = a.own
  join whole_mid as b on w.whole = b.whole
)
select
  sum(own_mid * whole_mid) as product,
  sum(own_mid * own_mid) as own,
  sum(whole_mid * whole_mid) as whole,
  count(*) filter (where own_rank <= $few and whole_rank > $few) as few_left,
  count(*) filter (where own_rank <= $part and whole_rank > $part) as part_left
from centred
