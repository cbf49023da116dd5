-- Every line of the links with the nodes it names, and the first rule that takes it away, if any.
select
  g.line,
  s.node as source,
  t.node as target,
  g.day,
  g.weight,
  g.anyway,
  g.acceleration,
  g.incentive,
  g.acquisition,
  g.marks
    + case when not s.is_customer then 1 else 0 end
    + case when $referral and g.day > t.first_order then 2 else 0 end as marks,
  case
    when g.source_key is null or g.target_key is null then 'no id'
    when g.source_key = g.target_key then 'self'
    when g.day > $today then 'future'
    when g.day > $as_of then 'after the end'
    when not s.is_customer and not t.is_customer then 'both unknown'
    when not t.is_customer then 'target unknown'
    when g.weight is null then 'no weight'
    when g.weight = 0 then 'zero weight'
    when g.weight < 0 and not $negative then 'negative weight'
  end as fault
from given as g
left join nodes as s on s.key = g.source_key
left join nodes as t on t.key = g.target_key
