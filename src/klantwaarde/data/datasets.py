"""Data that ships with the package: the CDNOW purchases.

Purchases of compact discs at CDNOW by the 23,570 people who first bought in the first quarter of 1997, up to the end of
June 1998, and the 1-in-10 sample used in the papers. Published by Bruce Hardie with Fader & Hardie (2001),
"Forecasting repeat sales at CDNOW: a case study", Interfaces 31(3).
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path


def cdnow() -> Path:
    """Parquet file of all 69,659 lines: customer_id, date, quantity, amount (US dollars)."""
    return _path("cdnow.parquet")


def cdnow_sample() -> Path:
    """Parquet file of the 1-in-10 sample, 6,919 lines of 2,357 customers: customer_id, date, quantity, amount."""
    return _path("cdnow_sample.parquet")


def _path(name: str) -> Path:
    return Path(str(resources.files("klantwaarde.data") / "cdnow" / name))
