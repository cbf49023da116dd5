-- The staged customers, and those who are known and are no customers.
select * from (
  select * from staged
  union all
  select
    l.customer_id,
    'prospect' as stage,
    cast(null as date) as stage_since,
    'known, without an order' as stage_reason,
    'lead' as clause,
    cast(null as double) as p_alive,
    cast(null as double) as p_active,
    cast(null as double) as overdue,
    cast(null as date) as next_order_expected,
    cast(null as date) as at_risk_from,
    p.stage as previous_stage
  from (select distinct customer_id from leads where customer_id is not null) as l
  left join customers as c on c.customer_id = l.customer_id
  left join previous as p on p.customer_id = l.customer_id
  where c.customer_id is null
) as every_one
