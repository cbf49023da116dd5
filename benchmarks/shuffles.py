"""python -m benchmarks.shuffles: Spark's plan of the scored customers, shortened, into docs/scale.md.

Adaptive execution is off, so that the plan is told before it runs, and small tables are not broadcast unless they are
marked as such, as it would be with tables too large for that.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import klantwaarde as kw
from benchmarks.page import with_blocks

PAGE = Path(__file__).resolve().parent.parent / "docs" / "scale.md"
KEPT = ("Exchange", "BroadcastExchange", "HashAggregate", "SortAggregate", "ObjectHashAggregate", "Sort", "FileScan",
        "InMemoryRelation", "BroadcastHashJoin", "SortMergeJoin", "ShuffledHashJoin", "BroadcastNestedLoopJoin",
        "CartesianProduct", "Window", "Scan", "LocalTableScan", "Union")  # fmt: skip
"""Operators that move, keep or read rows; what works on them where they are is left out."""
LONG = 60
"""Letters of what an exchange goes by, beyond which it is cut off."""
SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.autoBroadcastJoinThreshold": "-1",
    "spark.sql.shuffle.partitions": "8",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
}


def main() -> None:
    """Put the plan in its place."""
    short = shortened(plan())
    block = f"```text\n{short}\n```\n\n{told(short)}"
    PAGE.write_text(with_blocks(PAGE.read_text(encoding="utf-8"), {"plan": block}), encoding="utf-8")
    sys.stdout.write(f"{block}\n\nWritten: docs/scale.md\n")


def plan() -> str:
    """The physical plan of the scored customers of CDNOW, on a session of our own, as `explain` prints it."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[2]")
    for name, value in SETTINGS.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    try:
        return explained(session)
    finally:
        session.stop()


def explained(session: Any) -> str:
    """The plan on a given session; the numbering of rows makes Spark sort once before."""
    base = kw.customers(kw.orders(session.read.parquet(str(kw.datasets.cdnow_sample()))), "1998-03-31")
    scored = kw.score(base, kw.Fits(kw.fit(kw.MBGNBD, base.cells()), kw.fit(kw.GammaGamma, base.spend())))
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        engine: Any = scored.engine
        frame = engine._frame(scored.sql, scored.parameters)  # noqa: SLF001 - the plan has no other door
        frame.explain(mode="simple")
    return said.getvalue()


def shortened(text: str) -> str:
    """The operators of a plan that move, keep or read rows, one per line, by depth, without Spark's numbers."""
    lines = []
    for line in text.splitlines():
        words = re.match(r"^(?P<indent>[\s:+|-]*)(?:\*\(\d+\) )?(?P<operator>\w+)(?P<rest>.*)", line)
        if words and words["operator"] in KEPT:
            lines.append((len(words["indent"]), _operator(words["operator"], words["rest"])))
    depths = {depth: place for place, depth in enumerate(sorted({depth for depth, _ in lines}))}
    return "\n".join(f"{'  ' * depths[depth]}{words}" for depth, words in lines)


def _operator(name: str, rest: str) -> str:
    plain = re.sub(r"#\d+L?", "", rest)
    inside = re.search(r"(?P<kind>hash|range)partitioning\((?P<by>.*?)(?:, \d+)\)", plain)
    if name == "Exchange":
        if inside is None:
            return f"Exchange{plain[:60]}"
        by = inside["by"] if len(inside["by"]) <= LONG else f"{inside['by'][:LONG].rsplit(' ', 1)[0]} ..."
        return f"Exchange {inside['kind']}partitioning({by})"
    if name.endswith("Join"):
        keys = re.findall(r"\[(.*?)\]", plain)
        return f"{name} on {keys[0]}" if keys else name
    if name == "HashAggregate":
        by = re.search(r"keys=\[(.*?)\]", plain)
        return f"{name} by {by[1]}" if by and by[1] else name
    return {"InMemoryRelation": "InMemoryRelation (kept)", "FileScan": "FileScan parquet"}.get(name, name)


def counted(short: str) -> Counter[str]:
    """How often each kind of movement stands in a shortened plan."""
    return Counter(re.sub(r"(partitioning)?[( ].*", "", line.strip().replace("Exchange ", "")) for line in
                   short.splitlines())  # fmt: skip


def told(short: str) -> str:
    """The count in words."""
    found = counted(short)
    joins = found["SortMergeJoin"] + found["ShuffledHashJoin"]
    return (
        f"Counted in it: {found['hash']} exchanges by hash (up to the customers), {found['range']} by range (the sort "
        f"that ranks), {found['BroadcastHashJoin']} broadcast joins, {joins} joins that shuffle."
    )


if __name__ == "__main__":
    main()
