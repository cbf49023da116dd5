-- The customers of the ledger with their label and what happened to them within the period: as the events say or, where
-- they say nothing of a customer, as the stages at both dates do.
with told as (
  select
    m.*,
    coalesce(cast(g.label as varchar), $otherwise) as label,
    e.customer_id is not null as is_told,
    coalesce(e.won, case when line in ('new', 'intra_period') then 1 else 0 end) as won,
    coalesce(e.won_back, case when line = 'won_back' then 1 else 0 end) as won_back,
    coalesce(e.lost, case when line in ('lost', 'intra_period') then 1 else 0 end) as lost,
    e.value_in,
    e.value_out
  from moved as m
  left join labels as g on m.customer_id = g.customer_id
  left join happened as e on m.customer_id = e.customer_id
)
select
  *,
  -- Won and lost, or lost and won back: the same money comes in and goes out.
  cast(
    case
      when won + won_back = 0 or lost = 0 then 0
      when value_in <= value_out then value_in
      when value_out < value_in then value_out
      when line = 'intra_period' then closing
      else 0
    end as decimal(18, 4)
  ) as turned,
  won + won_back - lost <> (case when is_active then 1 else 0 end) - (case when was_active then 1 else 0 end)
  or (won > 0 and was_known)
  or won > 1 as is_contradicted
from told
