"""Whose turn it is, five priorities and first come first served within each; and the permit that is waited for."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from enum import IntEnum
from heapq import heapify, heappop, heappush
from itertools import count

from fillwatch.core.errors import EngineClosed

#: Grants in a row that a class may have while a lower one waits.
YIELD_AFTER = 3


class Priority(IntEnum):
    """Who goes first: a higher class (a smaller number), but while one waits in numbers every fourth turn is for the
    next below it: a hundred cancels must not blind us to fills, and one look makes dozens of cancels needless. (While
    hundreds share their looks it is every eighth: see `Crowd`.)

    `CANCEL` is for cancels and protective exits, the requests that take money out of the market.
    """

    CANCEL = 0
    SUBMIT = 1
    FINAL_CHECK = 2
    POSITION = 3
    POLL = 4


#: The classes from each one on, by number.
_BELOW = tuple(tuple(Priority)[first:] for first in range(len(Priority) + 1))


class Permit:
    """The right to make one call, in flight until it is released or given back; whatever is done later does nothing.

    It has paid `tokens`, one for each request that the call takes from the broker's limit.
    """

    __slots__ = ("_ended", "tokens")

    def __init__(self, tokens: int, ended: Callable[[int, int], None]) -> None:
        self.tokens = tokens
        self._ended: Callable[[int, int], None] | None = ended

    def release(self) -> None:
        """The call has really ended: its answer is in, or none can come any more."""
        self._end(0)

    def give_back(self) -> None:
        """The call was never made, so its tokens return."""
        self._end(self.tokens)

    def _end(self, refund: int) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(self.tokens, refund)


#: Who goes first within a class: the smaller of two, compared part by part.
Rank = tuple[float, float]
#: The rank of those who give none: they go before all who do.
FIRST: Rank = (-math.inf, -math.inf)

#: One who waits: his rank, his number, the tokens that he wants. A plain tuple, as heaps compare them.
Waiter = tuple[Rank, int, int, "asyncio.Future[Permit]"]


class Turns:
    """Who waits: one queue for each class, in the order of rank and then of coming. Those who gave up are dropped when
    met, or all at once when they prevail.

    And who was served: after `YIELD_AFTER` turns in a row a class lets the next one below it have one. Cancels have
    `cancels_in_a_row` instead, which is the same unless somebody says that a crowd of them waits.
    """

    __slots__ = ("_by_class", "_favoured", "_in_a_row", "_number", "cancels_in_a_row", "waiting")

    def __init__(self) -> None:
        self._by_class: tuple[list[Waiter], ...] = tuple([] for _ in Priority)
        self._favoured, self._in_a_row = Priority.POLL, 0
        self._number = count()
        self.cancels_in_a_row = YIELD_AFTER
        self.waiting = 0

    def append(
        self, priority: Priority, tokens: int, future: asyncio.Future[Permit], rank: Rank = FIRST
    ) -> asyncio.Future[Permit]:
        """Wait behind those of the same class whose rank is not greater."""
        heappush(self._by_class[priority], (rank, next(self._number), tokens, future))
        self.waiting += 1
        return future

    def forget(self) -> None:
        """One who waited has cancelled his future."""
        self.waiting -= 1
        if sum(map(len, self._by_class)) > 2 * self.waiting + 64:
            for queue in self._by_class:
                queue[:] = [waiter for waiter in queue if not waiter[3].done()]
                heapify(queue)

    def next_class(self, below: int = -1) -> Priority | None:
        """The highest class in which somebody waits; of those below `below` if it is given."""
        for priority in _BELOW[below + 1]:
            queue = self._by_class[priority]
            while queue and queue[0][3].done():
                heappop(queue)
            if queue:
                return priority
        return None

    def has_before(self, priority: Priority, rank: Rank = FIRST) -> bool:
        """Whether somebody waits who would be served before a newcomer of this class and rank."""
        if not self.waiting:
            return False
        first = self.next_class()
        if first is priority:
            return self._by_class[first][0][0] <= rank
        return first is not None and first < priority

    def turn(self, may_yield_to: Callable[[Priority], bool]) -> tuple[Priority, int] | None:
        """The class whose turn it is, and the tokens that its first wants: the highest that waits, or the next below.

        The latter when the highest has had its turns and the class below may have one.
        """
        if not self.waiting:
            return None
        chosen = self.next_class()
        if chosen is None:
            return None
        if self._has_had_its_turns(chosen):
            below = self.next_class(chosen)
            if below is not None and may_yield_to(below):
                chosen = below
        return chosen, self._by_class[chosen][0][2]

    def yields_to(self, priority: Priority) -> bool:
        """Whether the class that was served last has had its turns, and this one is below it."""
        had_them = priority > self._favoured and self._has_had_its_turns(self._favoured)
        return had_them and self.next_class() is self._favoured

    def _has_had_its_turns(self, priority: Priority) -> bool:
        turns = self.cancels_in_a_row if priority is Priority.CANCEL else YIELD_AFTER
        return priority is self._favoured and self._in_a_row >= turns

    def served(self, priority: Priority) -> None:
        """One of this class was granted a permit."""
        self._in_a_row = self._in_a_row + 1 if priority is self._favoured else 1
        self._favoured = priority

    def pop(self, priority: Priority) -> asyncio.Future[Permit]:
        """The first of a class that `turn` named."""
        self.waiting -= 1
        return heappop(self._by_class[priority])[3]

    def fail(self, message: str) -> None:
        """Everybody who waits gets `EngineClosed`."""
        for queue in self._by_class:
            for *_, future in queue:
                if not future.done():
                    self.waiting -= 1
                    future.set_exception(EngineClosed(message))
            queue.clear()
