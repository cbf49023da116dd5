-- The lines of the attributes, each with its customer and the rule that takes it away, if any.
select
  *,
  case
    when key is null then 'no id'
    when not is_customer then 'not a customer'
    when row_number() over (partition by customer_id order by line) > 1 then 'several rows'
  end as fault
from (
  select
    g.*,
    c.customer_id,
    c.key is not null as is_customer,
    -- Of customers that look alike, the one that is written just so.
    row_number() over (
      partition by g.line
      order by
        case when cast(c.customer_id as varchar) = cast(g.key as varchar) then 0 else 1 end,
        cast(c.customer_id as varchar)
    ) as place
  from given as g
  left join known as c on c.key = g.key
) as found
where place = 1
