"""What `--since` adds to a scoring run, in seconds and memory: python -m benchmarks.movement [orders.parquet].

Both runs are whole commands, one after the other on the same machine; the orders are those of `python -m benchmarks`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.job import AS_OF

MOST = 1.5
"""How many times the seconds of the scoring run the movement may take."""


def timed(orders: str, out: Path, *more: str) -> dict[str, Any]:
    """Wall seconds, peak memory (GB) and the record of a run."""
    command = [sys.executable, "-m", "klantwaarde", "run", orders, "--as-of", AS_OF, "--out", str(out), *more]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, code, used = os.wait4(process.pid, 0)
    if code:
        raise SystemExit(f"{' '.join(command)} ended with {code}.")
    record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    seconds, peak = time.perf_counter() - began, used.ru_maxrss * 1024 / 1e9
    return {"seconds": seconds, "peak": peak, "steps": record["seconds"], "customers": record["customers"]}


def told(plain: dict[str, Any], since: dict[str, Any], moved: float) -> str:
    """The table of both runs, and the ratio that is bounded."""
    rows = [f"{plain['customers']:,} customers", f"{'':34}{'seconds':>10}{'peak GB':>10}"]
    for name, run in (("klantwaarde run", plain), ("klantwaarde run --since '12 months'", since)):
        rows.append(f"{name:<35}{run['seconds']:9.1f}{run['peak']:10.2f}")
    rows.append(f"{'stages, ledger, statement, pyramid':<35}{moved:9.1f}")
    rows.append(f"{moved / plain['seconds']:.2f} times the scoring run (at most {MOST})")
    return "\n".join(rows)


def main(orders: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        plain = timed(orders, Path(folder, "plain"))
        since = timed(orders, Path(folder, "since"), "--since", "12 months")
    moved = since["steps"]["stages"] + since["steps"]["movement"]
    print(told(plain, since, moved))
    return int(moved > MOST * plain["seconds"])


if __name__ == "__main__":
    sys.exit(main(*(sys.argv[1:] or ["benchmarks/data/orders-10000000-date-1.parquet"])))
