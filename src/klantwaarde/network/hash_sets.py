"""What many cascades have reached: a hash table of whole numbers that takes thousands at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from klantwaarde.typing import Array

FREE = -1
GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio: Knuth's multiplicative hashing
ROOM = 4  # places per key, so that few keys meet


class Visited:
    """Keys, int64 and not negative, that have come by. Open addressing; grows fourfold when a quarter is taken."""

    def __init__(self, bits: int = 12) -> None:
        self._bits, self._taken = bits, 0
        self._table = np.full(1 << bits, FREE)
        self._owner = np.empty(1 << bits, dtype=np.int32)

    def fresh(self, keys: Array) -> Array:
        """Keys that did not come by before, each once; from now on they have."""
        if (self._taken + len(keys)) * ROOM > len(self._table):
            self._grow(self._taken + len(keys))
        found = self._insert(keys)
        self._taken += len(found)
        return found

    def _grow(self, expected: int) -> None:
        old = self._table[self._table != FREE]
        self._bits = (expected * ROOM * 2).bit_length()
        self._table = np.full(1 << self._bits, FREE)
        self._owner = np.empty(1 << self._bits, dtype=np.int32)
        self._insert(old)

    def _insert(self, keys: Array) -> Array:
        found, name = [keys[:0]], np.arange(len(keys), dtype=np.int32)
        place = ((keys.view(np.uint64) * GOLDEN) >> np.uint64(64 - self._bits)).view(np.int64)
        while len(keys):
            free = np.flatnonzero(self._table[place] == FREE)
            self._owner[place[free]] = name[free]  # of several who want one place, one stands there in the end
            won = free[self._owner[place[free]] == name[free]]
            self._table[place[won]] = keys[won]
            found.append(keys[won])
            on = np.flatnonzero(self._table[place] != keys)  # neither in nor there already
            keys, name, place = keys[on], name[on], (place[on] + 1) & (len(self._table) - 1)
        return np.concatenate(found)
