-- The analysis of change, customer by customer. Every part is rounded once; retention takes what rounding leaves, so
-- that opening + unwind - released + spend + frequency + retention + new + model change = closing, exactly.
with factors as (
  select
    *,
    coalesce(margin_before, 0) as m0,
    coalesce(rate_before, 0) as f0,
    -- The lifetime expected at the second date, from what was known at the first; rounding makes no negative one.
    cast($growth as double)
      * greatest(coalesce(lifetime_before, 0) - coalesce(released_before / nullif(rate_before, 0), 0), 0) as a0,
    cast($growth as double) * coalesce(margin_before * released_before, 0) as due,
    coalesce(margin_after, 0) as m1,
    coalesce(rate_after, 0) as f1,
    coalesce(lifetime_after, 0) as a1,
    case when was_known then expected_before when is_known then expected_after end as expected,
    coalesce(realised_after, realised_before, cast(0 as decimal(18, 4)))
      - coalesce(realised_before, cast(0 as decimal(18, 4))) as realised
  from compared
),

valued_twice as (
  select
    *,
    m0 * f0 * a0 as product_0,
    m1 * f1 * a1 as product_1,
    cast(m1 * f1 * a1 as decimal(18, 4)) as old_value,
    case when was_known then cast(cast(opening as double) * (cast($growth as double) - 1) as decimal(18, 4))
      else cast(0 as decimal(18, 4)) end as unwind,
    case when was_known then cast(due as decimal(18, 4)) else cast(0 as decimal(18, 4)) end as released,
    -- Of the factors that are zero at one date only, each takes an equal part under LMDI.
    case when (m0 = 0) <> (m1 = 0) then 1 else 0 end as edge_m,
    case when (f0 = 0) <> (f1 = 0) then 1 else 0 end as edge_f,
    case when (a0 = 0) <> (a1 = 0) then 1 else 0 end as edge_a
  from factors
),

weighed as (
  select
    *,
    case when was_known then old_value - (opening + unwind - released) else cast(0 as decimal(18, 4)) end as experience,
    case
      -- Close to each other the logarithms cancel, and a series does not.
      when abs(product_1 - product_0) < 5e-5 * (product_0 + product_1)
        then (product_0 + product_1) / 2 - (product_1 - product_0) * (product_1 - product_0) / (product_0 + product_1) / 6
      when product_0 > 0 and product_1 > 0 then (product_1 - product_0) / (ln(product_1) - ln(product_0))
    end as mean_log
  from valued_twice
),

split as (
  select
    *,
    cast(
      case
        when not was_known then 0
        when $method = 'shapley' then (m1 - m0) * ((f0 * a0 + f1 * a1) / 3 + (f0 * a1 + f1 * a0) / 6)
        when product_0 > 0 and product_1 > 0 then mean_log * (ln(m1) - ln(m0))
        else (product_1 - product_0) * edge_m / greatest(edge_m + edge_f + edge_a, 1)
      end as decimal(18, 4)
    ) as spend,
    cast(
      case
        when not was_known then 0
        when $method = 'shapley' then (f1 - f0) * ((m0 * a0 + m1 * a1) / 3 + (m0 * a1 + m1 * a0) / 6)
        when product_0 > 0 and product_1 > 0 then mean_log * (ln(f1) - ln(f0))
        else (product_1 - product_0) * edge_f / greatest(edge_m + edge_f + edge_a, 1)
      end as decimal(18, 4)
    ) as frequency
  from weighed
)

select
  customer_id,
  line,
  was_known,
  opening,
  unwind,
  released,
  experience,
  spend,
  frequency,
  cast(experience - spend - frequency as decimal(18, 4)) as retention,
  case when was_known then cast(0 as decimal(18, 4)) else cast(old_value - opening as decimal(18, 4)) end as new_customers,
  cast(closing - old_value as decimal(18, 4)) as model_change,
  closing,
  cast(realised as decimal(18, 4)) as realised,
  cast(coalesce(expected, 0) as decimal(18, 4)) as expected,
  m0 < 0 or f0 < 0 or a0 < 0 or m1 < 0 or f1 < 0 or a1 < 0 as is_negative
from split
