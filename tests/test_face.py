"""The names at the top: about twenty functions, what they take and return, and where the rest is."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import klantwaarde as kw

FUNCTIONS = [name for name in kw.__all__ if inspect.isfunction(getattr(kw, name))]
GONE = [(home, name) for home, names in kw.MOVED.items() for name in names.split()]


def test_about_twenty_functions() -> None:
    assert 18 <= len(FUNCTIONS) <= 22
    assert len(set(kw.__all__)) == len(kw.__all__)


@pytest.mark.parametrize(
    ("function", "value"),
    [("orders", "Orders"), ("customers", "Customers"), ("fit", "Fit"), ("fits", "Fits"), ("score", "Scored")]
    + [(name.lower(), name) for name in ("Stages", "Ledger", "Statement", "Migration", "Results")],
)
def test_lower_case_returns_upper_case(function: str, value: str) -> None:
    returned = inspect.signature(getattr(kw, function)).return_annotation
    assert str(returned).split("[")[0] == value


@pytest.mark.parametrize(("home", "name"), GONE)
def test_what_has_moved_is_found_with_a_warning(home: str, name: str) -> None:
    gone: Any = kw
    assert name not in kw.__all__
    with pytest.warns(DeprecationWarning, match=rf"write kw\.{home}\.{name}\.") as said:
        old = getattr(gone, name)
    assert old is getattr(getattr(kw, home), name)
    assert said[0].filename == __file__


def test_what_has_another_name() -> None:
    gone: Any = kw
    with pytest.warns(DeprecationWarning, match=r"write kw\.doctor\."):
        assert gone.sheet is kw.doctor


def test_what_never_was_here() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'height'"):
        _ = kw.height  # type: ignore[attr-defined]
