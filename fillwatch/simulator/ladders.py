"""The orders that wait for a price of one symbol, sorted so that only those it has reached are looked at."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

#: Fewer entries than this are not worth tidying.
_FEW = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """A price that is waited for: from below when it has to be `rising` to it, else from above."""

    level: Decimal
    rising: bool

    def is_reached(self, price: Decimal) -> bool:
        """Whether `price` is at the level or beyond it."""
        return price >= self.level if self.rising else price <= self.level


@dataclass(eq=False, slots=True, kw_only=True)
class Waiting:
    """One order in the ladders. Only the entries of its present `turn` count; `leave` voids them all."""

    order_id: str
    turn: int = 0

    def leave(self) -> None:
        """Wait for none of the prices any more that were waited for until now."""
        self.turn += 1


#: Signed level, number of the entry, the waiting order, and its turn when the entry was made.
_Entry = tuple[Decimal, int, Waiting, int]


@dataclass(slots=True, kw_only=True)
class Ladder:
    """The waiting orders of one symbol, the nearest price on either side first, then the older entry."""

    _rising: list[_Entry] = field(default_factory=list)
    _falling: list[_Entry] = field(default_factory=list)
    _made: int = 0
    _tidy_at: int = _FEW

    def __len__(self) -> int:
        return len(self._rising) + len(self._falling)

    def add(self, waiting: Waiting, aim: Aim) -> None:
        """Let an order wait for a price, beside those it waits for already."""
        side, key = (self._rising, aim.level) if aim.rising else (self._falling, -aim.level)
        heapq.heappush(side, (key, self._made, waiting, waiting.turn))
        self._made += 1
        if len(self) > self._tidy_at:
            self._tidy()

    def reached(self, price: Decimal) -> list[str]:
        """The ids of the orders whose level `price` has reached; they wait here no longer."""
        found = [*self._taken(self._rising, price), *self._taken(self._falling, -price)]
        return [waiting.order_id for waiting in found]

    @property
    def nearest(self) -> tuple[Decimal | None, Decimal | None]:
        """The first level that is waited for below the price, and the first above; None: nobody waits there."""
        for side in (self._rising, self._falling):
            while side and _is_void(side[0]):
                heapq.heappop(side)
        return -self._falling[0][0] if self._falling else None, self._rising[0][0] if self._rising else None

    def is_empty(self) -> bool:
        """Whether nobody waits."""
        return self.nearest == (None, None)

    def _taken(self, side: list[_Entry], signed: Decimal) -> Iterator[Waiting]:
        while side and side[0][0] <= signed:
            entry = heapq.heappop(side)
            if not _is_void(entry):
                entry[2].leave()
                yield entry[2]

    def _tidy(self) -> None:
        for side in (self._rising, self._falling):
            side[:] = [entry for entry in side if not _is_void(entry)]
            heapq.heapify(side)
        self._tidy_at = max(2 * len(self), _FEW)


@dataclass(slots=True, kw_only=True)
class Looks:
    """When (clock seconds) each symbol is to be looked at next."""

    _at: dict[str, float] = field(default_factory=dict)
    _heap: list[tuple[float, str]] = field(default_factory=list)

    def plan(self, symbol: str, t: float | None) -> None:
        """Look at `t`, unless it is to be looked at sooner anyway; None: there will be nothing to see."""
        if t is not None and t < self._at.get(symbol, math.inf):
            self._at[symbol] = t
            heapq.heappush(self._heap, (t, symbol))

    def cancel(self, symbol: str) -> None:
        """Do not look at all."""
        self._at.pop(symbol, None)

    def next(self) -> tuple[float, str] | None:
        """The next look that is due, and at what."""
        heap = self._heap
        while heap and self._at.get(heap[0][1]) != heap[0][0]:
            heapq.heappop(heap)
        return heap[0] if heap else None


def _is_void(entry: _Entry) -> bool:
    return entry[2].turn != entry[3]
