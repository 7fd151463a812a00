"""A random walk that can be asked for any of its steps: drawn by halving, none depends on having been there."""

from __future__ import annotations

import hashlib
import math

from fillwatch.simulator.draws import symbol_price

#: Ticks in a block of the walk: a power of two.
_BLOCK = 1 << 14
#: By how much a walk between two ends of so many ticks may leave them, at most, over the root of that many: no draw
#: goes beyond 8, and each halving adds half a root of its length, so that it is 8/2 · (1 + 1/√2 + 1/√4 + …).
_REACH = 4 / (1 - math.sqrt(0.5))
_MASK = (1 << 64) - 1


class WalkPath:
    """The walk of one symbol in steps of deviation 1; the ends of blocks and the present block are kept."""

    def __init__(self, seed: int, symbol: str) -> None:
        self.start = symbol_price(seed, symbol)
        self._key = int.from_bytes(hashlib.sha256(f"{seed}/walk/{symbol}".encode()).digest()[:8])
        self._ends = [0.0]
        self._block = -1
        self._known: dict[int, float] = {}

    def value(self, number: int) -> float:
        """Where the walk is after `number` ticks."""
        block, inside = self._enter(number)
        low, high = 0, _BLOCK
        while inside not in self._known:
            low, high = self._halve(block, inside, low, high)
        return self._known[inside]

    def calm_until(self, number: int, lowest: float, highest: float) -> int:
        """A later tick; all in between are surely above `lowest` and below `highest`."""
        block, inside = self._enter(number)
        low, high = 0, _BLOCK
        while high - low > 1:
            ends, reach = (self._known[low], self._known[high]), _REACH * math.sqrt(high - low)
            if lowest < min(ends) - reach and max(ends) + reach < highest:
                break
            low, high = self._halve(block, inside, low, high)
        return block * _BLOCK + high

    def _enter(self, number: int) -> tuple[int, int]:
        """The block that a tick lies in, which is the one that is kept from now on, and the tick's place in it."""
        block, inside = divmod(number, _BLOCK)
        while len(self._ends) < block + 2:
            self._ends.append(self._ends[-1] + self._draw(len(self._ends), _BLOCK) * math.sqrt(_BLOCK))
        if block != self._block:
            self._block = block
            self._known = {0: self._ends[block], _BLOCK: self._ends[block + 1]}
        return block, inside

    def _halve(self, block: int, inside: int, low: int, high: int) -> tuple[int, int]:
        """The half, of what lies between two known ends, that a tick lies in."""
        known, middle = self._known, (low + high) // 2
        if middle not in known:
            beside = self._draw(block * _BLOCK + middle, 1) * math.sqrt((high - low) / 4)
            known[middle] = (known[low] + known[high]) / 2 + beside
        return (middle, high) if inside >= middle else (low, middle)

    def _draw(self, number: int, level: int) -> float:
        """A draw of mean 0 and deviation 1, from the bits of a mixed number (the finaliser of splitmix64)."""
        z = (self._key + (number * 2 + (level > 1)) * 0x9E3779B97F4A7C15) & _MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return ((z ^ (z >> 31)).bit_count() - 32) / 4
