"""Whose turn it is, five priorities and first come first served within each; and the permit that is waited for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from fillwatch.core.errors import EngineClosed

#: Grants in a row that a class may have while a lower one waits.
YIELD_AFTER = 3


class Priority(IntEnum):
    """Who goes first: a higher class (a smaller number), but while one waits in numbers every fourth turn is for the
    next below it: a hundred cancels must not blind us to fills, and one look makes dozens of cancels needless.

    `CANCEL` is for cancels and protective exits, the requests that take money out of the market.
    """

    CANCEL = 0
    SUBMIT = 1
    FINAL_CHECK = 2
    POSITION = 3
    POLL = 4


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


@dataclass(frozen=True, slots=True)
class Waiter:
    """One who waits for a permit of so many tokens."""

    tokens: int
    future: asyncio.Future[Permit]


class Turns:
    """Who waits: one queue for each class. Those who gave up are dropped when met, or all at once when they prevail.

    And who was served: after `YIELD_AFTER` turns in a row a class lets the next one below it have one.
    """

    __slots__ = ("_by_class", "_favoured", "_in_a_row", "waiting")

    def __init__(self) -> None:
        self._by_class: dict[Priority, deque[Waiter]] = {priority: deque() for priority in Priority}
        self._favoured, self._in_a_row = Priority.POLL, 0
        self.waiting = 0

    def append(self, priority: Priority, tokens: int, future: asyncio.Future[Permit]) -> asyncio.Future[Permit]:
        """Wait behind those of the same class."""
        self._by_class[priority].append(Waiter(tokens, future))
        self.waiting += 1
        return future

    def forget(self) -> None:
        """One who waited has cancelled his future."""
        self.waiting -= 1
        if sum(map(len, self._by_class.values())) > 2 * self.waiting + 64:
            for priority, queue in self._by_class.items():
                self._by_class[priority] = deque(waiter for waiter in queue if not waiter.future.done())

    def next_class(self, below: Priority | None = None) -> Priority | None:
        """The highest class in which somebody waits; of those below `below` if it is given."""
        for priority, queue in self._by_class.items():
            while queue and queue[0].future.done():
                queue.popleft()
            if queue and (below is None or priority > below):
                return priority
        return None

    def has_before(self, priority: Priority) -> bool:
        """Whether somebody waits who would be served before a newcomer of this class."""
        if not self.waiting:
            return False
        first = self.next_class()
        return first is not None and first <= priority

    def turn(self, may_yield_to: Callable[[Priority], bool]) -> tuple[Priority, int] | None:
        """The class whose turn it is, and the tokens that its first wants: the highest that waits, or the next below.

        The latter when the highest has had its turns and the class below may have one.
        """
        chosen = self.next_class()
        if chosen is None:
            return None
        below = self.next_class(below=chosen)
        if below is not None and self._has_had_its_turns(chosen) and may_yield_to(below):
            chosen = below
        return chosen, self._by_class[chosen][0].tokens

    def yields_to(self, priority: Priority) -> bool:
        """Whether the class that was served last has had its turns, and this one is below it."""
        had_them = priority > self._favoured and self._has_had_its_turns(self._favoured)
        return had_them and self.next_class() is self._favoured

    def _has_had_its_turns(self, priority: Priority) -> bool:
        return priority is self._favoured and self._in_a_row >= YIELD_AFTER

    def served(self, priority: Priority) -> None:
        """One of this class was granted a permit."""
        self._in_a_row = self._in_a_row + 1 if priority is self._favoured else 1
        self._favoured = priority

    def pop(self, priority: Priority) -> asyncio.Future[Permit]:
        """The first of a class that `turn` named."""
        self.waiting -= 1
        return self._by_class[priority].popleft().future

    def fail(self, message: str) -> None:
        """Everybody who waits gets `EngineClosed`."""
        for queue in self._by_class.values():
            for waiter in queue:
                if not waiter.future.done():
                    self.waiting -= 1
                    waiter.future.set_exception(EngineClosed(message))
            queue.clear()
