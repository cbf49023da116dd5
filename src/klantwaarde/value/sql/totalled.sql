-- The valued customers with what they could be worth, and what they are worth through others, from what was given.
-- linked has a row per customer with a link: whoever is not in it passes nothing on and receives nothing.
-- futures has one row per history: referrals to come of who made none. peer_scores has one per peer cell and history.
with joined as (
  select
    v.*,
    case when $has_peers then p.headroom_orders else v.headroom_orders end
      * expected_spend * cast($expected_margin_rate as double) as potential,
    c.cross_sell,
    case when $has_referrals then coalesce(l.crv, 0) end as crv,
    case when $has_links then coalesce(l.referral_value, 0) end as referral_value,
    case when $has_links then coalesce(l.influence_value, 0) end as influence_value,
    case when $has_links then coalesce(l.attributed_away, 0) end as attributed_away,
    coalesce(l.future_referrals, f.future_referrals) as future_referrals,
    case when $has_links then coalesce(l.total_accountable, rlv, 0) end as total_accountable
  from valued as v
  left join linked as l on v.customer_id = l.customer_id
  left join futures as f on v.x = f.x and v.t_x_days = f.t_x_days and v.t_days = f.t_days
  left join cross_sells as c on v.customer_id = c.customer_id
  left join levels as g on v.customer_id = g.customer_id
  left join peer_scores as p
    on g.level = p.level and v.x = p.x and v.t_x_days = p.t_x_days and v.t_days = p.t_days
)
select
  joined.*,
  case
    when $has_links then coalesce(rlv, 0) + referral_value + influence_value - attributed_away
  end as total_attributed,
  case
    when not $has_referrals then null
    when coalesce(rlv, 0) >= $rlv_cut and crv >= $crv_cut then 'champion'
    when coalesce(rlv, 0) >= $rlv_cut then 'affluent'
    when crv >= $crv_cut then 'advocate'
    else 'miser'
  end as profile
from joined
