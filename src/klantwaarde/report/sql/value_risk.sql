-- Customers and residual value by chance of being alive (fifths) and by value (the bands of value_bands).
select
  least(cast(floor(p_alive * 5) as integer), 4) as risk,
  band,
  count(*) as customers,
  sum(rlv) as rlv
from scored
join value_bands on cast(value_realised as double) >= low and cast(value_realised as double) < high
where p_alive is not null
group by least(cast(floor(p_alive * 5) as integer), 4), band
