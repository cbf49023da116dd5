"""Every quantity of every timing model at random points: no NaN, no chance outside [0, 1], no broken order.

    python -m evidence.numeric_fuzz             # a million points per model: some minutes
    python -m evidence.numeric_fuzz 1e4         # the cut that the tests take

Parameters from 1e-4 to 1e5, x up to 1e6, times up to 1e5, all log-uniform; three in ten customers have x = 0, one
in ten bought at the very last moment (t_x = T).
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from klantwaarde.models import MODELS, quantities

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from klantwaarde.typing import Array

POINTS = 1_000_000
AT_ONCE = 50_000
SHARE_OF_DERT = {"bg_nbd": 50, "mbg_nbd": 50}
"""A mean over two latent variables costs a hundred times as much: one point in so many."""
SLACK = 1e-13
"""Relative; what the last digits of a double may say against an order."""
SILENCE = 1e-8
"""Relative; p_alive at x = 1e6 comes from logarithms of 1e7, of which a double keeps nine digits behind the point."""


class Points(NamedTuple):
    """Random questions; every array of shape (points,)."""

    model: Any
    history: tuple[Array, Array, Array]
    ahead: Array
    further: Array
    delta: Array
    steeper: Array


class Row(NamedTuple):
    """How many points broke a rule."""

    model: str
    quantity: str
    rule: str
    points: int
    broken: int


def points(name: str, size: int, rng: np.random.Generator) -> Points:
    """So many of them for the model of this name."""

    def between(low: float, high: float) -> Array:
        return np.exp(rng.uniform(np.log(low), np.log(high), size))

    model = MODELS[name](*(between(1e-4, 1e5) for _ in MODELS[name]._fields))
    x = np.floor(np.where(rng.random(size) < 0.3, 0, between(1, 1e6)))
    T = between(1e-3, 1e5)
    t_x = np.where(x == 0, 0, T * np.where(rng.random(size) < 0.1, 1, rng.random(size)))
    ahead, delta = between(1e-3, 1e5), between(1e-6, 10)
    longer, more = (1 + between(1e-6, 10) for _ in range(2))
    return Points(model, (x, t_x, T), ahead, ahead * longer, delta, delta * more)


def part(asked: Points, size: int) -> Points:
    """The first so many of them."""
    model = type(asked.model)(*(values[:size] for values in asked.model))
    history = tuple(values[:size] for values in asked.history)
    return Points(model, history, *(values[:size] for values in asked[2:]))  # type: ignore[arg-type]


def rules(asked: Points, dear: Points) -> Iterator[tuple[str, str, Array]]:
    """(quantity, rule, which points break it). dear: those that are asked for dert."""
    model, history = asked.model, asked.history
    likelihood = quantities.log_likelihood(model, *history)
    yield "log_likelihood", "finite", ~np.isfinite(likelihood)
    alive = quantities.p_alive(model, *history)
    yield "p_alive", "in [0, 1]", ~inside(alive)
    silent = history[2] * (1 + asked.delta)
    yield "p_alive", "falls with silence", rises(alive, quantities.p_alive(model, *history[:2], silent), SILENCE)
    soon, late = (quantities.p_active(model, t, *history) for t in (asked.ahead, asked.further))
    expected, more = (quantities.cet(model, t, *history) for t in (asked.ahead, asked.further))
    yield "p_active", "in [0, 1]", ~inside(soon)
    yield "p_active", "rises in t", rises(late, soon)
    yield "p_active", "up to p_alive", rises(alive, soon)
    yield "p_active", "up to cet", rises(expected, soon)
    yield "cet", "finite, not negative", ~sound(expected)
    yield "cet", "rises in t", rises(more, expected)
    newcomer, later = (quantities.expected_purchases(model, t) for t in (asked.ahead, asked.further))
    yield "expected_purchases", "finite, not negative", ~sound(newcomer)
    yield "expected_purchases", "rises in t", rises(later, newcomer)
    worth, less = (quantities.dert(dear.model, delta, *dear.history) for delta in (dear.delta, dear.steeper))
    yield "dert", "finite, not negative", ~sound(worth)
    yield "dert", "falls in delta", rises(worth, less)


def inside(chance: Array) -> Array:
    return np.asarray((chance >= 0) & (chance <= 1))


def sound(values: Array) -> Array:
    return np.asarray(np.isfinite(values) & (values >= 0))


def rises(larger: Array, smaller: Array, slack: float = SLACK) -> Array:
    """Where `smaller` is above `larger`; a NaN is told by another rule."""
    return np.asarray(smaller > larger * (1 + slack))


def fuzz(name: str, size: int, seed: int = 1) -> list[Row]:
    """All rules of one model at so many points."""
    rng = np.random.default_rng(seed)
    counted: dict[tuple[str, str], list[int]] = {}
    for start in range(0, size, AT_ONCE):
        asked = points(name, min(AT_ONCE, size - start), rng)
        dear = part(asked, max(1, len(asked.ahead) // SHARE_OF_DERT.get(name, 1)))
        for quantity, rule, broken in rules(asked, dear):
            count = counted.setdefault((quantity, rule), [0, 0])
            count[0] += len(broken)
            count[1] += int(broken.sum())
    return [Row(name, *key, *count) for key, count in counted.items()]


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = [f"| {row.model} | {row.quantity} | {row.rule} | {row.points:,} | {row.broken:,} |" for row in rows]
    return "\n".join(["| model | quantity | rule | points | broken |", "| --- | --- | --- | ---: | ---: |", *lines])


def main(size: int, say: Callable[[str], object] = print) -> int:
    """The table of all models; 1 where a rule was broken."""
    rows = []
    for name in MODELS:
        begun = time.perf_counter()
        rows += fuzz(name, size)
        print(f"{name}: {time.perf_counter() - begun:.0f} s", file=sys.stderr)
    say(table(rows))
    return int(any(row.broken for row in rows))


if __name__ == "__main__":
    sys.exit(main(int(float(sys.argv[1])) if len(sys.argv) > 1 else POINTS))
