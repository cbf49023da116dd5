"""The notebook runs from top to bottom, draws its pictures, says what the papers say, and is kept without output."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from klantwaarde.purchases.schema import TIERS

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "cdnow.ipynb"


@pytest.fixture(scope="module")
def executed() -> Any:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    return NotebookClient(notebook, timeout=120, kernel_name="python3").execute()


def printed(notebook: Any) -> str:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    return "".join(output.text for output in outputs if output.output_type == "stream")


def test_the_notebook_is_kept_without_output() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


@pytest.mark.slow
def test_the_notebook_draws_its_pictures(executed: Any) -> None:
    outputs = [output for cell in executed.cells for output in cell.get("outputs", [])]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 4
    assert printed(executed)


@pytest.mark.slow
def test_the_notebook_shows_the_published_fits(executed: Any) -> None:
    said = printed(executed)
    for log_likelihood in ("-9582.43", "-9594.98", "-4055.92"):
        assert said.count(log_likelihood) == 2  # ours and the published one
    assert "P(alive) 0.9979, orders expected in a year 25.46" in said


@pytest.mark.slow
def test_the_notebook_shows_the_pyramid(executed: Any) -> None:
    found = re.findall(r"^(\w+) +([\d,]+) customers", printed(executed), flags=re.MULTILINE)
    counts = {tier: int(number.replace(",", "")) for tier, number in found if tier in TIERS}
    active = sum(counts.values()) - counts["inactive"]
    assert sum(counts.values()) == 2_357
    assert [counts["top"], counts["large"], counts["medium"]] == [-(-share * active // 100) for share in (1, 4, 15)]
