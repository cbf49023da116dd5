"""The report of an earlier run, written again from its facts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from klantwaarde.errors import BadParameters, named
from klantwaarde.files import check_place
from klantwaarde.job.outputs import read_by
from klantwaarde.marks import refuse_strangers
from klantwaarde.outcome.folder import results as results_in
from klantwaarde.sources.guard import refuse_inputs


def report_again(results: Path, out: Path, words: Mapping[str, Any]) -> Path:
    """The report of an earlier run, written again with another language, title or currency."""
    from klantwaarde.report.html import write_report  # noqa: PLC0415 - loaded where it is used

    _check_report(results, out)
    told = dict(results_in(results).facts)
    write_report(told | {name: value for name, value in words.items() if value is not None}, out)
    return out


def _check_report(results: Path, out: Path) -> None:
    """Raise BadParameters for a report that would cost something. In the results, it replaces theirs."""
    own = out.parent == results or (out.parent.exists() and results.exists() and out.parent.samefile(results))
    if own and out.name == "report.html":
        return
    refuse_inputs(out, "out", read_by(None, results=results))
    if out.suffix.lower() not in {".html", ".htm"}:
        raise BadParameters(f"{named('out', str(out))} is to be a page: give it a name that ends in .html.")
    check_place(out)
    refuse_strangers(out, "out")
