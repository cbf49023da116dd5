-- What the links say of each linked customer.
select
  n.customer_id,
  v.crv,
  v.referral_value,
  v.influence_value,
  v.attributed_away,
  v.total_accountable,
  v.future_referrals
from nodes as n
join node_values as v on n.node = v.node
where n.customer_id is not null
