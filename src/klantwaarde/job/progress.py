"""How far a run is: seconds per step, and a word from time to time in those that take long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from klantwaarde.engine.protocol import Engine

Say = Callable[[str], None]
PATIENCE, LOOK = 10.0, 0.5
"""Seconds until a word about a step that still runs, and between two looks at how far it is."""


@dataclass
class Clock:
    """Seconds per step, a word about each as it begins, and how far it is while it runs."""

    say: Say
    seconds: dict[str, float] = field(default_factory=dict)
    engine: Engine | None = None
    """Where it runs, once that is known."""
    rows: str = ""
    """What it works on, in words: '281,681,156 lines'."""
    _began: tuple[str, float] | None = None
    _ended: threading.Event = field(default_factory=threading.Event)
    _watcher: threading.Thread | None = None

    def __post_init__(self) -> None:
        """Start the clock."""
        self._start = time.perf_counter()

    def __enter__(self) -> Self:
        """Stops at the end, also after a fault."""
        return self

    def __exit__(self, *fault: object) -> None:
        """Stop. A thread that still asks the engine while the process ends would bring it down."""
        self.stop()
        if self._watcher is not None:
            self._watcher.join(timeout=10 * LOOK)

    def step(self, name: str, words: str) -> None:
        """Close the step before, begin the next."""
        self.stop()
        self._began = (name, time.perf_counter())
        self.say(f"{time.perf_counter() - self._start:6.1f} s  {words}")
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, args=(name, self._ended), daemon=True)
        self._watcher.start()

    def stop(self) -> None:
        """Close the step."""
        self._ended.set()
        if self._began is not None:
            name, began = self._began
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - began, 3)
            self._began = None

    def _watch(self, name: str, ended: threading.Event) -> None:
        began = told = since = time.perf_counter()
        before = 0.0
        while not ended.wait(LOOK):
            now, done = time.perf_counter(), self.engine.progress() if self.engine else None
            if done is None or done < before:  # another statement: the estimate begins anew
                since = now
            before = done or 0.0
            if now - told >= PATIENCE:
                told = now
                self.say(f"{now - self._start:6.1f} s  {progress(name, self.rows, now - began, before, now - since)}")


def progress(name: str, rows: str, seconds: float, done: float, since: float) -> str:
    """In words: per cent done of a statement that has run for `since` seconds, in a step of so many."""
    words = f"{name}{f' ({rows})' if rows else ''}: {seconds:.0f} s"
    if done < 1 or since < LOOK:
        return words
    return f"{words}, current query {done:.0f}% done, about {since * (100 - done) / done:.0f} s left"
