"""What is measured, one file per library: STEPS maps a step's name to a function of (job, watch).

The function prepares its input, does the work inside `with watch:` and returns its answer as JSON. A new peer is a
new file here with the steps that it can do, and a line in benchmarks/plan.py.
"""
