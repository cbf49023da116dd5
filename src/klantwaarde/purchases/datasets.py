"""Data that ships with the package: the CDNOW purchases.

Purchases of compact discs at CDNOW by the 23,570 people who first bought in the first quarter of 1997, up to the end of
June 1998, and the 1-in-10 sample used in the papers. Published by Bruce Hardie with Fader & Hardie (2001),
"Forecasting repeat sales at CDNOW: a case study", Interfaces 31(3).
"""

from __future__ import annotations

import io
from importlib import resources
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet as pq

from klantwaarde.errors import BadParameters
from klantwaarde.files import whole_file

SUFFIXES = (".csv", ".parquet")
"""What a sample can be written as."""


def cdnow() -> Path:
    """Parquet file of all 69,659 lines: customer_id, date, quantity, amount (US dollars)."""
    return _path("cdnow.parquet")


def cdnow_sample() -> Path:
    """Parquet file of the 1-in-10 sample, 6,919 lines of 2,357 customers: customer_id, date, quantity, amount."""
    return _path("cdnow_sample.parquet")


def write_sample(path: Path, parquet: Path) -> None:
    """One of these files as CSV or Parquet at a path of the user's choice, whole or not at all.

    Raises BadParameters for another ending, a folder that is not there, and a file that is there and says other things.
    """
    if path.suffix not in SUFFIXES:
        raise BadParameters(f"{path} ends in neither {' nor '.join(SUFFIXES)}. Name such a file.")
    if not path.parent.is_dir():
        raise BadParameters(f"There is no folder {path.parent}. Make it first, or write to another place.")
    content = _content(path, parquet)
    if path.exists() and (not path.is_file() or path.read_bytes() != content):
        raise BadParameters(f"{path} is there already, with something else in it. Name another file.")
    with whole_file(path) as unfinished:
        unfinished.write_bytes(content)


def _content(path: Path, parquet: Path) -> bytes:
    if path.suffix == ".parquet":
        return parquet.read_bytes()
    written = io.BytesIO()
    pyarrow.csv.write_csv(pq.read_table(parquet), written, pyarrow.csv.WriteOptions(quoting_style="needed"))
    return written.getvalue()


def _path(name: str) -> Path:
    return Path(str(resources.files("klantwaarde.purchases") / "cdnow" / name))
