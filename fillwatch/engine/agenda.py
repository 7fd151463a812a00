"""One timer for everything that is due at a time: thousands of watches cost one heap, not thousands of timers."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from typing import TypeVarTuple

Ts = TypeVarTuple("Ts")

#: A timer may go off this many seconds early (asyncio grants it the clock's resolution, and sums of floats a hair):
#: whoever is woken for a moment takes it as reached, or he would wait for it for ever.
HAIR = 1e-6


class Agenda:
    """Calls what is due, in the order of its times. Belongs to the running event loop; `close` ends it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._heap: list[tuple[float, int, Callable[..., None], tuple[object, ...]]] = []
        self._number = count()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def at(self, when: float, call: Callable[[*Ts], None], *args: *Ts) -> None:
        """Call `call` with `args` at `when` (the loop's clock). There is no taking back: who is called checks that it
        is meant. A function that is there anyway, and `args`, take a third of the room of a `lambda`."""
        if self._closed:
            return
        heapq.heappush(self._heap, (when, next(self._number), call, args))
        if self._heap[0][0] == when:
            self._arm()

    def close(self) -> None:
        """Call nothing any more."""
        self._closed = True
        self._heap.clear()
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._heap:
            self._timer = self._loop.call_at(self._heap[0][0], self._fire)

    def _fire(self) -> None:
        self._timer = None
        now = self._loop.time() + HAIR
        while self._heap and self._heap[0][0] <= now:
            _, _, call, args = heapq.heappop(self._heap)
            call(*args)
        if self._timer is None:
            self._arm()
