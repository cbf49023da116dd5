-- The value pyramid: customers, money and residual value per tier.
select
  tier,
  count(*) as customers,
  cast(sum(orders) as bigint) as orders,
  sum(revenue) as revenue,
  sum(value_last_year) as value_last_year,
  sum(value_realised) as value_realised,
  sum(rlv) as rlv,
  avg(p_alive) as p_alive_mean,
  min(
    case
      when $rank_by = 'rlv' then rlv
      when $rank_by = 'realised' then cast(value_realised as double)
      else cast(value_last_year as double)
    end
  ) as threshold
from scored
group by tier
