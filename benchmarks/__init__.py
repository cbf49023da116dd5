"""Speed, memory and answers, measured: klantwaarde next to the floor of its engine and to peers.

    python -m benchmarks 10000 100000      measure, print the table, write JSON
    python -m benchmarks.page FILE ...     put the figures of JSON files into docs/performance.md

One folder of orders per size (orders.py), one process per thing measured (measure.py, child.py), one file per
library (libraries/), one judge of answers (answers.py), one table for screen and page (table.py).
"""
