-- The distinct (repeat purchases, money of these together) and how many customers share each.
select orders - 1 as x, repeat_amount, count(*) as n
from customers
where orders > 1
group by orders - 1, repeat_amount
order by x, repeat_amount
