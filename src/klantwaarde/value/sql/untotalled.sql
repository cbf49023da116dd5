-- The valued customers with their headroom; what rests on links, categories and peers is empty without these.
select
  v.*,
  expected_spend * headroom_orders * cast($expected_margin_rate as double) as potential,
  cast(null as double) as cross_sell,
  cast(null as double) as crv,
  cast(null as double) as referral_value,
  cast(null as double) as influence_value,
  cast(null as double) as attributed_away,
  cast(null as double) as future_referrals,
  cast(null as double) as total_accountable,
  cast(null as double) as total_attributed,
  cast(null as varchar) as profile
from valued as v
