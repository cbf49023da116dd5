"""The report for people: one dict of facts in, one self-contained page out."""
