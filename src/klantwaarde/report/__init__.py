"""The report for people: one dict of facts in, one self-contained page out."""

from klantwaarde.report.html import render, write_report

__all__ = ["render", "write_report"]
