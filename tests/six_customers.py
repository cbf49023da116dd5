"""Six customers at two dates, worked by hand: the same for the ledger and for the statement.

      before                                          after, by the old parameters         new
      stage      m    rate  life   D0   due  E(D1)    stage      m   rate  life    D1      D1
  1   core      10    .10    100  100    10    99     core      10    .12   100   120     126
  2   core      20    .10    100  200    40   176     declining 20    .05   150   150     150
  3   at_risk    5    .10    100   50     5    49.5   lost       5    .04    20     4       4
  4   core       8    .10    100   80     8    79.2   lost       8    .05     5     2       2
  5   -                                               new        6    .10   100    60      57
  6   lost       1    .05    100    5     0     5.5   won_back   7    .10   100    70      70

due: purchases expected in the period, discounted, times m; E(D1) = 1.1 (D0 - due), e^(delta H) being 1.1.
The lifetime expected at the second date is E(D1) / (m rate): 99, 88, 99, 99, 110.
"""

from __future__ import annotations

import pyarrow as pa

GROWTH = 1.1

BEFORE = pa.table(
    {
        "customer_id": [1, 2, 3, 4, 6],
        "stage": ["core", "core", "at_risk", "core", "lost"],
        "margin": [10.0, 20.0, 5.0, 8.0, 1.0],
        "rate": [0.10, 0.10, 0.10, 0.10, 0.05],
        "lifetime": [100.0, 100.0, 100.0, 100.0, 100.0],
        "released": [1.0, 2.0, 1.0, 1.0, 0.0],
        "expected": [10.5, 42.0, 5.25, 8.4, 0.0],
        "realised": [500.0, 900.0, 100.0, 300.0, 20.0],
    }
)
VALUE_BEFORE = [100.0, 200.0, 50.0, 80.0, 5.0]

AFTER = pa.table(
    {
        "customer_id": [1, 2, 3, 4, 5, 6],
        "stage": ["core", "declining", "lost", "lost", "new", "won_back"],
        "margin": [10.0, 20.0, 5.0, 8.0, 6.0, 7.0],
        "rate": [0.12, 0.05, 0.04, 0.05, 0.10, 0.10],
        "lifetime": [100.0, 150.0, 20.0, 5.0, 100.0, 100.0],
        "expected": [0.0, 0.0, 0.0, 0.0, 10.0, 0.0],
        "realised": [530.0, 940.0, 100.0, 300.0, 12.0, 41.0],
        "value": [126.0, 150.0, 4.0, 2.0, 57.0, 70.0],
    }
)
OLD_VALUE = [120.0, 150.0, 4.0, 2.0, 60.0, 70.0]


def plain(table: pa.Table, value: list[float]) -> pa.Table:
    """The columns that the ledger asks for."""
    return table.select(["customer_id", "stage"]).append_column("value", pa.array(value))
