"""What `import klantwaarde` and the command line load before they are asked for anything, and what a fork keeps."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

import klantwaarde as kw
from klantwaarde.estimate.blocks import by_threads

SLOW = ("scipy.stats", "scipy.optimize", "scipy.ndimage", "pandas", "polars", "matplotlib",
        "jinja2", "pyarrow.dataset", "pyspark", "adbc_driver_manager")  # fmt: skip
"""What takes long to load, and what most of a session does without."""


@pytest.mark.parametrize("name", ["klantwaarde", "klantwaarde.cli.app"])
def test_what_is_slow_to_load_is_loaded_where_it_is_used(name: str) -> None:
    script = f"import sys, {name}; print([name for name in {SLOW} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_fork_sums_with_threads_of_its_own() -> None:
    x = np.arange(200_000) % 7
    cells = kw.Cells(x, np.where(x > 0, 5.0, 0.0), np.full(len(x), 20.0), np.ones(len(x)))
    before = kw.fit(kw.NBD, cells).model  # the parent's threads are there
    assert by_threads(len, ["ab", "c"]) == [2, 1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork among threads, which is what is tried here
        child = os.fork()
    if child == 0:
        again = kw.fit(kw.NBD, cells).model
        same = np.allclose(again, before, rtol=1e-9) and by_threads(len, ["ab", "c"]) == [2, 1]
        os._exit(0 if same else 1)
    assert _ended(child, seconds=60) == 0
    assert by_threads(len, ["ab", "c"]) == [2, 1], "and the parent's go on"


def _ended(child: int, seconds: int) -> int | None:
    """The exit code of a child; None, and it is killed, where it takes longer."""
    import time

    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return None
