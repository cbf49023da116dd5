-- What the scored customers are worth together: in the books, through others, in what could be.
select
  count(*) as customers,
  sum(rlv) as own,
  sum(potential) as headroom,
  sum(cross_sell) as cross_sell,
  sum(crv) as crv,
  sum(referral_value) as by_referral,
  sum(influence_value) as by_influence,
  sum(attributed_away) as away,
  sum(future_referrals) as future,
  sum(total_attributed) as attributed,
  sum(total_accountable) as accountable,
  sum(value_realised) as realised
from scored
