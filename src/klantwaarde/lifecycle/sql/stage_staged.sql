-- One row per customer with the stage of the relation; what depends on (x, t_x, T) only comes from stage_cells.
-- Stages as numbers: -1 new, 0 growing, 1 core, 2 declining, 3 at risk, 4 dormant, 5 lost.
with worded as (
  -- Most reasons are the same for all customers of a history: they are put into words once.
  select
    *,
    case clause
      when 'young' then 'first order ' || cast(t_days as varchar) || ' days ago'
      when 'p_alive' then
        'chance to be a customer still ' || cast(cast(p_alive as decimal(4, 3)) as varchar) || ', below '
          || cast(cast(limit_ as decimal(4, 3)) as varchar)
      when 'p_active' then
        'chance of an order in the next ' || $active_days || ' days '
          || cast(cast(p_active as decimal(4, 3)) as varchar) || ', below '
          || cast(cast(limit_ as decimal(4, 3)) as varchar)
      when 'overdue' then
        'silent for ' || cast(t_days - t_x_days as varchar) || ' days; at this rhythm the chance of that is '
          || cast(cast(overdue as decimal(4, 3)) as varchar) || ', below '
          || cast(cast(limit_ as decimal(4, 3)) as varchar)
      when 'silence' then
        'silent for ' || cast(t_days - t_x_days as varchar) || ' days, more than '
          || cast(cast(limit_ as integer) as varchar)
      else 'silent for ' || cast(t_days - t_x_days as varchar) || ' days, within limits'
    end as words
  from stage_cells
), measured as (
  select
    customer_id,
    orders,
    first_order,
    last_order,
    cast(case when orders > 0 then orders - 1 end as bigint) as x,
    cast(date_diff('day', first_order, last_order) as bigint) as t_x_days,
    cast(date_diff('day', first_order, $as_of) as bigint) as t_days,
    2 + case when orders - 1 > $f_1 then 1 else 0 end
      + case when orders - 1 > $f_2 then 1 else 0 end
      + case when orders - 1 > $f_3 then 1 else 0 end
      + case when orders - 1 > $f_4 then 1 else 0 end
      + case when case when $by_money then cast(revenue as double) > $m_1 else orders - 1 > $f_1 end then 1 else 0 end
      + case when case when $by_money then cast(revenue as double) > $m_2 else orders - 1 > $f_2 end then 1 else 0 end
      + case when case when $by_money then cast(revenue as double) > $m_3 else orders - 1 > $f_3 end then 1 else 0 end
      + case when case when $by_money then cast(revenue as double) > $m_4 else orders - 1 > $f_4 end then 1 else 0 end
      as points
  from customers
), met as (
  select
    m.customer_id,
    m.orders,
    m.first_order,
    m.last_order,
    m.x,
    m.t_x_days,
    m.t_days,
    m.points,
    s.level,
    s.held,
    s.clause,
    s.words,
    s.since_days,
    s.risk_days,
    s.young_days,
    s.next_days,
    s.fewer,
    s.more,
    s.steady_orders,
    s.p_alive,
    s.p_active,
    s.overdue,
    coalesce(r.recent_orders, 0) as recent_orders,
    r.back_day,
    r.back_gap,
    p.stage as previous_stage,
    p.stage_since as previous_since,
    coalesce(p.stage is not null and m.last_order <= $previous_day, false) as is_quiet,
    case p.stage
      when 'lost' then 5
      when 'dormant' then 4
      when 'at_risk' then 3
      when 'declining' then 2
      when 'core' then 1
      when 'growing' then 0
      else -1
    end as previous_rank
  from measured as m
  left join worded as s
    on m.x = s.x
    and m.t_x_days = s.t_x_days
    and m.t_days = s.t_days
    and case when m.points >= 6 then 1 else 0 end = s.worth
  left join recent as r on r.customer_id = m.customer_id
  left join previous as p on p.customer_id = m.customer_id
), weighed as (
  -- Without an order since, who was worse before stays so, unless a limit was passed by more than the slack.
  select
    *,
    case
      when level = 1 and recent_orders <= fewer then 2
      when level = 1 and recent_orders >= more then 0
      else level
    end as seen_rank,
    case
      when not is_quiet then -1
      when level < 0 then case when previous_rank >= 4 and held >= 4 then least(previous_rank, held) else -1 end
      else least(previous_rank, greatest(held, 2))
    end as held_rank,
    coalesce(
      case
        when is_quiet then previous_stage = 'won_back' and (back_day is not null or previous_since > $back_from)
        else back_day is not null
      end,
      false
    ) as is_back
  from met
), decided as (
  select
    *,
    case
      when orders = 0 then 'prospect'
      when is_back then 'won_back'
      else
        case greatest(seen_rank, held_rank)
          when -1 then 'new'
          when 0 then 'growing'
          when 1 then 'core'
          when 2 then 'declining'
          when 3 then 'at_risk'
          when 4 then 'dormant'
          else 'lost'
        end
    end as stage,
    case
      when orders = 0 then 'no purchase'
      when is_back then 'came back'
      when held_rank > seen_rank then 'kept'
      when seen_rank = 2 and level = 1 then 'fewer'
      when seen_rank = 0 and level = 1 then 'more'
      else clause
    end as why
  from weighed
), dated as (
  select
    *,
    case
      when stage = 'prospect' then null
      when is_back then coalesce(back_day, previous_since)
      when previous_since is not null and stage = previous_stage
        and (is_quiet or stage in ('new', 'growing', 'core', 'declining')) then previous_since
      when why = 'kept' and stage = previous_stage then previous_since
      when stage = 'new' then first_order
      when since_days is not null and why <> 'kept' then first_order + cast(since_days as integer)
      when why = 'kept' then first_order + cast(t_days as integer)
      else greatest(last_order, first_order + cast(young_days + 1 as integer))
    end as stage_since
  from decided
)
select
  customer_id,
  stage,
  stage_since,
  case why
    when 'no purchase' then 'no purchase: nothing is left after returns'
    when 'came back' then
      coalesce(
        'ordered again on ' || cast(back_day as varchar) || ' after ' || cast(back_gap as varchar)
          || ' days of silence',
        'ordered again on ' || cast(stage_since as varchar) || ' after having gone'
      )
    when 'kept' then
      'stage kept: no order since, and no chance has risen more than ' || $slack || ' above its limit'
    when 'fewer' then
      cast(recent_orders as varchar) || ' of ' || cast(x as varchar) || ' repeat orders in the last '
        || $trend_days || ' days, ' || cast(cast(steady_orders as decimal(12, 1)) as varchar)
        || ' at a steady rate'
    when 'more' then
      cast(recent_orders as varchar) || ' of ' || cast(x as varchar) || ' repeat orders in the last '
        || $trend_days || ' days, ' || cast(cast(steady_orders as decimal(12, 1)) as varchar)
        || ' at a steady rate'
    when 'silence' then
      words || case when $scored then '; frequency and money ' || cast(points as varchar) || ' of 10' else '' end
    else words
  end as stage_reason,
  why as clause,
  p_alive,
  p_active,
  overdue,
  case when stage not in ('lost', 'prospect') then $as_of + cast(next_days as integer) end as next_order_expected,
  case
    when is_back then
      greatest(
        first_order + cast(risk_days as integer), coalesce(back_day, previous_since) + cast($back_days as integer)
      )
    else first_order + cast(risk_days as integer)
  end as at_risk_from,
  previous_stage
from dated
