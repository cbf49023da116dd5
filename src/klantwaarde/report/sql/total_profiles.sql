-- Champions, affluents, advocates and misers: customers, residual value and referral value.
select profile, count(*) as customers, sum(rlv) as rlv, sum(crv) as crv
from scored
where profile is not null
group by profile
