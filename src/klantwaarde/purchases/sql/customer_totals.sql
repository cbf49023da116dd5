-- The base in one row.
select
  count(*) as customers,
  count(*) filter (where orders > 0) as with_purchase,
  count(*) filter (where orders > 1) as repeat_customers,
  count(*) filter (where repeat_amount > 0) as repeat_payers,
  count(*) filter (where first_order > $year_ago) as new_last_year,
  cast(sum(occasions) as bigint) as occasions,
  cast(sum(orders) as bigint) as orders,
  max(orders) as orders_most,
  cast(sum(date_diff('day', first_order, last_order)) as bigint) as span_days,
  sum(revenue) as revenue,
  sum(margin) as margin,
  sum(returned) as returned,
  max(revenue) as largest_revenue,
  sum(case when revenue > 0 then revenue end) as positive_revenue,
  min(first_order) as first_order,
  max(last_order) as last_order
from customers
