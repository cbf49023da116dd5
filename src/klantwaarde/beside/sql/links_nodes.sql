-- The ids that the links name, each with its customer; the customers first, in the order of their ids.
select key, customer_id, is_customer, first_order, alike
from (
  select
    k.key,
    c.customer_id,
    c.key is not null as is_customer,
    c.first_order,
    count(*) over (partition by k.key) as alike,
    -- Of customers that look alike, the one that is written just so.
    row_number() over (
      partition by k.key
      order by
        case when cast(c.customer_id as varchar) = cast(k.key as varchar) then 0 else 1 end,
        cast(c.customer_id as varchar)
    ) as place
  from (
    select source_key as key from given where source_key is not null
    union
    select target_key as key from given where target_key is not null
  ) as k
  left join known as c on c.key = k.key
) as found
where place = 1
order by is_customer desc, key
