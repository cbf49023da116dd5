"""Pages and pictures; `python -m docs.make` writes those that are made from the code."""
